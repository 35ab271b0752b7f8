package sample

// boundaryList are numbers at which meanings change.
var boundaryList = [...]uint64{0, 1, ^uint64(0), 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
	0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 2}

// Boundaries is how many boundary numbers there are.
const Boundaries = len(boundaryList)

// Boundary is the k-th number at which meanings change, counted round and round.
func Boundary(k uint64) uint64 { return boundaryList[k%uint64(len(boundaryList))] }
