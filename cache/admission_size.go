package cache

import (
	"math"

	"jitnic/pcaps/splitmix"
)

// sizeLimit admits ids of at most so many slots.
type sizeLimit struct {
	always
	n uint64
}

func newSizeLimit(c admissionConfig) Admission { return &sizeLimit{n: c.n} }

func (a *sizeLimit) Admit(_ uint32, size, _, _ uint32) bool { return uint64(size) <= a.n }

// adaptSize admits an id of s slots with probability exp(−s/c) and finds c by
// itself (Berger, Sitaraman, Harchol-Balter: AdaptSize, NSDI 2017): every so
// many requests it takes the rates and sizes it has seen, and chooses the c for
// which a model of an lru cache behind that admission hits most. In the model
// an id of rate r and size s is in with probability
//
//	x / (1 + x),  x = (exp(µ·r) − 1) · exp(−s/c)
//
// where µ, the time an entry stays, is such that the sizes of what is in add up
// to the budget. Sizes are learnt at misses: an id that never missed has not
// been decided on. On a budget in entries every size is 1, and all are let in.
type adaptSize struct {
	state  splitmix.State // of what is drawn
	cfg    admissionConfig
	c      float64
	count  []uint32 // per id: requests, halved from window to window
	size   []uint32 // per id: as of its last miss; 0: not known
	n      uint64
	window uint64
}

func newAdaptSize(c admissionConfig) Admission {
	return &adaptSize{
		state: splitmix.State(c.seed ^ 0x6164617074), cfg: c, c: math.Inf(1),
		window: min(max(16*c.capacity, 4096), 250_000), // 250,000 in the paper
	}
}

func (a *adaptSize) Note(id uint32, _ bool) {
	if int(id) >= len(a.count) {
		n := max(int(id)+1, 2*len(a.count), 64)
		a.count = append(make([]uint32, 0, n), a.count...)[:n]
		a.size = append(make([]uint32, 0, n), a.size...)[:n]
	}
	a.count[id]++
	if a.n++; a.n == a.window {
		a.n = 0
		a.tune()
	}
}

func (a *adaptSize) Admit(id uint32, size, _, _ uint32) bool {
	a.size[id] = size
	if math.IsInf(a.c, 1) {
		return true
	}
	return a.state.Float() < math.Exp(-float64(size)/a.c)
}

// tune tries c in steps of a factor of two from half a slot up to where
// everything is let in, and keeps the best; the larger among equals.
func (a *adaptSize) tune() {
	top := uint32(1)
	for id, n := range a.count {
		if n > 0 {
			top = max(top, a.size[id])
		}
	}
	best, most := math.Inf(1), a.model(math.Inf(1))
	for c := 64 * float64(top); c >= 0.5; c /= 2 {
		if h := a.model(c); h > most*(1+1e-9) {
			best, most = c, h
		}
	}
	a.c = best
	for id := range a.count {
		a.count[id] /= 2
	}
}

// model is the hits the model expects with c, in requests of the window.
func (a *adaptSize) model(c float64) float64 {
	low, high := 0.0, 1.0
	for range 60 { // µ in windows: where it fills the cache, by doubling and halving
		if full, _ := a.fill(high, c); full || high > 1e9 {
			break
		}
		low, high = high, 2*high
	}
	for range 30 {
		mid := (low + high) / 2
		if full, _ := a.fill(mid, c); full {
			high = mid
		} else {
			low = mid
		}
	}
	_, hits := a.fill(low, c)
	return hits
}

// fill says whether what is in after µ fills the budget, and what would hit.
func (a *adaptSize) fill(mu, c float64) (full bool, hits float64) {
	in := 0.0
	for id, n := range a.count {
		if n == 0 || a.size[id] == 0 {
			continue
		}
		s := float64(a.size[id])
		p := 1.0
		if r := mu * float64(n); r < 500 {
			x := math.Expm1(r) * math.Exp(-s/c)
			p = x / (1 + x)
		}
		hits += p * float64(n)
		in += p * s
	}
	return in >= float64(a.cfg.capacity), hits
}
