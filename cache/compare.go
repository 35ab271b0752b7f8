package cache

import (
	"cmp"
	"slices"

	"jitnic/cache/policy"
	"jitnic/pcaps/splitmix"
)

// A Difference is how much more one point misses than another, as a share of
// requests, with what another capture could have made of it: the bounds of the
// middle 95 % of 2,000 bootstrap samples of the windows of time, each drawn
// with what both points missed in it.
type Difference struct {
	Mean        float64 // miss ratio of a less that of b
	Low, High   float64
	Significant bool // zero is outside
}

const bootstraps = 2000

// Compare tells whether a and b, points of the same stream, differ by more than
// chance. Points without windows (pfoo-l) differ by the mean only.
func Compare(a, b *Point, seed uint64) Difference {
	d := Difference{Mean: a.MissRatio - b.MissRatio}
	n := min(len(a.Windows), len(b.Windows))
	if n == 0 {
		d.Low, d.High = d.Mean, d.Mean
		return d
	}
	w := make([]window, n)
	for i := range w {
		w[i] = window{float64(a.Windows[i].Misses) - float64(b.Windows[i].Misses), float64(a.Windows[i].To - a.Windows[i].From)}
	}
	d.Low, d.High = middle(w, seed)
	d.Significant = d.Low > 0 || d.High < 0
	return d
}

// Interval is the middle 95 % of what the point's miss ratio is over 2,000
// bootstrap samples of its windows of time; ok is false without windows.
func (p *Point) Interval(seed uint64) (low, high float64, ok bool) {
	if len(p.Windows) == 0 {
		return 0, 0, false
	}
	w := make([]window, len(p.Windows))
	for i, x := range p.Windows {
		w[i] = window{float64(x.Misses), float64(x.To - x.From)}
	}
	low, high = middle(w, seed)
	return low, high, true
}

// A window is what is counted in a stretch of the stream, and its requests.
type window struct{ count, requests float64 }

// middle is the middle 95 % of count over requests in bootstrap samples of as
// many windows as there are.
func middle(w []window, seed uint64) (low, high float64) {
	state := splitmix.State(seed)
	samples := make([]float64, bootstraps)
	for k := range samples {
		var count, requests float64
		for range w {
			x := w[state.Next()>>32*uint64(len(w))>>32]
			count += x.count
			requests += x.requests
		}
		if requests > 0 {
			samples[k] = count / requests
		}
	}
	slices.Sort(samples)
	return samples[bootstraps*25/1000], samples[bootstraps*975/1000-1]
}

// A Ranking is the points of a study with one budget, the best first.
type Ranking struct {
	Entries, Slots uint64
	Points         []*Point   // caches: fewest misses first, by name among equals
	Bound          *Point     // the bound that binds them all most tightly; nil: none was run
	Lead           Difference // of the second over the first; zero with fewer than two
}

// Distance is how much more p misses than the bound, as a share of requests; 0
// without a bound.
func (r *Ranking) Distance(p *Point) float64 {
	if r.Bound == nil {
		return 0
	}
	return p.MissRatio - r.Bound.MissRatio
}

func rank(p *Point) int {
	i, _ := policy.Lookup(p.Policy)
	return i.Rank
}

// Rankings orders the points of a study, a Ranking a budget, entries before
// slots, small before large.
func (s *Study) Rankings(seed uint64) []Ranking {
	type budget struct{ entries, slots uint64 }
	by := map[budget]*Ranking{}
	for i := range s.Points {
		p := &s.Points[i]
		b := budget{p.Entries, p.Slots}
		r := by[b]
		if r == nil {
			r = &Ranking{Entries: p.Entries, Slots: p.Slots}
			by[b] = r
		}
		switch {
		case p.Kind == policy.Reference.String() || p.Kind == "offline":
			// Another's code, which may not keep to the budget; or not a cache at all.
		case !p.Bound:
			r.Points = append(r.Points, p)
		case rank(p) > 0 && (r.Bound == nil || rank(p) < rank(r.Bound)):
			r.Bound = p
		}
	}
	var out []Ranking
	for _, r := range by {
		slices.SortFunc(r.Points, func(a, b *Point) int {
			return cmp.Or(cmp.Compare(a.Misses, b.Misses), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Admission, b.Admission))
		})
		if len(r.Points) > 1 {
			r.Lead = Compare(r.Points[1], r.Points[0], seed)
		}
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Ranking) int {
		return cmp.Or(cmp.Compare(b2i(a.Entries == 0), b2i(b.Entries == 0)), cmp.Compare(a.Entries, b.Entries), cmp.Compare(a.Slots, b.Slots))
	})
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A Reach is the smallest budget of a study at which a cache hits so much.
type Reach struct {
	Policy, Admission string
	HitRatio          float64
	Entries, Slots    uint64 // both 0: at no budget of the study
}

// Reaches tells, for each policy and admission of a study and each hit ratio,
// the smallest budget that reaches it, of those in entries and of those in
// slots that were run. (curve.LRU.Smallest knows it for lru at every size.)
func (s *Study) Reaches(hitRatios ...float64) []Reach {
	var out []Reach
	type key struct {
		policy, admission string
		slots             bool
	}
	var order []key
	best := map[key][]Reach{}
	for i := range s.Points {
		p := &s.Points[i]
		k := key{p.Policy, p.Admission, p.Slots > 0}
		if _, ok := best[k]; !ok {
			order = append(order, k)
			for _, h := range hitRatios {
				best[k] = append(best[k], Reach{Policy: p.Policy, Admission: p.Admission, HitRatio: h})
			}
		}
		for j, h := range hitRatios {
			r := &best[k][j]
			if 1-p.MissRatio >= h && (r.Entries+r.Slots == 0 || p.Entries+p.Slots < r.Entries+r.Slots) {
				r.Entries, r.Slots = p.Entries, p.Slots
			}
		}
	}
	for _, k := range order {
		out = append(out, best[k]...)
	}
	return out
}
