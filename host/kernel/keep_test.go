package kernel

import (
	"testing"
	"time"

	"jitnic/host/ebpf"

	cilium "github.com/cilium/ebpf"
)

// A program that is kept runs as before, and doesn't wait between benches.
func TestKeep(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	cpu, err := CPU()
	if err != nil {
		t.Skip(err)
	}
	var without error // why nothing can be kept here
	err = Isolated(cpu, func() error {
		code := []ebpf.Insn{{Op: ebpf.ClassALU64 | ebpf.ALUMov, Imm: 2}, {Op: ebpf.OpExit}}
		p, err := LoadRaw(Raw{Name: "kept", Insns: code, Type: cilium.XDP}, &Maps{}, Options{})
		if err != nil {
			return err
		}
		defer p.Close()
		bench := func() (time.Duration, error) {
			began := time.Now()
			for range 5 {
				if _, err := p.Bench(make([]byte, 64), 100); err != nil {
					return 0, err
				}
			}
			return time.Since(began), nil
		}
		before, err := bench()
		if err != nil {
			return err
		}
		kept, err := p.Keep()
		if err != nil {
			without = err
			return nil
		}
		after, err := bench()
		if err != nil {
			return err
		}
		t.Logf("5 benches took %v, kept %v", before, after)
		if r, err := p.Run(make([]byte, 64), Context{}); err != nil || r.Verdict != 2 {
			t.Errorf("kept, it gives %d, %v", r.Verdict, err)
		}
		return kept.Close()
	})
	if err != nil {
		t.Error(err)
	}
	if without != nil {
		t.Skip(without)
	}
}
