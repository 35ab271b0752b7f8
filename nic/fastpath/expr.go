package fastpath

import (
	"fmt"

	"jitnic/host/ebpf"
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
