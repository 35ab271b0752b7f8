package match

// Lookup gives the path whose condition a packed key satisfies, or -1, with the
// probes made and the candidates looked at. residual is asked for a condition's
// other predicates.
func (t *TSS) Lookup(key []uint64, residual func(j *Judged) bool) (path int32, probes, candidates int) {
	for i := range t.Tuples {
		u := &t.Tuples[i]
		probes++
		for _, j := range u.table[string(t.masked(key, u.mask))] {
			candidates++
			if j.Unmasked == 0 || residual(j) {
				return j.Path, probes, candidates
			}
		}
	}
	return -1, probes, candidates
}
