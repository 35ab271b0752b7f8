package ebpf

// Bytes is a set of bytes of the stack, bit 0 the lowest: of those that are read later, on
// a way backward through a program. Use and Kill are the steps of it; who takes them
// knows where an instruction's bytes are, by what its registers point to or by what was
// recorded. Bytes outside of the set may always be read.
type Bytes []uint64

// MakeBytes is an empty set of n bytes.
func MakeBytes(n int) Bytes { return make(Bytes, (n+63)/64) }

// each calls f with every word that n bytes from lo on are in, and with which of its
// bits they are.
func (b Bytes) each(lo, n int, f func(word *uint64, bits uint64)) {
	end := min(lo+n, 64*len(b))
	for lo = max(lo, 0); lo < end; {
		k := min(end-lo, 64-lo&63)
		f(&b[lo>>6], ^uint64(0)>>(64-k)<<(lo&63))
		lo += k
	}
}

// inside says whether all of n bytes from lo on are bytes that can be in the set.
func (b Bytes) inside(lo, n int) bool { return lo >= 0 && lo+n <= 64*len(b) }

// Use puts n bytes from lo on into the set.
func (b Bytes) Use(lo, n int) { b.each(lo, n, func(w *uint64, bits uint64) { *w |= bits }) }

// Kill takes n bytes from lo on, which an instruction writes, out of the set. It says
// whether any was in it, so that the instruction is needed.
func (b Bytes) Kill(lo, n int) (used bool) {
	used = !b.inside(lo, n)
	b.each(lo, n, func(w *uint64, bits uint64) {
		used = used || *w&bits != 0
		*w &^= bits
	})
	return used
}

// Any says whether one of n bytes from lo on is in the set.
func (b Bytes) Any(lo, n int) bool {
	any := !b.inside(lo, n)
	b.each(lo, n, func(w *uint64, bits uint64) { any = any || *w&bits != 0 })
	return any
}

// All says whether all of n bytes from lo on are in the set.
func (b Bytes) All(lo, n int) bool {
	all := true
	b.each(lo, n, func(w *uint64, bits uint64) { all = all && *w&bits == bits })
	return all
}

// Fill puts every byte into the set.
func (b Bytes) Fill() {
	for i := range b {
		b[i] = ^uint64(0)
	}
}
