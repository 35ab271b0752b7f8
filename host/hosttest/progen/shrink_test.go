package progen

import (
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
)

// outcomes are the verdicts of the case's packets, nil if it is no program.
func outcomes(c *Case) []uint32 {
	for _, p := range c.Object.Programs {
		if ebpf.Validate(p.Insns) != nil {
			return nil
		}
	}
	st, err := vm.NewState(c.Object, vm.Options{})
	if err != nil {
		return nil
	}
	defer st.Close()
	it, err := vm.NewInterp(st, c.Object, c.Entry)
	if err != nil {
		return nil
	}
	var vs []uint32
	for i, p := range c.Packets(12, 1) {
		var out vm.Output
		it.Run(&vm.Input{Data: p, IfIndex: 1, Packet: uint64(i)}, &out)
		if out.Err != nil {
			return nil
		}
		vs = append(vs, out.Verdict)
	}
	return vs
}

// Taking out what does nothing (the generator makes some goto +0) changes nothing.
func TestCompact(t *testing.T) {
	for seed := range uint64(100) {
		c := Generate(seed, Options{V4: true})
		want := outcomes(c)
		d := c.clone()
		for _, p := range d.Object.Programs {
			compact(p)
		}
		have := outcomes(d)
		if len(have) != len(want) {
			t.Fatalf("seed %d: %d outcomes, want %d\n%s", seed, len(have), len(want), d)
		}
		for i := range want {
			if have[i] != want[i] {
				t.Fatalf("seed %d, packet %d: verdict %d, want %d", seed, i, have[i], want[i])
			}
		}
		if d.Size() > c.Size() {
			t.Errorf("seed %d: %d slots became %d", seed, c.Size(), d.Size())
		}
	}
}

// A test that fails when a helper's result gets into the verdict: only that
// call and what it needs remains.
func TestShrink(t *testing.T) {
	has := func(c *Case, op func(ebpf.Insn) bool) bool {
		for _, p := range c.Object.Programs[:1] {
			for _, in := range p.Insns {
				if op(in) {
					return true
				}
			}
		}
		return false
	}
	shrunk := 0
	for seed := uint64(1); shrunk < 5; seed++ {
		fails := func(c *Case) bool {
			return outcomes(c) != nil &&
				has(c, func(in ebpf.Insn) bool { return in.Op == ebpf.OpCall && in.Src == 0 && in.Imm == 28 }) // csum_diff
		}
		c := Generate(seed, Options{V4: true})
		if !fails(c) {
			continue
		}
		shrunk++
		before := c.String()
		d := c.Shrink(fails)
		if !fails(d) {
			t.Fatalf("seed %d: the small case doesn't fail", seed)
		}
		if c.String() != before {
			t.Fatalf("seed %d: the case itself changed", seed)
		}
		// The call, exits, and what the interpreter wants of the arguments.
		if d.Size() > 12 {
			t.Errorf("seed %d: %d slots became %d\n%s", seed, c.Size(), d.Size(), d)
		}
		t.Logf("seed %d: %d slots became %d", seed, c.Size(), d.Size())
	}
}
