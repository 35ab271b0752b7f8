package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"jitnic/cache/curve"
	"jitnic/cache/policy"
	"jitnic/cache/stream"
)

const defaultWindows = 100

var errWarmBound = errors.New(`policy "pfoo-l": bounds a whole stream: it says nothing of what comes after a warm-up`)

// A Grid is every policy with every admission at every budget, on one stream.
type Grid struct {
	Policies   []string // names of policy.Names and policy.OfflineNames, with parameters
	Admissions []string // see NewAdmission; nil: always. Bounds have no admission
	Entries    []uint64 // budgets in entries
	Slots      []uint64 // budgets in slots

	HotThreshold uint32
	InstallDelay uint64
	InstallTime  int64
	Seed         uint64

	Tier2    *Tier2 // see Config.Tier2; on budgets in slots
	Warmup   int    // requests at the start that are run and not counted
	TTL      int64  // see Config.TTL
	Windows  int    // of time, for bootstrap and plots; 0: 100
	Workers  int    // 0: one a CPU
	Progress func(done, total uint64)
}

// A Study is what a Grid gave.
type Study struct {
	Points  []Point `json:"points"`  // in the order of policies, admissions, entries, slots
	Partial bool    `json:"partial"` // it was interrupted: points are missing, those here are whole
	Planned int     `json:"planned"` // points there are without an interrupt
}

// Configs lists the points of the grid in their order.
func (g *Grid) Configs() []Config {
	admissions := g.Admissions
	if len(admissions) == 0 {
		admissions = []string{"always"}
	}
	var out []Config
	for _, p := range g.Policies {
		info, err := policy.Lookup(p)
		for i, a := range admissions {
			if err == nil && info.Kind == policy.Bound {
				if i > 0 {
					continue
				}
				a = "always"
			}
			c := Config{
				Policy: p, Admission: a, HotThreshold: g.HotThreshold,
				InstallDelay: g.InstallDelay, InstallTime: g.InstallTime, TTL: g.TTL, Seed: g.Seed,
			}
			for _, n := range g.Entries {
				c.Entries, c.Slots = n, 0
				out = append(out, c)
			}
			c.Tier2 = g.Tier2
			for _, n := range g.Slots {
				c.Entries, c.Slots = 0, n
				out = append(out, c)
			}
		}
	}
	return out
}

// manyLRU is how many points of lru are run one by one at most.
const manyLRU = 4

// Ready makes a narrow stream wide where the grid asks for more than most do. It is
// to be called before anybody else reads the stream; Run does it too.
func (g *Grid) Ready(s *stream.Stream) {
	l := &lab{s: s, n: s.NumIDs(), from: g.Warmup}
	if !s.Narrow() {
		return
	}
	l.plain = s.Plain()
	lru := 0
	for _, c := range g.Configs() {
		info, err := policy.Lookup(c.Policy)
		if err != nil {
			return // which Run says
		}
		switch {
		case l.roomy(c, info):
		case l.straight(c, info) && c.Policy == "lru" && lru < manyLRU:
			lru++
		case l.straight(c, info) && c.Policy != "lru":
		default:
			s.Widen()
			return
		}
	}
}

