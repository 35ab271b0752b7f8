package fastpath

import (
	"fmt"
	"math"
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cilium "github.com/cilium/ebpf"
)

// clocks are helpers that answer for inputs.
var clocks = map[uint64]int32{
	pathcond.InTime: ebpf.FnKtimeGetNs, pathcond.InBoot: ebpf.FnKtimeGetBootNs, pathcond.InCoarse: ebpf.FnKtimeGetCoarseNs,
	pathcond.InJiffies: ebpf.FnJiffies64, pathcond.InCPU: ebpf.FnGetSmpProcessorId,
}

// fields are inputs that stand in the context.
var fields = map[uint64]int16{pathcond.InIfindex: ebpf.XDPIfIndex, pathcond.InQueue: ebpf.XDPQueue, pathcond.InEgress: ebpf.XDPEgress}

// unsupported says what of a predicate the kernel can't be asked; "": nothing.
func (b *builder) unsupported(t bv.Term, seen map[bv.Term]bool) string {
	if seen[t] {
		return ""
	}
	seen[t] = true
	switch b.b.Op(t) {
	case bv.OpInput:
		k := b.b.K(t)
		switch _, clock := clocks[k]; {
		case k == pathcond.InLen || k == pathcond.InFrags || fields[k] != 0 || clock:
			return ""
		case k >= pathcond.InVersion:
			return "a version counter, which the kernel doesn't keep"
		}
		return "a number that was drawn"
	case bv.OpFun:
		id, m := pathcond.FunParts(b.b.K(t))
		switch id {
		case pathcond.FunLoad:
		case pathcond.FunLookup:
			switch b.obj.Maps[m].Type {
			case cilium.ProgramArray:
				return "where a tail call leads"
			case cilium.ArrayOfMaps, cilium.HashOfMaps:
				return "which inner map is found"
			}
		case pathcond.FunPresent:
			if ty := b.obj.Maps[m].Type; ty != cilium.DevMap && ty != cilium.DevMapHash && ty != cilium.CPUMap && ty != cilium.XSKMap {
				return fmt.Sprintf("presence in a map of type %v", ty)
			}
		case pathcond.FunCount:
			return "how many entries a map has"
		case pathcond.FunFib:
			return "the answer of bpf_fib_lookup"
		case pathcond.FunRoom:
			return "the room in a ring buffer"
		case pathcond.FunNumber:
			return "a number read from text"
		case pathcond.FunElem:
			return "what a queue holds"
		case pathcond.FunKeyAt:
			return "the order of a hash's entries"
		case pathcond.FunLookupOn:
			return "another CPU's value"
		case pathcond.FunTimer:
			return "the state of a timer"
		default:
			return "a value that isn't known before the run"
		}
	}
	for _, a := range b.b.Args(t) {
		if why := b.unsupported(a, seen); why != "" {
			return why
		}
	}
	return ""
}

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

// temp is a register of r0 to r5 that is not busy.
func temp(busy ebpf.Regs) (uint8, error) {
	for r := uint8(0); r <= 5; r++ {
		if !busy.Has(r) {
			return r, nil
		}
	}
	return 0, fmt.Errorf("a term that needs more than six registers")
}

// tall is from how many operations on, counted as a tree, a term is computed from
// the ground up.
const tall = 150

// size is how many operations a term takes where nothing is shared.
func (b *builder) size(t bv.Term) int {
	if n, ok := b.sizes[t]; ok {
		return n
	}
	n := 1
	for _, a := range b.b.Args(t) {
		n = min(n+b.size(a), 1<<20)
	}
	b.sizes[t] = n
	return n
}

