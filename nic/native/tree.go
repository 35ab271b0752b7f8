package native

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native/asm"
	"jitnic/nic/native/code"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/tree"
)

// The guard tree as machine code: each node computes what its predicate needs
// and no node above has, into registers and then memory, and branches. Leaves
// give the path. What the code has no instructions for (routes, counts, presence)
// it leaves to Go and comes back.
//
// Nodes never change, so code made of a tree stays right for as long as no
// path is taken out: it only comes to an edge that was nothing when it was made.
// Then, and where a path was taken out, Go walks. The code is made anew when it
// has come to that as often as it has nodes: work that is paid for by then.

// Matcher is a nic.Matcher: a guard tree as machine code.
type Matcher struct {
	m     *Machine
	t     *tree.Tree
	block *code.Block
	enter uintptr
	uses  bool
	calls []callOut
	gone  map[int32]bool // paths taken out since the code was made
	after int            // walks in Go until it is made anew
	off   error          // why there is no code

	Made   int    // how often code was made
	Walked uint64 // walks in Go
}

// callOut is a function that code leaves to Go.
type callOut struct {
	fun  uint64
	args []uint16
	dst  uint16
	mask uint64
	back int32 // where code goes on
}

// firstCode is after how many walks in Go code is made the first time.
const firstCode = 16

// NewMatcher makes a matcher of t, whose environment must be the machine's
// State.
func NewMatcher(m *Machine, t *tree.Tree) *Matcher {
	x := &Matcher{m: m, t: t, gone: map[int32]bool{}, after: firstCode}
	t.OnRemove(func(path int32) { x.gone[path] = true })
	return x
}

// Free gives the code's memory back.
func (x *Matcher) Free() {
	x.block.Free()
	x.block = nil
}

// Lookups are the look-ups that a walk to the path leaves in the context, in
// order.
func (x *Matcher) Lookups(path int32) []bv.Term {
	l := x.t.Lookups(path)
	return l[:min(len(l), maxFound)]
}

// Match is nic.Matcher's.
func (x *Matcher) Match() nic.Path {
	s, c := x.m.S, x.m.ctx
	if s.DataEnd-s.Data > vm.MaxLinear {
		return nic.NoPath
	}
	if x.block == nil {
		return x.walk()
	}
	c.length = s.DataEnd - s.Data
	if x.uses {
		c.load(s)
	}
	base := uintptr(unsafe.Pointer(&s.Mem.B[0]))
	code.Enter(x.block.Addr(), unsafe.Pointer(c), base)
	for c.pc >= callBase {
		o := &x.calls[c.pc-callBase]
		x.call(o)
		c.resume = x.block.Addr() + uintptr(o.back)
		code.Enter(x.enter, unsafe.Pointer(c), base)
	}
	p := int32(c.pc)
	if p < 0 || len(x.gone) > 0 && x.gone[p] {
		return x.walk()
	}
	return p
}

// callBase is where the numbers of calls begin among what code leaves in
// context.pc; below stand paths.
const callBase = 1 << 32

// call computes a function.
func (x *Matcher) call(o *callOut) {
	var args [16]uint64
	for i, a := range o.args {
		args[i] = *x.m.ctx.home(a)
	}
	env := x.t.Env()
	var v uint64
	switch {
	case o.fun&inputCall != 0:
		v = env.Input(o.fun &^ inputCall)
	case o.fun&foldCall != 0:
		v = bv.Fold(bv.Op(o.fun>>8), int(uint8(o.fun)), args[0], args[1])
	default:
		v = env.Apply(o.fun, args[:len(o.args)])
	}
	*x.m.ctx.home(o.dst) = v & o.mask
}

// walk is a walk in Go, and what it leads to.
func (x *Matcher) walk() nic.Path {
	x.m.ctx.forget()
	x.Walked++
	if x.after--; x.after <= 0 && x.off == nil {
		x.make()
	}
	return x.t.Match()
}

