package fastpath

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cilium "github.com/cilium/ebpf"
)

// element names an element of an array: index idx (0: none) plus k.
type element struct {
	m   int
	idx bv.Term
	k   uint64
}

// where is what an address points into.
type where struct {
	kind   mem.Kind
	off    int64   // from data, the context, the value or the element
	x      bv.Term // what is added to it, 0 nothing
	lookup bv.Term // of a value
	elem   element // of an element of an array
	direct bool    // of a section of variables: off is in its map elem.m
}

// sum splits an address into what is added up.
func (b *builder) sum(t bv.Term) (parts []bv.Term, k uint64) {
	base, c := b.b.SplitAdd(t)
	if base == 0 {
		return nil, c
	}
	if b.b.Op(base) == bv.OpAdd {
		a := b.b.Args(base)
		p, k1 := b.sum(a[0])
		q, k2 := b.sum(a[1])
		return append(p, q...), c + k1 + k2
	}
	return []bv.Term{base}, c
}

// place finds what an address points into.
func (b *builder) place(addr bv.Term) (w where, err error) {
	parts, k := b.sum(addr)
	var rest []bv.Term
	for _, p := range parts {
		if b.b.Op(p) == bv.OpFun {
			if id, _ := pathcond.FunParts(b.b.K(p)); id == pathcond.FunLookup {
				if w.lookup != 0 {
					return w, fmt.Errorf("an address made of two pointers")
				}
				w.kind, w.lookup = mem.KindMap, p
				continue
			}
		}
		rest = append(rest, p)
	}
	for i, p := range rest {
		if i == 0 {
			w.x = p
		} else {
			w.x = b.b.Bin(bv.OpAdd, w.x, p)
		}
	}
	if w.lookup != 0 {
		w.off = int64(k)
		return w, nil
	}
	r := b.s.Mem.Find(k, 1)
	if r == nil {
		return w, fmt.Errorf("an address that no region holds")
	}
	w.kind = r.Kind
	switch r.Kind {
	case mem.KindPacket:
		w.off = int64(k) - int64(b.s.Buf+vm.Headroom)
		return w, nil
	case mem.KindCtx:
		w.off = int64(k) - int64(r.Addr)
		return w, nil
	case mem.KindMap:
		return b.inArray(w, r.Owner, k)
	}
	return w, fmt.Errorf("an address in memory the kernel has no counterpart of")
}

// inArray finds the element of an array that an address lies in.
func (b *builder) inArray(w where, m int, k uint64) (where, error) {
	spec := b.obj.Maps[m]
	var first uint64
	if spec.Type == cilium.Array || spec.Type == cilium.PerCPUArray {
		first = b.s.Maps[m].Peek(make([]byte, 4), 0)
	}
	if first == 0 {
		return w, fmt.Errorf("an address in map %q", spec.Name)
	}
	stride := uint64(maps.ValueStride(spec))
	if spec.Max > 1 && !isData(spec) { // of one for each CPU, those of the others lie between
		stride = b.s.Maps[m].Peek([]byte{1, 0, 0, 0}, 0) - first
	}
	rel := k - first
	w.elem = element{m: m, k: rel / stride}
	w.off = int64(rel % stride)
	if isData(spec) {
		w.direct, w.off, w.elem.k = true, int64(rel), 0
		return w, nil
	}
	if w.x == 0 {
		return w, nil
	}
	// The variable part is an index times the stride.
	if b.b.Op(w.x) == bv.OpMul || b.b.Op(w.x) == bv.OpShl {
		a := b.b.Args(w.x)
		if c, ok := b.b.IsConst(a[1]); ok && (b.b.Op(w.x) == bv.OpMul && c == stride || b.b.Op(w.x) == bv.OpShl && c < 64 && 1<<c == stride) {
			w.elem.idx, w.x = a[0], 0
			return w, nil
		}
	}
	if stride == 1 {
		w.elem.idx, w.x = w.x, 0
		return w, nil
	}
	return w, fmt.Errorf("an address in map %q that is no element's", spec.Name)
}

// isData says whether a map is a section of variables.
func isData(m *maps.Spec) bool { return m.Name[0] == '.' }

// prepare makes the calls that a term's value needs: look-ups and clocks. Calls
// leave nothing in r0 to r5, so they come first.
func (b *builder) prepare(t bv.Term, f *flow) error {
	b.work = 0
	return b.ready(t, f, map[bv.Term]bool{})
}