// inOrder computes what a tall term, such as a hash, uses more than once, from
// the ground up, and leaves it on the stack.
func (b *builder) inOrder(t bv.Term, f *flow, busy ebpf.Regs) error {
	b.linear = true
	defer func() { b.linear = false }()
	uses := map[bv.Term]int{}
	var order []bv.Term
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if _, kept := f.slots[t]; kept || b.b.Op(t) == bv.OpConst {
			return
		}
		if uses[t]++; uses[t] > 1 {
			return
		}
		if b.b.Op(t) != bv.OpFun {
			for _, a := range b.b.Args(t) {
				walk(a)
			}
		}
		order = append(order, t)
	}
	walk(t)
	shared := func(x bv.Term) bool { return x == t || uses[x] > 1 && b.b.Op(x) != bv.OpFun && b.b.Op(x) != bv.OpInput }
	// left counts, of what is shared, the shared terms that have yet to use it.
	left := map[bv.Term]int{}
	var cone func(x bv.Term, top bool, see func(bv.Term), seen map[bv.Term]bool)
	cone = func(x bv.Term, top bool, see func(bv.Term), seen map[bv.Term]bool) {
		if uses[x] == 0 || seen[x] {
			return
		}
		seen[x] = true
		if !top && shared(x) {
			see(x)
			return
		}
		if b.b.Op(x) != bv.OpFun {
			for _, a := range b.b.Args(x) {
				cone(a, false, see, seen)
			}
		}
	}
	for _, x := range order {
		if shared(x) {
			cone(x, true, func(y bv.Term) { left[y]++ }, map[bv.Term]bool{})
		}
	}
	low := f.next
	var free []int16
	take := func() (int16, error) {
		if n := len(free); n > 0 {
			s := free[n-1]
			free = free[:n-1]
			return s, nil
		}
		if low-8 < -480 {
			return 0, fmt.Errorf("a term that needs more stack than there is")
		}
		low -= 8
		return low, nil
	}
	next, arm := f.next, f.arm
	f.arm++
	defer func() { f.arm, f.next = arm, min(next, low) }()
	for _, x := range order {
		if !shared(x) || x == t {
			continue
		}
		f.next = low
		b.work = 0
		r, err := temp(busy)
		if err != nil {
			return err
		}
		if err := b.eval(x, f, r, busy); err != nil {
			return err
		}
		s, err := take()
		if err != nil {
			return err
		}
		b.store(8, 10, s, r)
		f.slots[x] = s
		cone(x, true, func(y bv.Term) {
			if left[y]--; left[y] == 0 {
				free = append(free, f.slots[y])
				delete(f.slots, y)
			}
		}, map[bv.Term]bool{})
	}
	b.work = 0
	return nil
}

// mostWork is how many operations one predicate may take.
const mostWork = 1000

// dear is how many instructions a value must take, about, to be kept for later.
const dear = 3

func (b *builder) cost(t bv.Term, depth int) int {
	if depth == 0 {
		return dear
	}
	n := 1
	for _, a := range b.b.Args(t) {
		if _, ok := b.b.IsConst(a); !ok {
			n += b.cost(a, depth-1)
		}
	}
	return n
}

// eval leaves a term's value in register d, zero beyond its width. busy are
// registers of r0 to r5 that must stay.
func (b *builder) eval(t bv.Term, f *flow, d uint8, busy ebpf.Regs) error {
	if s, ok := f.slots[t]; ok {
		b.load(8, d, 10, s)
		return nil
	}
	if !b.linear && b.size(t) > tall {
		if err := b.inOrder(t, f, busy|1<<d); err != nil {
			return err
		}
	}
	if b.work++; b.work > mostWork {
		return fmt.Errorf("a term of more than %d operations, such as a hash", mostWork)
	}
	if err := b.compute(t, f, d, busy); err != nil {
		return err
	}
	if op := b.b.Op(t); f.arm == 0 && op != bv.OpConst && b.uses[t] > 1 && b.cost(t, 4) > dear && f.next-8 >= -stackForTree/2 {
		return b.keep(t, f, d)
	}
	return nil
}