// make compiles the tree as it is.
func (x *Matcher) make() {
	x.after = max(firstCode, x.t.Nodes())
	b, err := asm.New(runtime.GOARCH)
	if err != nil {
		x.off = err
		return
	}
	text, enter, uses, calls, err := compileTree(b, x.m.S, x.t)
	if err != nil {
		x.off = err
		return
	}
	x.Free()
	if x.block, err = x.m.Mem.Put(text); err != nil {
		x.block = nil
		x.off = err
		if errors.Is(err, code.ErrFull) {
			x.off = nil // there may be room again
		}
		return
	}
	x.enter = x.block.Addr() + uintptr(enter)
	x.uses, x.calls = uses, calls
	clear(x.gone)
	x.Made++
}

// Slots have registers from the root on, as far as they go, and then memory.
var slotRegs = [...]asm.Reg{asm.R6, asm.R7, asm.R8, asm.R9, asm.R10}

// home is where a slot's value stands while Go has control.
func (c *context) home(slot uint16) *uint64 {
	if int(slot) < len(slotRegs) {
		return &c.r[slotRegs[slot]]
	}
	return &c.slot[int(slot)-len(slotRegs)]
}

// treeCompiler writes a tree's nodes.
type treeCompiler struct {
	asm.Backend
	s     *vm.State
	t     *tree.Tree
	uses  bool
	calls []callOut
	backs []asm.Label
	exit  asm.Label
	none  asm.Label
	err   error
}

func compileTree(b asm.Backend, s *vm.State, t *tree.Tree) (text []byte, enter int, uses bool, calls []callOut, err error) {
	c := &treeCompiler{Backend: b, s: s, t: t, exit: b.NewLabel(), none: b.NewLabel()}
	c.ref(t.Root(), 0)
	c.Bind(c.none)
	c.StoreK(8, -1, asm.At(asm.Ctx, offPC))
	c.Ret()
	c.Bind(c.exit)
	for _, r := range slotRegs {
		c.Store(8, r, asm.At(asm.Ctx, offR+8*int32(r)))
	}
	c.Ret()
	enter = c.Len()
	for _, r := range slotRegs {
		c.Load(8, r, asm.At(asm.Ctx, offR+8*int32(r)))
	}
	c.JmpMem(asm.At(asm.Ctx, offResume))
	if c.err != nil {
		return nil, 0, false, nil, c.err
	}
	if text, err = c.Code(); err != nil {
		return nil, 0, false, nil, err
	}
	for i := range c.calls {
		c.calls[i].back = int32(c.Offset(c.backs[i]))
	}
	return text, enter, c.uses, c.calls, nil
}

// ref writes what a child leads to. found is how many look-ups stand above.
func (c *treeCompiler) ref(r tree.Ref, found int) {
	for c.err == nil {
		if path, ok := tree.Leaf(r); ok {
			c.StoreK(8, path, asm.At(asm.Ctx, offPC))
			c.Ret()
			return
		}
		if r == tree.Nothing {
			c.Jmp(c.none)
			return
		}
		n := c.t.Node(r)
		for i := range n.Code {
			found = c.insn(&n.Code[i], found)
		}
		if len(n.Cases) > 0 {
			c.cases(&n, found)
			r = n.No
			continue
		}
		// The side that leads nowhere yet is out of the way.
		if n.No == tree.Nothing {
			c.test(&n, false, c.none)
			r = n.Yes
			continue
		}
		if n.Yes == tree.Nothing {
			c.test(&n, true, c.none)
			r = n.No
			continue
		}
		yes := c.NewLabel()
		c.test(&n, true, yes)
		c.ref(n.No, found)
		c.Bind(yes)
		r = n.Yes
	}
}

// cases decides a chain by halving it; control goes on behind where none holds.
func (c *treeCompiler) cases(n *tree.Node, found int) {
	x := c.compared(n)
	if x != asm.R1 {
		c.Mov(true, asm.R1, x)
	}
	cs := slices.Clone(n.Cases)
	slices.SortFunc(cs, func(a, b tree.Case) int {
		switch {
		case a.K < b.K:
			return -1
		case a.K > b.K:
			return 1
		}
		return 0
	})
	end := c.NewLabel()
	to := make([]asm.Label, len(cs))
	for i := range cs {
		to[i] = c.NewLabel()
	}
	c.halve(cs, to, end)
	for i := range cs {
		c.Bind(to[i])
		c.ref(cs[i].To, found)
	}
	c.Bind(end)
}

