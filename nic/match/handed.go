package match

import (
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// In a table behind the first a condition also reads what the segment before has
// left in stack memory: registers that are live at the cut, and the stack. To a
// matcher these are bits of the key, as the metadata is that programmable switches
// hand from table to table; a packet's bytes behind a pointer that was handed over
// are at a variable offset.

// handedBits are those of the memory that a cut hands over: the first frame, and the
// gap above it where registers stand.
const handedBits = 8 * vm.StackStride

// isHanded says whether an address is one of that memory. In the first table nothing
// is handed over.
func (a *Analyser) isHanded(addr uint64) bool {
	return a.opt.table > 0 && addr-a.c.S.Stack < vm.StackStride
}

// handed is where w bits at an address stand in the key.
func (a *Analyser) handed(addr uint64, w int) (int32, bool) {
	if !a.isHanded(addr) || !a.isHanded(addr+uint64(w/8)-1) {
		return 0, false
	}
	return keyHanded + 8*int32(addr-a.c.S.Stack), true
}

// throughHanded says whether an address is made of a pointer into the packet that was
// handed over.
func (a *Analyser) throughHanded(base bv.Term) (is bool) {
	if a.opt.table == 0 || base == 0 {
		return false
	}
	a.b.Walk(base, map[bv.Term]bool{}, func(t bv.Term) bool {
		if a.b.Op(t) == bv.OpFun && function(a.b.K(t)) == pathcond.FunLoad {
			if at, ok := a.b.IsConst(a.b.Args(t)[0]); ok && a.isHanded(at) {
				k := a.c.Handed(a.opt.table, at).Kind
				is = is || k == points.Packet
			}
			return false
		}
		return true
	})
	return is
}