func (b *builder) compute(t bv.Term, f *flow, d uint8, busy ebpf.Regs) error {
	w := b.b.Width(t)
	a := b.b.Args(t)
	op := b.b.Op(t)
	switch op {
	case bv.OpConst:
		b.imm(d, b.b.K(t))
		return nil
	case bv.OpInput:
		return b.inputOf(t, d)
	case bv.OpFun:
		if id, _ := pathcond.FunParts(b.b.K(t)); id == pathcond.FunLoad {
			return b.loadAt(a[0], w, f, d, busy)
		}
		return fmt.Errorf("a call inside a term")
	case bv.OpZExt:
		return b.eval(a[0], f, d, busy)
	case bv.OpNot:
		if err := b.eval(a[0], f, d, busy); err != nil {
			return err
		}
		if w < 32 {
			b.alu(ebpf.ALUXor, d, int32(bv.Mask(w)))
			return nil
		}
		b.alu(ebpf.ALUXor, d, -1)
		b.cut(d, w)
		return nil
	case bv.OpBSwap:
		if err := b.eval(a[0], f, d, busy); err != nil {
			return err
		}
		if w != 16 && w != 32 && w != 64 {
			return fmt.Errorf("%d bits turned round", w)
		}
		b.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | ebpf.SrcX, Dst: d, Imm: int32(w)})
		return nil
	case bv.OpExtract:
		return b.extract(t, f, d, busy)
	case bv.OpSExt:
		if err := b.eval(a[0], f, d, busy); err != nil {
			return err
		}
		n := int32(64 - b.b.Width(a[0]))
		b.alu(ebpf.ALULsh, d, n)
		b.alu(ebpf.ALUArsh, d, n)
		b.cut(d, w)
		return nil
	case bv.OpEq, bv.OpULt, bv.OpULe, bv.OpSLt, bv.OpSLe:
		return b.truth(t, f, d, busy)
	case bv.OpIte:
		return b.choice(t, f, d, busy)
	case bv.OpConcat:
		if b.inRow(a[0], a[1]) {
			return b.loadAt(b.b.Args(a[1])[0], w, f, d, busy)
		}
		e, err := b.operands(a[0], a[1], f, d, busy)
		if err != nil {
			return err
		}
		b.alu(ebpf.ALULsh, d, int32(b.b.Width(a[1])))
		b.alux(ebpf.ALUOr, d, e)
		return nil
	}
	return b.binary(t, f, d, busy)
}

// cut clears what lies beyond a width.
func (b *builder) cut(d uint8, w int) {
	switch {
	case w >= 64:
	case w == 32:
		b.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX, Dst: d, Src: d})
	case w < 32:
		b.alu(ebpf.ALUAnd, d, int32(bv.Mask(w)))
	default:
		b.alu(ebpf.ALULsh, d, int32(64-w))
		b.alu(ebpf.ALURsh, d, int32(64-w))
	}
}

// inputOf leaves an input that needs no call in d.
func (b *builder) inputOf(t bv.Term, d uint8) error {
	k := b.b.K(t)
	off, field := fields[k]
	switch {
	case k == pathcond.InLen:
		b.mov(d, regEnd)
		b.alux(ebpf.ALUSub, d, regData)
	case k == pathcond.InFrags: // programs that take fragments are none of ours
		b.alu(ebpf.ALUMov, d, 0)
	case field:
		b.load(8, d, 10, slotCtx)
		b.load(4, d, d, off)
	default:
		return fmt.Errorf("input %d", k)
	}
	return nil
}

// arith are the operations that 64-bit arithmetic answers.
var arith = map[bv.Op]uint8{
	bv.OpAdd: ebpf.ALUAdd, bv.OpSub: ebpf.ALUSub, bv.OpMul: ebpf.ALUMul, bv.OpAnd: ebpf.ALUAnd, bv.OpOr: ebpf.ALUOr, bv.OpXor: ebpf.ALUXor,
	bv.OpShl: ebpf.ALULsh, bv.OpLShr: ebpf.ALURsh, bv.OpUDiv: ebpf.ALUDiv, bv.OpURem: ebpf.ALUMod,
}

func (b *builder) binary(t bv.Term, f *flow, d uint8, busy ebpf.Regs) error {
	w := b.b.Width(t)
	a := b.b.Args(t)
	op := b.b.Op(t)
	alu, ok := arith[op]
	k, isK := b.b.IsConst(a[1])
	if !ok || isK && (k >= uint64(w) && (op == bv.OpShl || op == bv.OpLShr) || k == 0 && op == bv.OpUDiv) {
		return fmt.Errorf("%v of %d bits", op, w)
	}
	if isK && (int64(k) == int64(int32(k)) || w <= 32 && op != bv.OpUDiv && op != bv.OpURem) {
		if err := b.eval(a[0], f, d, busy); err != nil {
			return err
		}
		b.alu(alu, d, int32(k))
	} else {
		e, err := b.operands(a[0], a[1], f, d, busy)
		if err != nil {
			return err
		}
		b.guarded(op, alu, w, d, e)
	}
	switch op {
	case bv.OpUDiv:
		if !isK {
			b.cut(d, w)
		}
	case bv.OpAdd, bv.OpSub, bv.OpMul, bv.OpShl:
		if _, most := b.b.Bounds(t); op == bv.OpSub || most == bv.Mask(w) || isK && int32(k) < 0 {
			b.cut(d, w)
		}
	case bv.OpOr, bv.OpXor, bv.OpAnd:
		if isK && int32(k) < 0 {
			b.cut(d, w)
		}
	}
	return nil
}

