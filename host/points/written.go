package points

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// through finds what holds where each block of a program begins, on every way to
// it. note is called each time a block has been followed, with the accesses that
// were noted.
func through(insns []ebpf.Insn, specs []*maps.Spec, note func(b *ebpf.Block, f *Flow)) ([]ebpf.Block, *ebpf.Fixed[State]) {
	blocks := ebpf.Blocks(insns)
	at := make([]int, len(insns)) // by slot: the block that begins there
	for i, b := range blocks {
		at[b.Start] = i
	}
	in := ebpf.NewFixed(len(blocks), Meets, (*State).Join)
	var f Flow
	f.Enter(specs)
	var out State
	out.From(&f)
	in.Come(0, &out)
	in.Settle(ebpf.InOrder(len(blocks)), func(b int, s *State) {
		s.Into(&f)
		for pc := blocks[b].Start; pc < blocks[b].End; pc++ {
			step := InsnAt(insns, pc)
			if c, ok := ebpf.Callee(insns, pc); ok {
				// The function sees the arguments, and a frame of its own.
				var s State
				s.From(&f)
				s.Spill = [64]Value{}
				for r := range s.R {
					if r == 0 || r > 5 || insns[pc].IsWide() {
						s.R[r] = mixed
					}
				}
				s.R[10] = Value{Kind: Stack}
				in.Come(at[c], &s)
			}
			if step.Op == ebpf.OpCall && step.Src == ebpf.CallLocal {
				f.follow(&step) // what it touches is noted there
			} else {
				f.Step(&step, Hint{})
			}
			if step.IsWide() {
				pc++
			}
		}
		note(&blocks[b], &f)
		out.From(&f)
		for _, n := range blocks[b].Succ {
			in.Come(n, &out)
		}
	})
	return blocks, in
}

// Before says what holds where each block of a program begins, by its first slot.
// wild: its entry function writes where the analysis can't place it on the stack, so
// that a spilled value may have been overwritten; or it is no valid
// program, and nothing is said.
func Before(insns []ebpf.Insn, specs []*maps.Spec) (at map[int]State, wild bool) {
	if ebpf.Validate(insns) != nil {
		return nil, true
	}
	end := len(insns) // of the entry function, which stands first
	for pc := range insns {
		if c, ok := ebpf.Callee(insns, pc); ok {
			end = min(end, c)
		}
	}
	blocks, in := through(insns, specs, func(b *ebpf.Block, f *Flow) {
		for _, a := range f.Acc {
			wild = wild || b.Start < end && a.Write && (a.Region == InAny || a.Region == InStack && a.Base != BaseStack)
		}
	})
	at = make(map[int]State, len(blocks))
	for i, b := range blocks {
		if s := in.At[i].State; s != nil {
			at[b.Start] = *s
		}
	}
	return at, wild
}

// Written says which maps a program may change, by index: their keys, values, or
// the order in which an LRU map evicts. unknown: it may change maps that the
// analysis can't name, as it writes where it doesn't know what is there, or is no
// valid program.
func Written(insns []ebpf.Insn, specs []*maps.Spec) (written []bool, unknown bool) {
	written = make([]bool, len(specs))
	if ebpf.Validate(insns) != nil {
		return written, true
	}
	through(insns, specs, func(_ *ebpf.Block, f *Flow) {
		for _, a := range f.Acc {
			switch {
			case !a.Write:
			case a.Region == InAny, a.Region == InValue && a.Map < 0, a.Region == InKeys && a.Map < 0, a.Region == InUse && a.Map < 0:
				unknown = true
			case a.Region == InValue, a.Region == InKeys, a.Region == InUse:
				written[a.Map] = true
			case a.Region == InSet && Set(a.Lo)&OnRing != 0:
				for i, m := range specs {
					written[i] = written[i] || m.Type == cebpf.RingBuf
				}
			}
		}
	})
	return written, unknown
}
