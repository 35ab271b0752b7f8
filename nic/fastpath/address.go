package fastpath

import (
	"fmt"

	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cilium "github.com/cilium/ebpf"
)

// A path that writes one element of an array and reads another asks whether they
// are the same one, and the conditions know elements by the addresses they have in
// the VM. The kernel's are others: there it is asked which element was looked up.

// portable writes a predicate anew without the VM's addresses; an error says what
// of it has no other words.
func (b *builder) portable(t bv.Term) (bv.Term, error) {
	if !b.hasAddress(t) {
		return t, nil
	}
	a := b.b.Args(t)
	op := b.b.Op(t)
	switch {
	case op == bv.OpNot:
		x, err := b.portable(a[0])
		if err != nil {
			return 0, err
		}
		return b.b.Not(x), nil
	case b.b.Width(t) == 1 && (op == bv.OpAnd || op == bv.OpOr || op == bv.OpXor):
		x, err := b.portable(a[0])
		if err != nil {
			return 0, err
		}
		y, err := b.portable(a[1])
		if err != nil {
			return 0, err
		}
		return b.b.Bin(op, x, y), nil
	case op == bv.OpEq:
		return b.samePlace(t, a[0], a[1])
	}
	return 0, b.noWords(t)
}

// samePlace is an equality of addresses.
func (b *builder) samePlace(t, x, y bv.Term) (bv.Term, error) {
	left, from := b.b.SplitAdd(x)
	right, to := b.b.SplitAdd(y)
	if left == 0 {
		left, from, right, to = right, to, left, from
	}
	m, ok := b.lookedUp(left)
	if _, both := b.lookedUp(right); !ok || right != 0 && (!both || from != to) {
		return 0, b.noWords(t)
	}
	if right != 0 || from == to { // of two look-ups, or with NULL: the kernel's addresses say the same
		return t, nil
	}
	spec := b.obj.Maps[m]
	if spec.Type != cilium.Array && spec.Type != cilium.PerCPUArray {
		return 0, b.noWords(t)
	}
	at := to - from
	if r := b.s.Mem.Find(at, 1); r == nil || r.Kind != mem.KindMap || r.Owner != m {
		return b.b.Bool(false), nil
	}
	w, err := b.inArray(where{kind: mem.KindMap}, m, at)
	if err != nil {
		return 0, err
	}
	if w.direct || w.off != 0 { // inside of an element
		return 0, b.noWords(t)
	}
	key := b.b.Args(left)[0]
	return b.b.Bin(bv.OpEq, key, b.b.Const(w.elem.k, b.b.Width(key))), nil
}

// lookedUp says whether a term is what a look-up found, and in which map.
func (b *builder) lookedUp(t bv.Term) (m int, ok bool) {
	if t == 0 || b.b.Op(t) != bv.OpFun {
		return 0, false
	}
	id, m := pathcond.FunParts(b.b.K(t))
	return m, id == pathcond.FunLookup && !maps.IsOfMaps(b.obj.Maps[m].Type)
}

// hasAddress says whether an address is part of a term's value, and not just where
// something is loaded from.
func (b *builder) hasAddress(t bv.Term) (found bool) {
	b.b.Walk(t, map[bv.Term]bool{}, func(x bv.Term) bool {
		if _, ok := b.lookedUp(x); ok {
			found = true
		}
		return b.b.Op(x) != bv.OpFun
	})
	return found
}

func (b *builder) noWords(t bv.Term) error {
	name := "?"
	b.b.Walk(t, map[bv.Term]bool{}, func(x bv.Term) bool {
		if m, ok := b.lookedUp(x); ok {
			name = b.obj.Maps[m].Name
		}
		return true
	})
	return fmt.Errorf("where in memory an entry of map %q stands", name)
}
