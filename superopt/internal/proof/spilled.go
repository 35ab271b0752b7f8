package proof

import (
	"jitnic/host/points"
	"jitnic/pathcond/bv"
)

// spilled is what lies in the frame where a fragment begins: registers that were
// saved there, of which more is known than of bytes. It lies beneath all writes,
// and a place of it is made a term when it is first asked for: most fragments ask
// for none.
type spilled struct {
	f        *points.Facts // nil: nothing is known
	loopFree bool
	words    [64]bv.Term // of f.Spill; 0: not made yet
}

// atEntry is the version of memory that nothing was written to.
func (m *Machine) atEntry() bv.Term { return m.B.Const(0, 64) }

// word is the register saved in slot k of the frame; 0 where none is known.
func (m *Machine) word(k int) bv.Term {
	sp := &m.spilled
	if sp.f == nil || sp.f.Spill[k].Kind == points.Unreadable {
		return 0
	}
	if sp.words[k] == 0 {
		sp.words[k] = m.value(&sp.f.Spill[k], inReg+0x10+uint64(k), sp.loopFree)
	}
	return sp.words[k]
}

// spill is the register of which off is a byte, and which; word is 0 where there is
// none, or off isn't at a constant distance.
func (m *Machine) spill(off bv.Term) (byteOf int, word bv.Term) {
	c, ok := m.B.IsConst(off)
	at := int64(c) + 512
	if !ok || at < 0 || at >= 512 {
		return 0, 0
	}
	return int(at & 7), m.word(int(at >> 3))
}

// underStack is a byte of the stack as it was where the fragment began.
func (m *Machine) underStack(off, ver bv.Term) bv.Term {
	b := m.B
	res := m.untold(StackRegion, off, ver)
	if _, ok := b.IsConst(off); ok {
		if k, word := m.spill(off); word != 0 {
			res = b.Extract(word, 8*k, 8)
		}
		return res
	}
	for i := range 512 { // it may be any of them
		if word := m.word(i >> 3); word != 0 {
			here := b.Bin(bv.OpEq, off, m.hide(b.Const(uint64(int64(i-512)), 64)))
			res = b.Ite(here, b.Extract(word, 8*(i&7), 8), res)
		}
	}
	return res
}
