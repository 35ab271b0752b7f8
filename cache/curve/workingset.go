package curve

// A Span is a stretch of the stream.
type Span struct {
	From, To int // requests From..To-1
	Unique   int // ids requested in it: the working set
	New      int // of these, requested for the first time ever
	Known    int // ids requested up to its end
}

// WorkingSet cuts the stream into that many spans of equal numbers of requests
// (the last may be shorter) and tells the working set of each. Requests that
// are not below n are skipped.
func WorkingSet(ids []uint32, n, spans int) []Span {
	if len(ids) == 0 || spans < 1 {
		return nil
	}
	each := (len(ids) + spans - 1) / spans
	seen := make([]uint32, n) // number of the span of the last request, from 1
	var out []Span
	known := 0
	for from := 0; from < len(ids); from += each {
		s := Span{From: from, To: min(from+each, len(ids))}
		mark := uint32(len(out) + 1)
		for _, id := range ids[s.From:s.To] {
			if int(id) >= n || seen[id] == mark {
				continue
			}
			if seen[id] == 0 {
				s.New++
			}
			seen[id] = mark
			s.Unique++
		}
		known += s.New
		s.Known = known
		out = append(out, s)
	}
	return out
}
