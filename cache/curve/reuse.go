package curve

import (
	"math/bits"
	"runtime"
	"sync"
)

// A Bucket counts requests whose distance is in From..To.
type Bucket struct {
	From, To uint32
	Requests uint64
}

// Reuse is how far apart requests of the same id are.
type Reuse struct {
	Stack []Bucket // by stack distance: different ids since, itself included
	Time  []Bucket // by requests since the last one of the id
	First uint64   // first requests: no distance
}

// ReuseDistances counts both kinds of distance in buckets that double.
func ReuseDistances(ids []uint32, n int) Reuse { return reuseOf(ids, n, nil, stretches(len(ids))) }

// stretches is in how many parts so many requests are worth counting.
func stretches(requests int) int { return max(1, min(runtime.GOMAXPROCS(0), requests>>18)) }

// reuseOf is ReuseDistances, and counts in hits, if not nil, the requests at each
// stack distance, the last place for all beyond.
//
// Requests are counted in so many stretches side by side. Within one,
// all but the first request of an id have the distance they have in the whole.
// The first ones are then looked up in turn in a timeline of all that came
// before the stretch: an id that was requested in it already has come to its
// young end.
func reuseOf(ids []uint32, n int, hits []uint32, stretches int) Reuse {
	parts := make([]reusePart, stretches)
	var wg sync.WaitGroup
	for k := range parts {
		from, to := len(ids)*k/len(parts), len(ids)*(k+1)/len(parts)
		wg.Go(func() { parts[k].count(ids[from:to], from, n, hits != nil) })
	}
	wg.Wait()
	all := &parts[0]
	r := Reuse{First: uint64(len(all.firsts))}
	for k := 1; k < len(parts); k++ {
		p := &parts[k]
		for _, f := range p.firsts {
			d := all.t.request(f.id)
			if d == Never {
				r.First++
			} else {
				all.note(d, f.at+1-all.t.last[f.id].request)
			}
			if all.hits != nil {
				all.hits[min(d, uint32(n+1))]++
			}
		}
		p.t.each(func(id uint32) {
			all.t.request(id)
			all.t.last[id].request = p.t.last[id].request
		})
		for j := range all.stack {
			all.stack[j] += p.stack[j]
			all.time[j] += p.time[j]
		}
		for j, h := range p.hits {
			all.hits[j] += h
		}
	}
	copy(hits, all.hits)
	if all.hits != nil && n+1 < len(hits) {
		hits[n+1] += uint32(len(all.firsts)) // their distance is Never
	}
	r.Stack, r.Time = buckets(all.stack), buckets(all.time)
	return r
}

// reusePart counts the distances of one stretch.
type reusePart struct {
	t           *timeline
	hits        []uint32 // nil: not asked for
	stack, time [33]uint64
	firsts      []first
}

// first is the first request of an id in a stretch.
type first struct{ id, at uint32 }

func (p *reusePart) count(ids []uint32, from, n int, hits bool) {
	p.t = newTimeline(n)
	if hits {
		p.hits = make([]uint32, n+2)
	}
	for i, id := range ids {
		at := uint32(from + i)
		if d := p.t.request(id); d == Never {
			p.firsts = append(p.firsts, first{id, at})
		} else {
			p.note(d, at+1-p.t.last[id].request)
			if hits {
				p.hits[d]++
			}
		}
		p.t.last[id].request = at + 1
	}
}

func (p *reusePart) note(stack, time uint32) {
	p.stack[bits.Len32(stack)]++
	p.time[bits.Len32(time)]++
}

func buckets(count [33]uint64) []Bucket {
	top := len(count)
	for top > 0 && count[top-1] == 0 {
		top--
	}
	var out []Bucket
	for k := 1; k < top; k++ {
		out = append(out, Bucket{1 << (k - 1), uint32(1<<k - 1), count[k]})
	}
	return out
}
