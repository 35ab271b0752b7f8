package feasibility

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/nic/device"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/workload"

	"github.com/google/go-cmp/cmp"
)

// lru is a cache of so many traces.
func lru(entries uint64) cache.Config {
	return cache.Config{Policy: "lru", Entries: entries, HotThreshold: 1, Seed: 1}
}

// Where nothing takes time, the study counts what a replay counts, class by
// class: beginning cold, each packet once.
func TestIdealCountsAsReplay(t *testing.T) {
	n, h := profiles(t, "ideal", "ideal")
	check := func(t *testing.T, program, capture string, limit uint64, specialise bool, cfg cache.Config) {
		var want cache.Counts
		play(t, program, capture, limit, jit.Options{Cache: cfg, Remedies: jit.Remedies{Specialise: specialise}}, func(o cache.Outcome) { want[o]++ })
		w, x, tree := observed(t, program, capture, limit, specialise)
		s := must.Get(Run(context.Background(), w, x, tree, n, h, Options{Cache: cfg, Rate: 1_000_000, Packets: len(w.Packets), Seed: 1}))(t)
		for o, k := range want {
			if got := s.Cold.Outcomes[cache.Outcome(o).String()]; got != k {
				t.Errorf("%s on %s, specialised %v, %+v: %d packets %v, replay counts %d", program, capture, specialise, cfg, got, cache.Outcome(o), k)
			}
		}
		if s.Cold.Packets != want.Total() || s.Cold.Loss != 0 || s.Cold.Max > 1000 {
			t.Errorf("%s: %+v", program, s.Cold)
		}
	}
	configs := []cache.Config{
		lru(8),
		{Policy: "fifo", Slots: 1000, HotThreshold: 3, Seed: 1},
		{Policy: "lfu", Admission: "doorkeeper", Entries: 20, HotThreshold: 1, Seed: 7},
	}
	for i, p := range programs.All() {
		check(t, p.Name, "sample:lab", 3000, false, configs[i%len(configs)])
		check(t, p.Name, "sample:lab", 1500, true, configs[(i+1)%len(configs)])
	}
	for i, c := range []string{"zoo.pcap.gz", "echo-connections.pcap.gz", "many-protocols.pcap.gz"} {
		t.Run(c, func(t *testing.T) {
			check(t, programs.All()[i+1].Name, hosttest.Capture(t, c), 3000, i == 1, configs[0])
		})
	}
}

// The break-even is where it says: with caches of all sizes, the host needs
// fewer cores than alone above it and more below.
func TestBreakEvenIsTrue(t *testing.T) {
	n, h := profiles(t, "hxdp", "paper")
	h.CompileBase, h.CompileInsn = 0, 0
	n.Units, n.Slots, n.MatcherCapacity = 64, 0, 0 // nothing is lost
	w, x, tree := observed(t, "conntrack", "sample:lab", 8000, false)
	var above, below int
	for _, entries := range []uint64{1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128} {
		s := must.Get(Run(context.Background(), w, x, tree, n, h, Options{Cache: lru(entries), Rate: 1_000_000, Packets: 8000, Seed: 1}))(t)
		both, alone := s.Point[0], s.Point[1]
		if both.Loss > 0 {
			t.Fatalf("%d traces: loses %v", entries, both.Loss)
		}
		// What the means give for this hit ratio against what the run gave.
		e := &s.BreakEven
		predicted := (e.HitCore*both.HitRatio + e.MissCore*(e.Share-both.HitRatio) + e.Rest*(1-e.Share)) * both.Offered / 1e9
		t.Logf("%3d traces: hits %.3f, break-even %.3f, cores %.3f by the means %.3f, alone %.3f", entries, both.HitRatio, e.Cores, both.CoresNeeded, predicted, alone.CoresNeeded)
		if math.Abs(predicted-both.CoresNeeded) > 0.1*both.CoresNeeded+0.002 {
			t.Errorf("%d traces: %v cores, by the means %v", entries, both.CoresNeeded, predicted)
		}
		if by := math.Abs(both.HitRatio - e.Cores); by < 0.03 {
			continue
		}
		if both.HitRatio > e.Cores {
			above++
		} else {
			below++
		}
		if (both.HitRatio > e.Cores) != (both.CoresNeeded < alone.CoresNeeded) {
			t.Errorf("%d traces: hits %v, break-even %v, but %v cores and %v alone", entries, both.HitRatio, e.Cores, both.CoresNeeded, alone.CoresNeeded)
		}
	}
	if above < 2 || below < 2 {
		t.Errorf("%d sizes above the break-even, %d below", above, below)
	}
}