// operands leaves x in d and y in another register. What needs more registers
// comes first.
func (b *builder) operands(x, y bv.Term, f *flow, d uint8, busy ebpf.Regs) (e uint8, err error) {
	if e, err = temp(busy | 1<<d); err != nil {
		return 0, err
	}
	if min(b.height(x), b.height(y)) > 2 {
		// Too many registers for both at once: one waits on the stack.
		if f.next-8 < -480 {
			return 0, fmt.Errorf("a term that needs more stack than there is")
		}
		f.next -= 8
		at := f.next
		if err = b.eval(y, f, d, busy); err != nil {
			return 0, err
		}
		b.store(8, 10, at, d)
		if err = b.eval(x, f, d, busy); err == nil {
			b.load(8, e, 10, at)
		}
		return e, err
	}
	if b.height(y) > b.height(x) {
		if err = b.eval(y, f, e, busy); err == nil {
			err = b.eval(x, f, d, busy|1<<e)
		}
		return e, err
	}
	if err = b.eval(x, f, d, busy); err == nil {
		err = b.eval(y, f, e, busy|1<<d)
	}
	return e, err
}

// height is about how many registers a term needs at once (Sethi and Ullman's
// number).
func (b *builder) height(t bv.Term) int {
	if h, ok := b.heights[t]; ok {
		return h
	}
	h := 1
	for i, a := range b.b.Args(t) {
		switch n := b.height(a); {
		case i == 0:
			h = max(h, n)
		case n == h:
			h++
		default:
			h = max(h, n)
		}
	}
	b.heights[t] = h
	return h
}

// guarded is an operation whose second operand running tells: past a width
// nothing is left of a shift, and a division by 0 gives ones.
func (b *builder) guarded(op bv.Op, alu uint8, w int, d, e uint8) {
	switch op {
	case bv.OpShl, bv.OpLShr:
		b.put(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpLT | ebpf.SrcK, Dst: e, Off: 2, Imm: int32(w)})
		b.alu(ebpf.ALUMov, d, 0)
		b.put(ebpf.Insn{Op: ebpf.OpJA, Off: 1})
	case bv.OpUDiv:
		b.put(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpNE | ebpf.SrcK, Dst: e, Off: 2})
		b.alu(ebpf.ALUMov, d, -1)
		b.put(ebpf.Insn{Op: ebpf.OpJA, Off: 1})
	}
	b.alux(alu, d, e)
}

// extract leaves some bits of a term in d; of bytes in memory it loads just those.
func (b *builder) extract(t bv.Term, f *flow, d uint8, busy ebpf.Regs) error {
	w, lo := b.b.Width(t), int(b.b.K(t))
	x := b.b.Args(t)[0]
	if _, kept := f.slots[x]; !kept && b.b.Op(x) == bv.OpFun && lo%8 == 0 && (w == 8 || w == 16 || w == 32) {
		if id, _ := pathcond.FunParts(b.b.K(x)); id == pathcond.FunLoad {
			a := b.b.Args(x)[0]
			return b.loadAt(b.b.Bin(bv.OpAdd, a, b.b.Const(uint64(lo/8), 64)), w, f, d, busy)
		}
	}
	if err := b.eval(x, f, d, busy); err != nil {
		return err
	}
	if lo > 0 {
		b.alu(ebpf.ALURsh, d, int32(lo))
	}
	if lo+w < b.b.Width(x) {
		b.cut(d, w)
	}
	return nil
}

// truth leaves 1 in d where a comparison holds, else 0.
func (b *builder) truth(t bv.Term, f *flow, d uint8, busy ebpf.Regs) error {
	yes, end := b.label(), b.label()
	f.arm++
	g := f.clone()
	_, err := b.branchIn(t, true, yes, g, busy)
	f.arm--
	if err != nil {
		return err
	}
	b.alu(ebpf.ALUMov, d, 0)
	b.jump(ebpf.Insn{Op: ebpf.OpJA}, end)
	b.bind(yes)
	b.alu(ebpf.ALUMov, d, 1)
	b.bind(end)
	b.forget(f)
	return nil
}

