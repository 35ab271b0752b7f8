package verify

import (
	"errors"
	"flag"
	"io"
	"testing"

	"jitnic/host/hosttest/progen"
	"jitnic/host/kernel"
	"jitnic/host/vm"
)

var seeds = flag.Int("seeds", 160, "random programs to run in the kernel and the VM")

// TestRandom runs random programs on packets made for them. A failure is named
// by its seed.
func TestRandom(t *testing.T) {
	need(t)
	ran := 0
	for seed := range uint64(*seeds) {
		opt := progen.Options{V4: true, Latched: true, Statements: 8 + int(seed*7%52)}
		if seed%4 == 3 {
			opt = progen.Options{NoMaps: true, NoCalls: true, NoAdjust: true, NoLoops: true}
		}
		c := progen.Generate(seed, opt)
		ps := c.Packets(60, seed)
		i := 0
		rep, err := Run(t.Context(), c.Object, c.Entry, Options{Seed: seed}, func(in *vm.Input) error {
			if i == len(ps) {
				return io.EOF
			}
			*in = vm.Input{Data: ps[i], TimeNS: 1e9 + uint64(i)*12345, IfIndex: 1, Packet: uint64(i)}
			i++
			return nil
		})
		var refused *kernel.LoadError
		if errors.As(err, &refused) {
			continue // now and then; package progen counts them
		}
		if err != nil || rep.Mismatches != 0 {
			t.Errorf("seed %d: %+v, %v\n%s", seed, rep, err, c)
			if t.Failed() && seed > 20 {
				return
			}
		}
		ran++
	}
	if ran < *seeds*9/10 {
		t.Errorf("only %d of %d programs ran", ran, *seeds)
	}
}