// Packets that the device can't take pay for maps that are on it: where that is
// more than all hits can save, no hit ratio breaks even.
func TestRestCounts(t *testing.T) {
	in := &device.Input{
		Paths:    []device.Path{{Compile: 0}},
		Entries:  1,
		Accesses: []device.Access{{Entry: 0}, {Entry: 0}, {Entry: 0, Write: true}},
		Packets: []device.Packet{ // the first can be offloaded; both read the map
			{Path: 0, Host: 160_000, First: 0, N: 1, Fate: device.Drop},
			{Path: -1, Host: 60_000, First: 1, N: 2, Fate: device.Up},
		},
	}
	n := &profile.NIC{Clock: 1_000_000, Memory: profile.MemNIC, PCIeRead: 500}
	h := &profile.Host{Driver: 40_000, Pass: 30_000, Compilers: 2}
	c := &costs{n: n, h: h, match: &match.Costs{Miss: 20}}
	c.prices = pricesOf(in)
	s := &study{Study: &Study{}}
	run := func(stall float64, hits uint64) *outcome {
		both := &Figures{Packets: 100, Offered: 1e6, HitRatio: float64(hits) / 100, Outcomes: map[string]uint64{"hit": hits, "capacity": 50 - hits, "uncacheable": 50},
			MissMean: 900, HitMean: 100, Memory: &Memory{HostReads: 80, StallHost: stall * 80 / 100}}
		return s.outcome(c, both, &Figures{Packets: 100, Offered: 1e6, Mean: 500})
	}
	// ns a packet: alone 200 and 100. A read across PCIe takes 100: 300 and 200
	// then; a hit costs no core. (50 (300 (1-h')) + 50·200 = 50·300: h' = 2/3 of
	// the half that can hit.
	o := run(100, 20)
	e := &o.Even
	if e.Share != 0.5 || e.HostCore != 200 || e.MissCore != 300 || e.HitCore != 0 || e.RestHost != 100 || e.Rest != 200 || math.Abs(e.Cores-1.0/3) > 1e-9 {
		t.Errorf("%+v", e)
	}
	// What the run's cores needed comes first: 0.28 us a packet, of which the rest
	// takes 100 and hits nothing, leave 180 on 30 misses of 100 packets.
	paid := &Figures{Packets: 100, Offered: 1e6, HitRatio: 0.2, CoresNeeded: 0.28, MissMean: 900, HitMean: 100, Memory: &Memory{HostReads: 80, StallHost: 80},
		Outcomes: map[string]uint64{"hit": 20, "capacity": 30, "uncacheable": 50}}
	if o := s.outcome(c, paid, &Figures{Packets: 100, Offered: 1e6, Mean: 500}); math.Abs(o.Even.MissCore-600) > 1e-9 {
		t.Errorf("%+v", o.Even)
	}
	// At 250 the rest loses 250, and all hits save 200.
	if o := run(250, 20); o.Even.Cores != never {
		t.Errorf("%+v", o.Even)
	}
	// Without reads in the run, a read takes pcie.read; on the other socket more.
	o = s.outcome(c, &Figures{Packets: 100, Outcomes: map[string]uint64{"hit": 100}}, &Figures{Packets: 100, Mean: 500})
	if o.Even.MissCore != 700 || o.Even.MissLatency != 520 || o.Even.Latency != never {
		t.Errorf("%+v", o.Even)
	}
	s.opt.Remote = true
	if o := s.outcome(c, &Figures{Packets: 100}, &Figures{Packets: 100}); o.Even.MissCore != 807 {
		t.Errorf("%+v", o.Even)
	}
	// Latency: 100 × h + 900 (1-h) = 600 at 3/8.
	both := &Figures{Packets: 100, HitRatio: 0.2, MissMean: 900, HitMean: 100}
	if o := s.outcome(c, both, &Figures{Packets: 100, Mean: 600}); math.Abs(o.Even.Latency-0.375) > 1e-9 {
		t.Errorf("%+v", o.Even)
	}
	// A trace made for each second miss, 10 us each: 5 us a miss, and cores for
	// as many as are made; installs of traces made before cost none.
	in.Paths[0].Compile = 10_000_000
	both = &Figures{Packets: 100, Offered: 1e6, Begun: 25, Made: 15, HitRatio: 0.2, Outcomes: map[string]uint64{"hit": 20, "capacity": 20, "in_flight": 10, "uncacheable": 50}}
	o = s.outcome(c, both, &Figures{Packets: 100})
	if math.Abs(o.Even.Compile-5000) > 1e-9 || math.Abs(o.CompileCores-1.5) > 1e-9 {
		t.Errorf("%+v, %v", o.Even, o.CompileCores)
	}
	// No more cores than there are compilers.
	h.Compilers = 1
	if o := s.outcome(c, both, &Figures{Packets: 100}); o.CompileCores != 1 {
		t.Errorf("%v cores compile", o.CompileCores)
	}
	both.Made = 0
	if o := s.outcome(c, both, &Figures{Packets: 100}); o.Even.Compile != 0 || o.CompileCores != 0 {
		t.Errorf("%+v, %v", o.Even, o.CompileCores)
	}
}

