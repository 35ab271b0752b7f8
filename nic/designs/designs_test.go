package designs

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var handPaths = []handPath{
	{match: 4, exec: 10, slots: 20, insns: 30, mask: []uint16{12, 13, 23}},
	{match: 6, exec: 14, slots: 30, insns: 60, mask: []uint16{12, 13, 23, 26, 27, 28, 29, 30, 31}},
	{match: 6, exec: 20, slots: 40, insns: 80, mask: []uint16{12, 13, 23, 26, 27, 28, 29, 30, 31}},
}

// Flow 0 opens (path 1) and goes on (path 2); flow 1 is always path 0, flow 2
// once can't be a trace.
var handPackets = []handPacket{
	{1, 0, 7}, // 0
	{2, 0, 7}, // 1: the same bytes, other state
	{0, 1, 9}, // 2
	{2, 0, 7}, // 3
	{0, 1, 9}, // 4
	{-1, 2, 0},
	{0, 2, 9}, // 6: another flow, the same bytes
	{-1, 1, 0},
	{2, 0, 7}, // 8
	{0, 1, 9}, // 9
}

func run(t *testing.T, s *Setting, name string) *Result {
	t.Helper()
	d := must.Get(Lookup(name))(t)
	r := must.Get(d.Run(s))(t)
	return r
}

// brief is what a hand count tells.
type brief struct {
	Hits, Wrong, Part              uint64
	Entries, Used, Slots, Installs uint64
	Invalidations                  uint64
	Need                           string
}

func briefly(r *Result) brief {
	var need []string
	for _, n := range r.Need {
		need = append(need, n.String())
	}
	return brief{r.Hits, r.Wrong, r.Part, r.Entries, r.Used, r.Slots, r.Installs, r.Invalidations, strings.Join(need, " ")}
}

// Another path that does the same is no wrong decision.
func TestWrongIsAnotherOutcome(t *testing.T) {
	s := hand(handPaths, handPackets)
	before := run(t, s, "flow")
	s.W.Effects = make([]uint32, len(handPackets))
	same := run(t, s, "flow")
	if same.Wrong != 0 || same.Hits != before.Hits+before.Wrong {
		t.Errorf("all packets do the same: %d wrong, %d hits; by their paths %d and %d", same.Wrong, same.Hits, before.Wrong, before.Hits)
	}
	for i := range s.W.Effects {
		s.W.Effects[i] = uint32(i) // each does something of its own, but a path decides its own packets
	}
	if own := run(t, s, "flow"); own.Wrong != before.Wrong || own.Hits != before.Hits {
		t.Errorf("each packet does something else: %d wrong, by their paths %d", own.Wrong, before.Wrong)
	}
}

func TestHandCounts(t *testing.T) {
	s := hand(handPaths, handPackets)
	for _, tt := range []struct {
		design string
		want   brief
	}{
		// First packets of paths 1, 2, 0 miss, and the two without.
		{"trace", brief{Hits: 5, Entries: 3, Used: 3, Slots: 90, Installs: 3, Need: "- - -"}},
		// Everything but what shape 3 needs.
		{"hxdp", brief{Hits: 8, Need: "- - -"}},
		// Flow 0 is decided by path 1 thrice; packet 7 is decided by path 0.
		// Flow 2's second packet misses. 3 entries of 6 slots.
		{"flow", brief{Hits: 2, Wrong: 4, Entries: 3, Used: 3, Slots: 18, Installs: 3, Need: "- - -"}},
		// Flow 0 is stale at 1, flow 1 at 7 (and misses at 9).
		{"flow-sound", brief{Hits: 3, Entries: 3, Used: 3, Slots: 18, Installs: 5, Invalidations: 2, Need: "- - -"}},
		// Key 7 is stale at 1; key 9 serves flows 1 and 2. Masks of 3 and 9
		// bytes: 2 and 3 slots.
		{"megaflow", brief{Hits: 5, Entries: 2, Used: 2, Slots: 5, Installs: 3, Invalidations: 1, Need: "- - -"}},
	} {
		if tt.design == "hxdp" {
			s.Program = func(shape uint32) (uint32, bool) { return 30 + shape, shape != 3 }
		}
		r := run(t, s, tt.design)
		if d := cmp.Diff(tt.want, briefly(r)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.design, d)
		}
		if r.Packets != 10 || r.Counts.Total() != 10 || math.Abs(r.HitRatio-float64(r.Hits)/10) > 1e-12 {
			t.Errorf("%s: %d packets, outcomes of %d, hit ratio %v", tt.design, r.Packets, r.Counts.Total(), r.HitRatio)
		}
		if r.Cached && math.Abs(r.InstallRate-float64(r.Installs)/0.009) > 1e-6 {
			t.Errorf("%s: %v installs/s", tt.design, r.InstallRate)
		}
	}
	if m := run(t, s, "megaflow").Masks; m != 2 {
		t.Errorf("%d masks, want 2", m)
	}
}

