package vm

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// loop is a callback being called again and again by one helper.
type loop struct {
	prog, pc int32  // of the callback; prog is -1 in a frame of a plain call
	i, n     uint32 // calls done, calls at most
	ctx      uint64
	index    int // of for_each: the map, else -1
	keys     int // of for_each on a hash: where in State.iter its keys begin
	call     int // its record
}

// enter opens a frame: a call from slot pc (already the next) of program prog.
func (it *Interp) enter(prog, pc int) *Fault {
	s := it.S
	if s.Depth+1 == MaxFrames {
		return fault(TooManyCalls, "")
	}
	s.Depth++
	fr := &it.frames[s.Depth]
	fr.prog, fr.pc = int32(prog), int32(pc)
	copy(fr.saved[:], it.r[6:10])
	fr.loop.prog = -1
	it.openFrame()
	return nil
}

// openFrame points register 10 at the frame in use. A fresh frame is zero: the
// kernel leaves there what it finds, and runs must not depend on it.
func (it *Interp) openFrame() {
	s := it.S
	top := s.FrameTop(s.Depth)
	clear(s.Mem.B[top-StackSize : top])
	it.r[10], s.frame = top, top-StackSize
}

// leave closes a frame. In the frame of a callback it may call it again, which
// it says by 1.
func (it *Interp) leave(rec *Recording) uint64 {
	s := it.S
	fr := &it.frames[s.Depth]
	if l := &fr.loop; l.prog >= 0 {
		l.i++
		if it.r[0] == 0 && it.next(l) {
			it.prog, it.pc = int(l.prog), int(l.pc)
			it.openFrame()
			return 1
		}
		it.r[0] = uint64(l.i)
		if rec != nil {
			rec.Calls[l.call].Ret = it.r[0]
		}
		if l.index >= 0 {
			s.iter = s.iter[:l.keys]
		}
	}
	it.prog, it.pc = int(fr.prog), int(fr.pc)
	copy(it.r[6:10], fr.saved[:])
	s.Depth--
	it.r[10] = s.FrameTop(s.Depth)
	s.frame = it.r[10] - StackSize
	return 0
}

// helper calls a helper and says what to record of it.
func (it *Interp) helper(in *op, rec *Recording) (addr, val uint64, f *Fault) {
	return it.call(in.raw.Imm, rec)
}

func (it *Interp) call(id int32, rec *Recording) (addr, val uint64, f *Fault) {
	c := -1
	if rec != nil {
		c = rec.call(it.S, id, &it.r)
	}
	switch id {
	case ebpf.FnTailCall:
		val, f = it.tailCall(rec, c)
	case ebpf.FnLoop, ebpf.FnForEachMapElem:
		f = it.startLoop(id, rec, c)
	default:
		if fn := Helper(id); fn != nil {
			f = fn(it.S, (*[11]uint64)(it.r[:11]))
		} else {
			f = fault(NotSupportedFn, "")
		}
		val = it.r[0]
		if rec != nil {
			call := &rec.Calls[c]
			call.Ret = val
			if id == ebpf.FnRingbufReserveDynptr && f == nil {
				call.ValOff, call.ValLen = rec.span(it.S, call.Args[3], 8) // its data
			}
		}
	}
	if f != nil {
		f.Helper = id
	}
	return uint64(c), val, f
}

// tailCall is bpf_tail_call(ctx, prog array, index): the frame goes on in
// another program. Otherwise, and after 33 of them in a packet, the program
// goes on with the next instruction.
func (it *Interp) tailCall(rec *Recording, c int) (uint64, *Fault) {
	s, r := it.S, &it.r
	if rec != nil {
		rec.Calls[c].Ret = ^uint64(0)
	}
	m, _, f := s.mapArg(r[2], cebpf.ProgramArray)
	if f != nil {
		return 0, f
	}
	target := -1
	if p := m.(maps.Programs); uint32(r[3]) < m.Spec().Max {
		target = p.Program(uint32(r[3]))
	}
	if target < 0 || it.tails == MaxTailCalls {
		return 0, nil
	}
	if target >= len(it.code) {
		return 0, fault(BadArg, "program array names no program of the object")
	}
	it.tails++
	it.prog, it.pc = target, 0
	it.openFrame()
	if rec != nil {
		rec.Calls[c].Ret = uint64(target)
	}
	return 1, nil
}

// startLoop is bpf_loop(n, callback, ctx, flags) or bpf_for_each_map_elem(map,
// callback, ctx, flags): kernel/bpf/bpf_iter.c.
func (it *Interp) startLoop(id int32, rec *Recording, c int) *Fault {
	s, r := it.S, &it.r
	done := func(ret uint64) *Fault {
		r[0] = ret
		if rec != nil {
			rec.Calls[c].Ret = ret
		}
		return nil
	}
	cbProg, cbPC, ok := FuncOf(r[2])
	if !ok || cbProg >= len(it.code) || cbPC >= len(it.code[cbProg]) {
		return fault(BadFunc, "")
	}
	l := loop{prog: int32(cbProg), pc: int32(cbPC), ctx: r[3], index: -1, call: c}
	var m maps.Map
	if id == ebpf.FnForEachMapElem {
		var f *Fault
		if m, l.index, f = s.mapArg(r[1]); f != nil {
			return f
		}
	}
	if r[4] != 0 {
		return done(negErrno(maps.EINVAL))
	}
	if id == ebpf.FnLoop {
		l.n = uint32(r[1])
		if l.n > MaxLoops {
			// Where flags are a constant, the verifier puts a loop in place of the
			// call, which leaves the upper half of r0 zero (inline_bpf_loop,
			// kernel/bpf/verifier.c): that isn't modelled.
			return done(negErrno(maps.E2BIG))
		}
	} else {
		var f *Fault
		if f = s.openIter(m, &l); f != nil {
			return f
		}
		if rec != nil {
			rec.visits(c, s.iter[l.keys:])
		}
	}
	saved := *r
	if f := it.enter(it.prog, it.pc); f != nil {
		return f
	}
	fr := &it.frames[s.Depth]
	fr.loop = l
	if !it.next(&fr.loop) {
		*r = saved
		s.Depth--
		s.frame = r[10] - StackSize
		if l.index >= 0 {
			s.iter = s.iter[:l.keys]
		}
		return done(0)
	}
	it.prog, it.pc = cbProg, cbPC
	return nil
}