// A map stays with the host where the matcher holds no path that uses it.
func TestPlaced(t *testing.T) {
	w, x, tree := observed(t, "conntrack", "sample:lab", 2000, false)
	n, h := profiles(t, "hxdp", "paper")
	n.Matcher, n.MatcherCapacity = profile.MatchTCAM, 0
	s := &study{Study: &Study{}, w: w, x: x, trees: tree, n: n, h: h}
	c, err := s.cost(n, h, false)
	must.OK(t, err)
	used := make([]bool, len(w.Maps))
	for i := range c.prices.In.Paths {
		if !c.prices.In.Paths[i].Refused {
			for _, m := range c.fit.Paths[i].Maps {
				used[m] = true
			}
		}
	}
	for _, a := range c.prices.In.Accesses {
		if !used[w.EntryMap[a.Entry]] {
			t.Fatalf("map %s is on the device, and no path there uses it", w.Maps[w.EntryMap[a.Entry]].Name)
		}
	}
	n.Matcher = profile.MatchTree
	if c, err = s.cost(n, h, false); err != nil || len(c.prices.In.Accesses) == 0 {
		t.Fatalf("%v: no accesses where all paths fit", err)
	}
}

// A row of the memory models is what a study of a device with that model says.
func TestMemoryModels(t *testing.T) {
	w, x, tree := observed(t, "firewall", "sample:lab", 2000, false)
	n, h := profiles(t, "hxdp", "paper")
	n.MapTypes = []string{"array"}
	opt := Options{Cache: lru(0), Rate: 2_000_000, Packets: 2000, Seed: 1, Memory: true}
	all := must.Get(Run(context.Background(), w, x, tree, n, h, opt))(t)
	opt.Memory = false
	hits := map[string]float64{}
	for _, row := range all.Memory {
		one := n.Clone()
		one.Memory = profile.MemoryModel(row.Model)
		s := must.Get(Run(context.Background(), w, x, tree, one, h, opt))(t)
		if d := cmp.Diff(s.Point[0], row.Figures); d != "" {
			t.Errorf("%s: (-study +row)\n%s", row.Model, d)
		}
		hits[row.Model] = row.HitRatio
	}
	// It holds no tries; where the maps are on the host, it needn't.
	if hits["nic"] > 0.1 || hits["host"] < 0.5 {
		t.Errorf("hits %v", hits)
	}
}