// Two packets of one path: the first misses, the second hits.
func TestTimes(t *testing.T) {
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	two := []handPacket{{0, 0, 1}, {0, 0, 1}}
	s := hand(handPaths, two)
	// Miss: 5 of the matcher, up 200 + 100 B + 100, host 40 + 30, back 500 + 100 B.
	const miss, hit = 5 + 400 + 70 + 600, 14
	r := run(t, s, "trace")
	near("latency", r.Latency, (miss+hit)/2.)
	near("cycles", r.Cycles, (5+14)/2.)
	near("host", r.HostNS, 35)
	near("host saved", r.HostSaved, 0.5)
	near("work", r.WorkShare, 0.5)

	// An exact-match look-up takes 5 cycles, found or not.
	r = run(t, s, "flow")
	near("flow's latency", r.Latency, (miss+15)/2.)
	// One mask: 5 cycles too.
	r = run(t, s, "megaflow")
	near("megaflow's latency", r.Latency, (miss+15)/2.)
	// Base 2, dispatch 1, 30 instructions, and never a miss.
	r = run(t, s, "hxdp")
	near("hxdp's latency", r.Latency, 33)
	near("hxdp's host", r.HostNS, 0)
	near("hxdp's work", r.WorkShare, 1)

	// The prefix does 12 of 30 instructions; the match it makes takes 4.
	s.Prefix = []uint32{12, 0, 0, 0}
	r = run(t, s, "warp")
	near("warp's latency", r.Latency, miss-1-12)
	near("warp's host", r.HostNS, 58)
	near("warp's work", r.WorkShare, 0.4)
	if r.Part != 2 || r.Hits != 0 {
		t.Errorf("warp: %d halved, %d hits", r.Part, r.Hits)
	}
	s.Prefix[0] = 30
	r = run(t, s, "warp")
	near("warp's latency, wholly within", r.Latency, 14)
	if r.Hits != 2 || r.Need[0].Entries != 1 {
		t.Errorf("warp, wholly within: %d hits, %v", r.Hits, r.Need)
	}

	// What goes to the stack crosses PCIe in any case, and costs driver and stack.
	s = hand(handPaths, two)
	for i := range s.In.Packets {
		s.In.Packets[i].Fate = device.Up
	}
	r = run(t, s, "trace")
	near("latency to the stack", r.Latency, (5+400+70+14+400+40)/2.)
	near("host to the stack", r.HostNS, (70+40)/2.)

	// Maps on the host: a hit pays for reads. On the NIC: a miss does.
	s = hand(handPaths, two)
	s.In.Accesses = []device.Access{{}, {Write: true}, {}, {Write: true}}
	s.In.Paths[0].Reads, s.In.Paths[0].Writes = 1, 1
	for i := range s.In.Packets {
		s.In.Packets[i].First, s.In.Packets[i].N = uint32(2*i), 2
	}
	s.NIC.Memory = profile.MemHost
	near("maps on the host", run(t, s, "trace").Latency, (miss+hit+500)/2.)
	s.NIC.Memory = profile.MemNIC
	near("maps on the nic", run(t, s, "trace").Latency, (miss+500+hit)/2.)
	near("host that waits for maps", run(t, s, "trace").HostNS, (70+500)/2.)
	// All of the rest of the program is on the host, and so are its maps.
	s.Prefix = []uint32{12, 0, 0, 0}
	near("warp's host", run(t, s, "warp").HostNS, 58)
}

