package curve

import (
	"iter"
	"math/bits"
	"runtime"
	"sync"
)

// IDs gives the ids of requests from..to-1 of a stream in order, some at a time. What
// it gives is good until it gives the next.
type IDs func(from, to int) iter.Seq[[]uint32]

// Of are ids that are all at hand.
func Of(ids []uint32) IDs {
	return func(from, to int) iter.Seq[[]uint32] {
		return func(yield func([]uint32) bool) { yield(ids[from:to]) }
	}
}

// A Profile is what one pass over a stream tells. Requests whose id isn't below the
// number of ids, those that can't be cached, count in the spans of the working set
// and nowhere else.
type Profile struct {
	Popularity Popularity
	Reuse      Reuse
	WorkingSet []Span
	LRU        *LRU
}

// Look profiles a stream of so many requests of n ids; the working set is told for
// so many spans of equal numbers of requests, of which the last may be shorter.
func Look(ids IDs, requests, n, spans int) Profile {
	return look(ids, requests, n, spans, max(1, min(runtime.GOMAXPROCS(0), requests>>18)))
}

// look is Look in so many stretches side by side. Within one, all but the first
// request of an id have the distance they have in the whole. The first ones are then
// looked up in turn in a timeline of all that came before the stretch: an id that was
// requested in it already has come to its young end.
func look(ids IDs, requests, n, spans, stretches int) Profile {
	every := requests
	if spans > 0 {
		every = (requests + spans - 1) / spans
	}
	parts := make([]pass, stretches)
	var wg sync.WaitGroup
	for k := range parts {
		from, to := requests*k/stretches, requests*(k+1)/stretches
		wg.Go(func() { parts[k].count(ids, from, to, n, every) })
	}
	wg.Wait()
	all := &parts[0]
	for k := 1; k < len(parts); k++ {
		all.follow(&parts[k], k == len(parts)-1)
	}
	return all.profile(requests, n, every, spans)
}

// pass is what is counted of a stretch. Numbers of requests are of those alone that
// can be cached.
type pass struct {
	t      *timeline
	latest *latest // nil: distances are the timeline's alone
	at     uint32
	hits   []uint32 // at each stack distance
	time   [33]uint64
	firsts []first
	spans  []span
	any    uint32 // of what is looked at to be near, so that it is looked at
	lives  int    // the number of the first of spans
}

// first is the first request of an id in a stretch, and the span it is in.
type first struct{ id, at, span uint32 }

// span is what is counted of a span of the working set.
type span struct {
	begin  uint32 // number of the first request, less those before the stretch
	starts bool   // in this stretch
	unique int
	fresh  int
}

// latestAtMost is how many ids a stream may have for the latest ones to be looked for
// in a list first: as many as a byte tells apart, none beside them.
const latestAtMost = 255

func (p *pass) count(ids IDs, from, to, n, every int) {
	p.t = newTimeline(n)
	p.hits = make([]uint32, n+1)
	if n <= latestAtMost {
		all := latest(nobody)
		p.latest = &all
	}
	if from == to {
		return
	}
	p.lives = from / every
	for at := from; at < to; {
		s := at / every
		end := min((s+1)*every, to)
		p.spans = append(p.spans, span{begin: p.at, starts: at == s*every})
		for c := range ids(at, end) {
			if p.latest != nil {
				p.few(c, uint32(s))
			} else {
				p.many(c, uint32(s))
			}
		}
		at = end
	}
	if p.latest != nil {
		p.latest.flush(p.t)
	}
}

// ahead is how many requests of many ids are made ready together, so that not each
// waits for memory alone.
const ahead = 64

// many counts requests of one span.
func (p *pass) many(ids []uint32, number uint32) {
	t, s := p.t, &p.spans[len(p.spans)-1]
	at := p.at
	var far [ahead]uint32 // distances
	for len(ids) > 0 {
		some := ids[:min(ahead, len(ids))]
		ids = ids[len(some):]
		for _, id := range some {
			if int(id) < len(t.last) {
				p.any ^= t.last[id].time
			}
		}
		n := 0
		for _, id := range some {
			if int(id) >= len(t.last) {
				continue
			}
			l := &t.last[id]
			if d := t.take(l); d == Never {
				p.firsts = append(p.firsts, first{id, at, number})
			} else {
				far[n] = d
				n++
				p.again(s, at, l)
			}
			at++
			l.request = at
			l.count++
			t.push(id)
		}
		for _, d := range far[:n] {
			p.hits[d]++
		}
	}
	p.at = at
}

