package device

import (
	"testing"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/nic/profile"
)

// Two hits at once. The first takes 10 ns to match and 20 to run. The second
// is taken a cycle later, is matched at 11, waits for the unit until 30 and is
// done at 50.
func TestTwoAtOnce(t *testing.T) {
	in := &Input{Packets: packets(2, Packet{Fate: Drop}), Paths: onePath}
	r := mustRun(t, in, testDevice(), testHost(), at(0, 0), Options{Mode: NICOnly})
	equal(t, "first", r.HitLatency.Min, 30*ns)
	equal(t, "second", r.HitLatency.Max, 50*ns)
	m, _ := r.Station("matcher")
	equal(t, "waits for the matcher, mean", m.MeanWait, 0.5*ns)
	u, _ := r.Station("units")
	equal(t, "waits for the unit, mean", u.MeanWait, 9.5*ns)
	equal(t, "queue of the unit", u.MaxQueue, 1)
	equal(t, "unit busy", u.Utilisation, 40./50)
	equal(t, "mean queue of the unit", u.MeanQueue, 19./50)

	// One packet at a time: the second is taken at 10 and matched at 20.
	n := testDevice()
	n.MatcherInterval = 0
	r = mustRun(t, in, n, testHost(), at(0, 0), Options{Mode: NICOnly})
	m, _ = r.Station("matcher")
	equal(t, "waits for the matcher, mean", m.MeanWait, 5*ns)
	equal(t, "second", r.HitLatency.Max, 50*ns)
	equal(t, "matcher busy", m.Utilisation, 20./50)
}

// A matcher of 10 ns that takes one packet at a time, and room for one: who
// comes at 1 waits, who comes at 2 is lost, who comes at 10, when the place is
// left, is in. The unit is the slower one: 10-30, 30-50, 50-70.
func TestFullIngress(t *testing.T) {
	n := testDevice()
	n.MatcherInterval, n.IngressQueue = 0, 1
	in := &Input{Packets: packets(4, Packet{Fate: Drop, Miss: 10}), Paths: onePath}
	r := mustRun(t, in, n, testHost(), at(0, 1, 2, 10), Options{Mode: NICOnly})
	equal(t, "drops", r.Drops, Drops{Ingress: 1})
	equal(t, "finished", r.Finished, Finished{Drop: 3})
	equal(t, "mean latency", r.Latency.Mean, float64(30+49+60)*ns/3)
	// Never looked up: it is in no outcome.
	r = mustRun(t, in, n, testHost(), at(0, 1, 2, 10), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.InFlight: 2})
	// Without any room the matcher itself is all there is.
	n.IngressQueue = 0
	r = mustRun(t, in, n, testHost(), at(0, 1, 2, 10), Options{Mode: NICOnly})
	equal(t, "drops without a queue", r.Drops, Drops{Ingress: 2})
}

// A ring of one place. A miss takes it when it leaves the matcher, at 5, and
// leaves it when its core begins, at 271; what leaves the matcher at 6 is lost.
// So is what leaves it at 270, and what leaves it at 271 is in.
func TestFullHostRing(t *testing.T) {
	h := testHost()
	h.Queue = 1
	in := &Input{Packets: packets(4, Packet{Path: -1, Fate: Drop, Len: 60, Host: 100 * ns, Miss: 5})}
	r := mustRun(t, in, testDevice(), h, at(0, 1, 265, 266), Options{})
	equal(t, "drops", r.Drops, Drops{Host: 2})
	// The first ends at 411. The last is at the core at 537: no wait.
	equal(t, "latency", r.MissLatency.Mean, 411*ns)
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Uncacheable: 4})
	// The packet that was to be recorded is lost: its install never begins.
	in.Paths, in.Packets[1].Path = onePath, 0
	r = mustRun(t, in, testDevice(), h, at(0, 1, 265, 266), Options{})
	equal(t, "compile", r.Compile, Compile{Begun: 1, Lost: 1})
}