// next sets the registers for the loop's next call, or says that there is none.
func (it *Interp) next(l *loop) bool {
	s, r := it.S, &it.r
	if l.index < 0 {
		if l.i >= l.n {
			return false
		}
		r[1], r[2] = uint64(l.i), l.ctx
		return true
	}
	m := s.Maps[l.index]
	size := int(m.Spec().KeySize)
	for ; l.i < l.n; l.n-- {
		// l.n shrinks for keys deleted meanwhile, so that l.i stays the count
		// of calls: the keys not yet visited are the last n-i.
		at := len(s.iter) - int(l.n-l.i)*size
		key := s.iter[at : at+size]
		v := m.Peek(key, s.CPU)
		if v == 0 {
			continue
		}
		r[1], r[2], r[3], r[4] = MapPtr(l.index), s.lendKey(key), v, l.ctx
		return true
	}
	return false
}

// openIter takes down the keys of a map, which for_each then visits one by one.
func (s *State) openIter(m maps.Map, l *loop) *Fault {
	switch m.Spec().Type {
	case cebpf.Array, cebpf.PerCPUArray, cebpf.Hash, cebpf.PerCPUHash, cebpf.LRUHash, cebpf.LRUCPUHash:
	default:
		return fault(BadMap, m.Spec().Type.String())
	}
	if m.Spec().KeySize > maxKey {
		return fault(BadArg, "key larger than a stack")
	}
	l.keys = len(s.iter)
	if s.collect == nil {
		s.collect = func(key, _ []byte) bool {
			s.iter = append(s.iter, key...)
			return true
		}
	}
	m.Range(s.collect)
	l.n = uint32((len(s.iter) - l.keys) / int(m.Spec().KeySize))
	return nil
}

// Keys lent to callbacks lie in flat memory of their own, one for each frame.
const (
	maxKey      = 512
	scratchSize = MaxFrames * StackStride
)

// KeyPtr is the address at which a callback in frame i finds the key lent to it.
func (s *State) KeyPtr(i int) uint64 { return s.scratch + uint64(i)*StackStride }

func (s *State) lendKey(key []byte) uint64 {
	at := s.KeyPtr(s.Depth)
	copy(s.Mem.B[at:at+maxKey], key)
	return at
}

// reachScratch lets callbacks read the keys lent to them.
func (s *State) reachScratch(addr, n uint64, write bool) bool {
	off := addr - s.scratch
	return off < scratchSize && !write && off/StackStride <= uint64(s.Depth) && n <= maxKey && off%StackStride+n <= maxKey
}

// kfunc calls a kernel function.
func (it *Interp) kfunc(in *op, rec *Recording) (addr, val uint64, f *Fault) {
	r := (*[11]uint64)(it.r[:11])
	c := -1
	if rec != nil {
		c = rec.call(it.S, -1, &it.r)
	}
	switch {
	case in.target >= 0:
		if f = kfuncs[in.target].fn(it.S, r); f != nil {
			f.Name = "kfunc " + kfuncs[in.target].row.Name
		}
		if bits := kfuncs[in.target].row.Bits; bits > 0 {
			r[0] &= 1<<bits - 1
		}
	case it.Kfunc != nil:
		f = it.Kfunc(in.raw.Imm, r)
	default:
		f = &Fault{Reason: NotSupported, Helper: -1, Name: fmt.Sprintf("kfunc %d", in.raw.Imm)}
	}
	if rec != nil {
		call := &rec.Calls[c]
		call.Ret = r[0]
		if in.target >= 0 && kfuncs[in.target].answers && f == nil {
			call.ValOff, call.ValLen = rec.span(it.S, call.Args[3], uint64(uint32(call.Args[4])))
		}
	}
	return uint64(c), r[0], f
}

// callx calls through a register: a callback, or the helper whose number it
// holds, as the conformance suite has it. The kernel's verifier refuses it.
func (it *Interp) callx(in *op, rec *Recording) (addr, val uint64, f *Fault) {
	v := it.r[in.dst&15]
	if p, target, ok := FuncOf(v); ok && p < len(it.code) {
		if f = it.enter(it.prog, it.pc); f == nil {
			it.prog, it.pc = p, target
		}
		return uint64(target), 0, f
	}
	if v > 1<<16 {
		return 0, 0, fault(BadFunc, "")
	}
	return it.call(int32(v), rec)
}