// choice leaves one of two values in d.
func (b *builder) choice(t bv.Term, f *flow, d uint8, busy ebpf.Regs) error {
	a := b.b.Args(t)
	yes, end := b.label(), b.label()
	f.arm++
	defer func() { f.arm-- }()
	g := f.clone()
	h, err := b.branchIn(a[0], true, yes, g, busy)
	if err != nil {
		return err
	}
	if err := b.eval(a[2], g, d, busy); err != nil {
		return err
	}
	b.jump(ebpf.Insn{Op: ebpf.OpJA}, end)
	b.bind(yes)
	if err := b.eval(a[1], h, d, busy); err != nil {
		return err
	}
	b.bind(end)
	b.forget(f)
	return nil
}

// forget drops what two ways may have left in the registers that point into the
// packet.
func (b *builder) forget(f *flow) { f.at = [2]spot{} }

// inRow says whether two loads read one row of 2, 4 or 8 bytes, of the packet or of
// a value that was looked up.
func (b *builder) inRow(hi, lo bv.Term) bool {
	load := func(t bv.Term) bool {
		if b.b.Op(t) != bv.OpFun {
			return false
		}
		id, _ := pathcond.FunParts(b.b.K(t))
		return id == pathcond.FunLoad
	}
	if w := b.b.Width(hi) + b.b.Width(lo); !load(hi) || !load(lo) || w != 16 && w != 32 && w != 64 {
		return false
	}
	x, from := b.b.SplitAdd(b.b.Args(lo)[0])
	y, to := b.b.SplitAdd(b.b.Args(hi)[0])
	if x != y || to != from+uint64(b.b.Width(lo)/8) {
		return false
	}
	at, err := b.place(b.b.Args(lo)[0])
	return err == nil && (at.kind == mem.KindPacket || at.lookup != 0 && at.x == 0)
}

// loadAt leaves w bits at an address in d.
func (b *builder) loadAt(addr bv.Term, w int, f *flow, d uint8, busy ebpf.Regs) error {
	at, err := b.place(addr)
	if err != nil {
		return err
	}
	n := w / 8
	if w%8 != 0 || n < 1 || n > 8 || at.off < 0 || at.off+int64(n) > math.MaxInt16 {
		return fmt.Errorf("a load of %d bits at %d", w, at.off)
	}
	base, off, err := b.reach(at, n, f, d, busy)
	if err != nil {
		return err
	}
	if bits.OnesCount(uint(n)) == 1 {
		b.load(n, d, base, off)
		return nil
	}
	// 3, 5, 6 or 7 bytes: the highest first.
	e, err := temp(busy | 1<<d | 1<<base)
	if err != nil {
		return err
	}
	if base == d {
		g, err := temp(busy | 1<<d | 1<<e)
		if err != nil {
			return err
		}
		b.mov(g, d)
		base = g
	}
	b.alu(ebpf.ALUMov, d, 0)
	for i := n - 1; i >= 0; i-- {
		b.alu(ebpf.ALULsh, d, 8)
		b.load(1, e, base, off+int16(i))
		b.alux(ebpf.ALUOr, d, e)
	}
	return nil
}

// reach gives a register and an offset at which n bytes may be loaded; d may be
// that register.
func (b *builder) reach(at where, n int, f *flow, d uint8, busy ebpf.Regs) (base uint8, off int16, err error) {
	past := int(at.off) + n
	switch {
	case at.kind == mem.KindPacket && at.x == 0:
		if f.length < past {
			b.within(regData, d, past, b.miss)
			f.length = past
		}
		return regData, int16(at.off), nil
	case at.kind == mem.KindPacket:
		reg, i, err := b.spot(at.x, f, d, busy)
		if err != nil {
			return 0, 0, err
		}
		if f.at[i].n < past {
			b.within(reg, d, past, b.miss)
			f.at[i].n = past
		}
		return reg, int16(at.off), nil
	case at.kind == mem.KindCtx:
		return 0, 0, fmt.Errorf("a field of the context")
	case at.direct:
		b.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: d, Src: ebpf.PseudoMapValue, Imm: int32(at.elem.m)})
		b.put(ebpf.Insn{Imm: int32(at.off)})
		return d, 0, b.shift(at, int(b.obj.Maps[at.elem.m].ValueSize)-past, f, d, busy)
	}
	size := 0
	if at.lookup != 0 {
		s, ok := f.slots[at.lookup]
		if !ok {
			return 0, 0, fmt.Errorf("a look-up that wasn't made")
		}
		_, m := pathcond.FunParts(b.b.K(at.lookup))
		size = int(b.obj.Maps[m].ValueSize)
		b.load(8, d, 10, s)
		if !f.nonnull[at.lookup] {
			b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ | ebpf.SrcK, Dst: d}, b.miss)
			if f.arm == 0 {
				f.nonnull[at.lookup] = true
			}
		}
	} else {
		s, ok := f.elems[at.elem]
		if !ok {
			return 0, 0, fmt.Errorf("an element that wasn't looked up")
		}
		size = int(b.obj.Maps[at.elem.m].ValueSize)
		b.load(8, d, 10, s)
	}
	return d, int16(at.off), b.shift(at, size-past, f, d, busy)
}

