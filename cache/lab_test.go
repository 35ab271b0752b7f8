package cache

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
	"jitnic/pcaps/splitmix"
)

// drawStream draws a stream with everything a stream can have.
func drawStream(t *rapid.T, plain bool) *stream.Stream {
	seed := rapid.Uint64().Draw(t, "stream seed")
	s := stream.Zipf(rapid.IntRange(2, 80).Draw(t, "universe"), rapid.IntRange(1, 600).Draw(t, "requests"), seed)
	s.SetSizes(func(key uint64) uint32 { return uint32(1 + splitmix.Mix(key+seed)%9) })
	s.Labels = make([]uint8, s.Len())
	s.LabelNames = []string{"a", "b"}
	s.Time = make([]int64, s.Len())
	for i := range s.Labels {
		s.Labels[i] = uint8(splitmix.Mix(uint64(i)) & 1)
		s.Time[i] = int64(i) * 1e6
	}
	if plain {
		return s
	}
	n := uint64(s.NumIDs())
	for i := range s.IDs {
		x := splitmix.Mix(uint64(i) ^ seed)
		if x%13 == 0 {
			s.Invalidations = append(s.Invalidations, stream.Invalidation{At: uint64(i), ID: uint32(x >> 20 % n)})
		}
		if x>>8%11 == 0 {
			s.IDs[i] = stream.None
		}
	}
	return s
}

func drawConfig(t *rapid.T) Config {
	c := Config{
		Policy:       rapid.SampledFrom(policy.Names()).Draw(t, "policy"),
		Admission:    rapid.SampledFrom([]string{"", "always", "probabilistic/3", "threshold/2", "doorkeeper", "doorkeeper/20", "cost-aware/2", "size/3", "bloom", "bloom/5", "adaptsize"}).Draw(t, "admission"),
		HotThreshold: rapid.Uint32Range(0, 3).Draw(t, "hot"),
		InstallDelay: rapid.Uint64Range(0, 4).Draw(t, "delay"),
		Seed:         5,
	}
	if rapid.Bool().Draw(t, "timed") {
		c.InstallTime = rapid.Int64Range(0, 5e6).Draw(t, "time")
	}
	n := rapid.Uint64Range(1, 60).Draw(t, "budget")
	if rapid.Bool().Draw(t, "sized") {
		c.Slots = n
	} else {
		c.Entries = n
	}
	return c
}

// naiveCache is a TraceCache written as its definition reads.
type naiveCache struct {
	p        policy.Policy
	cfg      Config
	a        Admission
	packet   uint64
	now      int64
	seen     map[uint32]bool
	heat     map[uint32]uint32
	wasIn    map[uint32]bool
	stale    map[uint32]bool
	inflight []pending
}

func (n *naiveCache) finish() {
	for len(n.inflight) > 0 {
		p := n.inflight[0]
		// Begun at packet b with delay d, it is usable from packet b+1+d on.
		if n.packet < p.packet+1 || n.now < p.time {
			break
		}
		n.inflight = n.inflight[1:]
		n.install(p.id, p.size, p.cost)
	}
}

func (n *naiveCache) install(id, size, cost uint32) {
	n.p.Insert(id, size, cost, nil)
	if n.p.Contains(id) {
		n.wasIn[id] = true
		delete(n.stale, id)
	}
}

func (n *naiveCache) request(id, size, cost uint32) Outcome {
	n.packet++
	n.finish()
	seen := n.seen[id]
	n.seen[id] = true
	if n.p.Access(id) {
		n.a.Note(id, true)
		return Hit
	}
	n.a.Note(id, false)
	n.heat[id]++
	if slices.ContainsFunc(n.inflight, func(p pending) bool { return p.id == id }) {
		return InFlight
	}
	o := Cold
	switch {
	case n.stale[id]:
		o = Invalidated
	case n.wasIn[id]:
		o = Capacity
	case seen:
		o = NotHot
	}
	if n.cfg.Entries > 0 {
		size = 1
	}
	if n.heat[id] < n.cfg.HotThreshold || !n.a.Admit(id, size, cost, n.heat[id]) {
		return o
	}
	n.inflight = append(n.inflight, pending{id, size, cost, n.packet + n.cfg.InstallDelay, n.now + n.cfg.InstallTime})
	return o
}

