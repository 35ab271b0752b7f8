package progen

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"
)

var cases = flag.Int("cases", 100, "programs to load")

// shapes are the kinds of program the tests go through.
var shapes = []struct {
	name string
	opt  Options
}{
	{"small", Options{Statements: 8, V4: true, Latched: true}},
	{"normal", Options{V4: true, Latched: true}},
	{"large", Options{Statements: 60, V4: true, Latched: true}},
	{"plain", Options{NoMaps: true, NoCalls: true, NoAdjust: true, NoLoops: true}},
}

func needKernel(t *testing.T) {
	t.Helper()
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
}

// TestVerifierAccepts measures how many programs the kernel's verifier takes.
func TestVerifierAccepts(t *testing.T) {
	needKernel(t)
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			took, slots := 0, 0
			why, first := map[string]int{}, ""
			for seed := range uint64(*cases) {
				c := Generate(seed, s.opt)
				slots += c.Size()
				p, err := kernel.Load(c.Object, c.Entry, kernel.Options{})
				var refused *kernel.LoadError
				if errors.As(err, &refused) {
					why[refused.Error()]++
					if first == "" {
						log := strings.Split(strings.TrimSpace(fmt.Sprintf("%+v", refused)), "\n")
						first = fmt.Sprintf("seed %d, program %s: %s", seed, refused.Program, strings.Join(log[max(0, len(log)-40):], "\n"))
					}
					continue
				}
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				p.Close()
				p.Maps.Close()
				took++
			}
			t.Logf("%d of %d accepted, %d slots on average", took, *cases, slots / *cases)
			if took*100 < *cases*97 {
				t.Errorf("fewer than 97 in 100")
			}
			for w, k := range why {
				t.Logf("%4d %s", k, w)
			}
			if first != "" {
				t.Logf("%s", first)
			}
		})
	}
}

// That the verifier is asked at all: a program it must refuse.
func TestVerifierRefuses(t *testing.T) {
	needKernel(t)
	c := Generate(1, Options{NoMaps: true})
	c.Entry.Insns = []ebpf.Insn{{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 0, Src: 3}, {Op: ebpf.OpExit}}
	c.Entry.Funcs = c.Entry.Funcs[:1]
	c.Entry.Funcs[0].End = 2
	_, err := kernel.Load(c.Object, c.Entry, kernel.Options{})
	var refused *kernel.LoadError
	if !errors.As(err, &refused) || !strings.Contains(fmt.Sprintf("%+v", refused), "!read_ok") {
		t.Errorf("a read of r3, which is not initialised: %v", err)
	}
}
