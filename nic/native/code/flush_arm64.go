package code

func flushLines(addr, end, dline, iline uintptr)
func cacheType() uint64

// flush makes the processor's instruction side see what was written. CTR_EL0
// gives the smallest cache lines, in words, as powers of two (Arm ARM,
// D24.2.34).
func flush(addr, n uintptr) {
	ctr := cacheType()
	flushLines(addr, addr+n, 4<<(ctr>>16&15), 4<<(ctr&15))
}
