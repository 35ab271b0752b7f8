package native

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native/readback"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/tree"
)

// The guard tree's code is read back node by node: from where a node's code begins,
// with numbers drawn for the values from above in the places they have there, it must
// come to where the edge leads that the predicate on these numbers takes, with the
// values that are read below in the places they have then. What is compared is drawn
// so that it is equal, just less, or just more. What looks into a hash or a trie is
// carried out on a twin of the map (readback_twin.go). Look-ups of fields are read back
// with the packets that they know (readback_exact.go), and what leads from packet to
// packet for each way that can go (readback_batch.go).

// landed is what an edge leads to: where its code begins, and which values are where.
type landed struct {
	code int
	ref  tree.Ref
	h    holds
}

// mark is a node's own code: where it begins, behind a look-up of fields, and where its
// test does, and what is where then.
type mark struct {
	node     tree.Ref
	at, test int
	h, then  holds
	found    int // look-ups above
}

// treeSets is on how many sets of numbers a node is read at least: one on which a
// comparison holds, and one just below.
const treeSets = 2

// Where things stand while a tree's code is read back.
const (
	outPlace   = 0x4a11 << 48
	tablePlace = 0x4b22 << 48
	leafPlace  = 0x1f04 << 48
	countBase  = 0x4c33 << 48 // version counters
)

// treeReader reads a tree's code back.
type treeReader struct {
	m    *readback.Machine
	cpu  readback.CPU
	c    *treeCompiler
	made *treeCode
	s    *vm.State
	x    context
	mem  words
	seed uint64
	inst readback.Inst
	v    [maxSlots]uint64
	path int64 // that a leaf has left, or noLeaf
	at   tree.Ref

	twins map[maps.Map]*twin
	asked []*twin // by what the node at hand looks up
	ring  ringWords
}

// noLeaf is no path.
const noLeaf = -1

// readTree reads a tree's code back: each node on so many sets of numbers.
func (w *work) readTree(c *treeCompiler, made *treeCode) error {
	if w.trees == nil {
		m, err := readback.Of(runtime.GOARCH)
		if err != nil {
			return err
		}
		w.trees = &treeReader{m: m}
		w.trees.cpu.Mem, w.trees.cpu.Code = w.trees, codeBase
	}
	b := w.trees
	b.c, b.made, b.s = c, made, c.s
	defer b.freeTwins()
	for i := range c.marks {
		m := &c.marks[i]
		for set := range max(w.sets, treeSets) {
			seed := uint64(i)<<8 | uint64(set)
			err := b.node(m, seed, false)
			if err == nil && m.test > m.at {
				err = b.node(m, seed, true)
			}
			if err != nil {
				return fmt.Errorf("%w: guard tree: node %d: %w", ErrReadBack, m.node, err)
			}
		}
	}
	for _, l := range c.leaves {
		b.registers()
		b.x.out, b.x.table = outPlace, tablePlace
		if err := b.run(l.code, l.leaf(), -1); err != nil {
			return fmt.Errorf("%w: guard tree: %w", ErrReadBack, err)
		}
	}
	for i := range c.exacts {
		if err := b.exact(&c.exacts[i]); err != nil {
			return fmt.Errorf("%w: guard tree: %w", ErrReadBack, err)
		}
	}
	if err := b.packets(w.between(b.m, b.s)); err != nil {
		return fmt.Errorf("%w: guard tree: %w", ErrReadBack, err)
	}
	return nil
}

// leaf is the path of what an edge leads to, if it is one.
func (l *landed) leaf() int64 {
	if path, ok := tree.Leaf(l.ref); ok {
		return int64(path)
	}
	return noLeaf
}

func (b *treeReader) draw(what uint64) uint64 { return drawn(b.seed, what) }