func (c *treeCompiler) halve(cs []tree.Case, to []asm.Label, end asm.Label) {
	if len(cs) <= 3 {
		for i := range cs {
			c.brK(asm.EQ, asm.R1, cs[i].K, to[i])
		}
		c.Jmp(end)
		return
	}
	mid := len(cs) / 2
	low := c.NewLabel()
	c.brK(asm.LT, asm.R1, cs[mid].K, low)
	c.halve(cs[mid:], to[mid:], end)
	c.Bind(low)
	c.halve(cs[:mid], to[:mid], end)
}

// brK compares with any constant; it uses T1.
func (c *treeCompiler) brK(cond asm.Cond, x asm.Reg, k uint64, l asm.Label) {
	if k == uint64(int64(int32(k))) {
		c.BrK(cond, true, x, int32(k), l)
		return
	}
	c.Imm(asm.T1, k)
	c.Br(cond, true, x, asm.T1, l)
}

// compared is what a TestField or TestEqK compares.
func (c *treeCompiler) compared(n *tree.Node) asm.Reg {
	if n.Test == tree.TestField {
		c.field(asm.R1, n.Addr, n.Sh, n.Mask)
		return asm.R1
	}
	return c.get(n.A, asm.R1)
}

// test jumps to l where the node's predicate is want.
func (c *treeCompiler) test(n *tree.Node, want bool, l asm.Label) {
	is := func(cond asm.Cond) asm.Cond {
		if !want {
			return cond.Not()
		}
		return cond
	}
	length := func(cond asm.Cond) {
		c.Load(8, asm.R1, asm.At(asm.Ctx, offLength))
		c.brK(is(cond), asm.R1, n.K, l)
	}
	switch n.Test {
	case tree.TestSlot:
		c.brK(is(asm.NE), c.get(n.A, asm.R1), 0, l)
	case tree.TestField, tree.TestEqK:
		c.brK(is(asm.EQ), c.compared(n), n.K, l)
	case tree.TestLTK:
		c.brK(is(asm.LT), c.get(n.A, asm.R1), n.K, l)
	case tree.TestGTK:
		c.brK(is(asm.GT), c.get(n.A, asm.R1), n.K, l)
	case tree.TestEq:
		c.Br(is(asm.EQ), true, c.get(n.A, asm.R1), c.get(n.B, asm.R2), l)
	case tree.TestLT:
		c.Br(is(asm.LT), true, c.get(n.A, asm.R1), c.get(n.B, asm.R2), l)
	case tree.TestLenLTK:
		length(asm.LT)
	case tree.TestLenGTK:
		length(asm.GT)
	default:
		c.err = fmt.Errorf("native tree: test %d", n.Test)
	}
}

// get is a register with a slot's value: its own, or scratch.
func (c *treeCompiler) get(slot uint16, scratch asm.Reg) asm.Reg {
	if int(slot) < len(slotRegs) {
		return slotRegs[slot]
	}
	c.Load(8, scratch, c.slotAt(slot))
	return scratch
}

func (c *treeCompiler) slotAt(slot uint16) asm.Mem {
	i := int(slot) - len(slotRegs)
	if i >= maxSlots {
		c.err = fmt.Errorf("native tree: a walk of more than %d values", maxSlots)
		i = 0
	}
	return asm.At(asm.Ctx, offSlot+8*int32(i))
}

// field loads bits of the 8 bytes at a fixed address: no more bytes than they
// stand in.
func (c *treeCompiler) field(d asm.Reg, addr uint64, sh uint8, mask uint64) {
	size := 8
	for _, n := range []int{4, 2, 1} {
		if low := sh % 8; mask<<low>>low == mask && mask<<low>>(8*n) == 0 {
			size = n
		}
	}
	if size < 8 {
		addr += uint64(sh / 8)
		sh %= 8
	}
	c.Load(size, d, c.arena(addr))
	if sh > 0 {
		c.OpK(asm.Rsh, true, d, int32(sh))
	}
	if size < 8 && mask == 1<<(8*size)-1 && sh == 0 {
		return
	}
	c.mask(d, mask)
}