func (n *naiveCache) invalidate(id uint32) {
	n.packet++ // an install due at the next packet is done by then
	immediate := n.cfg.InstallDelay == 0 && n.cfg.InstallTime == 0
	if immediate {
		n.finish()
	}
	n.packet--
	for i, p := range n.inflight {
		if p.id == id {
			n.inflight = slices.Delete(n.inflight, i, i+1)
			n.stale[id] = true
			return
		}
	}
	if n.p.Remove(id) {
		n.stale[id] = true
	}
}

// The TraceCache does what its definition says, outcome by outcome.
func TestTraceCacheIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		s := drawStream(t, false)
		c := must.Get(NewTraceCache(cfg))(t)
		cap := cfg.Entries + cfg.Slots
		p, _ := policy.New(cfg.Policy, policy.Config{Capacity: cap, Sized: cfg.Slots > 0, Seed: cfg.Seed})
		a, _ := NewAdmission(cfg.Admission, cfg.Seed, cap)
		n := &naiveCache{
			p: p, cfg: cfg, a: a, seen: map[uint32]bool{}, heat: map[uint32]uint32{}, wasIn: map[uint32]bool{}, stale: map[uint32]bool{},
		}
		var counts Counts
		v := 0
		for i, id := range s.IDs {
			for ; v < len(s.Invalidations) && s.Invalidations[v].At <= uint64(i); v++ {
				c.Invalidate(s.Invalidations[v].ID)
				n.invalidate(s.Invalidations[v].ID)
			}
			c.At(s.Time[i])
			n.now = s.Time[i]
			if id == stream.None {
				c.Uncacheable()
				n.packet++
				n.finish()
				counts[Uncacheable]++
				continue
			}
			g, w := c.Request(id, s.Size(id), 2), n.request(id, s.Size(id), 2)
			if g != w {
				t.Fatalf("%+v: request %d of id %d: %v, want %v", cfg, i, id, g, w)
			}
			counts[w]++
		}
		if g := c.Stats().Outcome; g != counts || g.Total() != uint64(s.Len()) {
			t.Fatalf("counts %v, want %v of %d", g, counts, s.Len())
		}
	})
}

// What a TraceCache says it did adds up to what is in.
func TestEventsTellWhatIsIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t)
		cfg.Events = true
		s := drawStream(t, false)
		c := must.Get(NewTraceCache(cfg))(t)
		in, flying := map[uint32]bool{}, map[uint32]bool{}
		n := map[EventKind]uint64{}
		Replay(s, c, func(i int, o Outcome) {
			for _, e := range c.Events() {
				n[e.Kind]++
				switch e.Kind {
				case Began:
					flying[e.ID] = true
				case Put:
					delete(flying, e.ID)
					in[e.ID] = true
				case Refused, Canceled:
					delete(flying, e.ID)
				case Evicted, Dropped:
					if !in[e.ID] && cfg.Policy != "preinstalled" {
						t.Fatalf("%v of %d, which was not in", e.Kind, e.ID)
					}
					delete(in, e.ID)
				}
			}
			if cfg.Policy == "preinstalled" {
				return
			}
			for id := range uint32(s.NumIDs()) {
				if c.Installed(id) != in[id] || c.InFlight(id) != flying[id] {
					t.Fatalf("%+v: id %d: installed %v, events say %v; in flight %v, events say %v", cfg, id, c.Installed(id), in[id], c.InFlight(id), flying[id])
				}
			}
			if c.Len() != len(in) {
				t.Fatalf("%d entries, events say %d", c.Len(), len(in))
			}
		})
		st := c.Stats()
		// The last invalidations come after the last packet.
		for _, e := range c.Events() {
			n[e.Kind]++
		}
		got := map[EventKind]uint64{Began: st.Began, Put: st.Installed, Refused: st.Refused, Evicted: st.Evicted, Dropped: st.Invalidated, Canceled: st.Canceled}
		for k, v := range got {
			if v != n[k] {
				t.Errorf("%v: counted %d, %d events", k, v, n[k])
			}
		}
	})
}