// A transmit ring of one place: what the core is done with at 411 has it until
// 1127 (TestOneMiss), so what it is done with at 471 is lost.
func TestFullTransmitRing(t *testing.T) {
	h := testHost()
	h.Queue = 1
	in := &Input{Packets: packets(2, Packet{Path: -1, Fate: Wire, Len: 60, OutLen: 60, Host: 100 * ns, Miss: 5})}
	r := mustRun(t, in, testDevice(), h, at(0, 271), Options{})
	equal(t, "drops", r.Drops, Drops{Transmit: 1})
	equal(t, "latency", r.MissLatency.Max, 1207*ns)
	// The core is done with the second at 1127: the place is left at that moment.
	r = mustRun(t, in, testDevice(), h, at(0, 716), Options{})
	equal(t, "drops", r.Drops, Drops{})
}

// The port sends 100 ns for each of 80 B, and one may wait: of three at once
// (done at 30, 50 and 70) the last finds the place taken.
func TestFullEgress(t *testing.T) {
	n := testDevice()
	n.EgressQueue = 1
	in := &Input{Packets: packets(3, Packet{Fate: Wire, OutLen: 80}), Paths: onePath}
	r := mustRun(t, in, n, testHost(), at(0, 0, 0), Options{Mode: NICOnly})
	equal(t, "drops", r.Drops, Drops{Egress: 1})
	equal(t, "first", r.Latency.Min, 130*ns)
	equal(t, "second", r.Latency.Max, 230*ns)
	p, _ := r.Station("port")
	equal(t, "wait", p.MeanWait, 40*ns) // 0 and from 50 to 130
	// Three at the mean rate of 1 in 50 ns: the third is at the port at 130, the
	// moment at which the place is left.
	r = mustRun(t, in, n, testHost(), at(0, 50, 100), Options{Mode: NICOnly})
	equal(t, "drops", r.Drops, Drops{})
}

// The units are the bottleneck: one of 100 ns, and one place in front of it.
//
//	 10  the first is in the unit
//	 11  the second waits in front of it
//	 12  the third stays in the matcher, which takes nothing now
//	 20  the fourth waits at ingress, where there is one place; the others are lost
//	110  the second is in the unit, the third in front of it, the fourth is taken
//	120  ... and stays in the matcher
//	210  the third in the unit, 310 the fourth, which is done at 410
func TestBackPressure(t *testing.T) {
	n := testDevice()
	n.UnitQueue, n.IngressQueue = 1, 1
	in := &Input{Packets: packets(6, Packet{Fate: Drop}), Paths: []Path{{Match: 10, Exec: 100}}}
	r := mustRun(t, in, n, testHost(), at(0, 1, 2, 20, 21, 22), Options{Mode: NICOnly})
	equal(t, "drops", r.Drops, Drops{Ingress: 2})
	equal(t, "mean latency", r.Latency.Mean, (110+209+308+390)*ns/4.)
	equal(t, "most", r.Latency.Max, 390*ns)
	// With no place in front of the unit the second stays in the matcher.
	n.UnitQueue = 0
	r = mustRun(t, in, n, testHost(), at(0, 1, 20, 21, 22, 23), Options{Mode: NICOnly})
	equal(t, "drops", r.Drops, Drops{Ingress: 3})
	equal(t, "mean latency", r.Latency.Mean, (110+209+290)*ns/3.)
}

// installing is a path that compiles 1,000 ns and installs 500 ns; its packets
// cost a core 140 ns with the driver. So a first miss at 0 is recorded at 411
// (see TestOneMiss), compiled at 1411 and in at 1911.
func installing() *Input {
	return &Input{
		Packets: packets(5, Packet{Fate: Drop, Len: 60, Host: 100 * ns, Miss: 5}),
		Paths:   []Path{{Match: 10, Exec: 20, Slots: 1, Compile: 1000 * ns, Install: 500 * ns}},
	}
}