// arena is a fixed place of flat memory; it may use T1.
func (c *treeCompiler) arena(addr uint64) asm.Mem {
	if addr <= math.MaxInt32 {
		return asm.At(asm.Base, int32(addr))
	}
	c.Imm(asm.T1, addr)
	return asm.Mem{Base: asm.Base, Index: asm.T1}
}

// mask cuts a value; it uses T1.
func (c *treeCompiler) mask(d asm.Reg, m uint64) {
	switch {
	case m == math.MaxUint64:
	case m == math.MaxUint8:
		c.Zext(1, d, d)
	case m == math.MaxUint16:
		c.Zext(2, d, d)
	case m == math.MaxUint32:
		c.Zext(4, d, d)
	default:
		c.withK(asm.And, d, m)
	}
}

// withK is an operation with any constant; it uses T1.
func (c *treeCompiler) withK(op asm.Op, d asm.Reg, k uint64) {
	if k == uint64(int64(int32(k))) {
		c.OpK(op, true, d, int32(k))
		return
	}
	c.Imm(asm.T1, k)
	c.Op(op, true, d, asm.T1)
}

// insn writes one instruction of a node. found is how many look-ups stand
// above it; it returns how many stand above the next.
func (c *treeCompiler) insn(in *tree.Insn, found int) int {
	d := asm.R0
	if int(in.Dst) < len(slotRegs) {
		d = slotRegs[in.Dst]
	}
	switch in.Op {
	case tree.OpLookup:
		call := c.t.Call(in)
		if c.lookup(call) {
			if found < maxFound {
				c.Store(8, asm.R0, asm.At(asm.Ctx, offFound+8*int32(found)))
			}
			c.put(in.Dst, asm.R0)
			return found + 1
		}
		c.callOut(call, in.Dst, math.MaxUint64)
		if found < maxFound {
			v := c.get(in.Dst, asm.R0)
			c.Store(8, v, asm.At(asm.Ctx, offFound+8*int32(found)))
		}
		return found + 1
	case tree.OpCall:
		c.callOut(c.t.Call(in), in.Dst, in.Mask)
		return found
	case tree.OpInput:
		c.input(in, d)
	default:
		c.compute(in, d)
	}
	c.put(in.Dst, d)
	return found
}

// put makes a register's value that of a slot.
func (c *treeCompiler) put(slot uint16, r asm.Reg) {
	if int(slot) < len(slotRegs) {
		if slotRegs[slot] != r {
			c.Mov(true, slotRegs[slot], r)
		}
		return
	}
	c.Store(8, r, c.slotAt(slot))
}

// input is an input of the condition.
func (c *treeCompiler) input(in *tree.Insn, d asm.Reg) {
	at := int32(-1)
	switch in.K {
	case pathcond.InTime:
		at = offTime
	case pathcond.InCPU:
		at = offCPU
	case pathcond.InIfindex:
		at = ctxField[vm.CtxIfIndex]
	case pathcond.InQueue:
		at = ctxField[vm.CtxQueue]
	}
	switch {
	case at >= 0:
		c.uses = true
		c.Load(8, d, asm.At(asm.Ctx, at))
	case in.K >= pathcond.InVersion:
		// The counters' slice may be moved as it grows; its header stays.
		i := in.K - pathcond.InVersion
		c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(&c.t.Env().Versions.Counter))))
		c.Load(8, asm.T1, asm.At(asm.T1, 0))
		c.Load(8, d, asm.At(asm.T1, int32(8*i)))
	default:
		c.inputOut(in, d)
		return
	}
	c.mask(d, in.Mask)
}

