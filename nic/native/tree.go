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
	"jitnic/pcaps/splitmix"
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
	treeCode
	gone  map[int32]bool // paths taken out since the code was made
	after int            // walks in Go until it is made anew
	off   error          // why there is no code

	Made   int    // how often code was made
	Walked uint64 // walks in Go
}

// treeCode is a tree as machine code, and where things are in it, in bytes from
// its beginning.
type treeCode struct {
	text    []byte
	start   uintptr // for the packet that has begun on the State
	enter   uintptr // where registers are loaded after a function of Go's
	found   uintptr // where leaves lead to for one packet
	head    uintptr // for the packets of a batch
	next    uintptr // where a batch's traces go on
	counted uintptr // likewise where the verdict is counted
	miss    uintptr // for paths that aren't in trace memory
	uses    fields
	paths   int32 // above those of all leaves
	calls   []callOut
	tables  [][]uint64 // of look-ups of fields, which code reads
	moves   [][]uint32 // likewise
	longest int        // code of the longest walk, in bytes
}

// callOut is a function that code leaves to Go.
type callOut struct {
	fun  uint64
	args []place
	dst  place
	mask uint64
	back int32 // where code goes on
}

// firstCode is after how many walks in Go code is made the first time.
const firstCode = 16

// NewMatcher makes a matcher of t, whose environment must be the machine's
// State.
func NewMatcher(m *Machine, t *tree.Tree) *Matcher {
	x := &Matcher{m: m, t: t, gone: map[int32]bool{}, after: firstCode}
	t.OnRemove(func(path int32) {
		x.gone[path] = true
		m.moved(path)
	})
	return x
}

// Free gives the code's memory back.
func (x *Matcher) Free() {
	x.block.Free()
	x.block = nil
	x.m.lead(0, 0, 0)
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
	if x.uses != 0 {
		c.load(s)
	}
	c.table, c.one, c.out = x.m.stays(), x.found, uintptr(unsafe.Pointer(&c.matched))
	x.into(x.start)
	for c.pc >= callBase {
		x.goOn()
	}
	p := int32(c.pc)
	if c.pc == matchedOne {
		p = c.matched
	}
	if p < 0 || len(x.gone) > 0 && x.gone[p] {
		return x.walk()
	}
	return p
}

// into runs code.
func (x *Matcher) into(at uintptr) {
	code.Enter(at, unsafe.Pointer(x.m.ctx), uintptr(unsafe.Pointer(&x.m.S.Mem.B[0])))
}

// goOn computes the function that code has left to Go, and runs what comes
// after it.
func (x *Matcher) goOn() {
	o := &x.calls[x.m.ctx.pc-callBase]
	x.call(o)
	x.m.ctx.resume = x.block.Addr() + uintptr(o.back)
	x.into(x.enter)
}

// callBase is where the numbers of calls begin among what code leaves in
// context.pc; below stand paths.
const callBase = 1 << 32

// call computes a function.
func (x *Matcher) call(o *callOut) {
	var args [16]uint64
	for i, a := range o.args {
		args[i] = *x.m.ctx.at(a)
	}
	env := x.t.Env()
	var v uint64
	switch {
	case o.fun == loadCall:
		if a := args[0]; a <= uint64(len(env.S.Mem.B)-8) {
			v = env.S.Load(a, 8)
		}
	case o.fun&inputCall != 0:
		v = env.Input(o.fun &^ inputCall)
	case o.fun&foldCall != 0:
		v = bv.Fold(bv.Op(o.fun>>8), int(uint8(o.fun)), args[0], args[1])
	default:
		v = env.Apply(o.fun, args[:len(o.args)])
	}
	*x.m.ctx.at(o.dst) = v & o.mask
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
	made, c, err := compileTree(b, x.m.S, x.t)
	if err == nil {
		err = x.m.work.readTree(c, made)
	}
	if err != nil {
		x.off = err
		if errors.Is(err, ErrReadBack) {
			x.m.wrong = err
		}
		return
	}
	x.Free()
	if x.block, err = x.m.Mem.Put(made.text); err != nil {
		x.block = nil
		x.off = err
		if errors.Is(err, code.ErrFull) {
			x.off = nil // there may be room again
		}
		return
	}
	if x.off = x.block.Name("guard tree"); x.off != nil {
		x.Free()
		return
	}
	x.treeCode = *made
	for _, at := range []*uintptr{&x.start, &x.enter, &x.found, &x.head, &x.next, &x.counted, &x.miss} {
		*at += x.block.Addr()
	}
	x.text = nil
	x.m.lead(x.miss, x.found, int(x.paths))
	clear(x.gone)
	x.Made++
}

// place is where a slot's value stands: a register, or from inMemory on a word
// of context.slot.
type place uint16

const inMemory = place(asm.None) + 1

// at is the place while Go has control.
func (c *context) at(p place) *uint64 {
	if p < inMemory {
		return &c.r[p]
	}
	return &c.slot[p-inMemory]
}