// shift moves the pointer in d on by the number that only running tells; most is
// what it may be.
func (b *builder) shift(at where, most int, f *flow, d uint8, busy ebpf.Regs) error {
	if at.x == 0 {
		return nil
	}
	if most < 0 {
		return fmt.Errorf("an offset beyond a value")
	}
	e, err := temp(busy | 1<<d)
	if err != nil {
		return err
	}
	if err := b.eval(at.x, f, e, busy|1<<d); err != nil {
		return err
	}
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcK, Dst: e, Imm: int32(most)}, b.miss)
	b.alux(ebpf.ALUAdd, d, e)
	return nil
}

// within goes to another place unless there are n bytes behind a packet pointer;
// tmp is used.
func (b *builder) within(reg, tmp uint8, n int, other label) {
	b.mov(tmp, reg)
	b.alu(ebpf.ALUAdd, tmp, int32(n))
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: tmp, Src: regEnd}, other)
}

// spot gives a register that holds data + x.
func (b *builder) spot(x bv.Term, f *flow, d uint8, busy ebpf.Regs) (reg uint8, i int, err error) {
	regs := [2]uint8{regA, regB}
	for i, s := range f.at {
		if s.x == x {
			return regs[i], i, nil
		}
	}
	if err := b.eval(x, f, d, busy); err != nil {
		return 0, 0, err
	}
	for i = range f.at {
		if f.at[i].x == 0 {
			break
		}
		if i == len(f.at)-1 {
			f.turn = 1 - f.turn
			i = f.turn
			break
		}
	}
	if b.most(x) > math.MaxInt16 {
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcK, Dst: d, Imm: math.MaxInt16}, b.miss)
	}
	b.mov(regs[i], regData)
	b.alux(ebpf.ALUAdd, regs[i], d)
	f.at[i] = spot{x: x}
	return regs[i], i, nil
}

// most is the largest value that the verifier, too, sees a term to have: loads,
// masks and shifts by constants.
func (b *builder) most(t bv.Term) uint64 {
	a := b.b.Args(t)
	switch b.b.Op(t) {
	case bv.OpConst:
		return b.b.K(t)
	case bv.OpZExt:
		return b.most(a[0])
	case bv.OpFun:
		if w := b.b.Width(t); w <= 16 {
			return bv.Mask(w)
		}
	case bv.OpAnd:
		return min(b.most(a[0]), b.most(a[1]))
	case bv.OpExtract:
		if w := b.b.Width(t); w <= 16 {
			return bv.Mask(w)
		}
	case bv.OpShl:
		if k, ok := b.b.IsConst(a[1]); ok && k < 32 {
			if m := b.most(a[0]); m < 1<<31 {
				return m << k
			}
		}
	case bv.OpAdd:
		if x, y := b.most(a[0]), b.most(a[1]); x < 1<<31 && y < 1<<31 {
			return x + y
		}
	}
	return math.MaxUint64
}

// branch jumps where a predicate has the value want; what holds there is given
// back, and f goes on where it has the other.
func (b *builder) branch(t bv.Term, want bool, to label, f *flow) (*flow, error) {
	return b.branchIn(t, want, to, f, 0)
}

