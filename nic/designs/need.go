package designs

import (
	"slices"

	"jitnic/cache/curve"
	"jitnic/cache/stream"
)

// generations is the requests that can be in a cache, where an id that was
// invalidated is another id from then on; n is how many ids that makes.
func (q *requests) generations() (ids []uint32, n int) {
	const none = stream.None
	now := make([]uint32, len(q.entries)) // by id: its generation's number
	for id := range now {
		now[id] = none
	}
	ids = make([]uint32, 0, len(q.ids))
	v := 0
	for i, id := range q.ids {
		for ; v < len(q.invalidations) && q.invalidations[v].At <= uint64(i); v++ {
			if k := q.invalidations[v].ID; int(k) < len(now) {
				now[k] = none
			}
		}
		if id == none {
			continue
		}
		if now[id] == none {
			now[id] = uint32(n)
			n++
		}
		ids = append(ids, now[id])
	}
	return ids, n
}

// need finds the entries that Targets take under lru, of that many that are
// asked for at all. An entry that was invalidated is counted as if it kept its
// place until it is evicted, so with invalidations the numbers are upper bounds.
func (q *requests) need(asked uint64) []Need {
	ids, n := q.generations()
	c := curve.Exact(ids, n)
	out := make([]Need, len(Targets))
	for i, t := range Targets {
		out[i].Target = t
		if len(ids) == 0 {
			continue
		}
		e, ok := c.Smallest(t * float64(len(q.ids)) / float64(len(ids)))
		if ok {
			out[i].Entries, out[i].Reached = min(e, asked), true
		}
	}
	return out
}

// static finds the entries that Targets take where each is there from the
// start, the most used first. hits is by entry.
func static(hits []uint64, packets uint64) []Need {
	hits = slices.Clone(hits)
	slices.Sort(hits)
	slices.Reverse(hits)
	out := make([]Need, len(Targets))
	for i, t := range Targets {
		out[i].Target = t
		var sum uint64
		for k, h := range hits {
			sum += h
			if float64(sum) >= t*float64(packets) && packets > 0 {
				out[i].Entries, out[i].Reached = uint64(k+1), true
				break
			}
		}
	}
	return out
}