func TestSlotsBudget(t *testing.T) {
	// 18 slots hold three flows but no trace of 20.
	s := hand(handPaths, handPackets)
	s.Cache = cache.Config{Slots: 18}
	if r := run(t, s, "trace"); r.Hits != 0 || r.Slots != 0 {
		t.Errorf("trace: %d hits, %d slots", r.Hits, r.Slots)
	}
	if r := run(t, s, "flow-sound"); r.Hits != 3 || r.Slots != 18 {
		t.Errorf("flow-sound: %d hits, %d slots", r.Hits, r.Slots)
	}
}

func TestRefused(t *testing.T) {
	paths := append([]handPath(nil), handPaths...)
	paths[0].refused = true
	s := hand(paths, handPackets)
	for name, want := range map[string]uint64{"trace": 2, "flow-sound": 2, "megaflow": 2} {
		if r := run(t, s, name); r.Hits != want || r.Counts[cache.Uncacheable] != 6 {
			t.Errorf("%s: %d hits, %d uncacheable", name, r.Hits, r.Counts[cache.Uncacheable])
		}
	}
}

// A map entry changes: path 0's trace goes, and with it what flow caches made of
// it.
func TestInvalidation(t *testing.T) {
	s := hand(handPaths, []handPacket{{0, 0, 1}, {0, 1, 2}, {0, 0, 1}, {0, 1, 2}, {0, 0, 1}})
	s.W.Invalidations = []stream.Invalidation{{At: 3, ID: 0}}
	for name, want := range map[string][3]uint64{ // hits, installs, invalidations
		"trace": {3, 2, 1}, "flow-sound": {1, 4, 2}, "megaflow": {1, 4, 2}, "flow": {3, 2, 0}} {
		r := run(t, s, name)
		if got := [3]uint64{r.Hits, r.Installs, r.Invalidations}; got != want {
			t.Errorf("%s: hits, installs, invalidations %v, want %v", name, got, want)
		}
	}
}

// workloads draws settings; holes: with packets that can't be traces.
func workloads(holes bool) *rapid.Generator[*Setting] {
	return rapid.Custom(func(t *rapid.T) *Setting {
		var paths []handPath
		for range rapid.IntRange(1, 6).Draw(t, "paths") {
			paths = append(paths, handPath{match: 1, exec: rapid.Uint32Range(1, 9).Draw(t, "exec"),
				slots: rapid.Uint32Range(1, 9).Draw(t, "slots"), insns: 9,
				mask:    rapid.SliceOfNDistinct(rapid.Uint16Range(0, 40), 0, 6, rapid.ID[uint16]).Draw(t, "mask"),
				refused: holes && rapid.Uint8().Draw(t, "refused") < 20})
		}
		lowest := int32(0)
		if holes {
			lowest = -1
		}
		packets := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) handPacket {
			p := handPacket{rapid.Int32Range(lowest, int32(len(paths))-1).Draw(t, "path"), rapid.Uint32Range(0, 7).Draw(t, "flow"), 0}
			p.mega = uint64(p.path+1)/2*10 + uint64(p.flow)/2 // some paths share keys
			return p
		}), 0, 80).Draw(t, "packets")
		s := hand(paths, packets)
		at := uint64(0)
		for range rapid.IntRange(0, 4).Draw(t, "invalidations") {
			at = min(at+rapid.Uint64Range(0, 20).Draw(t, "after"), uint64(len(packets)))
			s.W.Invalidations = append(s.W.Invalidations, stream.Invalidation{At: at, ID: rapid.Uint32Range(0, uint32(len(paths))-1).Draw(t, "id")})
		}
		s.Cache = cache.Config{Policy: "lru", Entries: rapid.Uint64Range(1, 9).Draw(t, "entries")}
		return s
	})
}