// node reads one node's code on one set of numbers: the whole, or its test alone, for
// which what the node makes is drawn, too.
func (b *treeReader) node(m *mark, seed uint64, test bool) error {
	b.seed, b.at = seed, m.node
	b.mem.reset(seed)
	b.x = drawnContext(seed, b.s)
	b.x.length, b.x.out, b.x.table = vm.MinPacket+b.draw(6)%1000, outPlace, tablePlace
	n := b.c.t.Node(m.node)
	at, h, need := m.at, &m.h, b.c.needs(m.node)
	if test {
		n.Code = nil
		at, h, need = m.test, &m.then, b.c.below[m.node]
		b.c.tested(&n, need.add)
	}
	need.each(func(slot uint16) { b.v[slot] = number64(b.draw(1000 + uint64(slot))) })
	b.lead(&n, &need)
	b.x.limits(b.x.length)
	b.registers()
	need.each(func(slot uint16) {
		if r, ok := h.of(slot); ok {
			b.cpu.R[b.m.Home[r]] = b.v[slot]
		} else {
			b.x.slot[slot] = b.v[slot]
		}
	})
	b.asked, b.ring = b.asked[:0], ringWords{}
	found, err := b.carry(&n)
	if err != nil {
		return err
	}
	e := b.takes(&n, m.node)
	end, known := b.c.lands[e]
	to, leaf := end.code, int64(noLeaf)
	if known {
		leaf = end.leaf()
	}
	if !known || end.ref == tree.Nothing {
		to = b.c.Offset(b.c.none)
	}
	if err := b.run(at, leaf, to); err != nil {
		return err
	}
	for i, v := range found {
		k := m.found + i
		if k >= maxFound {
			break
		}
		if b.x.found[k] != v {
			return fmt.Errorf("look-up %d leaves %#x, not %#x", k, b.x.found[k], v)
		}
		if t := b.asked[i]; v != 0 && t != nil && t.at.Ref != nil && b.x.elem[k] != t.elem(v) {
			return fmt.Errorf("look-up %d leaves element %d, not %d", k, b.x.elem[k], t.elem(v))
		}
	}
	if !known || end.ref < 0 {
		return nil
	}
	below := b.c.needs(end.ref)
	below.each(func(slot uint16) {
		got := b.x.slot[slot]
		if r, ok := end.h.of(slot); ok {
			got = b.cpu.R[b.m.Home[r]]
		}
		if got != b.v[slot] && err == nil {
			err = fmt.Errorf("value %d is %#x, not %#x", slot, got, b.v[slot])
		}
	})
	return err
}

// registers draws them, but for those that have a meaning throughout.
func (b *treeReader) registers() {
	for r, home := range b.m.Home {
		b.cpu.R[home] = b.draw(100 + uint64(r))
	}
	b.cpu.R[b.m.Home[readback.Base]], b.cpu.R[b.m.Home[readback.Ctx]], b.cpu.R[b.m.Home[10]] = memBase, ctxBase, pktBase
}

// each calls f with the slots, in order.
func (w *wanted) each(f func(slot uint16)) {
	for i, word := range w {
		for ; word != 0; word &= word - 1 {
			f(uint16(64*i + bits.TrailingZeros64(word)))
		}
	}
}

// lead draws what the node looks at so that its test holds, or nearly.
func (b *treeReader) lead(n *tree.Node, need *wanted) {
	k := n.K
	if len(n.Cases) > 0 {
		k = n.Cases[b.draw(7)%uint64(len(n.Cases))].K
	}
	near := k + [...]uint64{0, ^uint64(0), 1, 0}[b.seed%4]
	for i := range n.Code {
		in := &n.Code[i]
		if in.Op == tree.OpBin { // its operands have a width
			for _, slot := range []uint16{in.A, in.B} {
				if need.has(slot) {
					b.v[slot] &= bv.Mask(int(in.Width))
				}
			}
		}
		if in.Op == tree.OpCall && b.seed&1 == 0 {
			if call := b.c.t.Call(in); len(call.Args) == 1 && need.has(call.Args[0]) {
				if _, at, ok := cellsOf(b.s, call.Fun, 1); ok { // one that is there, or just not
					b.v[call.Args[0]] = [...]uint64{b.draw(11) % uint64(at.Max), uint64(at.Max) - 1, uint64(at.Max)}[b.draw(12)%3]
				}
			}
		}
		if in.Op == tree.OpLoad && need.has(in.A) { // in the packet, at its end, elsewhere, nowhere
			at := []uint64{b.draw(9) % b.x.length, b.x.length - 1 - b.draw(9)%8, b.x.length + b.draw(9)%64, b.draw(9) % (1 << 20), b.draw(9)}[b.draw(10)%5]
			b.v[in.A] = b.s.Buf + vm.Headroom + at
		}
	}
	switch n.Test {
	case tree.TestField:
		w := b.mem.load(n.Addr, 8)
		b.mem.store(n.Addr, w&^(n.Mask<<n.Sh)|near&n.Mask<<n.Sh, 8)
	case tree.TestEqK, tree.TestLTK, tree.TestGTK:
		if need.has(n.A) {
			b.v[n.A] = near
		}
	case tree.TestEq, tree.TestLT:
		if need.has(n.A) && need.has(n.B) {
			b.v[n.A] = b.v[n.B] + near - k
		}
	case tree.TestLenLTK, tree.TestLenGTK:
		if near < vm.MaxLinear {
			b.x.length = near
		}
	}
}