// small is a study of few packets with all sections.
func small(t testing.TB) (*workload.Workload, *match.Analysis, match.Trees, Options) {
	w, x, tree := observed(t, "firewall", "sample:lab", 600, false)
	return w, x, tree, Options{
		Cache: cache.Config{Policy: "lru", HotThreshold: 1, Seed: 1}, Rate: 5_000_000, Rates: []uint64{1_000_000, 10_000_000}, Packets: 600, Seed: 1,
		Seeds: 2, Throughput: true, Memory: true, Sensitivity: true, Designs: true, Prefix: make([]uint32, len(w.Shapes)),
		Program: func(uint32) (uint32, bool) { return 100, true },
	}
}

func text(t testing.TB, v any) string {
	t.Helper()
	b := must.Get(json.Marshal(v))(t)
	return string(b)
}

// The same arguments give the same bytes, whatever the number of workers; and an
// interrupt leaves whole sections, those that were finished.
func TestSameAndInterrupted(t *testing.T) {
	w, x, tree, opt := small(t)
	n, h := profiles(t, "hxdp", "paper")
	opt.Workers = 1
	calls := 0
	var steps []string
	opt.Progress = func(what string, done, total int) {
		if calls++; len(steps) == 0 || steps[len(steps)-1] != what {
			steps = append(steps, what)
		}
		if done > total {
			t.Errorf("%s: %d of %d", what, done, total)
		}
	}
	whole := must.Get(Run(context.Background(), w, x, tree, n, h, opt))(t)
	if whole.Partial || whole.Designs == nil || len(whole.Swings) < 20 || len(whole.Curves) != 3 || len(whole.Throughput) != 3 || len(whole.Memory) != 4 || whole.Cold == nil || whole.Ordered == nil {
		t.Fatalf("sections are missing: %s", text(t, whole))
	}
	all := calls
	again := opt
	again.Progress, again.Workers = nil, 2
	two := must.Get(Run(context.Background(), w, x, tree, n, h, again))(t)
	if a, b := text(t, whole), text(t, two); a != b {
		t.Error("two workers: another report:\n" + cmp.Diff(a, b))
	}

	absent := 0
	at := 0
	for stop := 1; stop <= all; stop += max(1, all/25) {
		ctx, cancel := context.WithCancel(context.Background())
		at = 0
		cut := opt
		cut.Progress = func(string, int, int) {
			if at++; at == stop {
				cancel()
			}
		}
		s, err := Run(ctx, w, x, tree, n, h, cut)
		cancel()
		must.OKf(t, err, "interrupted at step %d of %d", stop, all)
		if !s.Partial {
			t.Errorf("interrupted at step %d of %d, and not partial", stop, all)
		}
		got, want := reflect.ValueOf(s).Elem(), reflect.ValueOf(whole).Elem()
		for i := range got.NumField() {
			name := got.Type().Field(i).Name
			switch {
			case name == "Partial":
			case name == "Verdict" && (s.Swings == nil || s.Throughput == nil || s.Chance == nil) && s.Point != nil: // without what chance and assumed figures do to it
				if s.Verdict.Sentence == "" {
					t.Errorf("interrupted at step %d: no verdict", stop)
				}
			case got.Field(i).IsZero():
				absent++
			case text(t, got.Field(i).Interface()) != text(t, want.Field(i).Interface()):
				t.Errorf("interrupted at step %d of %d: %s is not whole", stop, all, name)
			}
		}
	}
	if absent == 0 {
		t.Error("no section was ever missing")
	}
	// A context that is canceled already.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if s, err := Run(ctx, w, x, tree, n, h, opt); err != nil || !s.Partial || s.Point != nil {
		t.Errorf("%v, %v", s, err)
	}
}