// Packets that come while the trace is compiled and installed miss. At 1911 it
// is in and the matcher stands still for 30 ns: the packet of 1911 is taken at
// 1941, hits, and is done at 1971.
func TestInstallInFlight(t *testing.T) {
	r := mustRun(t, installing(), testDevice(), testHost(), at(0, 100, 1910, 1911, 2000), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.InFlight: 2, cache.Hit: 2})
	equal(t, "a hit in the stall", r.HitLatency.Max, 60*ns)
	equal(t, "a hit", r.HitLatency.Min, 30*ns)
	equal(t, "compile", r.Compile, Compile{Begun: 1, Made: 1, Installed: 1, Stall: 30 * ns})
	// The second miss is at the core at 371, which is busy until 411.
	equal(t, "misses", r.MissLatency.Max, (411-100+140)*ns)

	// 256 B of payload and 20 B of TLP take 276 ns, which is no reason to wait;
	// 4,096 B are 16 TLPs and 4,416 ns on PCIe: the install ends at 5827.
	in := installing()
	in.Paths[0].Bytes = 256
	r = mustRun(t, in, testDevice(), testHost(), at(0, 100, 1910, 1911, 2000), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.InFlight: 2, cache.Hit: 2})
	in.Paths[0].Bytes = 4096
	r = mustRun(t, in, testDevice(), testHost(), at(0, 100, 5826, 5827, 6000), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.InFlight: 2, cache.Hit: 2})
	equal(t, "bytes", r.PCIeDown[Installs], 4096+16*20)
}

// An invalidation before packet 1 (at 100) stops the install that packet 0
// began: what the host records at 411 is stale. Packet 1 begins another: it is
// at the core at 371, waits until 411 and is recorded at 551, compiled at 1551
// and in at 2051. Before packet 4 (at 3000) the trace is taken out: a message
// of 8 B in a TLP, and 30 ns in which the matcher takes nothing, so packet 4
// misses with 30 ns more than the 411.
func TestInvalidation(t *testing.T) {
	in := installing()
	in.Invalidations = []stream.Invalidation{{At: 1, ID: 0}, {At: 4, ID: 0}}
	r := mustRun(t, in, testDevice(), testHost(), at(0, 100, 2050, 2100, 3000), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.Invalidated: 2, cache.InFlight: 1, cache.Hit: 1})
	// The one that packet 4 began is recorded at 3441 and in at 4941.
	equal(t, "compile", r.Compile, Compile{Begun: 3, Made: 2, Installed: 2, Stopped: 1, Dropped: 1, Stall: 3 * 30 * ns})
	equal(t, "messages", r.PCIeDown[Invalidations], 28)
	equal(t, "latency", r.MissLatency.Max, 451*ns) // packet 1: 551-100
	in = installing()
	in.Invalidations = []stream.Invalidation{{At: 4, ID: 0}}
	r = mustRun(t, in, testDevice(), testHost(), at(0, 1000, 2050, 2100, 3000), Options{})
	equal(t, "latency of who waits for a message", r.MissLatency.Max, 441*ns)

	// One that is taken out while it is on the channel stays out, and its end
	// does not disturb the matcher. The next begins at once (Invalidated), and
	// is recorded at 1911, compiled at 2911 and in at 3411.
	in = installing()
	in.Invalidations = []stream.Invalidation{{At: 1, ID: 0}}
	r = mustRun(t, in, testDevice(), testHost(), at(0, 1500, 1920, 3410, 3441), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.Invalidated: 1, cache.InFlight: 2, cache.Hit: 1})
	equal(t, "compile", r.Compile, Compile{Begun: 2, Made: 2, Installed: 1, Stopped: 1, Stall: 30 * ns})
	equal(t, "latency", r.HitLatency.Max, 30*ns)
}