func mustRun(t *rapid.T, s *Setting, name string) *Result {
	d, _ := Lookup(name)
	r := must.Get(d.Run(s))(t)
	return r
}

func TestTraceIsReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := workloads(true).Draw(t, "workload")
		s.Cache.Policy = rapid.SampledFrom([]string{"lru", "fifo", "s3-fifo", "lfu", "random"}).Draw(t, "policy")
		s.Cache.HotThreshold = rapid.Uint32Range(0, 3).Draw(t, "hot")
		s.Cache.InstallDelay = rapid.Uint64Range(0, 3).Draw(t, "delay")
		st := &stream.Stream{Time: s.W.Time, Invalidations: s.W.Invalidations}
		for _, p := range s.In.Paths {
			st.Sizes, st.Costs = append(st.Sizes, p.Slots), append(st.Costs, p.Cost)
		}
		for _, p := range s.W.Packets {
			id := stream.None
			if p.Path >= 0 && !s.In.Paths[p.Path].Refused {
				id = uint32(p.Path)
			}
			st.IDs = append(st.IDs, id)
		}
		cfg := s.Cache
		cfg.IDs = len(st.Sizes)
		c := must.Get(cache.NewTraceCache(cfg))(t)
		cache.Replay(st, c, nil)
		r := mustRun(t, s, "trace")
		want := c.Stats()
		got := cache.Stats{Outcome: r.Counts, Installed: r.Installs, Evicted: r.Evictions}
		if d := cmp.Diff(cache.Stats{Outcome: want.Outcome, Installed: want.Installed, Evicted: want.Evicted}, got); d != "" {
			t.Fatalf("differs from replay (-replay +trace):\n%s", d)
		}
		if r.Hits != want.Outcome[cache.Hit] || r.Invalidations != want.Invalidated+want.Canceled {
			t.Fatalf("%d hits, %d invalidations; replay has %+v", r.Hits, r.Invalidations, want)
		}
	})
}

func TestOrderOfDesigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := workloads(false).Draw(t, "workload")
		// The naive cache is on the NIC wherever the sound one is.
		naive, sound := mustRun(t, s, "flow"), mustRun(t, s, "flow-sound")
		if sound.Hits > naive.Hits+naive.Wrong {
			t.Fatalf("flow-sound hits %d, flow %d and %d wrongly", sound.Hits, naive.Hits, naive.Wrong)
		}
		if sound.Wrong != 0 {
			t.Fatalf("flow-sound: %d wrong", sound.Wrong)
		}

		// Whatever hits a flow or megaflow hits a trace, where nothing is evicted.
		s = workloads(true).Draw(t, "workload with holes")
		infinite := *s
		infinite.Cache = cache.Config{Policy: "infinite", Entries: 1}
		traces := mustRun(t, &infinite, "trace")
		for _, name := range []string{"megaflow", "flow-sound"} {
			for _, s := range []*Setting{s, &infinite} {
				if r := mustRun(t, s, name); r.Hits > traces.Hits || r.Wrong > 0 {
					t.Fatalf("%s: %d hits, %d wrong; traces without bound hit %d", name, r.Hits, r.Wrong, traces.Hits)
				}
			}
		}
		for _, name := range Names() {
			r := mustRun(t, s, name)
			if r.Counts.Total() != r.Packets || r.Hits+r.Wrong+r.Part > r.Packets || r.HostSaved < -1e-9 || r.HostSaved > 1 || r.WorkShare > 1 {
				t.Fatalf("%s: %+v", name, r)
			}
			if n := uint64(len(r.Input.Packets)); n != r.Packets {
				t.Fatalf("%s: %d packets for the device", name, n)
			}
			for i, p := range r.Input.Packets {
				if int(p.Path) >= len(r.Input.Paths) || p.Path < -1 {
					t.Fatalf("%s: packet %d: path %d of %d", name, i, p.Path, len(r.Input.Paths))
				}
			}
		}
	})
}

