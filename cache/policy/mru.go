package policy

// newMRU evicts what was used last: right for cycles longer than the cache, and
// for little else.
func newMRU(c Config) Policy {
	p := newOrder(c)
	p.touch, p.youngest = true, true
	return &p
}