// One compiler without a queue: of two paths that are recorded at 411 and 551
// the second is given up, and begins again with its next packet, at 2000:
// recorded at 2411, when the first is compiled (1411) and in (1911).
func TestCompileQueue(t *testing.T) {
	in := installing()
	in.Paths = append(in.Paths, in.Paths[0])
	in.Packets[1].Path, in.Packets[2].Path = 1, 1
	h := testHost()
	h.CompileQueue = 0
	r := mustRun(t, in, testDevice(), h, at(0, 1, 2000, 2001, 2002), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 2, cache.NotHot: 1, cache.Hit: 2})
	equal(t, "compile", r.Compile, Compile{Begun: 3, Made: 2, Installed: 2, NoWorker: 1, Stall: 60 * ns})

	// With a queue the second waits until 1411: compiled at 2411, in at 2911.
	r = mustRun(t, in, testDevice(), testHost(), at(0, 1, 2000, 2001, 2002), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 2, cache.InFlight: 1, cache.Hit: 2})
	c, _ := r.Station("compilers")
	equal(t, "wait", c.MeanWait, (1411-551)*ns/2.)

	// Two compilers end at 1411 and 1551; the channel has no queue: the second
	// is given up.
	h = testHost()
	h.Compilers = 2
	n := testDevice()
	n.InstallQueue = 0
	r = mustRun(t, in, n, h, at(0, 1, 1552, 1953, 1954), Options{})
	equal(t, "compile", r.Compile, Compile{Begun: 3, Made: 2, Installed: 2, NoChannel: 1, Stall: 60 * ns})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 2, cache.NotHot: 1, cache.Hit: 2})

	// 100,000 installs/s: the second begins 10,000 ns behind the first, at
	// 11,411, and is in at 11,911.
	n.InstallQueue, n.InstallRate = 4, 100_000
	in.Packets[3].Path, in.Packets[4].Path = 1, 1
	r = mustRun(t, in, n, h, at(0, 1, 3000, 11_910, 11_911), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 2, cache.InFlight: 2, cache.Hit: 1})
}

// accessing is a packet that reads entries 0 and 1 and writes 0.
func accessing(n int) *Input {
	return &Input{
		Packets: packets(n, Packet{Fate: Drop, Len: 60, Host: 100 * ns, Miss: 5, N: 3}), Entries: 2,
		Accesses: []Access{{0, false}, {1, false}, {0, true}},
		Paths:    []Path{{Match: 10, Exec: 20, Reads: 2, Writes: 1, Slots: 1}},
	}
}