// Run makes the study. All names and budgets are checked before anything is
// run. The points do not depend on the number of workers. When ctx ends, what
// is finished is returned, marked as partial, and the error is nil.
func (g *Grid) Run(ctx context.Context, s *stream.Stream) (*Study, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	g.Ready(s)
	if g.TTL > 0 && s.Time == nil {
		return nil, fmt.Errorf("grid: entries can't age: the stream has no times")
	}
	if g.Warmup > 0 && g.Warmup >= s.Len() {
		return nil, fmt.Errorf("grid: a warm-up of %d leaves nothing of %d requests to count", g.Warmup, s.Len())
	}
	configs := g.Configs()
	if len(configs) == 0 {
		return nil, fmt.Errorf("grid: no policy or no budget")
	}
	for _, c := range configs {
		info, err := policy.Lookup(c.Policy)
		if err != nil {
			return nil, err
		}
		if c.Policy == "pfoo-l" && g.Warmup > 0 {
			return nil, errWarmBound
		}
		if !info.IsOffline() {
			if _, err := policy.New(c.Policy, policy.Config{Capacity: c.Entries + c.Slots}); err != nil {
				return nil, err
			}
		}
		if _, err := NewAdmission(c.Admission, c.Seed, c.Entries+c.Slots); err != nil {
			return nil, err
		}
	}
	windows := g.Windows
	if windows <= 0 {
		windows = defaultWindows
	}
	l := newLab(s, windows, g.Warmup)
	r := &gridRun{
		ctx: ctx, lab: l, configs: configs, points: make([]Point, len(configs)), have: make([]bool, len(configs)),
		total: uint64(len(configs)) * uint64(s.Len()), progress: g.Progress,
	}
	tasks := r.tasks()
	workers := g.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	next := make(chan func() error)
	var wg sync.WaitGroup
	for range min(workers, len(tasks)) {
		wg.Go(func() {
			for t := range next {
				if err := t(); err != nil {
					r.fail(err)
				}
			}
		})
	}
	for _, t := range tasks {
		if ctx.Err() != nil || r.failed() != nil {
			break
		}
		next <- t
	}
	close(next)
	wg.Wait()
	if err := r.failed(); err != nil && ctx.Err() == nil {
		return nil, err
	}
	study := &Study{Planned: len(configs)}
	for i, ok := range r.have {
		if ok {
			study.Points = append(study.Points, r.points[i])
		}
	}
	study.Partial = len(study.Points) < len(configs)
	return study, nil
}

type gridRun struct {
	ctx     context.Context
	lab     *lab
	configs []Config
	points  []Point // by number of config; each written by one task
	have    []bool

	mu       sync.Mutex
	err      error
	done     uint64
	total    uint64
	progress func(done, total uint64)
}

func (r *gridRun) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

func (r *gridRun) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *gridRun) tick(requests int) {
	if r.progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += uint64(requests)
	r.progress(r.done, r.total)
}

// tasks groups the configs: lru at all numbers of entries is one pass over
// stack distances, pfoo-l at all budgets one sort; everything else is a task a
// point.
func (r *gridRun) tasks() []func() error {
	var tasks []func() error
	var lru []int
	pfoo := map[bool][]int{} // by whether the budget is in slots
	for i, c := range r.configs {
		info, _ := policy.Lookup(c.Policy)
		switch {
		case c.Policy == "lru" && r.lab.straight(c, info) && !r.lab.roomy(c, info):
			lru = append(lru, i)
		case c.Policy == "pfoo-l":
			pfoo[c.Slots > 0] = append(pfoo[c.Slots > 0], i)
		default:
			tasks = append(tasks, func() error {
				p, err := r.lab.simulate(r.ctx, c, r.tick)
				if err != nil {
					return err
				}
				r.points[i], r.have[i] = p, true
				return nil
			})
		}
	}
	if len(lru) > manyLRU { // below, running each is as fast
		tasks = append([]func() error{func() error { return r.lruAll(lru) }}, tasks...)
	} else {
		for _, i := range lru {
			tasks = append(tasks, func() error {
				p, err := r.lab.simulate(r.ctx, r.configs[i], r.tick)
				if err != nil {
					return err
				}
				r.points[i], r.have[i] = p, true
				return nil
			})
		}
	}
	for _, sized := range []bool{false, true} {
		if all := pfoo[sized]; len(all) > 0 {
			tasks = append(tasks, func() error { return r.pfooAll(all) })
		}
	}
	return tasks
}