// The short way and the TraceCache give the same point, and so does the grid,
// with any number of workers.
func TestComparisonIsReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStream(t, rapid.Bool().Draw(t, "plain"))
		cfg := drawConfig(t)
		if rapid.Bool().Draw(t, "straight") {
			cfg.Admission, cfg.HotThreshold, cfg.InstallDelay, cfg.InstallTime = "", 0, 0, 0
		}
		got := must.Get(Simulate(s, cfg))(t)
		cfg.Keys = s.Keys // drawn streams are Foreign
		c := must.Get(NewTraceCache(cfg))(t)
		miss := make([]uint64, (s.Len()+63)/64)
		Replay(s, c, func(i int, o Outcome) {
			if o != Hit {
				miss[i>>6] |= 1 << (i & 63)
			}
		})
		st := c.Stats()
		want := newLab(s, defaultWindows, 0).point(cfg, miss)
		want.outcomes(st.Outcome)
		want.Installs, want.Evictions = st.Installed, st.Evicted
		want.InstallsPerSecond = got.InstallsPerSecond
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%+v: %s", cfg, d)
		}
		if got.Counts().Misses() != got.Misses || got.Counts().Total() != got.Requests {
			t.Fatalf("%+v: classes %v don't add up to %d of %d", cfg, got.Counts(), got.Misses, got.Requests)
		}
	})
}

func TestGridIsItsPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStream(t, rapid.Bool().Draw(t, "plain"))
		g := &Grid{
			Policies:   []string{"lru", "belady", "sieve", "pfoo-l", "set-plru/4", "infinite", "belady-bypass", "gdsf"},
			Admissions: []string{"always", "threshold/2"},
			Entries:    []uint64{9, 1, 2, 3, 500, 17, 2}, Slots: []uint64{30, 8},
			HotThreshold: rapid.Uint32Range(0, 2).Draw(t, "hot"), Seed: 2,
			Workers: rapid.IntRange(1, 3).Draw(t, "workers"),
		}
		var done, total uint64
		g.Progress = func(d, n uint64) { done, total = d, n }
		study := must.Get(g.Run(context.Background(), s))(t)
		configs := g.Configs()
		if study.Partial || len(study.Points) != len(configs) || done != total {
			t.Fatalf("partial %v, %d points of %d, progress %d of %d", study.Partial, len(study.Points), len(configs), done, total)
		}
		for i, c := range configs {
			want := must.Get(Simulate(s, c))(t)
			if d := cmp.Diff(want, study.Points[i]); d != "" {
				t.Fatalf("%+v: %s", c, d)
			}
		}
		if !rapid.Bool().Draw(t, "rank") { // its bootstraps take most of the time
			return
		}
		for _, r := range study.Rankings(1) {
			if r.Bound == nil {
				t.Fatal("no bound")
			}
			for _, p := range r.Points {
				if r.Distance(p) < 0 {
					t.Fatalf("%s/%s at %d entries %d slots misses %d, the bound %s %d", p.Policy, p.Admission, p.Entries, p.Slots, p.Misses, r.Bound.Policy, r.Bound.Misses)
				}
			}
		}
	})
}

func TestAnInterruptLeavesWhatIsFinished(t *testing.T) {
	s := stream.Zipf(1000, 2_000_000, 1)
	ctx, cancel := context.WithCancel(context.Background())
	g := &Grid{Policies: []string{"fifo", "lru", "arc", "w-tinylfu"}, Entries: []uint64{10, 100}, Workers: 1}
	g.Progress = func(done, total uint64) {
		if done > total/2 {
			cancel()
		}
	}
	study := must.Get(g.Run(ctx, s))(t)
	if !study.Partial || len(study.Points) == 0 || len(study.Points) >= study.Planned {
		t.Errorf("partial %v, %d points of %d", study.Partial, len(study.Points), study.Planned)
	}
	for i := range study.Points {
		if study.Points[i].Requests != 2_000_000 {
			t.Errorf("point %d is not whole", i)
		}
	}
}