// A hit is 30 ns and a miss 411 ns (TestFullHostRing) but for the maps.
func TestMemoryModels(t *testing.T) {
	run := func(model profile.MemoryModel, mode Mode, path int32, n int) *Result {
		in := accessing(n)
		for i := range in.Packets {
			in.Packets[i].Path = path
		}
		d := testDevice()
		d.Memory = model
		return mustRun(t, in, d, testHost(), Load{Rate: 100_000}, Options{Mode: mode})
	}
	maps := func(r *Result) [2]Traffic {
		r.PCIeUp[PacketsUp] = 0
		return [2]Traffic{r.PCIeUp, r.PCIeDown}
	}
	for _, c := range []struct {
		name    string
		model   profile.MemoryModel
		mode    Mode
		path    int32
		n       int
		latency int64 // the longest, ns
		memory  Memory
		traffic [2]Traffic // without packets up
	}{
		{name: "shared, hit", model: profile.MemShared, mode: NICOnly, n: 1, latency: 30,
			memory: Memory{NIC: Side{Reads: 2, Writes: 1}}},
		{name: "shared, miss", model: profile.MemShared, path: -1, n: 1, latency: 411,
			memory: Memory{Host: Side{Reads: 2, Writes: 1}}},
		{name: "nic, hit", model: profile.MemNIC, mode: NICOnly, n: 1, latency: 30,
			memory: Memory{NIC: Side{Reads: 2, Writes: 1}}},
		// The core stalls 600 ns for each read; it asks with 20 B and gets 84 B.
		{name: "nic, miss", model: profile.MemNIC, path: -1, n: 1, latency: 411 + 1200,
			memory:  Memory{Host: Side{Reads: 2, Writes: 1, Stalls: 2, Stall: 1200 * ns}},
			traffic: [2]Traffic{{MapReads: 168}, {MapReads: 40, MapWrites: 84}}},
		{name: "host, hit", model: profile.MemHost, mode: NICOnly, n: 1, latency: 30 + 1200,
			memory:  Memory{NIC: Side{Reads: 2, Writes: 1, Stalls: 2, Stall: 1200 * ns}},
			traffic: [2]Traffic{{MapReads: 40, MapWrites: 84}, {MapReads: 168}}},
		{name: "host, miss", model: profile.MemHost, path: -1, n: 1, latency: 411,
			memory: Memory{Host: Side{Reads: 2, Writes: 1}}},
		// The first of two fetches both entries and takes entry 0 out of the
		// host by a message of 8+20 B; the second finds both valid, and the
		// host's copy out already.
		{name: "replicated, hits", model: profile.MemReplicated, mode: NICOnly, n: 2, latency: 30 + 1200,
			memory:  Memory{NIC: Side{Reads: 4, Writes: 2, Stalls: 2, Stall: 1200 * ns, Messages: 1}},
			traffic: [2]Traffic{{MapReads: 40, Invalidations: 28}, {MapReads: 168}}},
		// The host's copies are valid from the start.
		{name: "replicated, misses", model: profile.MemReplicated, path: -1, n: 2, latency: 411,
			memory: Memory{Host: Side{Reads: 4, Writes: 2}}},
		// A host alone has its maps at hand, whatever the device would do.
		{name: "nic, host only", model: profile.MemNIC, mode: HostOnly, n: 1, latency: 406,
			memory: Memory{Host: Side{Reads: 2, Writes: 1}}},
	} {
		r := run(c.model, c.mode, c.path, c.n)
		equal(t, c.name+": latency", r.Latency.Max, c.latency*ns)
		equal(t, c.name+": accesses", r.Memory, c.memory)
		equal(t, c.name+": traffic", maps(r), c.traffic)
	}

	// Turn about: a hit of the NIC (path 0 is in from the start), a miss, a hit.
	// The hit fetches both and takes entry 0 from the host; the miss fetches 0
	// and takes it from the NIC by its write; the next hit fetches 0 again, and
	// takes it from the host again.
	in := accessing(3)
	in.Packets[1].Path = -1
	d := testDevice()
	d.Memory = profile.MemReplicated
	r := mustRun(t, in, d, testHost(), at(0, 3000, 6000), Options{Cache: cache.Config{Policy: "preinstalled", Entries: 1}})
	equal(t, "turn about", r.Memory, Memory{
		NIC:  Side{Reads: 4, Writes: 2, Stalls: 3, Stall: 1800 * ns, Messages: 2},
		Host: Side{Reads: 2, Writes: 1, Stalls: 1, Stall: 600 * ns, Messages: 1},
	})

	// A read waits behind what is on the link: a packet of 60 B (116 ns) goes up
	// from 5 to 121. The hit of the same moment is in its unit at 11 and asks
	// for entry 0 at 121.
	in = accessing(2)
	in.Packets[0].Path = -1
	d.Memory = profile.MemHost
	r = mustRun(t, in, d, testHost(), at(0, 0), Options{Cache: cache.Config{Policy: "preinstalled", Entries: 1}})
	equal(t, "behind a packet", r.HitLatency.Max, (1+30+1200+110)*ns)
}