// keeps are the registers that a look-up leaves alone, scratch those that it
// doesn't. Registers 0, 3 and pkt, T0 and T1 never hold a slot.
var (
	keeps   = [...]asm.Reg{asm.R6, asm.R7, asm.R8, asm.R9}
	scratch = [...]asm.Reg{asm.R1, asm.R2, asm.R4, asm.R5}
)

// holds says which slot each register holds on the way from the root to where
// code is being written: slot+1, or 0.
type holds [asm.R10 + 1]uint16

func (h *holds) of(slot uint16) (asm.Reg, bool) {
	for r, s := range h {
		if s == slot+1 {
			return asm.Reg(r), true
		}
	}
	return 0, false
}

// wanted is a set of slots.
type wanted [(maxSlots + 63) / 64]uint64

func (w *wanted) add(slot uint16)      { w[slot/64] |= 1 << (slot % 64) }
func (w *wanted) has(slot uint16) bool { return w[slot/64]>>(slot%64)&1 != 0 }
func (w *wanted) del(slot uint16)      { w[slot/64] &^= 1 << (slot % 64) }
func (w *wanted) or(o *wanted) {
	for i := range w {
		w[i] |= o[i]
	}
}

// treeCompiler writes a tree's nodes.
type treeCompiler struct {
	asm.Backend
	s     *vm.State
	t     *tree.Tree
	uses  fields
	reach int      // of the packet, code looks at no byte from here on by pkt
	later []func() // writes what stands out of the way
	paths int32
	calls []callOut
	backs []asm.Label
	exit  asm.Label
	none  asm.Label
	err   error

	fields  []tree.Insn   // by slot: the field it holds, on the way at hand
	hashed  map[edge]bool // leaves that look-ups of fields find
	covered []int8        // by node: all leaves below are (2), or not (1)
	tables  [][]uint64
	moves   [][]uint32
	way     int // bytes of code from the root to where code is being written
	longest int // of all ways, but for leaves and what stands out of the way

	lands  map[edge]landed // where code begins that edges lead to
	marks  []mark          // nodes in the order they were written
	leaves []landed        // likewise
	exacts []exactMark     // likewise

	below []wanted // by node: slots from above that it and what hangs below it read
	h     holds
	live  wanted // slots that are read after the instruction at hand
}

func compileTree(b asm.Backend, s *vm.State, t *tree.Tree) (*treeCode, *treeCompiler, error) {
	c := &treeCompiler{Backend: b, s: s, t: t, exit: b.NewLabel(), none: b.NewLabel(), hashed: map[edge]bool{}, lands: map[edge]landed{}}
	c.below = make([]wanted, t.Nodes())
	c.reads(t.Root())
	if c.err != nil {
		return nil, nil, c.err
	}
	root := c.NewLabel()
	x := &treeCode{}
	c.batch(x, root)
	c.ref(edge{node: tree.Nothing}, t.Root(), 0, true)
	for i := 0; i < len(c.later); i++ {
		c.later[i]()
	}
	x.start = uintptr(c.Len())
	c.Lea(pkt, inBuffer(s))
	c.Jmp(root)
	c.Bind(c.none)
	c.StoreK(8, -1, asm.At(asm.Ctx, offPC))
	c.Ret()
	c.Bind(c.exit)
	for r := range asm.R10 + 1 {
		c.Store(8, r, asm.At(asm.Ctx, offR+8*int32(r)))
	}
	c.Ret()
	x.enter = uintptr(c.Len())
	for r := range asm.R10 + 1 {
		c.Load(8, r, asm.At(asm.Ctx, offR+8*int32(r)))
	}
	c.JmpMem(asm.At(asm.Ctx, offResume))
	x.found = uintptr(c.Len())
	c.StoreK(8, matchedOne, asm.At(asm.Ctx, offPC))
	c.Ret()
	if c.err != nil {
		return nil, nil, c.err
	}
	var err error
	if x.text, err = c.Code(); err != nil {
		return nil, nil, err
	}
	for i := range c.calls {
		c.calls[i].back = int32(c.Offset(c.backs[i]))
	}
	x.uses, x.calls, x.paths, x.tables, x.moves, x.longest = c.uses, c.calls, c.paths, c.tables, c.moves, c.longest
	return x, c, nil
}