// few is many with the latest ids in a list.
func (p *pass) few(ids []uint32, number uint32) {
	t, s := p.t, &p.spans[len(p.spans)-1]
	at, list := p.at, *p.latest
	for _, id := range ids {
		if int(id) >= len(t.last) {
			continue
		}
		l := &t.last[id]
		d := list.use(id)
		if d == 0 {
			d = list.add(t, l, id)
		}
		if d == Never {
			p.firsts = append(p.firsts, first{id, at, number})
		} else {
			p.hits[d]++
			p.again(s, at, l)
		}
		at++
		l.request = at
		l.count++
	}
	p.at, *p.latest = at, list
}

// again counts that request at is of an id that was requested before. Where a span
// doesn't begin in this stretch, it counts from the stretch on, before which nothing is.
func (p *pass) again(s *span, at uint32, l *seen) {
	p.time[bits.Len32(at+1-l.request)]++
	one := 0
	if l.request <= s.begin {
		one = 1
	}
	s.unique += one
}

// follow counts what came next as one with this; behind the last nobody asks for
// distances.
func (p *pass) follow(q *pass, last bool) {
	offset := p.at
	for i := range q.spans {
		s := q.spans[i]
		if s.begin += offset; s.starts || len(p.spans) == 0 {
			if len(p.spans) == 0 {
				p.lives = q.lives
			}
			p.spans = append(p.spans, s)
		} else {
			p.spans[len(p.spans)-1].unique += s.unique
		}
	}
	for _, f := range q.firsts {
		f.at += offset
		l := &p.t.last[f.id]
		if d := p.t.request(f.id); d == Never {
			p.firsts = append(p.firsts, f)
		} else {
			p.hits[d]++
			p.again(&p.spans[int(f.span)-p.lives], f.at, l)
		}
		l.request = f.at + 1
	}
	if !last {
		q.t.each(func(id uint32) {
			p.t.request(id)
			p.t.last[id].request = q.t.last[id].request + offset
		})
	}
	for id := range q.t.last {
		p.t.last[id].count += q.t.last[id].count
	}
	for j := range q.time {
		p.time[j] += q.time[j]
	}
	for j, h := range q.hits {
		p.hits[j] += h
	}
	p.at += q.at
}

// profile is what follows from the counts of all requests.
func (p *pass) profile(requests, n, every, spans int) Profile {
	count := make([]uint32, n)
	for id := range count {
		count[id] = p.t.last[id].count
	}
	out := Profile{Popularity: popularity(count), Reuse: Reuse{First: uint64(len(p.firsts)), Time: buckets(p.time)}}
	var stack [33]uint64
	out.LRU = &LRU{Hits: make([]float64, n+1), Requests: float64(p.at), Rate: 1}
	for d, h := range p.hits {
		out.LRU.Hits[d] = float64(h)
		stack[bits.Len32(uint32(d))] += uint64(h)
	}
	out.LRU.finish()
	out.Reuse.Stack = buckets(stack)
	if spans < 1 {
		return out
	}
	for _, f := range p.firsts {
		p.spans[int(f.span)-p.lives].fresh++
	}
	known := 0
	for k, s := range p.spans {
		known += s.fresh
		out.WorkingSet = append(out.WorkingSet, Span{From: k * every, To: min((k+1)*every, requests), Unique: s.unique + s.fresh, New: s.fresh, Known: known})
	}
	return out
}

// latest is the eight ids requested last, a byte each, the latest the lowest. They
// aren't in the timeline: most requests of a stream of few ids are of these, and come
// no further. Which of them it is costs no branch, which would be guessed wrong as
// often as not.
type latest uint64

// nobody is a list of no id: bytes of ones.
const nobody = 1<<64 - 1

// each has that bit set in every byte.
const (
	eachLow  = 0x0101_0101_0101_0101
	eachHigh = 0x80 * eachLow
)

// use puts an id that is in the list in front, and tells its distance; 0 where it isn't.
func (l *latest) use(id uint32) uint32 {
	x := uint64(*l) ^ uint64(id)*eachLow
	zero := (x - eachLow) &^ x & eachHigh // the lowest bit is that of the first byte of 0
	if zero == 0 {
		return 0
	}
	k := uint(bits.TrailingZeros64(zero)) &^ 7 // bits before it
	before := uint64(1)<<(k&63) - 1
	v := uint64(*l)
	*l = latest(v&^(before<<8|0xff) | v&before<<8 | uint64(id))
	return uint32(k>>3) + 1
}

// add puts an id that isn't in the list in front, the last one into the timeline, and
// tells the id's distance in both together.
func (l *latest) add(t *timeline, s *seen, id uint32) uint32 {
	out := uint32(*l >> 56)
	*l = *l<<8 | latest(id)
	d := t.take(s)
	if out != nobody>>56 {
		t.push(out)
	}
	if d != Never {
		d += 8
	}
	return d
}

// flush puts all into the timeline, the oldest first.
func (l *latest) flush(t *timeline) {
	for ; *l != nobody; *l = *l<<8 | 0xff {
		if id := uint32(*l >> 56); id != nobody>>56 {
			t.push(id)
		}
	}
}