// 99 in 100 packets use one hot entry, on a path that is installed, the others
// an entry of their own, on the host: what the four models make of it.
func TestMemoryModelsOnSkewedEntries(t *testing.T) {
	in := &Input{Entries: 101, Paths: []Path{{Match: 10, Exec: 20, Reads: 1, Slots: 1}}}
	for i := range 10_000 {
		p := Packet{Fate: Drop, Len: 60, Host: 100 * ns, Miss: 5, First: uint32(i), N: 1}
		a := Access{Entry: 0}
		if i%100 == 99 {
			p.Path, a = -1, Access{Entry: uint32(1 + i/100), Write: i%200 == 199}
		}
		in.Packets = append(in.Packets, p)
		in.Accesses = append(in.Accesses, a)
	}
	stall := map[profile.MemoryModel][2]int64{}
	for _, model := range []profile.MemoryModel{profile.MemNIC, profile.MemHost, profile.MemShared, profile.MemReplicated} {
		d := testDevice()
		d.Memory = model
		r := mustRun(t, in, d, testHost(), Load{Rate: 1_000_000}, Options{Cache: cache.Config{Policy: "preinstalled", Entries: 1}})
		equal(t, string(model)+": lost", r.Drops.Total(), 0)
		equal(t, string(model)+": hits", r.Outcome[cache.Hit], 9900)
		stall[model] = [2]int64{r.Memory.NIC.Stall, r.Memory.Host.Stall}
		t.Logf("%-10s mean %7.1f ns, hits %7.1f ns, misses %7.1f ns", model, r.Latency.Mean/ns, r.HitLatency.Mean/ns, r.MissLatency.Mean/ns)
	}
	equal(t, "shared", stall[profile.MemShared], [2]int64{})
	equal(t, "nic", stall[profile.MemNIC], [2]int64{0, 50 * 600 * ns})       // the cold reads
	equal(t, "host", stall[profile.MemHost], [2]int64{9900 * 600 * ns})      // each hot read
	equal(t, "replicated", stall[profile.MemReplicated], [2]int64{600 * ns}) // the first hot read
}

// Packet 0 goes to the host and is at the port at 1127 (TestOneMiss); packet 1
// of its flow hits and is executed at 130. Without order it leaves at 210, and
// packet 0 is reordered. In order it is held until 1127 and leaves behind
// packet 0, from 1207 to 1287. Packet 2, of another flow, is never held.
func TestOrdered(t *testing.T) {
	in := &Input{
		Packets: []Packet{
			{Path: -1, Fate: Wire, Len: 60, OutLen: 60, Host: 100 * ns, Miss: 5},
			{Fate: Wire, OutLen: 60},
			{Fate: Wire, OutLen: 60, Flow: 1},
		},
		Paths: onePath,
	}
	opt := Options{Cache: cache.Config{Policy: "preinstalled", Entries: 1}}
	r := mustRun(t, in, testDevice(), testHost(), at(0, 100, 300), opt)
	equal(t, "order", r.Order, Order{Reordered: 1, Extent: 1})
	equal(t, "hits", r.HitLatency.Max, 110*ns)
	opt.Ordered = true
	r = mustRun(t, in, testDevice(), testHost(), at(0, 100, 300), opt)
	equal(t, "order", r.Order, Order{Held: 1, HoldTime: 997 * ns, PeakHeld: 1})
	equal(t, "held hit", r.HitLatency.Max, 1187*ns)
	equal(t, "hit of another flow", r.HitLatency.Min, 110*ns)
	equal(t, "miss", r.MissLatency.Max, 1207*ns)

	// A packet for the stack leaves elsewhere: nothing is reordered, though the
	// second is there first.
	in.Packets[1].Fate, in.Packets[1].Host = Up, 0
	in.Packets[0].Len = 0
	r = mustRun(t, in, testDevice(), testHost(), at(0, 100, 300), Options{Cache: opt.Cache})
	equal(t, "order", r.Order, Order{})
}

// RFC 4737: 0 and 1 go to the host, 2, 3, 4 and 5 of the flow overtake them; 1
// is behind 0, and yet reordered: the first packet later than it was 2, five
// places in front of it (2 3 4 5 0 1).
func TestExtent(t *testing.T) {
	p := Packet{Fate: Wire, OutLen: 60}
	in := &Input{Packets: packets(6, p), Paths: onePath}
	in.Packets[0].Path, in.Packets[1].Path = -1, -1
	opt := Options{Cache: cache.Config{Policy: "preinstalled", Entries: 1}}
	r := mustRun(t, in, testDevice(), testHost(), at(0, 1, 100, 101, 102, 103), opt)
	equal(t, "order", r.Order, Order{Reordered: 2, Extent: 5})
}

// Station by its name.
func (r *Result) Station(name string) (Station, bool) {
	for _, s := range r.Stations {
		if s.Name == name {
			return s, true
		}
	}
	return Station{}, false
}