// ref writes what a child leads to. found is how many look-ups stand above; try
// says that a look-up of fields may pay from here on.
func (c *treeCompiler) ref(at edge, r tree.Ref, found int, try bool) {
	for c.err == nil {
		c.lands[at] = landed{c.Len(), r, c.h}
		if path, ok := tree.Leaf(r); ok {
			c.leaves = append(c.leaves, c.lands[at])
			c.leaf(path)
			return
		}
		if r == tree.Nothing {
			c.Jmp(c.none)
			return
		}
		begin := c.Len()
		n := c.t.Node(r)
		fields := c.onlyFields(&n)
		if fields {
			_, _, _, fields = c.tests(&n)
		}
		paid := try && fields && c.exact(r)
		if paid && c.allHashed(edge{}, r) {
			c.Jmp(c.none)
			return
		}
		c.onlyFields(&n)
		m := mark{node: r, at: c.Len(), h: c.h, found: found}
		found = c.body(&n, found)
		m.test, m.then = c.Len(), c.h
		c.marks = append(c.marks, m)
		no := c.left(edge{r, 0, 0}, n.No)
		if len(n.Cases) > 0 {
			try = !paid && (try || !fields)
			c.cases(r, &n, found, try, begin)
			try = try && !fields
			at, r = edge{r, 0, 0}, no
			continue
		}
		try = !fields
		yes := c.left(edge{r, 0, 1}, n.Yes)
		// The side that leads nowhere yet is out of the way.
		if no == tree.Nothing {
			if yes == tree.Nothing {
				c.Jmp(c.none)
				return
			}
			c.test(&n, false, c.none)
			c.walked(begin)
			at, r = edge{r, 0, 1}, yes
			continue
		}
		if yes == tree.Nothing {
			c.test(&n, true, c.none)
			c.walked(begin)
			at, r = edge{r, 0, 0}, no
			continue
		}
		is := c.NewLabel()
		c.test(&n, true, is)
		c.walked(begin)
		h, way := c.h, c.way
		c.ref(edge{r, 0, 0}, no, found, try)
		c.h, c.way = h, way
		c.Bind(is)
		at, r = edge{r, 0, 1}, yes
	}
}

// walked counts the code since begin for whatever comes after it on the way.
func (c *treeCompiler) walked(begin int) {
	c.way += c.Len() - begin
	c.longest = max(c.longest, c.way)
}

// leaf goes where the path's code begins; to Go where it can't be a trace.
func (c *treeCompiler) leaf(path nic.Path) {
	if path >= nic.Untraceable {
		c.StoreK(8, path, asm.At(asm.Ctx, offPC))
		c.Ret()
		return
	}
	if path > math.MaxInt32/8 {
		c.err = fmt.Errorf("native tree: path %d: its number is too high", path)
		return
	}
	c.paths = max(c.paths, path+1)
	c.Load(8, asm.T1, asm.At(asm.Ctx, offOut))
	c.StoreK(4, path, asm.At(asm.T1, 0))
	c.OpK(asm.Add, true, asm.T1, 4)
	c.Store(8, asm.T1, asm.At(asm.Ctx, offOut))
	c.Load(8, asm.T1, asm.At(asm.Ctx, offTable))
	c.JmpMem(asm.At(asm.T1, 8*path))
}

// cases decides a chain by halving it; control goes on behind where none holds.
// What was written from begin on, and the compares, every way below has behind it.
func (c *treeCompiler) cases(r tree.Ref, n *tree.Node, found int, try bool, begin int) {
	cs := slices.Clone(n.Cases)
	for i := range cs {
		cs[i].To = c.left(edge{r, cs[i].K, 2}, cs[i].To)
	}
	x := c.compared(n)
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
		if to[i] = c.none; cs[i].To != tree.Nothing {
			to[i] = c.NewLabel()
		}
	}
	c.halve(x, cs, to, end)
	c.walked(begin)
	h, way := c.h, c.way
	for i := range cs {
		if cs[i].To == tree.Nothing {
			continue
		}
		c.Bind(to[i])
		c.h, c.way = h, way
		c.ref(edge{r, cs[i].K, 2}, cs[i].To, found, try)
	}
	c.Bind(end)
	c.h, c.way = h, way
}

func (c *treeCompiler) halve(x asm.Reg, cs []tree.Case, to []asm.Label, end asm.Label) {
	if len(cs) <= 3 {
		for i := range cs {
			c.brK(asm.EQ, x, cs[i].K, to[i])
		}
		c.Jmp(end)
		return
	}
	mid := len(cs) / 2
	low := c.NewLabel()
	c.brK(asm.LT, x, cs[mid].K, low)
	c.halve(x, cs[mid:], to[mid:], end)
	c.Bind(low)
	c.halve(x, cs[:mid], to[:mid], end)
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
		c.field(asm.R0, n.Addr, n.Sh, n.Mask)
		return asm.R0
	}
	return c.get(n.A, asm.R0)
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
		c.Load(8, asm.R0, asm.At(asm.Ctx, offLength))
		c.brK(is(cond), asm.R0, n.K, l)
	}
	switch n.Test {
	case tree.TestSlot:
		c.brK(is(asm.NE), c.get(n.A, asm.R0), 0, l)
	case tree.TestField, tree.TestEqK:
		c.brK(is(asm.EQ), c.compared(n), n.K, l)
	case tree.TestLTK:
		c.brK(is(asm.LT), c.get(n.A, asm.R0), n.K, l)
	case tree.TestGTK:
		c.brK(is(asm.GT), c.get(n.A, asm.R0), n.K, l)
	case tree.TestEq:
		c.Br(is(asm.EQ), true, c.get(n.A, asm.R0), c.get(n.B, asm.R3), l)
	case tree.TestLT:
		c.Br(is(asm.LT), true, c.get(n.A, asm.R0), c.get(n.B, asm.R3), l)
	case tree.TestLenLTK:
		length(asm.LT)
	case tree.TestLenGTK:
		length(asm.GT)
	default:
		c.err = fmt.Errorf("native tree: test %d", n.Test)
	}
}