// carry carries the node's instructions out, and gives the results of look-ups. It does
// so twice where maps are looked up: twins are filled by the keys of the first time, and
// an address that a load has may be one of theirs.
func (b *treeReader) carry(n *tree.Node) (found []uint64, err error) {
	for i := range n.Code {
		if in := &n.Code[i]; in.Op == tree.OpLookup {
			t, err := b.twin(b.c.t.Call(in))
			if err != nil {
				return nil, err
			}
			b.asked = append(b.asked, t)
		}
	}
	if len(b.asked) > 0 {
		b.once(n)
	}
	return b.once(n), nil
}

// once carries them out one time.
func (b *treeReader) once(n *tree.Node) (found []uint64) {
	for i := range n.Code {
		in := &n.Code[i]
		if in.Op != tree.OpLookup {
			b.v[in.Dst] = b.value(in)
			continue
		}
		if t := b.asked[len(found)]; t != nil {
			b.v[in.Dst] = t.looks(b.key(b.c.t.Call(in)))
		} else {
			b.v[in.Dst] = b.value(in)
		}
		found = append(found, b.v[in.Dst])
	}
	return found
}

// flat is what stands in flat memory.
func (b *treeReader) flat(addr uint64, n int) uint64 {
	for _, t := range b.asked {
		if t != nil {
			if v, ok := t.flat(addr, n); ok {
				return v
			}
		}
	}
	return b.mem.load(addr, n)
}

// value is what an instruction makes.
func (b *treeReader) value(in *tree.Insn) uint64 {
	x, y := b.v[in.A], b.v[in.B]
	switch in.Op {
	case tree.OpConst:
		return in.K
	case tree.OpField:
		return b.flat(in.K, 8) >> in.Sh & in.Mask
	case tree.OpLoad:
		if x+8 > uint64(len(b.s.Mem.B)) || x+8 <= x {
			return 0
		}
		return b.flat(x, 8) & in.Mask
	case tree.OpInput:
		return b.input(in.K) & in.Mask
	case tree.OpLen:
		return b.x.length
	case tree.OpAddK:
		return (x + in.K) & in.Mask
	case tree.OpAdd:
		return (x + y) & in.Mask
	case tree.OpSub:
		return (x - y) & in.Mask
	case tree.OpAndK:
		return x & in.K
	case tree.OpAnd:
		return x & y
	case tree.OpOr:
		return x | y
	case tree.OpXor:
		return x ^ y
	case tree.OpMulK:
		return x * in.K & in.Mask
	case tree.OpShlK:
		return x << in.K & in.Mask
	case tree.OpShift:
		return x >> in.Sh & in.Mask
	case tree.OpNot:
		return ^x & in.Mask
	case tree.OpBSwap:
		return bits.ReverseBytes64(x) >> in.Sh
	case tree.OpConcat:
		return x<<in.Sh | y
	case tree.OpSExt:
		return uint64(int64(x<<in.Sh)>>in.Sh) & in.Mask
	case tree.OpIte:
		if x != 0 {
			return y
		}
		return b.v[in.C]
	case tree.OpEq:
		return bv.Bit(x == y)
	case tree.OpEqK:
		return bv.Bit(x == in.K)
	case tree.OpLT:
		return bv.Bit(x < y)
	case tree.OpBin:
		return bv.Fold(in.Sub, int(in.Width), x, y)
	}
	call := b.c.t.Call(in)
	if in.Op == tree.OpLookup && b.peeks(call) {
		var key [4]byte
		binary.LittleEndian.PutUint32(key[:], uint32(b.v[call.Args[0]]))
		return call.Map.Peek(key[:], int(b.x.cpu))
	}
	if m, at, ok := cellsOf(b.s, call.Fun, len(call.Args)); ok {
		return b.cell(m, at, b.v[call.Args[0]]) & in.Mask
	}
	if f, ok := askedRing(b.s, call.Fun, len(call.Args)); ok {
		size := b.v[call.Args[0]]
		if b.ring.Positions != f.Positions {
			b.ring = drawRing(f, min(size, f.Mask/2), func(what uint64) uint64 { return b.draw(9000 + what) })
		}
		switch {
		case size > maps.RingMost || maps.RingStep(size) > f.Mask:
			return 0
		case b.ring.settled():
			return b.ring.room(size) & in.Mask
		}
	}
	return b.answer(call.Fun) & in.Mask
}

