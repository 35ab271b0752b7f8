package pathcond

import (
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// forEach executes bpf_for_each_map_elem: the calls of the callback follow as steps
// of their own. Of a hash how many entries it has and their keys, in the order they
// are visited, become part of the condition; each value is looked up in the trace.
func (x *exec) forEach(rc *vm.Call) {
	c := &call{rec: rc}
	i := x.mapArg(c, 1)
	spec := x.s.Maps[i].Spec()
	x.constArg(c, 2)
	if x.constArg(c, 4) != 0 {
		x.r[0] = x.u64(rc.Ret)
		x.out.constant(x, 0, rc.Ret)
		return
	}
	var visit [][]byte
	n := uint64(spec.Max)
	if !isArray(spec.Type) {
		visit = x.visited(i, rc)
		n = uint64(len(visit))
	}
	if n == 0 {
		x.r[0] = x.u64(0)
		x.out.constant(x, 0, 0)
		return
	}
	ctx := x.r[3]
	x.out.loop(x, len(x.frames)-1)
	x.lends = true
	x.enter(true, ctx, n)
	fr := &x.frames[len(x.frames)-1]
	fr.each, fr.visit = i, visit
	x.callback(fr)
}

// visited are the keys of a hash in the order the run took them up, which becomes
// part of the condition.
func (x *exec) visited(i int, rc *vm.Call) (keys [][]byte) {
	spec := x.s.Maps[i].Spec()
	if spec.Type != cebpf.Hash && spec.Type != cebpf.PerCPUHash {
		x.abort(trace.ReasonIteration, spec.Name+": a look-up in place of a visit would change the order of use")
	}
	if ms := x.mapState(i); len(ms.events) > 0 || ms.poisoned {
		x.abort(trace.ReasonIteration, spec.Name+": the path has changed it before, and where a new entry stands the free ones tell")
	}
	size := int(spec.KeySize)
	for all := x.rec.Value(rc); len(all) >= size; all = all[size:] {
		keys = append(keys, all[:size:size])
	}
	x.decide(x.b.Bin(bv.OpEq, x.count(i), x.u64(uint64(len(keys)))), true, WhyHelper)
	for k, key := range keys {
		for w, is := range chunksOf(key) {
			width := 8 * min(8, size-8*w)
			t := x.b.Fun(Fun(FunKeyAt, i), 64, bv.Fact{}, x.u64(uint64(k)), x.u64(uint64(w)))
			x.decide(x.b.Bin(bv.OpEq, x.b.Extract(t, 0, width), x.b.Const(is, width)), true, WhyKey)
		}
	}
	return keys
}

// chunksOf are the bytes of a key in chunks of 8, as numbers.
func chunksOf(key []byte) (out []uint64) {
	for ; len(key) > 0; key = key[min(8, len(key)):] {
		var b [8]byte
		copy(b[:], key)
		out = append(out, binary.LittleEndian.Uint64(b[:]))
	}
	return out
}

// A trace keeps the key lent to a callback called from depth d in the deepest frame,
// in as many bytes for each depth, where helpers may read it.
const keyMost = trace.FrameSize / trace.Frames

func keyPlace(d int) int16 {
	const frame = (trace.Frames-1)*trace.FrameStride - trace.FrameSize
	return int16(frame + keyMost*d)
}

// keySlot is where a trace keeps a byte of a key that a program sees at addr.
func (x *exec) keySlot(addr uint64) uint64 {
	frame := (addr - x.s.KeyPtr(0)) / vm.StackStride // the callback's
	off := addr - x.s.KeyPtr(int(frame))
	return x.s.FrameTop(0) + uint64(keyPlace(int(frame)-1)) + off
}

// eachCallback sets the arguments of the next call of for_each_map_elem's
// callback: the map, the key, the value and the context.
func (x *exec) eachCallback(fr *symFrame) {
	d := len(x.frames) - 1
	at := x.s.KeyPtr(d)
	key, value := x.nextElement(fr)
	for w, k := range chunksOf(key) {
		n := min(8, len(key)-8*w)
		x.other.stores = append(x.other.stores, store{off: at + uint64(8*w), n: n, val: x.b.Const(k, 8*n), concrete: at + uint64(8*w)})
	}
	x.r[1] = x.u64(vm.MapPtr(fr.each))
	x.r[2] = x.u64(at)
	x.r[3] = value
	x.r[4] = fr.ctx
	x.r[5] = x.unknown(64)
	x.r[10] = x.u64(x.s.FrameTop(d))
	x.out.eachCallback(x, fr, key, value, d-1)
}

// nextElement is the next key that is still in the map, and its value.
func (x *exec) nextElement(fr *symFrame) (key []byte, value bv.Term) {
	if fr.visit == nil {
		key = binary.LittleEndian.AppendUint32(nil, uint32(fr.i))
		return key, x.elementAt(fr.each, key)
	}
	for fr.at < len(fr.visit) {
		key = fr.visit[fr.at]
		fr.at++
		v := x.elementAt(fr.each, key)
		if v != x.u64(0) {
			return key, v
		}
	}
	x.abort(trace.ReasonInternal, "a callback is called for more entries than there are")
	return nil, 0
}

// elementAt is the value of a key that was in the map when the iteration began; 0
// where the path has deleted it since.
func (x *exec) elementAt(i int, key []byte) bv.Term {
	var terms []bv.Term
	for w, k := range chunksOf(key) {
		terms = append(terms, x.b.Const(k, 8*min(8, len(key)-8*w)))
	}
	var v bv.Term
	if isArray(x.s.Maps[i].Spec().Type) {
		v = x.initialLookup(i, terms)
	} else {
		v = x.genericLookup(i, terms, key, 1)
	}
	if x.valueBase(v) {
		x.f.Learn(x.b.Bin(bv.OpEq, v, x.u64(0)), false)
		x.keys[v] = string(key)
	}
	return v
}

// isKey says whether the address is that of a key lent to a callback.
func (x *exec) isKey(addr uint64) bool {
	return addr-x.s.KeyPtr(0) < x.s.KeyPtr(vm.MaxFrames)-x.s.KeyPtr(0)
}

// eachCallback sets the registers of for_each_map_elem's callback called from depth d.
// A value that stands at no fixed place is looked up.
func (e *emitter) eachCallback(x *exec, fr *symFrame, key []byte, value bv.Term, d int) {
	spec := x.s.Maps[fr.each].Spec()
	if len(key) > keyMost {
		x.abort(trace.ReasonUnencodable, "a key of more than 64 bytes lent to a callback")
	}
	place := keyPlace(d)
	for at := 0; at < len(key); {
		size := [...]int{1, 1, 2, 2, 4}[min(len(key)-at, 4)]
		var word [4]byte
		copy(word[:], key[at:at+size])
		off := place + int16(at)
		m := made()
		m.Mem, m.Addr = trace.MemStack, x.s.FrameTop(0)+uint64(off)
		e.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizes[size], Dst: 10, Off: off, Imm: int32(binary.LittleEndian.Uint32(word[:]))}, m)
		at += size
	}
	m := x.here()
	m.Map = int32(fr.each)
	toMap := func() {
		e.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD, Imm: int32(fr.each)}, m)
		e.put(ebpf.Insn{}, m)
	}
	toKey := func() {
		e.put(mov(2, 10), made())
		e.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcK, Dst: 2, Imm: int32(place)}, made())
	}
	first, ok := x.s.ValuePtr(fr.each, 0)
	if v, known := x.b.IsConst(value); ok && known && v >= first && v-first < 1<<31 {
		e.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: 3, Src: ebpf.PseudoMapValue, Imm: int32(fr.each)}, m)
		e.put(ebpf.Insn{Imm: int32(v - first)}, m)
	} else {
		toMap()
		toKey()
		look := m
		look.Args, look.Result = 2, true
		look.Reads = []trace.Span{{Addr: x.s.FrameTop(0) + uint64(place), N: spec.KeySize}}
		if x.valueBase(value) {
			look.Found = uint32(value)
		}
		e.put(ebpf.Insn{Op: ebpf.OpCall, Imm: ebpf.FnMapLookupElem}, look)
		e.put(mov(3, 0), made())
	}
	toMap()
	toKey()
	e.saveInsn(x, false, 4, d, 4)
}