// reads works out which slots from above a child needs: those of its code and
// test that its own code doesn't make, and those of what hangs below.
func (c *treeCompiler) reads(r tree.Ref) (w wanted) {
	if r < 0 || c.err != nil {
		return w
	}
	n := c.t.Node(r)
	c.looksAt(&n)
	for i := range n.Code { // what stands below reads no others
		if n.Code[i].Dst >= maxSlots {
			c.err = fmt.Errorf("native tree: a walk of more than %d values", maxSlots)
			return w
		}
	}
	for _, x := range n.Cases {
		o := c.reads(x.To)
		w.or(&o)
	}
	if len(n.Cases) == 0 {
		w = c.reads(n.Yes)
	}
	o := c.reads(n.No)
	w.or(&o)
	if c.err != nil {
		return w
	}
	c.below[r] = w // for now: what stands below
	c.tested(&n, w.add)
	for i := len(n.Code) - 1; i >= 0; i-- {
		in := &n.Code[i]
		w.del(in.Dst)
		c.operands(in, w.add)
	}
	return w
}

// looksAt notes which of the packet's bytes and of the context's fields a node
// reads.
func (c *treeCompiler) looksAt(n *tree.Node) {
	bytes := func(addr uint64, sh uint8, mask uint64) {
		size, addr, _ := spot(addr, sh, mask)
		if off, ok := c.inPacket(addr); ok {
			c.reach = max(c.reach, int(off)+size)
		}
	}
	if n.Test == tree.TestField {
		bytes(n.Addr, n.Sh, n.Mask)
	}
	for i := range n.Code {
		switch in := &n.Code[i]; in.Op {
		case tree.OpField:
			bytes(in.K, in.Sh, in.Mask)
		case tree.OpLoad:
			c.uses |= useLimits
		case tree.OpInput:
			if _, use, ok := inputAt(in.K); ok {
				c.uses |= use
			} else if isRandom(in.K) {
				c.uses |= usePacket
			}
		case tree.OpLookup:
			if f, ok := flatOf(c.s, c.t.Call(in).Map); ok && f.Step != 0 {
				c.uses |= useCPU
			}
		}
	}
}

// inputAt is the field of the context that holds an input of a condition.
func inputAt(k uint64) (at int32, use fields, ok bool) {
	switch k {
	case pathcond.InTime:
		return offTime, useTime, true
	case pathcond.InCPU:
		return offCPU, useCPU, true
	case pathcond.InIfindex:
		return ctxField[vm.CtxIfIndex], useIf, true
	case pathcond.InQueue:
		return ctxField[vm.CtxQueue], useQueue, true
	}
	return 0, 0, false
}

// isRandom says whether an input is a random draw.
func isRandom(k uint64) bool {
	return k >= pathcond.InRand && k < pathcond.InRand+pathcond.MaxRand
}

// tested calls f with the slots that a node's test reads.
func (c *treeCompiler) tested(n *tree.Node, f func(slot uint16)) {
	switch n.Test {
	case tree.TestSlot, tree.TestEqK, tree.TestLTK, tree.TestGTK:
		f(n.A)
	case tree.TestEq, tree.TestLT:
		f(n.A)
		f(n.B)
	}
}

// operands calls f with the slots that an instruction reads.
func (c *treeCompiler) operands(in *tree.Insn, f func(slot uint16)) {
	switch in.Op {
	case tree.OpConst, tree.OpField, tree.OpInput, tree.OpLen:
	case tree.OpLookup, tree.OpCall:
		for _, a := range c.t.Call(in).Args {
			f(a)
		}
	case tree.OpIte:
		f(in.A)
		f(in.B)
		f(in.C)
	case tree.OpBin, tree.OpAdd, tree.OpSub, tree.OpAnd, tree.OpOr, tree.OpXor, tree.OpConcat, tree.OpEq, tree.OpLT:
		f(in.A)
		f(in.B)
	default:
		f(in.A)
	}
}