// ready is prepare, but for terms that it has come to.
func (b *builder) ready(t bv.Term, f *flow, seen map[bv.Term]bool) error {
	if _, ok := f.slots[t]; ok || seen[t] {
		return nil
	}
	seen[t] = true
	for _, a := range b.b.Args(t) {
		if err := b.ready(a, f, seen); err != nil {
			return err
		}
	}
	switch b.b.Op(t) {
	case bv.OpInput:
		if h, ok := clocks[b.b.K(t)]; ok {
			b.call(h)
			return b.keep(t, f, 0)
		}
	case bv.OpFun:
		switch id, m := pathcond.FunParts(b.b.K(t)); id {
		case pathcond.FunLookup:
			if err := b.lookup(m, b.b.Args(t), f); err != nil {
				return err
			}
			if maps.Ordered(b.obj.Maps[m].Type) {
				f.lru = append(f.lru, t)
			}
			return b.keep(t, f, 0)
		case pathcond.FunPresent:
			key := b.b.Args(t)
			if b.b.Width(key[0]) > 32 {
				key = []bv.Term{b.b.Extract(key[0], 0, 32)}
			}
			if err := b.lookup(m, key, f); err != nil {
				return err
			}
			b.alu(ebpf.ALUMov, 1, 1)
			b.put(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpNE | ebpf.SrcK, Dst: 0, Off: 1})
			b.alu(ebpf.ALUMov, 1, 0)
			return b.keep(t, f, 1)
		case pathcond.FunLoad:
			w, err := b.place(b.b.Args(t)[0])
			if err != nil {
				return err
			}
			if w.kind == mem.KindMap && w.lookup == 0 && !w.direct {
				return b.findElement(w.elem, f, seen)
			}
			if w.x != 0 { // perhaps made just now
				return b.ready(w.x, f, seen)
			}
		}
	}
	return nil
}

// keep stores what is in reg as the value of a term.
func (b *builder) keep(t bv.Term, f *flow, reg uint8) error {
	s, err := f.slot()
	if err != nil {
		return err
	}
	b.store(8, 10, s, reg)
	f.slots[t] = s
	return nil
}

// findElement looks an array's element up.
func (b *builder) findElement(e element, f *flow, seen map[bv.Term]bool) error {
	if _, ok := f.elems[e]; ok {
		return nil
	}
	low := f.next - 8
	if e.idx != 0 {
		if err := b.ready(e.idx, f, seen); err != nil {
			return err
		}
		if err := b.eval(e.idx, f, 1, 0); err != nil {
			return err
		}
		low = f.next - 8
		if e.k != 0 {
			b.alu(ebpf.ALUAdd, 1, int32(e.k))
		}
		b.store(4, 10, low, 1)
	} else {
		b.storeK(4, 10, low, int32(e.k))
	}
	b.callLookup(e.m, low)
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ | ebpf.SrcK, Dst: 0}, b.miss)
	s, err := f.slot()
	if err != nil {
		return err
	}
	b.store(8, 10, s, 0)
	f.elems[e] = s
	return nil
}

func (b *builder) callLookup(m int, key int16) {
	b.mov(2, 10)
	b.alu(ebpf.ALUAdd, 2, int32(key))
	b.mapFD(1, m)
	b.call(ebpf.FnMapLookupElem)
}

// lookup writes a key, in chunks of up to 8 bytes, and looks it up.
func (b *builder) lookup(m int, key []bv.Term, f *flow) error {
	n := int16(b.obj.Maps[m].KeySize)
	low := f.next - (n+7)&^7
	if low < -480 {
		return fmt.Errorf("a key of %d bytes: the stack is full", n)
	}
	f.arm++ // what would be kept now would stand where the key does
	next := f.next
	f.next = low
	defer func() { f.arm, f.next = f.arm-1, next }()
	for i, k := range key {
		if err := b.piece(k, low+8*int16(i), f); err != nil {
			return err
		}
	}
	b.callLookup(m, low)
	return nil
}

// piece stores a term of whole bytes.
func (b *builder) piece(t bv.Term, at int16, f *flow) error {
	w := b.b.Width(t)
	if w%8 != 0 {
		return fmt.Errorf("a key of %d bits", w)
	}
	if k, ok := b.b.IsConst(t); ok {
		for w > 0 {
			n := 8
			for n > w/8 || int(at)%n != 0 {
				n /= 2
			}
			if n == 8 && int64(k) != int64(int32(k)) {
				n = 4
			}
			b.storeK(n, 10, at, int32(k))
			at, w = at+int16(n), w-8*n
			if n < 8 {
				k >>= 8 * n
			}
		}
		return nil
	}
	_, kept := f.slots[t]
	whole := (w == 16 || w == 32 || w == 64) && int(at)%(w/8) == 0
	switch a := b.b.Args(t); {
	case whole: // in one store: the look-up reads whole words, and waits for a word that came in parts
	case !kept && b.b.Op(t) == bv.OpConcat && b.b.Width(a[1])%8 == 0:
		if err := b.piece(a[1], at, f); err != nil {
			return err
		}
		return b.piece(a[0], at+int16(b.b.Width(a[1])/8), f)
	case !kept && b.b.Op(t) == bv.OpZExt && b.b.Width(a[0])%8 == 0:
		if err := b.piece(a[0], at, f); err != nil {
			return err
		}
		return b.piece(b.b.Const(0, w-b.b.Width(a[0])), at+int16(b.b.Width(a[0])/8), f)
	}
	if err := b.eval(t, f, 1, 0); err != nil {
		return err
	}
	for n := w / 8; n > 0; {
		s := 8
		for s > n || int(at)%s != 0 {
			s /= 2
		}
		b.store(s, 10, at, 1)
		if at, n = at+int16(s), n-s; n > 0 {
			b.alu(ebpf.ALURsh, 1, int32(8*s))
		}
	}
	return nil
}
