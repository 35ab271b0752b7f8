package fastpath

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/tree"
)

// flow is what holds at a place of the tree, on the way from its root.
type flow struct {
	length int // bytes behind data that the verifier has seen compared
	at     [2]spot
	slots  map[bv.Term]int16 // values kept on the stack
	elems  map[element]int16 // addresses of array elements kept there
	// nonnull are look-ups whose result the verifier knows isn't NULL.
	nonnull map[bv.Term]bool
	next    int16 // stack in use, from here on upward
	lru     []bv.Term
	turn    int // which spot goes next
	arm     int // depth of branches inside an expression: nothing is kept there
}

// spot is a register that holds data + x.
type spot struct {
	x bv.Term // 0: nothing
	n int     // bytes behind it that the verifier has seen compared
}

func (f *flow) clone() *flow {
	g := *f
	g.slots = map[bv.Term]int16{}
	for k, v := range f.slots {
		g.slots[k] = v
	}
	g.elems = map[element]int16{}
	for k, v := range f.elems {
		g.elems[k] = v
	}
	g.nonnull = map[bv.Term]bool{}
	for k := range f.nonnull {
		g.nonnull[k] = true
	}
	g.lru = slices.Clone(f.lru)
	return &g
}

// slot takes 8 bytes of stack.
func (f *flow) slot() (int16, error) {
	if f.next-8 < -stackForTree {
		return 0, fmt.Errorf("its conditions keep more than the %d bytes of stack there are for them", stackForTree)
	}
	f.next -= 8
	return f.next, nil
}

// stackForTree is how much of the stack of 512 bytes conditions may use for what
// they keep; the rest is for keys and traces.
const stackForTree = 256

// count counts how often terms are used.
func (b *builder) count(r tree.Ref, seen map[tree.Ref]bool) {
	r = b.next(r)
	if r < 0 || seen[r] {
		return
	}
	seen[r] = true
	n := b.t.Node(r)
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if b.uses[t]++; b.uses[t] > 1 {
			return
		}
		for _, a := range b.b.Args(t) {
			walk(a)
		}
	}
	walk(n.Term)
	for _, c := range n.Cases {
		b.count(c.To, seen)
	}
	if len(n.Cases) == 0 {
		b.count(n.Yes, seen)
	}
	b.count(n.No, seen)
}

// ref writes what a child leads to.
func (b *builder) ref(r tree.Ref, f *flow, depth int) {
	b.built.Depth = max(b.built.Depth, depth)
	r = b.next(r)
	if id, ok := tree.Leaf(r); ok {
		b.tryLeaf(b.leaves[id], f)
		return
	}
	if r == tree.Nothing {
		b.jump(ebpf.Insn{Op: ebpf.OpJA}, b.miss)
		return
	}
	n := b.t.Node(r)
	start, fixes := len(b.code), len(b.fixes)
	err := b.prepare(n.Term, f)
	if err == nil && len(n.Cases) > 0 {
		if err = b.cases(&n, f, depth); err == nil {
			return
		}
	}
	if err == nil {
		var g *flow
		away := b.label()
		switch {
		case n.Yes == tree.Nothing:
			if _, err = b.branch(n.Term, true, b.miss, f); err == nil {
				b.ref(n.No, f, depth+1)
				return
			}
		case n.No == tree.Nothing:
			if _, err = b.branch(n.Term, false, b.miss, f); err == nil {
				b.ref(n.Yes, f, depth+1)
				return
			}
		case b.heat(n.Yes) > b.heat(n.No):
			if g, err = b.branch(n.Term, false, away, f); err == nil {
				b.ref(n.Yes, f, depth+1)
				b.bind(away)
				b.ref(n.No, g, depth+1)
				return
			}
		default:
			if g, err = b.branch(n.Term, true, away, f); err == nil {
				b.ref(n.No, f, depth+1)
				b.bind(away)
				b.ref(n.Yes, g, depth+1)
				return
			}
		}
	}
	// What can't be asked leaves all below it out.
	b.code, b.fixes = b.code[:start], b.fixes[:fixes]
	b.lose(r, err.Error())
	b.jump(ebpf.Insn{Op: ebpf.OpJA}, b.miss)
}

// lose leaves out what hangs below.
func (b *builder) lose(r tree.Ref, why string) {
	for id := range b.t.Below(r) {
		b.out(id, why)
	}
}

// cases decides a chain of equalities of one term.
func (b *builder) cases(n *tree.Node, f *flow, depth int) error {
	x := b.b.Args(n.Term)[0]
	const reg = 5
	if err := b.eval(x, f, reg, 0); err != nil {
		return err
	}
	first, cs := b.choose(n)
	for _, c := range first {
		next := b.label()
		b.compare(ebpf.JmpNE, reg, b.b.Width(x), c.K, next, 4)
		b.ref(c.To, f.clone(), depth+1)
		b.bind(next)
	}
	if len(cs) == 0 {
		b.ref(n.No, f, depth+1)
		return nil
	}
	other := b.miss
	if n.No != tree.Nothing {
		other = b.label()
	}
	to := make([]label, len(cs))
	for i := range cs {
		if to[i] = b.miss; cs[i].To != tree.Nothing {
			to[i] = b.label()
		}
	}
	b.halve(reg, b.b.Width(x), cs, to, other)
	for i := range cs {
		if to[i] == b.miss {
			continue
		}
		b.bind(to[i])
		b.ref(cs[i].To, f.clone(), depth+1)
	}
	if other != b.miss {
		b.bind(other)
		b.ref(n.No, f, depth+1)
	}
	return nil
}

func (b *builder) halve(reg uint8, width int, cs []tree.Case, to []label, other label) {
	if len(cs) <= 3 {
		for i := range cs {
			b.compare(ebpf.JmpEQ, reg, width, cs[i].K, to[i], 4)
		}
		b.jump(ebpf.Insn{Op: ebpf.OpJA}, other)
		return
	}
	mid := len(cs) / 2
	low := b.label()
	b.compare(ebpf.JmpLT, reg, width, cs[mid].K, low, 4)
	b.halve(reg, width, cs[mid:], to[mid:], other)
	b.bind(low)
	b.halve(reg, width, cs[:mid], to[:mid], other)
}

// compare jumps where reg op k, unsigned or equality; tmp may be used.
func (b *builder) compare(op, reg uint8, width int, k uint64, to label, tmp uint8) {
	switch {
	case width <= 32:
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP32 | op | ebpf.SrcK, Dst: reg, Imm: int32(k)}, to)
	case int64(k) == int64(int32(k)):
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcK, Dst: reg, Imm: int32(k)}, to)
	default:
		b.imm(tmp, k)
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | op | ebpf.SrcX, Dst: reg, Src: tmp}, to)
	}
}