// body writes a node's code, gives registers to what it makes and takes them
// from what nothing reads any more.
func (c *treeCompiler) body(n *tree.Node, found int) int {
	if len(n.Code) == 0 {
		return found
	}
	after := make([]wanted, len(n.Code)) // slots read after each instruction
	var w wanted
	for _, x := range append(n.Cases, tree.Case{To: n.Yes}, tree.Case{To: n.No}) {
		if x.To >= 0 {
			o := c.needs(x.To)
			w.or(&o)
		}
	}
	// What is read below may be read after a look-up there, and what the test
	// reads after one here.
	beyond := w
	c.tested(n, w.add)
	c.tested(n, beyond.add)
	for i := len(n.Code) - 1; i >= 0; i-- {
		after[i] = w
		w.del(n.Code[i].Dst)
		c.operands(&n.Code[i], w.add)
	}
	c.release(&w)
	for i := range n.Code {
		in := &n.Code[i]
		c.live = after[i]
		found = c.insn(in, found, func(slot uint16) bool { return beyond.has(slot) || crosses(n.Code[i+1:], slot, c) })
		c.release(&c.live)
	}
	return found
}

// release takes registers from slots that nothing reads any more.
func (c *treeCompiler) release(live *wanted) {
	for r, s := range c.h {
		if s > 0 && !live.has(s-1) {
			c.h[r] = 0
		}
	}
}

// crosses says whether a slot is read behind a look-up of the code.
func crosses(code []tree.Insn, slot uint16, c *treeCompiler) bool {
	calls := false // a look-up stands before
	for i := range code {
		in := &code[i]
		if calls {
			reads := false
			c.operands(in, func(s uint16) { reads = reads || s == slot })
			if reads {
				return true
			}
		}
		calls = calls || in.Op == tree.OpLookup
	}
	return false
}

// needs is what a node reads from above.
func (c *treeCompiler) needs(r tree.Ref) wanted {
	n := c.t.Node(r)
	w := c.below[r]
	c.tested(&n, w.add)
	for i := len(n.Code) - 1; i >= 0; i-- {
		w.del(n.Code[i].Dst)
		c.operands(&n.Code[i], w.add)
	}
	return w
}

// get is a register with a slot's value: its own, or one to be loaded.
func (c *treeCompiler) get(slot uint16, load asm.Reg) asm.Reg {
	if r, ok := c.h.of(slot); ok {
		return r
	}
	c.Load(8, load, slotAt(slot))
	return load
}

// placeOf is where a slot's value stands.
func (c *treeCompiler) placeOf(slot uint16) place {
	if r, ok := c.h.of(slot); ok {
		return place(r)
	}
	return inMemory + place(slot)
}

func slotAt(slot uint16) asm.Mem { return asm.At(asm.Ctx, offSlot+8*int32(slot)) }

// room gives a slot a register, if there is one left of the kind it needs.
func (c *treeCompiler) room(slot uint16, long bool) (asm.Reg, bool) {
	if !long {
		for _, r := range scratch {
			if c.h[r] == 0 {
				c.h[r] = slot + 1
				return r, true
			}
		}
	}
	for _, r := range keeps {
		if c.h[r] == 0 {
			c.h[r] = slot + 1
			return r, true
		}
	}
	return 0, false
}

// spot is where a field stands: no more bytes than it takes, of the 8 at its
// address.
func spot(addr uint64, sh uint8, mask uint64) (size int, at uint64, shift uint8) {
	size = 8
	for _, n := range []int{4, 2, 1} {
		if low := sh % 8; mask<<low>>low == mask && mask<<low>>(8*n) == 0 {
			size = n
		}
	}
	if size == 8 {
		return size, addr, sh
	}
	return size, addr + uint64(sh/8), sh % 8
}

// inPacket is the number of a byte of the packet, by its address in the buffer.
func (c *treeCompiler) inPacket(addr uint64) (off uint64, ok bool) {
	off = addr - (c.s.Buf + vm.Headroom)
	return off, off < vm.MaxLinear
}