// Need is what the design itself hits with so many lru entries, and with one
// fewer it doesn't.
func TestNeed(t *testing.T) {
	defer func(old []float64) { Targets = old }(Targets)
	Targets = []float64{0.3, 0.5, 0.8}
	rapid.Check(t, func(t *rapid.T) {
		s := workloads(true).Draw(t, "workload")
		s.W.Invalidations = nil
		for _, n := range mustRun(t, s, "trace").Need {
			ratio := func(entries uint64) float64 {
				s.Cache = cache.Config{Policy: "lru", Entries: entries}
				return mustRun(t, s, "trace").HitRatio
			}
			if !n.Reached {
				if len(s.W.Packets) > 0 && ratio(100) >= n.Target {
					t.Fatalf("%v is reached", n)
				}
				continue
			}
			if n.Entries > uint64(len(s.W.Paths)) || ratio(n.Entries) < n.Target || n.Entries > 1 && ratio(n.Entries-1) >= n.Target {
				t.Fatalf("%v is not the least number", n)
			}
		}
	})
}

func TestClaims(t *testing.T) {
	// Paths 0, 1, 2 in turn, 30 times, and path 3 once.
	paths := make([]handPath, 4)
	for i := range paths {
		paths[i] = handPath{match: 1, exec: 1, slots: 1, insns: 1}
	}
	var packets []handPacket
	for i := range 90 {
		packets = append(packets, handPacket{path: int32(i % 3)})
	}
	packets = append(packets, handPacket{path: 3})
	s := hand(paths, packets)
	c, err := Claims(s)
	must.OK(t, err)
	// 87 of 91 hit at best: 95.6 %. One entry that stays would hit 29.
	if c.Paths != 4 || math.Abs(c.Ceiling-87./91) > 1e-12 {
		t.Errorf("%d paths, ceiling %v", c.Paths, c.Ceiling)
	}
	want := []Need{{0.90, 3, true}, {0.99, 0, false}, {0.999, 0, false}}
	if d := cmp.Diff([][]Need{want, want}, [][]Need{c.LRU, c.Optimal}); d != "" {
		t.Errorf("entries (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]Need{{0.90, 3, true}, {0.99, 4, true}, {0.999, 4, true}}, c.Covers); d != "" {
		t.Errorf("cover (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]Cover{{1, 30. / 91}, {2, 60. / 91}, {4, 1}}, c.Coverage); d != "" {
		t.Errorf("coverage (-want +got):\n%s", d)
	}
	// 90 of 91 is below 99 %, so the working set is all four.
	if c.Thrash == nil || c.Thrash.Entries != 4 {
		t.Fatalf("thrash %+v", c.Thrash)
	}
	for _, r := range c.Thrash.Rows {
		if math.Abs(r.Cyclic-0.99) > 1e-12 {
			t.Errorf("%s: %v of 400 at the working set", r.Policy, r.Cyclic)
		}
		switch r.Policy {
		case "lru", "fifo":
			if r.CyclicBelow != 0 {
				t.Errorf("%s: %v below", r.Policy, r.CyclicBelow)
			}
		case "belady":
			// Of n in turn, n − 1 kept: every miss is followed by n − 2 hits.
			if math.Abs(r.CyclicBelow-2./3) > 0.02 {
				t.Errorf("belady: %v below", r.CyclicBelow)
			}
		case "random":
			if r.CyclicBelow <= 0 || r.CyclicBelow >= 2./3 {
				t.Errorf("random: %v below", r.CyclicBelow)
			}
		}
		if r.Policy == "lru" && math.Abs(r.Capture-87./91) > 1e-12 {
			t.Errorf("lru on the capture: %v", r.Capture)
		}
	}

	one, err := Claims(hand(paths, packets[:1]))
	if err != nil || one.Thrash != nil || one.Paths != 1 {
		t.Errorf("one packet: %+v, %v", one, err)
	}
	none, err := Claims(hand(paths, nil))
	if err != nil || none.Paths != 0 || none.LRU[0].Reached || none.Ceiling != 0 {
		t.Errorf("no packet: %+v, %v", none, err)
	}
}

func TestCompare(t *testing.T) {
	c, err := Compare(hand(handPaths, handPackets), nil)
	must.OK(t, err)
	text := c.Format()
	again, err := Compare(hand(handPaths, handPackets), Names())
	if err != nil || text != again.Format() {
		t.Errorf("the same setting gives another text: %v", err)
	}
	for _, name := range Names() {
		if !strings.Contains(text, name) {
			t.Errorf("%s is not in the text", name)
		}
	}
	js, err := json.Marshal(c)
	if err != nil || strings.Contains(string(js), "NaN") {
		t.Errorf("json: %v", err)
	}
	for _, b := range c.Best {
		if b.Design == "flow" {
			t.Errorf("best %s: flow, which decides wrongly", b.Measure)
		}
	}
	if _, err := Compare(hand(nil, nil), nil); err != nil {
		t.Errorf("no packets: %v", err)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(s *Setting)
	}{
		{"designs: workload, prices, nic and host are needed", func(s *Setting) { s.NIC = nil }},
		{"designs: prices of 9 packets and 3 paths, workload of 10 and 3", func(s *Setting) { s.In.Packets = s.In.Packets[1:] }},
		{"designs: 3 times of 10 packets", func(s *Setting) { s.W.Time = s.W.Time[:3] }},
		{`designs: nic "test": clock 0`, func(s *Setting) { s.NIC.Clock = 0 }},
		{"designs: packet 4: path 17 of 3, shape 2 of 4", func(s *Setting) { s.W.Packets[3].Path = 17 }},
		{"designs: packet 4: accesses 5 to 5 of 0", func(s *Setting) { s.W.Packets[3].First = 5 }},
		{`design "megaflow": the workload has 0 megaflow keys for 10 packets`, func(s *Setting) { s.W.Mega = nil }},
		{"cache: no budget: entries or slots are needed", func(s *Setting) { s.Cache.Entries = 0 }},
	} {
		s := hand(handPaths, handPackets)
		tt.change(s)
		if _, err := Compare(s, nil); err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
	if _, err := Compare(hand(handPaths, handPackets), []string{"asic"}); err == nil ||
		err.Error() != `design "asic": not known; there are trace, hxdp, warp, flow, flow-sound, megaflow` {
		t.Error(err)
	}
}

func TestSequential(t *testing.T) {
	n := &profile.NIC{Dispatch: 2, LatALU: 1, LatHash: 5, LatUpdate: 7, MapTypes: []string{"hash"}}
	p := &workload.Shape{Insns: 10}
	p.Ops[workload.OpHash], p.Ops[workload.OpUpdate] = 2, 1
	if c, ok := Sequential(p, n); c != 2+10+10+12 || !ok {
		t.Errorf("%d cycles, %v", c, ok)
	}
	p.Ops[workload.OpLPM] = 1
	if _, ok := Sequential(p, n); ok {
		t.Error("a trie on a device without tries")
	}
}

// An entry that is made anew after each packet is one entry all the same.
func TestNeedOfInvalidated(t *testing.T) {
	s := hand(handPaths, []handPacket{{path: 0}, {path: 0}, {path: 0}, {path: 0}, {path: 1}})
	s.W.Invalidations = []stream.Invalidation{{At: 2, ID: 0}}
	defer func(old []float64) { Targets = old }(Targets)
	Targets = []float64{0.4, 0.6}
	c := must.Get(Claims(s))(t)
	want := []Need{{0.4, 1, true}, {0.6, 0, false}}
	if d := cmp.Diff([][]Need{want, want, want}, [][]Need{c.LRU, c.Optimal, run(t, s, "trace").Need}); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