func (b *builder) branchIn(t bv.Term, want bool, to label, f *flow, busy ebpf.Regs) (*flow, error) {
	a := b.b.Args(t)
	_, kept := f.slots[t]
	op := b.b.Op(t)
	switch {
	case kept:
	case op == bv.OpNot:
		return b.branchIn(a[0], !want, to, f, busy)
	case op == bv.OpAnd && b.b.Width(t) == 1:
		if !want {
			// Two jumps lead there: what holds is what held at the first.
			g, err := b.branchIn(a[0], false, to, f, busy)
			if err != nil {
				return nil, err
			}
			b.forget(g)
			_, err = b.branchIn(a[1], false, to, f, busy)
			return g, err
		}
		no := b.label()
		g := f.clone()
		if _, err := b.branchIn(a[0], false, no, g, busy); err != nil {
			return nil, err
		}
		h, err := b.branchIn(a[1], true, to, g, busy)
		if err != nil {
			return nil, err
		}
		b.bind(no)
		b.forget(f)
		return h, nil
	case op == bv.OpULt || op == bv.OpULe || op == bv.OpSLt || op == bv.OpSLe || op == bv.OpEq:
		return b.relation(t, want, to, f, busy)
	}
	d, err := temp(busy)
	if err != nil {
		return nil, err
	}
	if err := b.eval(t, f, d, busy); err != nil {
		return nil, err
	}
	j := ebpf.JmpNE
	if !want {
		j = ebpf.JmpEQ
	}
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | j | ebpf.SrcK, Dst: d}, to)
	return f.clone(), nil
}

var relations = map[bv.Op]uint8{bv.OpEq: ebpf.JmpEQ, bv.OpULt: ebpf.JmpLT, bv.OpULe: ebpf.JmpLE, bv.OpSLt: ebpf.JmpSLT, bv.OpSLe: ebpf.JmpSLE}

func (b *builder) relation(t bv.Term, want bool, to label, f *flow, busy ebpf.Regs) (*flow, error) {
	a := b.b.Args(t)
	op := b.b.Op(t)
	d, err := temp(busy)
	if err != nil {
		return nil, err
	}
	if n, short, ok := b.atLeast(t); ok && n > 0 && n <= math.MaxInt16 {
		// Written as the verifier knows it: data + n > data_end where short.
		b.mov(d, regData)
		b.alu(ebpf.ALUAdd, d, int32(n))
		j := ebpf.JmpGT
		if short != want {
			j = ebpf.JmpLE
		}
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | j | ebpf.SrcX, Dst: d, Src: regEnd}, to)
		g := f.clone()
		if short != want {
			g.length = max(g.length, int(n))
		} else {
			f.length = max(f.length, int(n))
		}
		return g, nil
	}
	w := b.b.Width(a[0])
	if err := b.eval(a[0], f, d, busy); err != nil {
		return nil, err
	}
	j := relations[op]
	if !want {
		j = ebpf.Negated(j)
	}
	k, isK := b.b.IsConst(a[1])
	signed := op == bv.OpSLt || op == bv.OpSLe
	if signed && w != 32 && w != 64 {
		return nil, fmt.Errorf("a signed comparison of %d bits", w)
	}
	e, err := temp(busy | 1<<d)
	if err != nil {
		return nil, err
	}
	if isK {
		b.compare(j, d, w, k, to, e)
	} else {
		if err := b.eval(a[1], f, e, busy|1<<d); err != nil {
			return nil, err
		}
		class := uint8(ebpf.ClassJMP)
		if w <= 32 {
			class = ebpf.ClassJMP32
		}
		b.jump(ebpf.Insn{Op: class | j | ebpf.SrcX, Dst: d, Src: e}, to)
	}
	g := f.clone()
	if op == bv.OpEq && isK && k == 0 && b.b.Op(a[0]) == bv.OpFun {
		if id, _ := pathcond.FunParts(b.b.K(a[0])); id == pathcond.FunLookup { // NULL or not
			if want {
				f.nonnull[a[0]] = true
			} else {
				g.nonnull[a[0]] = true
			}
		}
	}
	return g, nil
}

// atLeast sees a comparison of the packet's length with a constant: it is short
// of n bytes where the term has the value short.
func (b *builder) atLeast(t bv.Term) (n uint64, short, ok bool) {
	a := b.b.Args(t)
	isLen := func(x bv.Term) bool {
		for b.b.Op(x) == bv.OpZExt {
			x = b.b.Args(x)[0]
		}
		return b.b.Op(x) == bv.OpInput && b.b.K(x) == pathcond.InLen
	}
	op := b.b.Op(t)
	if op != bv.OpULt && op != bv.OpULe {
		return 0, false, false
	}
	less := uint64(0) // of "length <= k" the bound is one more
	if op == bv.OpULe {
		less = 1
	}
	if k, isK := b.b.IsConst(a[1]); isK && isLen(a[0]) {
		return k + less, true, true // length < n
	}
	if k, isK := b.b.IsConst(a[0]); isK && isLen(a[1]) {
		return k + 1 - less, false, true // k < length: not short of k + 1
	}
	return 0, false, false
}