// field loads bits of the 8 bytes at a fixed address.
func (c *treeCompiler) field(d asm.Reg, addr uint64, sh uint8, mask uint64) {
	size, addr, sh := spot(addr, sh, mask)
	if off, ok := c.inPacket(addr); ok {
		c.Load(size, d, asm.At(pkt, int32(off)))
	} else {
		c.Load(size, d, c.arena(addr))
	}
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
// above it; it returns how many stand above the next. long says that a slot is
// read across a look-up.
func (c *treeCompiler) insn(in *tree.Insn, found int, long func(slot uint16) bool) int {
	if in.Op == tree.OpLookup {
		c.lookup(in, found, long)
		return found + 1
	}
	if !c.live.has(in.Dst) {
		return found
	}
	d, reused := c.reuse(in, long)
	ok := reused
	if !ok {
		d, ok = c.room(in.Dst, long(in.Dst))
	}
	if !ok {
		d = asm.R0
	}
	switch in.Op {
	case tree.OpCall:
		call := c.t.Call(in)
		if !c.cell(call.Fun, call.Args) && !c.hasRoom(call) {
			c.callOut(call, in.Dst, in.Mask)
			return found
		}
		c.mask(asm.R0, in.Mask)
		c.Mov(true, d, asm.R0)
	case tree.OpInput:
		if !c.input(in, d) {
			return found
		}
	case tree.OpBin:
		if !c.fold(in, d) {
			return found
		}
	default:
		c.compute(in, d)
	}
	if reused {
		c.h[d] = in.Dst + 1
	}
	if !ok {
		c.Store(8, d, slotAt(in.Dst))
	}
	return found
}

// reuse is the register of the first operand, where nothing reads that any more:
// the result takes its place.
func (c *treeCompiler) reuse(in *tree.Insn, long func(slot uint16) bool) (asm.Reg, bool) {
	switch in.Op {
	case tree.OpAdd, tree.OpSub, tree.OpAnd, tree.OpOr, tree.OpXor, tree.OpConcat:
		if in.A == in.B {
			return 0, false
		}
	case tree.OpAddK, tree.OpAndK, tree.OpMulK, tree.OpShlK, tree.OpShift, tree.OpNot, tree.OpBSwap, tree.OpSExt:
	default:
		return 0, false
	}
	r, ok := c.h.of(in.A)
	if !ok || c.live.has(in.A) || slices.Contains(scratch[:], r) && long(in.Dst) {
		return 0, false
	}
	return r, true
}

// lookup makes a look-up, leaves its result for the trace, and gives it a place.
func (c *treeCompiler) lookup(in *tree.Insn, found int, long func(slot uint16) bool) {
	call := c.t.Call(in)
	native := c.lookUp(call, found)
	d, ok := c.room(in.Dst, long(in.Dst))
	if !native {
		c.callOut(call, in.Dst, math.MaxUint64)
		c.Mov(true, asm.R0, c.get(in.Dst, asm.R0))
	}
	if found < maxFound {
		c.Store(8, asm.R0, asm.At(asm.Ctx, offFound+8*int32(found)))
	}
	switch {
	case !native:
	case ok:
		c.Mov(true, d, asm.R0)
	default:
		c.Store(8, asm.R0, slotAt(in.Dst))
	}
}

// input is an input of the condition; false where Go has put it in its place.
func (c *treeCompiler) input(in *tree.Insn, d asm.Reg) bool {
	at, _, ok := inputAt(in.K)
	switch {
	case ok:
		c.Load(8, d, asm.At(asm.Ctx, at))
	case isRandom(in.K):
		c.random(in.K - pathcond.InRand)
		c.Mov(true, d, asm.T0)
	case in.K >= pathcond.InVersion:
		// The counters' slice may be moved as it grows; its header stays.
		i := in.K - pathcond.InVersion
		c.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(&c.t.Env().Versions.Counter))))
		c.Load(8, asm.T1, asm.At(asm.T1, 0))
		c.Load(8, d, asm.At(asm.T1, int32(8*i)))
	default: // one of the coarse clocks
		c.out(callOut{fun: inputCall | in.K, dst: c.placeOf(in.Dst), mask: in.Mask})
		return false
	}
	c.mask(d, in.Mask)
	return true
}

// random is vm.Random's n-th draw of the packet in T0. It uses R3 and T1.
func (c *treeCompiler) random(n uint64) {
	add := func(k uint64) {
		c.Imm(asm.T1, k)
		c.Op(asm.Add, true, asm.T0, asm.T1)
	}
	c.Load(8, asm.T0, asm.At(asm.Ctx, offPacket))
	add(splitmix.Mix(c.s.Opt.Seed ^ splitmix.Step))
	c.mix()
	add((n + 1) * splitmix.Step)
	c.mix()
	c.OpK(asm.Rsh, true, asm.T0, 32)
}