// inputOut leaves an input to Go: a random draw, or the coarse clocks.
func (c *treeCompiler) inputOut(in *tree.Insn, d asm.Reg) {
	c.out(callOut{fun: inputCall | in.K, dst: in.Dst, mask: in.Mask})
	if int(in.Dst) >= len(slotRegs) {
		c.Load(8, d, c.slotAt(in.Dst))
	}
}

// inputCall marks the number of an input among those of functions.
const inputCall = 1 << 63

// callOut leaves a function to Go.
func (c *treeCompiler) callOut(call *tree.Call, dst uint16, mask uint64) {
	if len(call.Args) > 16 {
		c.err = fmt.Errorf("native tree: a function of %d arguments", len(call.Args))
		return
	}
	c.out(callOut{fun: call.Fun, args: call.Args, dst: dst, mask: mask})
}

func (c *treeCompiler) out(o callOut) {
	c.uses = true
	back := c.NewLabel()
	c.Imm(asm.T0, callBase+uint64(len(c.calls)))
	c.Store(8, asm.T0, asm.At(asm.Ctx, offPC))
	c.Jmp(c.exit)
	c.Bind(back)
	c.calls = append(c.calls, o)
	c.backs = append(c.backs, back)
}

// lookup writes a look-up that leaves its result in R0; false where the map is
// none that code knows.
func (c *treeCompiler) lookup(call *tree.Call) bool {
	f, ok := maps.FlatOf(call.Map)
	if !ok || !canLookUp(&f) || len(call.Args)*8 > maxKey {
		return false
	}
	c.uses = c.uses || f.Step != 0
	f.Ref = nil // matching changes nothing
	for i, a := range call.Args {
		c.Store(8, c.get(a, asm.R1), asm.At(asm.Ctx, offKey+8*int32(i)))
	}
	// The key's address as the flat memory counts.
	c.Mov(true, asm.R1, asm.Ctx)
	c.Op(asm.Sub, true, asm.R1, asm.Base)
	c.OpK(asm.Add, true, asm.R1, offKey)
	if f.Kind == maps.FlatArray {
		lookupArray(c.Backend, &f, asm.Mem{Base: asm.Base, Index: asm.R1})
		return true
	}
	hashKey(c.Backend, int(f.KeySize))
	probe(c.Backend, &f)
	return true
}