// lruAll makes the points of lru at all sizes from one pass: a request hits
// every size from its stack distance on.
func (r *gridRun) lruAll(points []int) error {
	l := r.lab
	dist := make([]uint32, l.s.Len())
	curve.Distances(l.s.IDs, l.n, dist)
	if err := r.ctx.Err(); err != nil {
		return err
	}
	order := slices.Clone(points)
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case r.configs[a].Entries < r.configs[b].Entries:
			return -1
		case r.configs[a].Entries > r.configs[b].Entries:
			return 1
		}
		return a - b
	})
	// from[d] is the first size that hits distance d.
	from := make([]uint32, l.n+1)
	k := 0
	for d := range from {
		for k < len(order) && r.configs[order[k]].Entries < uint64(d) {
			k++
		}
		from[d] = uint32(k)
	}
	labels := max(len(l.s.LabelNames), 1)
	// Hits that begin at size k, by window and by label; bytes.
	hits := make([]uint64, l.windows*(len(order)+1))
	byLabel := make([]uint64, labels*(len(order)+1))
	bytes := make([]uint64, len(order)+1)
	reqs := make([]uint64, labels)
	weigh := l.s.Bytes != nil || l.s.Sizes != nil
	for w := range l.windows {
		h := hits[w*(len(order)+1):][:len(order)+1]
		for i := l.bound(w); i < l.bound(w+1); i++ {
			k := uint32(len(order)) // no size hits
			if d := dist[i]; d != curve.Never {
				k = from[d]
			}
			h[k]++
			b := uint64(1)
			if weigh {
				b = l.s.Weight(i)
			}
			bytes[k] += b
			if l.s.Labels != nil {
				lb := int(l.s.Labels[i])
				reqs[lb]++
				byLabel[lb*(len(order)+1)+int(k)]++
			}
		}
	}
	// Hits that begin at size k, by capture.
	var byPart [][]uint64
	var parts []PartCount
	l.eachPart(func(name string, a, b int) {
		h := make([]uint64, len(order)+1)
		for _, d := range dist[a:b] {
			k := uint32(len(order))
			if d != curve.Never {
				k = from[d]
			}
			h[k]++
		}
		byPart, parts = append(byPart, h), append(parts, PartCount{Capture: name, Requests: uint64(b - a)})
	})
	for k, i := range order {
		c := r.configs[i]
		p := l.point(c, nil)
		for j, part := range parts {
			for _, x := range byPart[j][k+1:] {
				part.Misses += x
			}
			p.Parts = append(p.Parts, part)
		}
		for w := range l.windows {
			var m uint64
			for _, x := range hits[w*(len(order)+1):][k+1 : len(order)+1] {
				m += x
			}
			p.Windows = append(p.Windows, WindowCount{l.bound(w), l.bound(w + 1), m})
			p.Misses += m
		}
		for _, b := range bytes[k+1:] {
			p.MissBytes += b
		}
		if l.s.Labels != nil {
			for lb, name := range l.s.LabelNames {
				n := LabelCount{Label: name, Requests: reqs[lb]}
				for _, x := range byLabel[lb*(len(order)+1):][k+1 : len(order)+1] {
					n.Misses += x
				}
				p.Labels = append(p.Labels, n)
			}
		}
		p.ratios()
		p.Cold = l.cold
		p.Hits = p.Requests - p.Misses
		p.Capacity = p.Misses - p.Cold
		p.Installs = p.Misses
		p.Evictions = p.Installs - min(c.Entries, l.cold)
		l.perSecond(&p)
		r.points[i], r.have[i] = p, true
		r.tick(l.s.Len())
	}
	return nil
}

// pfooAll makes the points of pfoo-l at all budgets of one unit.
func (r *gridRun) pfooAll(points []int) error {
	reqs, _ := r.lab.generations()
	if r.configs[points[0]].Slots == 0 {
		reqs.Sizes = nil
	}
	f := policy.NewPFOOL(reqs)
	for _, i := range points {
		p := r.lab.pfoo(r.configs[i], f, uint64(len(reqs.IDs)))
		r.points[i], r.have[i] = p, true
		r.tick(r.lab.s.Len())
	}
	return nil
}
