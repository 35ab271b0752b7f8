package result

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"jitnic/cache/policy"
	"jitnic/host/run/jit"
	"jitnic/host/study/cell"
	"jitnic/host/study/run"
)

// A Setting is what caches are compared in: everything but the policy with its
// admission, the capture and the seed.
type Setting struct {
	Program string `json:"program"`
	Entry   string `json:"entry"`
	Mode    string `json:"mode"`
	// Segments is none, auto, or how many tables there are at most.
	Segments string `json:"segments"`
	Queues   int    `json:"queues"`
	Split    string `json:"split"`
	Hot      uint32 `json:"hot"`
	Delay    uint64 `json:"install_delay"`
	Entries  uint64 `json:"entries"`
	Slots    uint64 `json:"slots"`
}

// A Rank is a cache's place in a setting, over its captures and seeds.
type Rank struct {
	Setting
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	Place     int     `json:"place"`
	Blocks    int     `json:"blocks"` // captures × seeds × parts
	Mean      float64 `json:"miss_ratio"`
	Low       float64 `json:"low"` // 95 % over blocks; over windows of the one block there is
	High      float64 `json:"high"`
	Over      string  `json:"over"`     // captures or windows: what the interval is over
	Distance  float64 `json:"distance"` // of the mean from the bound's; NaN where none was run
	Wins      int     `json:"wins"`     // blocks in which none misses less; ties are shared
}

// A Pair is a cache against the best one of its setting.
type Pair struct {
	Setting
	Best      string  `json:"best"`
	Other     string  `json:"other"`
	More      float64 `json:"more"`       // miss ratio of other less that of best, mean over blocks
	Low       float64 `json:"low"`        // 95 % over blocks
	High      float64 `json:"high"`       //
	Blocks    int     `json:"blocks"`     // captures × seeds × parts
	Stretches int     `json:"stretches"`  // of time, within blocks
	PBlocks   float64 `json:"p_captures"` // over blocks: would it be so on other captures
	PWindows  float64 `json:"p_windows"`  // over stretches of time: would it be so at other times
	HBlocks   float64 `json:"p_captures_holm"`
	HWindows  float64 `json:"p_windows_holm"` // both corrected for all comparisons of the program and mode
}

// A Gatherer takes the points of cells one by one and concludes at the end.
type Gatherer struct {
	settings map[Setting]*contest
	order    []Setting
	blocks   int
	windows  windows
}

// contest is what was counted in a setting, by cache and block.
type contest struct {
	names  []contender
	bound  map[int]float64 // by block: the tightest bound's miss ratio
	best   map[int]int     // by block: that bound's rank
	blocks []int
}

type contender struct {
	policy, admission string
	ratio             map[int]float64   // by block
	stretch           map[int][]float64 // by block: misses of stretches of time as shares of all requests
	low, high         map[int]float64   // by block
}

// stretches is how many a block has: enough to draw from, and long enough that
// what happens in one depends little on the last.
const stretches = 10

// NewGatherer makes an empty one.
func NewGatherer() *Gatherer {
	return &Gatherer{settings: map[Setting]*contest{}, windows: windows{map[parted]*run.Point{}, map[parted]*Window{}, nil}}
}

// Add takes a cell's points.
func (g *Gatherer) Add(c *cell.Cell, f *run.Facts, points map[string]*run.Point) {
	block := g.blocks
	g.blocks++
	for i := range c.Points {
		cfg := &c.Points[i]
		p := points[c.PointKey(cfg)]
		if p == nil {
			continue
		}
		entry := c.Entry
		if entry == "" {
			entry = f.Entry
		}
		s := Setting{c.Program, entry, c.Mode, jit.SegmentsName(c.Segments), c.Queues, c.Split, max(cfg.HotThreshold, 1), cfg.InstallDelay, cfg.Entries, cfg.Slots}
		g.windows.add(s, c, cfg.Policy, cfg.Admission, p)
		t := g.settings[s]
		if t == nil {
			t = &contest{bound: map[int]float64{}, best: map[int]int{}}
			g.settings[s] = t
			g.order = append(g.order, s)
		}
		if len(t.blocks) == 0 || t.blocks[len(t.blocks)-1] != block {
			t.blocks = append(t.blocks, block)
		}
		switch p.Kind {
		case "software", "hardware":
			t.add(block, cfg.Policy, cfg.Admission, p)
		case "bound":
			info, err := policy.Lookup(cfg.Policy)
			if old, ok := t.best[block]; err == nil && info.Rank > 0 && (!ok || info.Rank < old) {
				t.best[block], t.bound[block] = info.Rank, p.MissRatio
			}
		}
	}
}

func (t *contest) add(block int, policy, admission string, p *run.Point) {
	i := slices.IndexFunc(t.names, func(c contender) bool { return c.policy == policy && c.admission == admission })
	if i < 0 {
		i = len(t.names)
		t.names = append(t.names, contender{policy, admission, map[int]float64{}, map[int][]float64{}, map[int]float64{}, map[int]float64{}})
	}
	c := &t.names[i]
	c.ratio[block] = p.MissRatio
	if lo, hi, ok := interval(p); ok {
		c.low[block], c.high[block] = lo, hi
		out := make([]float64, stretches)
		for w, m := range p.Missed {
			out[w*stretches/len(p.Missed)] += float64(m) / float64(p.Requests)
		}
		c.stretch[block] = out
	}
}