// mix is splitmix.Mix of T0.
func (c *treeCompiler) mix() {
	for _, s := range []struct {
		sh int32
		by uint64
	}{{30, splitmix.First}, {27, splitmix.Second}, {31, 0}} {
		c.Mov(true, asm.R3, asm.T0)
		c.OpK(asm.Rsh, true, asm.R3, s.sh)
		c.Op(asm.Xor, true, asm.T0, asm.R3)
		if s.by != 0 {
			c.Imm(asm.T1, s.by)
			c.Op(asm.Mul, true, asm.T0, asm.T1)
		}
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
	o := callOut{fun: call.Fun, dst: c.placeOf(dst), mask: mask}
	for _, a := range call.Args {
		o.args = append(o.args, c.placeOf(a))
	}
	c.out(o)
}

func (c *treeCompiler) out(o callOut) {
	back := c.NewLabel()
	c.Imm(asm.T0, callBase+uint64(len(c.calls)))
	c.Store(8, asm.T0, asm.At(asm.Ctx, offPC))
	c.Jmp(c.exit)
	c.Bind(back)
	c.calls = append(c.calls, o)
	c.backs = append(c.backs, back)
}

// lookUp writes a look-up that leaves its result in R0; false where the map is
// none that code knows. It changes the registers of scratch.
//
// found is its number on the way. A reference bit isn't set, as matching changes
// nothing: the number of the element is left for the trace.
func (c *treeCompiler) lookUp(call *tree.Call, found int) bool {
	f, ok := flatOf(c.s, call.Map)
	if !ok || !canLookUp(&f) || len(call.Args)*8 > maxKey {
		return false
	}
	if f.Kind == maps.FlatArray {
		c.Zext(4, asm.T0, c.get(call.Args[0], asm.T0))
		element(c.Backend, &f)
		return true
	}
	n := int(f.KeySize)
	if f.Kind == maps.FlatTrie || n != 4 && n != 8 && n != 16 {
		for i, a := range call.Args {
			c.Store(8, c.get(a, asm.R0), asm.At(asm.Ctx, offKey+8*int32(i)))
		}
	}
	other := c.fieldsDiffer(n)
	switch {
	case f.Kind == maps.FlatTrie:
		c.way += loops(&f)
		walkTrie(c.Backend, &f, keyInContext)
		return true
	case n == 4:
		c.Zext(4, asm.R2, c.get(call.Args[0], asm.R0))
		c.Mov(true, firstWord, asm.R2)
		c.Imm(asm.R4, 0)
		mixKey(c.Backend, n)
	case n == 8:
		c.Mov(true, asm.R2, c.get(call.Args[0], asm.R0))
		c.Mov(true, firstWord, asm.R2)
		c.Imm(asm.R4, 0)
		mixKey(c.Backend, n)
	case n == 16:
		// The second word may stand where the first goes.
		c.Mov(true, asm.R3, c.get(call.Args[1], asm.R3))
		c.Mov(true, asm.R2, c.get(call.Args[0], asm.R0))
		c.Store(8, asm.R3, keyInContext(8))
		c.Mov(true, firstWord, asm.R2)
		c.Mov(true, asm.R4, asm.R3)
		mixKey(c.Backend, n)
	default:
		hashWith(c.Backend, n, c.keyBytes)
		other = bytesDiffer(c.Backend, n, keyInContext)
	}
	if found >= maxFound {
		f.Ref = nil
	}
	far := probe(c.Backend, &f, other, func() { c.Store(8, asm.T0, asm.At(asm.Ctx, offElem+8*int32(found))) })
	c.later = append(c.later, far)
	return true
}

// fieldsDiffer compares a key of 4, 8 or 16 bytes, the first 8 of which are in firstWord.
func (c *treeCompiler) fieldsDiffer(n int) differs {
	return func(elem asm.Mem, next asm.Label) {
		if n == 4 {
			c.Load(4, asm.T0, elem)
			c.Br(asm.NE, true, asm.T0, firstWord, next)
			return
		}
		c.BrMem(asm.NE, firstWord, elem, next)
		if elem.Disp += 8; n == 16 {
			c.Load(8, asm.T0, elem)
			c.BrMem(asm.NE, asm.T0, keyInContext(8), next)
		}
	}
}

// keyBytes loads bytes of a key that the guard tree has put together by words of eight: what
// isn't such a word is made of two, or the load would wait until both are in the cache. It
// uses T1.
func (c *treeCompiler) keyBytes(size int, d asm.Reg, off int) {
	in := int32(off % 8)
	if size < 8 || in == 0 {
		c.Load(size, d, keyInContext(off))
		return
	}
	c.Load(8, d, keyInContext(off-int(in)))
	c.OpK(asm.Rsh, true, d, 8*in)
	c.Load(8, asm.T1, keyInContext(off-int(in)+8))
	c.OpK(asm.Lsh, true, asm.T1, 64-8*in)
	c.Op(asm.Or, true, d, asm.T1)
}

// keyInContext is where the guard tree puts keys together.
func keyInContext(off int) asm.Mem { return asm.At(asm.Ctx, offKey+int32(off)) }

// compute writes arithmetic. It uses registers 0 and 3, T0 and T1.
func (c *treeCompiler) compute(in *tree.Insn, d asm.Reg) {
	a := func() asm.Reg { return c.get(in.A, asm.R0) }
	b := func() asm.Reg { return c.get(in.B, asm.R3) }
	// two is a op b, cut to the mask.
	two := func(op asm.Op, cut bool) {
		y := b()
		c.Mov(true, d, a())
		c.Op(op, true, d, y)
		if cut {
			c.mask(d, in.Mask)
		}
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
		c.Imm(asm.T0, 1)
		br(yes)
		c.Imm(asm.T0, 0)
		c.Bind(yes)
		c.Mov(true, d, asm.T0)
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
		y := b()
		c.Mov(true, d, a())
		c.OpK(asm.Lsh, true, d, int32(in.Sh))
		c.Op(asm.Or, true, d, y)
	case tree.OpSExt:
		c.Mov(true, d, a())
		c.OpK(asm.Lsh, true, d, int32(in.Sh))
		c.OpK(asm.Arsh, true, d, int32(in.Sh))
		c.mask(d, in.Mask)
	case tree.OpIte:
		c.Mov(true, asm.T0, c.get(in.C, asm.T0))
		no := c.NewLabel()
		c.BrK(asm.EQ, true, a(), 0, no)
		c.Mov(true, asm.T0, b())
		c.Bind(no)
		c.Mov(true, d, asm.T0)
	case tree.OpEq:
		flag(func(l asm.Label) { c.Br(asm.EQ, true, a(), b(), l) })
	case tree.OpEqK:
		flag(func(l asm.Label) { c.brK(asm.EQ, a(), in.K, l) })
	case tree.OpLT:
		flag(func(l asm.Label) { c.Br(asm.LT, true, a(), b(), l) })
	default:
		c.err = fmt.Errorf("native tree: operation %d", in.Op)
	}
}

// loadAt loads from an address of a slot: 0 outside the flat memory.
func (c *treeCompiler) loadAt(in *tree.Insn, d asm.Reg) {
	size := 8
	for _, n := range []int{4, 2, 1} {
		if in.Mask>>(8*n) == 0 {
			size = n
		}
	}
	a := c.get(in.A, asm.R0)
	far, end := c.NewLabel(), c.NewLabel()
	c.Lea(asm.T0, asm.At(a, -int32(c.s.Buf)-vm.Headroom))
	c.BrMem(asm.GE, asm.T0, asm.At(asm.Ctx, offLimit4+8*log2(size)), far)
	c.Load(size, asm.T0, asm.Mem{Base: pkt, Index: asm.T0})
	c.Bind(end)
	c.mask(asm.T0, in.Mask)
	c.Mov(true, d, asm.T0)
	out := callOut{fun: loadCall, args: []place{c.placeOf(in.A)}, dst: c.placeOf(in.Dst), mask: math.MaxUint64}
	c.later = append(c.later, func() {
		// Elsewhere in the flat memory; behind the packet's last bytes: Go reads
		// what stands in the buffer.
		none, behind := c.NewLabel(), c.NewLabel()
		c.Bind(far)
		c.BrK(asm.LT, true, asm.T0, vm.MaxLinear, behind)
		c.Lea(asm.T0, asm.At(asm.T0, int32(c.s.Buf)+vm.Headroom))
		c.brK(asm.GT, asm.T0, uint64(len(c.s.Mem.B)-8), none)
		c.Load(8, asm.T0, asm.Mem{Base: asm.Base, Index: asm.T0})
		c.Jmp(end)
		c.Bind(none)
		c.Imm(asm.T0, 0)
		c.Jmp(end)
		c.Bind(behind)
		c.out(out)
		if out.dst < inMemory {
			c.Mov(true, asm.T0, asm.Reg(out.dst))
		} else {
			c.Load(8, asm.T0, slotAt(in.Dst))
		}
		c.Jmp(end)
	})
}

// loadCall marks a load among functions.
const loadCall = 1 << 61

// fold is one of the rarer operations, bv.Fold's: multiplication and shifts by a
// value, or left to Go, which puts the result in its place (false).
func (c *treeCompiler) fold(in *tree.Insn, d asm.Reg) bool {
	if in.Sub == bv.OpUDiv || in.Sub == bv.OpURem {
		c.divide(in, d)
		return true
	}
	ops := map[bv.Op]asm.Op{bv.OpMul: asm.Mul, bv.OpShl: asm.Lsh, bv.OpLShr: asm.Rsh}
	op, ok := ops[in.Sub]
	if !ok {
		c.out(callOut{fun: foldCall | uint64(in.Sub)<<8 | uint64(in.Width), args: []place{c.placeOf(in.A), c.placeOf(in.B)},
			dst: c.placeOf(in.Dst), mask: math.MaxUint64})
		return false
	}
	b := c.get(in.B, asm.R3)
	c.Mov(true, d, c.get(in.A, asm.R0))
	if op == asm.Mul {
		c.Op(op, true, d, b)
	} else {
		in, end := int32(in.Width), c.NewLabel()
		fits := c.NewLabel()
		c.BrK(asm.LT, true, b, in, fits)
		c.Imm(d, 0)
		c.Jmp(end)
		c.Bind(fits)
		c.Op(op, true, d, b)
		c.Bind(end)
	}
	c.mask(d, bv.Mask(int(in.Width)))
	return true
}

// divide is unsigned division. By zero it gives all ones, as solvers have it,
// and leaves the dividend.
func (c *treeCompiler) divide(in *tree.Insn, d asm.Reg) {
	b := c.get(in.B, asm.R3)
	a := c.get(in.A, asm.R0)
	zero, end := c.NewLabel(), c.NewLabel()
	c.Mov(true, d, a)
	if in.Sub == bv.OpURem {
		c.Div(true, false, true, d, b)
		return
	}
	c.BrK(asm.EQ, true, b, 0, zero)
	c.Div(true, false, false, d, b)
	c.Jmp(end)
	c.Bind(zero)
	c.Imm(d, bv.Mask(int(in.Width)))
	c.Bind(end)
}

// foldCall marks an operation of bv.Fold among functions.
const foldCall = 1 << 62
