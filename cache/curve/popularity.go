package curve

import (
	"cmp"
	"math"
	"slices"
)

// Popularity is how requests are spread over ids.
type Popularity struct {
	Rank     []Ranked // most requested first
	Requests uint64
	OneHit   int     // ids requested once only
	Alpha    float64 // of the Zipf law rank^−α, by maximum likelihood
	R2       float64 // of the straight line through log count over log rank: how Zipf-like
}

// Ranked is an id and how often it was requested.
type Ranked struct {
	ID    uint32
	Count uint64
}

// PopularityOf counts the requests of each id; requests not below n are skipped.
func PopularityOf(ids []uint32, n int) Popularity {
	count := make([]uint64, n)
	var p Popularity
	for _, id := range ids {
		if int(id) < n {
			count[id]++
			p.Requests++
		}
	}
	p.Rank = ranked(count)
	for k := len(p.Rank) - 1; k >= 0 && p.Rank[k].Count == 1; k-- {
		p.OneHit++
	}
	p.fit()
	return p
}

// ranked are the ids that are requested at all, the most requested first, by number
// among equals. Nearly all ids of a long stream are requested a few times: they are
// dealt out by how often, and the others sorted.
func ranked(count []uint64) []Ranked {
	const few = 1 << 10
	var place [few]int // of the next id requested so often; at first how many there are
	var out []Ranked
	dealt := 0
	for id, c := range count {
		switch {
		case c >= few:
			out = append(out, Ranked{uint32(id), c})
		case c > 0:
			place[c]++
			dealt++
		}
	}
	slices.SortFunc(out, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.ID, b.ID))
	})
	at := len(out)
	out = slices.Grow(out, dealt)[:at+dealt]
	for c := few - 1; c > 0; c-- {
		place[c], at = at, at+place[c]
	}
	for id, c := range count {
		if c > 0 && c < few {
			out[place[c]] = Ranked{uint32(id), c}
			place[c]++
		}
	}
	return out
}

// fit finds α where the derivative of the log-likelihood of the ranks is 0. It
// falls with α, so halving finds it; α is looked for in 0..8.
func (p *Popularity) fit() {
	if len(p.Rank) < 2 {
		return
	}
	logs := make([]float64, len(p.Rank))
	var mean float64 // of log rank, by request
	for i, r := range p.Rank {
		logs[i] = math.Log(float64(i + 1))
		mean += float64(r.Count) * logs[i]
	}
	mean /= float64(p.Requests)
	low, high := 0.0, 8.0
	for range 50 {
		mid := (low + high) / 2
		var h, hl float64
		for _, l := range logs {
			w := math.Exp(-mid * l)
			h += w
			hl += w * l
		}
		if hl/h > mean {
			low = mid
		} else {
			high = mid
		}
		if high-low < 1e-9 {
			break
		}
	}
	p.Alpha = (low + high) / 2

	var sx, sy, sxx, sxy, syy float64
	for i, r := range p.Rank {
		x, y := logs[i], math.Log(float64(r.Count))
		sx += x
		sy += y
		sxx += x * x
		sxy += x * y
		syy += y * y
	}
	n := float64(len(p.Rank))
	cov, vx, vy := sxy-sx*sy/n, sxx-sx*sx/n, syy-sy*sy/n
	if vx > 0 && vy > 0 {
		p.R2 = cov * cov / (vx * vy)
	}
}