func (c *contender) name() string { return CacheName(c.policy, c.admission) }

// CacheName is what a policy with its admission is called.
func CacheName(policy, admission string) string {
	if admission == "" || admission == "always" {
		return policy
	}
	return policy + " + " + admission
}

// Conclude ranks the caches of each setting, the sizes of a program from small to
// large, and compares each with the best.
func (g *Gatherer) Conclude() (ranks []Rank, pairs []Pair) {
	place := map[Setting]int{} // of programs as the study has them
	for _, s := range g.order {
		k := s
		k.Entries, k.Slots = 0, 0
		if _, ok := place[k]; !ok {
			place[k] = len(place)
		}
	}
	key := func(s Setting) int { s.Entries, s.Slots = 0, 0; return place[s] }
	order := slices.Clone(g.order)
	slices.SortStableFunc(order, func(a, b Setting) int {
		return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.Slots, b.Slots), cmp.Compare(a.Entries, b.Entries))
	})
	for _, s := range order {
		r, p := g.settings[s].conclude(s)
		ranks, pairs = append(ranks, r...), append(pairs, p...)
	}
	correct(pairs)
	return ranks, pairs
}

// conclude ranks one setting. Caches that are not there in all blocks are left out
// of it, as others would be compared with them on other captures.
func (t *contest) conclude(s Setting) (ranks []Rank, pairs []Pair) {
	var in []*contender
	for i := range t.names {
		if len(t.names[i].ratio) == len(t.blocks) {
			in = append(in, &t.names[i])
		}
	}
	if len(in) == 0 {
		return nil, nil
	}
	bound, bounded := 0.0, len(t.bound) == len(t.blocks)
	for _, b := range t.bound {
		bound += b / float64(len(t.bound))
	}
	for _, c := range in {
		r := Rank{Setting: s, Policy: c.policy, Admission: c.admission, Blocks: len(t.blocks), Distance: math.NaN(), Over: "captures"}
		var v []float64
		for _, b := range t.blocks {
			v = append(v, c.ratio[b])
			if !slices.ContainsFunc(in, func(o *contender) bool { return o.ratio[b] < c.ratio[b] }) {
				r.Wins++
			}
		}
		var half float64
		r.Mean, half = Mean(v)
		r.Low, r.High = max(0, r.Mean-half), min(1, r.Mean+half)
		if len(v) == 1 {
			r.Over = "windows"
			if lo, ok := c.low[t.blocks[0]]; ok {
				r.Low, r.High = lo, c.high[t.blocks[0]]
			}
		}
		if bounded {
			r.Distance = r.Mean - bound
		}
		ranks = append(ranks, r)
	}
	index := make([]int, len(in))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		return cmp.Or(cmp.Compare(ranks[a].Mean, ranks[b].Mean), cmp.Compare(in[a].name(), in[b].name()))
	})
	sorted := make([]Rank, len(ranks))
	for k, i := range index {
		sorted[k] = ranks[i]
		sorted[k].Place = k + 1
		if k > 0 && sorted[k].Mean == sorted[k-1].Mean {
			sorted[k].Place = sorted[k-1].Place
		}
	}
	best := in[index[0]]
	for _, i := range index[1:] {
		pairs = append(pairs, compare(s, t.blocks, best, in[i]))
	}
	return sorted, pairs
}

func compare(s Setting, blocks []int, best, other *contender) Pair {
	p := Pair{Setting: s, Best: best.name(), Other: other.name(), Blocks: len(blocks)}
	var diff, parts []float64
	for _, b := range blocks {
		diff = append(diff, other.ratio[b]-best.ratio[b])
		x, y := other.stretch[b], best.stretch[b]
		for i := range min(len(x), len(y)) {
			parts = append(parts, x[i]-y[i])
		}
	}
	var half float64
	p.More, half = Mean(diff)
	p.Low, p.High = p.More-half, p.More+half
	if math.IsInf(half, 0) {
		p.Low, p.High = p.More, p.More
		if m, h := Mean(parts); len(parts) > 1 { // one block: over its stretches of time
			n := float64(len(parts))
			p.Low, p.High = (m-h)*n, (m+h)*n
		}
	}
	p.Stretches = len(parts)
	p.PBlocks, p.PWindows = SignFlip(diff, 1), 1
	if len(parts) > 0 {
		p.PWindows = SignFlip(parts, 2)
	}
	return p
}

// correct puts in the corrected p, over all comparisons of a program and mode.
func correct(pairs []Pair) {
	family := func(p *Pair) string {
		return fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%d\x00%s", p.Program, p.Entry, p.Mode, p.Segments, p.Queues, p.Split)
	}
	by := map[string][]int{}
	for i := range pairs {
		k := family(&pairs[i])
		by[k] = append(by[k], i)
	}
	for _, list := range by {
		var a, b []float64
		for _, i := range list {
			a, b = append(a, pairs[i].PBlocks), append(b, pairs[i].PWindows)
		}
		a, b = Holm(a), Holm(b)
		for k, i := range list {
			pairs[i].HBlocks, pairs[i].HWindows = a[k], b[k]
		}
	}
}