// cell is what a map of cells says of an index.
func (b *treeReader) cell(m maps.Map, at maps.Cells, index uint64) uint64 {
	i := uint64(uint32(index))
	if i >= uint64(at.Max) {
		return 0
	}
	v := b.flat(at.Addr+8*i, 4)
	if _, redirects := m.(maps.Redirects); redirects {
		return bv.Bit(v != 0)
	}
	if _, ofMaps := m.(maps.OfMaps); ofMaps && v != 0 {
		return vm.MapPtr(int(v) - 1)
	}
	return v
}

// answer is what Go says to a function; the same whatever it is asked.
func (b *treeReader) answer(fun uint64) uint64 { return number64(b.draw(fun | 1<<60)) }

// peeks says whether code finds an entry by its number.
func (b *treeReader) peeks(call *tree.Call) bool {
	f, ok := maps.FlatOf(call.Map)
	return ok && canLookUp(&f) && f.Kind == maps.FlatArray
}

// input is an input's value.
func (b *treeReader) input(k uint64) uint64 {
	switch at, _, ok := inputAt(k); {
	case ok:
		return little(b.x.block()[at:], 8)
	case isRandom(k):
		return uint64(vm.Random(b.s.Opt.Seed, b.x.packet, k-pathcond.InRand))
	case k >= pathcond.InVersion:
		return b.mem.load(countBase+8*(k-pathcond.InVersion), 8)
	}
	return b.answer(inputCall | k)
}

// takes is the edge that the test leads to.
func (b *treeReader) takes(n *tree.Node, r tree.Ref) edge {
	x := b.v[n.A]
	if n.Test == tree.TestField {
		x = b.flat(n.Addr, 8) >> n.Sh & n.Mask
	}
	for _, c := range n.Cases {
		if c.K == x {
			return edge{r, c.K, 2}
		}
	}
	if len(n.Cases) > 0 {
		return edge{r, 0, 0}
	}
	var yes bool
	switch n.Test {
	case tree.TestSlot:
		yes = x != 0
	case tree.TestField, tree.TestEqK:
		yes = x == n.K
	case tree.TestLTK:
		yes = x < n.K
	case tree.TestGTK:
		yes = x > n.K
	case tree.TestEq:
		yes = x == b.v[n.B]
	case tree.TestLT:
		yes = x < b.v[n.B]
	case tree.TestLenLTK:
		yes = b.x.length < n.K
	case tree.TestLenGTK:
		yes = b.x.length > n.K
	}
	return edge{r, 0, uint8(bv.Bit(yes))}
}

// run carries code out until it comes to the end of a leaf, or where there is none
// (noLeaf) to where it is to come to.
func (b *treeReader) run(at int, leaf int64, to int) error {
	b.path = noLeaf
	b.cpu.IP = codeBase + uint64(at)
	begun := false
	for range maxSteps {
		ip := int(b.cpu.IP - codeBase)
		switch {
		case leaf != noLeaf && b.cpu.IP == leafPlace+uint64(leaf):
			if b.path != leaf || b.x.out != outPlace+4 {
				return fmt.Errorf("path %d is left, not %d", b.path, leaf)
			}
			return nil
		case ip == to && leaf == noLeaf && begun:
			return nil
		}
		if begun = true; ip < 0 || ip >= len(b.made.text) {
			return fmt.Errorf("it comes to byte %d", ip)
		}
		if err := b.m.Scan(b.made.text, ip, &b.inst); err != nil {
			return err
		}
		halted, err := b.cpu.Step(&b.inst)
		if err != nil {
			return fmt.Errorf("byte %d: %w", ip, err)
		}
		if !halted {
			continue
		}
		switch pc := b.x.pc; {
		case leaf >= int64(nic.Untraceable) && pc == leaf:
			return nil
		case pc >= callBase && pc-callBase < int64(len(b.made.calls)):
			if err := b.goes(int(pc - callBase)); err != nil {
				return err
			}
		default:
			return fmt.Errorf("it leaves with %d", pc)
		}
	}
	return fmt.Errorf("no end")
}

