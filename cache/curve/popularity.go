package curve

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/integrate/quad"
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
	count := make([]uint32, n)
	for _, id := range ids {
		if int(id) < n {
			count[id]++
		}
	}
	return popularity(count)
}

// popularity is that of ids requested so often.
func popularity(count []uint32) Popularity {
	p := Popularity{Rank: ranked(count)}
	for _, r := range p.Rank {
		p.Requests += r.Count
	}
	for k := len(p.Rank) - 1; k >= 0 && p.Rank[k].Count == 1; k-- {
		p.OneHit++
	}
	p.fit()
	return p
}

// ranked are the ids that are requested at all, the most requested first, by number
// among equals. Nearly all ids of a long stream are requested a few times: they are
// dealt out by how often, and the others sorted.
func ranked(count []uint32) []Ranked {
	const few = 1 << 10
	var place [few]int // of the next id requested so often; at first how many there are
	var out []Ranked
	dealt := 0
	for id, c := range count {
		switch {
		case c >= few:
			out = append(out, Ranked{uint32(id), uint64(c)})
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
			out[place[c]] = Ranked{uint32(id), uint64(c)}
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
		if h, hl := powers(logs, mid); hl/h > mean {
			low = mid
		} else {
			high = mid
		}
		if high-low < 1e-9 {
			break
		}
	}
	p.Alpha = (low + high) / 2

	var sx, sy, sxx, sxy, syy, y float64
	for i, r := range p.Rank {
		if i == 0 || r.Count != p.Rank[i-1].Count {
			y = math.Log(float64(r.Count))
		}
		x := logs[i]
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

// addedUp is how many ranks' powers are added up one by one.
const addedUp = 512

// powers sums up rank^−α and rank^−α · log rank over ranks 1.., of which the logarithms
// are given: beyond the first ones by Euler and Maclaurin's formula (Abramowitz, Stegun
// 23.1.30), whose next terms are below what float64 holds.
func powers(logs []float64, α float64) (h, hl float64) {
	const most = 2 * addedUp
	n := len(logs)
	if n > most {
		n = addedUp
	}
	for _, l := range logs[:n] {
		w := math.Exp(-α * l)
		h += w
		hl += w * l
	}
	if n == len(logs) {
		return h, hl
	}
	// Of what lies between the last of these and the last of all, each end's half, the
	// integrals over log rank, and differences of derivatives at the ends.
	a, b := logs[n-1], logs[len(logs)-1]
	wa, wb := math.Exp(-α*a), math.Exp(-α*b)
	h += (wb - wa) / 2
	hl += (wb*b - wa*a) / 2
	h += quad.Fixed(func(y float64) float64 { return math.Exp((1 - α) * y) }, a, b, 64, quad.Legendre{}, 0)
	hl += quad.Fixed(func(y float64) float64 { return y * math.Exp((1-α)*y) }, a, b, 64, quad.Legendre{}, 0)
	// f' of x^−α is −α x^−α−1, and of x^−α log x it is x^−α−1 (1 − α log x).
	slope := func(y float64) (f, g float64) {
		w := math.Exp(-(α + 1) * y)
		return -α * w, w * (1 - α*y)
	}
	fa, ga := slope(a)
	fb, gb := slope(b)
	h += (fb - fa) / 12
	hl += (gb - ga) / 12
	// The third derivatives.
	third := func(y float64) (f, g float64) {
		w := math.Exp(-(α + 3) * y)
		c := α * (α + 1) * (α + 2)
		return -c * w, w * (3*α*α + 6*α + 2 - c*y)
	}
	fa, ga = third(a)
	fb, gb = third(b)
	return h - (fb-fa)/720, hl - (gb-ga)/720
}
