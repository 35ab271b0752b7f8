package bv

// Walk calls into with t and what it is computed of, each term once, a term before
// its arguments; below those for which into is false it doesn't go. Terms in seen
// are left out and terms met are put in, so that several walks count as one.
func (b *Builder) Walk(t Term, seen map[Term]bool, into func(t Term) bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	if !into(t) {
		return
	}
	for _, a := range b.Args(t) {
		b.Walk(a, seen, into)
	}
}