// goes is what Go does with a function left to it.
func (b *treeReader) goes(i int) error {
	o := &b.made.calls[i]
	v := b.answer(o.fun)
	var args [16]uint64
	for k, a := range o.args {
		args[k] = *b.x.at(a)
	}
	switch {
	case o.fun == loadCall:
		v = 0
		if a := args[0]; a <= uint64(len(b.s.Mem.B)-8) {
			v = b.flat(a, 8)
		}
	case o.fun&foldCall != 0 && o.fun&inputCall == 0:
		v = bv.Fold(bv.Op(o.fun>>8), int(uint8(o.fun)), args[0], args[1])
	case o.fun&inputCall == 0 && !b.asks(o.fun, args[:len(o.args)]):
		return fmt.Errorf("function %#x is asked of %#x", o.fun, args[:len(o.args)])
	}
	*b.x.at(o.dst) = v & o.mask
	b.x.resume = uintptr(codeBase + uint64(o.back))
	b.cpu.IP = codeBase + uint64(b.made.enter)
	return nil
}

// asks says whether the node at hand asks a function of these arguments.
func (b *treeReader) asks(fun uint64, args []uint64) bool {
	n := b.c.t.Node(b.at)
	for i := range n.Code {
		in := &n.Code[i]
		if in.Op != tree.OpCall && in.Op != tree.OpLookup {
			continue
		}
		call := b.c.t.Call(in)
		if call.Fun != fun || len(call.Args) != len(args) {
			continue
		}
		same := true
		for k, a := range call.Args {
			same = same && args[k] == b.v[a]
		}
		if same {
			return true
		}
	}
	return false
}

// Load is readback.Memory's.
func (b *treeReader) Load(addr uint64, n int) (uint64, error) {
	header := uint64(uintptr(unsafe.Pointer(&b.c.t.Env().Versions.Counter)))
	switch at := addr - ctxBase; {
	case at < uint64(len(b.x.block())) && at+uint64(n) <= uint64(len(b.x.block())):
		return little(b.x.block()[at:], n), nil
	case addr-tablePlace < 1<<40 && n == 8:
		return leafPlace + (addr-tablePlace)/8, nil
	case addr == header && n == 8:
		return countBase, nil
	case addr-countBase < 1<<40:
		return b.mem.load(addr, n), nil
	}
	for _, t := range b.asked {
		if t != nil {
			if v, ok := t.load(addr, n); ok {
				return v, nil
			}
		}
	}
	if v, ok := b.ring.load(addr, n); ok {
		return v, nil
	}
	if v, ok := b.c.tableWord(addr, n); ok {
		return v, nil
	}
	at := addr - memBase
	if d := addr - pktBase; d < vm.MaxLinear && d+uint64(n) <= max(b.x.length, uint64(b.c.reach), vm.MinPacket) {
		at = b.s.Buf + vm.Headroom + d
	}
	if at >= uint64(len(b.s.Mem.B)) || at > math.MaxInt64 {
		return 0, fmt.Errorf("it reads %d bytes at %#x", n, addr)
	}
	return b.flat(at, n), nil
}

// tableWord is what stands in the tables of look-ups of fields.
func (c *treeCompiler) tableWord(addr uint64, n int) (v uint64, ok bool) {
	for _, t := range c.tables {
		if i := addr - uint64(uintptr(unsafe.Pointer(unsafe.SliceData(t)))); n == 8 && i&7 == 0 && i/8 < uint64(len(t)) {
			return t[i/8], true
		}
	}
	for _, t := range c.moves {
		if i := addr - uint64(uintptr(unsafe.Pointer(unsafe.SliceData(t)))); n == 4 && i&3 == 0 && i/4 < uint64(len(t)) {
			return uint64(t[i/4]), true
		}
	}
	return 0, false
}

// Store is readback.Memory's.
func (b *treeReader) Store(addr, v uint64, n int) error {
	switch at := addr - ctxBase; {
	case at < uint64(len(b.x.block())) && n == 8 && at&7 == 0:
		binary.LittleEndian.PutUint64(b.x.block()[at:], v)
		return nil
	case addr == outPlace && n == 4 && b.path < 0:
		b.path = int64(uint32(v))
		return nil
	}
	return fmt.Errorf("it stores %#x in %d bytes at %#x", low(v, n), n, addr)
}