// compute writes arithmetic.
func (c *treeCompiler) compute(in *tree.Insn, d asm.Reg) {
	a := func() asm.Reg { return c.get(in.A, asm.R1) }
	b := func() asm.Reg { return c.get(in.B, asm.R2) }
	// two is a op b, cut to the mask.
	two := func(op asm.Op, cut bool) {
		c.Mov(true, asm.R1, a())
		c.Op(op, true, asm.R1, b())
		if cut {
			c.mask(asm.R1, in.Mask)
		}
		c.Mov(true, d, asm.R1)
	}
	// one is a op k, likewise.
	one := func(op asm.Op, k uint64, cut bool) {
		c.Mov(true, d, a())
		c.withK(op, d, k)
		if cut {
			c.mask(d, in.Mask)
		}
	}
	flag := func(br func(l asm.Label)) {
		yes := c.NewLabel()
		x := asm.R3
		c.Imm(x, 1)
		br(yes)
		c.Imm(x, 0)
		c.Bind(yes)
		c.Mov(true, d, x)
	}
	switch in.Op {
	case tree.OpConst:
		c.Imm(d, in.K)
	case tree.OpField:
		c.field(d, in.K, in.Sh, in.Mask)
	case tree.OpLoad:
		c.loadAt(in, d)
	case tree.OpLen:
		c.Load(8, d, asm.At(asm.Ctx, offLength))
	case tree.OpAddK:
		one(asm.Add, in.K, true)
	case tree.OpAdd:
		two(asm.Add, true)
	case tree.OpSub:
		two(asm.Sub, true)
	case tree.OpAndK:
		one(asm.And, in.K, false)
	case tree.OpAnd:
		two(asm.And, false)
	case tree.OpOr:
		two(asm.Or, false)
	case tree.OpXor:
		two(asm.Xor, false)
	case tree.OpMulK:
		one(asm.Mul, in.K, true)
	case tree.OpShlK:
		if in.K > 63 {
			c.Imm(d, 0)
			return
		}
		c.Mov(true, d, a())
		c.OpK(asm.Lsh, true, d, int32(in.K))
		c.mask(d, in.Mask)
	case tree.OpShift:
		c.Mov(true, d, a())
		c.OpK(asm.Rsh, true, d, int32(in.Sh))
		c.mask(d, in.Mask)
	case tree.OpNot:
		one(asm.Xor, math.MaxUint64, true)
	case tree.OpBSwap:
		c.Mov(true, d, a())
		c.Swap(8, d)
		if in.Sh > 0 {
			c.OpK(asm.Rsh, true, d, int32(in.Sh))
		}
	case tree.OpConcat:
		c.Mov(true, asm.R3, a())
		c.OpK(asm.Lsh, true, asm.R3, int32(in.Sh))
		c.Op(asm.Or, true, asm.R3, b())
		c.Mov(true, d, asm.R3)
	case tree.OpSExt:
		c.Mov(true, d, a())
		c.OpK(asm.Lsh, true, d, int32(in.Sh))
		c.OpK(asm.Arsh, true, d, int32(in.Sh))
		c.mask(d, in.Mask)
	case tree.OpIte:
		c.Mov(true, asm.R3, c.get(in.C, asm.R4))
		no := c.NewLabel()
		c.BrK(asm.EQ, true, a(), 0, no)
		c.Mov(true, asm.R3, b())
		c.Bind(no)
		c.Mov(true, d, asm.R3)
	case tree.OpEq:
		flag(func(l asm.Label) { c.Br(asm.EQ, true, a(), b(), l) })
	case tree.OpEqK:
		flag(func(l asm.Label) { c.brK(asm.EQ, a(), in.K, l) })
	case tree.OpLT:
		flag(func(l asm.Label) { c.Br(asm.LT, true, a(), b(), l) })
	case tree.OpBin:
		c.fold(in, d)
	default:
		c.err = fmt.Errorf("native tree: operation %d", in.Op)
	}
}

// loadAt loads from an address of a slot: 0 outside the flat memory.
func (c *treeCompiler) loadAt(in *tree.Insn, d asm.Reg) {
	out := c.NewLabel()
	c.Mov(true, asm.R1, c.get(in.A, asm.R1))
	c.Imm(asm.R3, 0)
	c.brK(asm.GT, asm.R1, uint64(len(c.s.Mem.B)-8), out)
	c.Load(8, asm.R3, asm.Mem{Base: asm.Base, Index: asm.R1})
	c.mask(asm.R3, in.Mask)
	c.Bind(out)
	c.Mov(true, d, asm.R3)
}

// fold is one of the rarer operations: bv.Fold's multiplication and shifts by a
// value, and what is left to Go.
func (c *treeCompiler) fold(in *tree.Insn, d asm.Reg) {
	a, b := c.get(in.A, asm.R1), c.get(in.B, asm.R2)
	end := c.NewLabel()
	switch in.Sub {
	case bv.OpMul:
		c.Mov(true, asm.R3, a)
		c.Op(asm.Mul, true, asm.R3, b)
	case bv.OpShl, bv.OpLShr:
		op := asm.Lsh
		if in.Sub == bv.OpLShr {
			op = asm.Rsh
		}
		c.Imm(asm.R3, 0)
		c.BrK(asm.GE, true, b, int32(in.Width), end)
		c.Mov(true, asm.R3, a)
		c.Op(op, true, asm.R3, b)
	default:
		c.out(callOut{fun: foldCall | uint64(in.Sub)<<8 | uint64(in.Width), args: []uint16{in.A, in.B}, dst: in.Dst, mask: math.MaxUint64})
		if int(in.Dst) >= len(slotRegs) {
			c.Load(8, d, c.slotAt(in.Dst))
		}
		return
	}
	c.Bind(end)
	c.mask(asm.R3, bv.Mask(int(in.Width)))
	c.Mov(true, d, asm.R3)
}

// foldCall marks an operation of bv.Fold among functions.
const foldCall = 1 << 62