// Every assumed figure of every profile can be put to its ends, and what is
// kept instead of made anew is what would be made.
func TestSensitivity(t *testing.T) {
	w, x, tree := observed(t, "loadbalancer", "sample:lab", 500, false)
	for _, name := range profile.Names() {
		n, h := profiles(t, name, "paper")
		s := &study{Study: &Study{}, ctx: context.Background(), w: w, x: x, trees: tree, n: n, h: h,
			opt: Options{Cache: cache.Config{Policy: "lru", HotThreshold: 1, Seed: 1}, Rate: 5_000_000, Packets: 500, Seed: 1, Workers: 2}}
		s.Rate, s.NIC.Params, s.Host.Params = s.opt.Rate, n.Params(), h.Params()
		assumed := 0
		for _, p := range append(n.Params(), h.Params()...) {
			if p.Assumed && !slices.Contains(segmentsOnly, p.Key) {
				assumed++
			}
		}
		rows, all := s.swings()
		if len(rows) != assumed {
			t.Errorf("%s: %d figures swept, %d are assumed", name, len(rows), assumed)
		}
		base := must.Get(s.cost(n, h, false))(t)
		alone := must.Get(s.device(base, s.options(base, device.HostOnly), 500))(t)
		for _, p := range all {
			sw := rows[p.at]
			what := fmt.Sprintf("%s: %s = %s", name, sw.Key, sw.Ends[p.end].Value)
			got, err := s.reprice(base, p.nic, p.host, reachOf(sw.Key))
			must.OKf(t, err, "%s", what)
			want, err := s.reprice(base, p.nic, p.host, inAll)
			must.OKf(t, err, "%s", what)
			if !reflect.DeepEqual(got.prices, want.prices) || !reflect.DeepEqual(got.cache, want.cache) || !reflect.DeepEqual(got.match, want.match) || !reflect.DeepEqual(got.fit, want.fit) {
				t.Errorf("%s: something kept has changed", what)
			}
			f, err := s.device(want, s.options(want, device.HostOnly), 500)
			must.OKf(t, err, "%s", what)
			if reachOf(sw.Key)&inAlone == 0 && (f.CoresNeeded != alone.CoresNeeded || f.Loss != alone.Loss || f.Mean != alone.Mean) {
				t.Errorf("%s: the host alone runs otherwise", what)
			}
		}
		both := must.Get(s.device(base, s.options(base, device.Both), 500))(t)
		if err := s.sensitivity(base, s.outcome(base, both, alone)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(s.Swings) != assumed {
			t.Errorf("%s: %d rows of %d", name, len(s.Swings), assumed)
		}
	}
	// An end that contradicts another figure is left out.
	n, h := profiles(t, "hxdp", "paper")
	must.OK(t, n.Put("limit.slots", "600", profile.Origin{Assumed: true, Range: "100..1000"}))
	must.OK(t, n.Put("limit.trace", "500", profile.Origin{Source: "test"}))
	s := &study{Study: &Study{}, w: w, n: n, h: h}
	s.NIC.Params = n.Params()
	rows, _ := s.swings()
	for _, r := range rows {
		if r.Key == "limit.slots" && (len(r.Ends) != 1 || r.Ends[0].Value != "1000 slots") {
			t.Errorf("%+v", r)
		}
	}
}

// All arrivals run, and errors say what is wrong.
func TestOptions(t *testing.T) {
	w, x, tree := observed(t, "ipv6filter", "sample:lab", 300, false)
	n, h := profiles(t, "bluefield", "paper")
	for _, a := range device.ArrivalNames() {
		opt := Options{Cache: lru(4), Rate: 2_000_000, Arrivals: device.Arrivals(a), Seed: 1, Packets: 900, Throughput: true, Rates: []uint64{1_000_000}, Remote: true, Ordered: true}
		s, err := Run(context.Background(), w, x, tree, n, h, opt)
		must.OKf(t, err, "%s", a)
		if math.Abs(s.Point[0].Offered/2e6-1) > 0.1 || s.Arrivals != a || s.Point[0].Reordered != 0 {
			t.Errorf("%s: %+v", a, s.Point[0])
		}
	}
	for want, change := range map[string]func(o *Options){
		"feasibility: no rate": func(o *Options) { o.Rate = 0 },
		"arrivals":             func(o *Options) { o.Arrivals = "never" },
		"policy":               func(o *Options) { o.Cache.Policy = "best" },
	} {
		opt := Options{Cache: lru(4), Rate: 1000, Packets: 300}
		change(&opt)
		if _, err := Run(context.Background(), w, x, tree, n, h, opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	empty := *w
	empty.Packets, empty.Capture = nil, "nothing.pcap"
	if _, err := Run(context.Background(), &empty, x, tree, n, h, Options{Rate: 1}); err == nil || err.Error() != "nothing.pcap: no packets" {
		t.Error(err)
	}
}
