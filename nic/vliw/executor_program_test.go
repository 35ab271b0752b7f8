package vliw

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
)

// frame is a local call in progress.
type frame struct {
	prog, pc int
	saved    [4]uint64 // r6 to r9
}

// RunProgram executes the schedule of a whole program on the packet that has
// begun and returns r0 and the cycles it took. limit bounds the bundles. Local
// calls and tail calls are followed; helpers with callbacks are refused.
func (e *Executor) RunProgram(x *ProgramSchedule, limit int) (r0 uint64, cycles int, err error) {
	e.enter(x.Machine)
	clear(e.s.Mem.B[e.s.Stack : e.s.Stack+vm.StackSize]) // a program finds its frame zero
	e.s.Depth = 0
	e.frames = e.frames[:0]
	tails := 0
	prog, pc := x.entry, 0
	for {
		l := x.progs[prog]
		if pc >= len(l.head) || l.head[pc] < 0 {
			return 0, 0, fmt.Errorf("vliw: insn %d: control came to where no piece begins", pc)
		}
		p := &l.pieces[l.head[pc]]
		pc = p.end
		for _, b := range p.bundles {
			if limit--; limit < 0 {
				return 0, 0, fmt.Errorf("vliw: insn %d: ran too long", p.spans[0].start)
			}
			left, verdict, err := e.bundle(p.ops, p.lat, p.stop, p.lane, b)
			if err != nil {
				return 0, 0, err
			}
			if left >= 0 {
				if err := e.landed(); err != nil {
					return 0, 0, err
				}
				o := &p.ops[left]
				switch {
				case o.isExit() && len(e.frames) == 0:
					return verdict, int(e.cycle+e.stood) + 1 + x.drain(p), nil
				case o.isExit():
					f := e.frames[len(e.frames)-1]
					e.frames = e.frames[:len(e.frames)-1]
					e.r[0], prog, pc = verdict, f.prog, f.pc
					copy(e.r[6:10], f.saved[:])
					e.s.Depth--
					e.r[10] = e.s.FrameTop(e.s.Depth)
				case leaves(o.In):
					if prog, pc, err = e.leave(o, prog, &tails); err != nil {
						return 0, 0, err
					}
				default:
					pc = int(o.To)
				}
				e.cycle++
				break
			}
			e.cycle++
		}
	}
}

// leave follows a local call or a tail call.
func (e *Executor) leave(o *Op, prog int, tails *int) (int, int, error) {
	s := e.s
	next := int(o.Slot) + 1
	switch {
	case o.In.Op == ebpf.OpCall && o.In.Src == ebpf.CallLocal:
		if s.Depth+1 == vm.MaxFrames {
			return 0, 0, fmt.Errorf("vliw: insn %d: too many calls", o.Slot)
		}
		f := frame{prog: prog, pc: next}
		copy(f.saved[:], e.r[6:10])
		e.frames = append(e.frames, f)
		s.Depth++
		e.fresh()
		return prog, next + int(o.In.Imm), nil
	case o.In.Called() != nil && o.In.Called().Flow == ebpf.TailCalls:
		i, ok := vm.MapOf(e.r[2])
		if !ok || i >= len(s.Maps) {
			return 0, 0, fmt.Errorf("vliw: insn %d: tail call without a map", o.Slot)
		}
		m, ok := s.Maps[i].(maps.Programs)
		if !ok {
			return 0, 0, fmt.Errorf("vliw: insn %d: tail call by map %d", o.Slot, i)
		}
		target := -1
		if k := uint32(e.r[3]); k < s.Maps[i].Spec().Max {
			target = m.Program(k)
		}
		if target < 0 || *tails == vm.MaxTailCalls {
			return prog, next, nil
		}
		*tails++
		e.fresh()
		return target, 0, nil
	}
	return 0, 0, fmt.Errorf("vliw: insn %d: a call with a callback", o.Slot)
}

// fresh points r10 at the frame in use and clears it.
func (e *Executor) fresh() {
	top := e.s.FrameTop(e.s.Depth)
	clear(e.s.Mem.B[top-vm.StackSize : top])
	e.r[10], e.ready[10] = top, e.cycle+1-e.cross
}