func TestErrorsAreOneLine(t *testing.T) {
	s := stream.Zipf(10, 100, 1)
	ctx := context.Background()
	for want, f := range map[string]func() error{
		"cache: no budget": func() error { _, err := NewTraceCache(Config{Policy: "lru"}); return err },
		"cache: budget of 1 entries and of 2 slots": func() error {
			_, err := NewTraceCache(Config{Policy: "lru", Entries: 1, Slots: 2})
			return err
		},
		`policy "lrv": not known`:         func() error { _, err := Simulate(s, Config{Policy: "lrv", Entries: 1}); return err },
		`admission "maybe": not known`:    func() error { _, err := NewAdmission("maybe", 0, 1); return err },
		`admission "threshold/0": "0" is`: func() error { _, err := NewAdmission("threshold/0", 0, 1); return err },
		`admission "always/2": always ta`: func() error { _, err := NewAdmission("always/2", 0, 1); return err },
		"grid: no policy":                 func() error { _, err := (&Grid{}).Run(ctx, s); return err },
		`policy "belady": needs the whole stream`: func() error {
			_, err := NewTraceCache(Config{Policy: "belady", Entries: 3})
			return err
		},
		`size "5..2": a range ends`:  func() error { _, err := ParseSizes("5..2"); return err },
		`size "0": a size is`:        func() error { _, err := ParseSizes("1,0"); return err },
		`size "1..9*1": a factor is`: func() error { _, err := ParseSizes("1..9*1"); return err },
	} {
		err := f()
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

func TestParseSizes(t *testing.T) {
	for text, want := range map[string][]uint64{
		"64":           {64},
		"1..10":        {1, 2, 4, 8, 10},
		"1..8,3":       {1, 2, 3, 4, 8},
		"2..9+3":       {2, 5, 8, 9},
		"100..150*1.2": {100, 120, 144, 150},
	} {
		got, err := ParseSizes(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
}

// Two halves of the same truth don't differ; a clear winner does.
func TestBootstrap(t *testing.T) {
	s := stream.Zipf(1000, 200_000, 3)
	point := func(p string, n uint64, seed uint64) *Point {
		pt := must.Get(Simulate(s, Config{Policy: p, Entries: n, Seed: seed}))(t)
		return &pt
	}
	if d := Compare(point("lru", 100, 0), point("sieve", 100, 0), 1); !d.Significant || d.Low <= 0 || d.Mean < d.Low || d.Mean > d.High {
		t.Errorf("lru against sieve: %+v", d)
	}
	if d := Compare(point("random", 100, 1), point("random", 100, 2), 1); d.Significant {
		t.Errorf("random against random: %+v", d)
	}
	if a, b := Compare(point("lru", 9, 0), point("fifo", 9, 0), 7), Compare(point("lru", 9, 0), point("fifo", 9, 0), 7); a != b {
		t.Error("not the same twice")
	}
}

func TestDescribe(t *testing.T) {
	s := stream.Zipf(1000, 200_000, 3)
	s.IDs[7] = stream.None
	p := Describe(s, 10, 0, 0)
	if p.Uncacheable != 1 || p.IDs != s.NumIDs() || len(p.WorkingSet) != 10 {
		t.Errorf("%d uncacheable, %d ids, %d spans", p.Uncacheable, p.IDs, len(p.WorkingSet))
	}
	k, ok := p.Smallest[0.9]
	if !ok || p.LRU.MissRatio(k) > 0.1 || p.LRU.MissRatio(k-1) <= 0.1 {
		t.Errorf("smallest for 90 %%: %d", k)
	}
}

func TestRequestsDoNotAllocate(t *testing.T) {
	c := must.Get(NewTraceCache(Config{Policy: "lru", Entries: 50, IDs: 500, InstallDelay: 3, Events: true}))(t)
	ids := stream.Zipf(500, 20_000, 1).IDs
	pass := func() {
		for _, id := range ids {
			c.Request(id, 1, 1)
			c.Invalidate(id + 7)
			c.Events()
		}
	}
	pass()
	if n := testing.AllocsPerRun(3, pass); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
