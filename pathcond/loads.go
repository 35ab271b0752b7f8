package pathcond

import "jitnic/pathcond/bv"

// joinLoads sees two neighbouring bytes as the 16-bit field they are: compilers
// read packed structs byte by byte. Wider fields stay apart, so that what the
// path knows of one (a port, an address) is known wherever it stands in a key.
func joinLoads(b *bv.Builder) func(hi, lo bv.Term) (bv.Term, bool) {
	return func(hi, lo bv.Term) (bv.Term, bool) {
		if b.Width(hi) != 8 || b.Width(lo) != 8 || b.Op(hi) != bv.OpFun || b.Op(lo) != bv.OpFun || b.K(hi) != FunLoad || b.K(lo) != FunLoad {
			return 0, false
		}
		hb, ho := b.SplitAdd(b.Args(hi)[0])
		lb, l := b.SplitAdd(b.Args(lo)[0])
		if hb != lb || ho != l+1 || ho == 0 {
			return 0, false
		}
		return b.Fun(FunLoad, 16, bv.Fact{}, b.Args(lo)[0]), true
	}
}
