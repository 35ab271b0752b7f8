package device

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
	"jitnic/nic/profile"
)

// random is a run of anything: small queues and large ones, slow parts and fast
// ones.
func random(seed uint64) (*Input, *profile.NIC, *profile.Host, Load, Options) {
	r := rand.New(rand.NewPCG(seed, 99))
	upTo := func(n uint64) uint64 { return r.Uint64N(n + 1) }
	in := &Input{Entries: 1 + r.IntN(20)}
	paths := 1 + r.IntN(12)
	for range paths {
		in.Paths = append(in.Paths, Path{
			Match: uint32(upTo(30)), Exec: uint32(upTo(200)), Reads: uint16(upTo(2)), Writes: uint16(upTo(2)),
			Slots: uint32(1 + upTo(20)), Cost: uint32(upTo(100)), Compile: upTo(20_000) * ns, Install: upTo(5000) * ns,
			Bytes: uint32(upTo(2000)), Refused: r.IntN(10) == 0,
		})
	}
	n := 1 + r.IntN(800)
	flows := 1 + r.Uint32N(40)
	for i := range n {
		p := Packet{
			Path: int32(r.IntN(paths+1)) - 1, Flow: r.Uint32N(flows), First: uint32(len(in.Accesses)), N: uint16(upTo(3)),
			Len: uint16(upTo(1500)), OutLen: uint16(upTo(1500)), Fate: Fate(r.IntN(3)), Host: uint32(upTo(1000) * ns), Miss: uint32(upTo(30)),
		}
		p.Queue = uint16(p.Flow)
		for range p.N {
			in.Accesses = append(in.Accesses, Access{r.Uint32N(uint32(in.Entries)), r.IntN(3) == 0})
		}
		in.Packets = append(in.Packets, p)
		if r.IntN(40) == 0 {
			in.Invalidations = append(in.Invalidations, stream.Invalidation{At: uint64(i), ID: r.Uint32N(uint32(paths))})
		}
	}
	nic := &profile.NIC{
		Name: "random", Clock: 100_000 + upTo(1_000_000), Link: upTo(1) * (1000 + upTo(100_000)), LinkOverhead: upTo(24),
		IngressQueue: upTo(64), EgressQueue: upTo(64), MatcherInterval: upTo(4), Units: 1 + upTo(4), UnitQueue: upTo(8),
		Memory:   []profile.MemoryModel{profile.MemNIC, profile.MemHost, profile.MemShared, profile.MemReplicated}[r.IntN(4)],
		PCIeRead: upTo(800), PCIeRate: upTo(1) * (1000 + upTo(50_000)), PCIeTLP: upTo(26), PCIePayload: 64 << upTo(3), PCIeDesc: upTo(32), Doorbell: upTo(100), PCIeNUMA: upTo(1) * 107,
		InstallStall: upTo(100), InstallQueue: upTo(4), InstallRate: upTo(1) * (10_000 + upTo(1_000_000)),
	}
	nic.PCIeWriteRead = nic.PCIeRead + upTo(300)
	host := &profile.Host{
		Name: "random", Cores: 1 + upTo(3), Queue: 1 + upTo(64), Driver: upTo(100) * ns, Pass: upTo(1000) * ns,
		Compilers: 1 + upTo(2), CompileQueue: upTo(4),
	}
	load := Load{Rate: 100_000 + upTo(10_000_000), Packets: 1 + r.IntN(2*n), Seed: seed, Burst: 1 + r.IntN(20)}
	switch r.IntN(4) {
	case 0:
		load.Arrivals = Poisson
	case 1:
		load.Arrivals = Burst
	case 2:
		load.Arrivals = Capture
		t := int64(r.IntN(1000))
		for range n {
			t += int64(upTo(1) * upTo(1000))
			load.Times = append(load.Times, t)
		}
	}
	if r := rand.New(rand.NewPCG(seed, 7)); r.IntN(2) == 0 {
		in.Hot = 1 + r.Uint64N(4)
		for i := range in.Paths {
			p := &in.Paths[i]
			p.Better = Better{Search: r.Uint64N(40_000) * ns, Exec: r.Uint32N(p.Exec + 2), Slots: uint32(r.IntN(int(p.Slots) + 2)), Install: r.Uint64N(5000) * ns, Bytes: r.Uint32N(2000)}
		}
	}
	names := []string{"lru", "fifo", "sieve", "arc", "w-tinylfu", "s3-fifo", "slru"}
	opt := Options{
		Mode: Mode(r.IntN(4) % 3), Ordered: r.IntN(2) == 0,
		Cache: cache.Config{Policy: names[r.IntN(len(names))], HotThreshold: uint32(upTo(3)), Seed: seed},
	}
	if r.IntN(2) == 0 {
		opt.Cache.Entries = 1 + upTo(8)
	} else {
		opt.Cache.Slots = 1 + upTo(60)
	}
	return in, nic, host, load, opt
}

// Every packet offered is finished or lost at one place, and every packet
// looked up has one outcome; no packet and no trace stays behind; each queue's
// mean length is what its packets waited (Little's law: over a whole run, from
// empty to empty, it is an identity, and holds to the picosecond); and the
// lengths of all queues and servers together are what the packets were in the
// device.
func TestConservationAndLittle(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(900) {
		in, nic, host, load, opt := random(seed)
		if seed >= 600 {
			cut(in, seed)
		}
		m, err := newModel(in, nic, host, load, opt)
		must.OKf(t, err, "seed %d", seed)
		must.OK(t, m.run())
		r := m.result()
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("seed %d, mode %v, ordered %v: %s", seed, opt.Mode, opt.Ordered, fmt.Sprintf(format, args...))
		}
		if r.Packets != uint64(load.Packets) || r.Packets != r.Finished.Total()+r.Drops.Total() {
			fail("%d packets, finished %+v, lost %+v", r.Packets, r.Finished, r.Drops)
		}
		if r.Latency.Packets != r.Finished.Total() || r.HitLatency.Packets+r.MissLatency.Packets != r.Latency.Packets {
			fail("latencies of %d packets, %d finished", r.Latency.Packets, r.Finished.Total())
		}
		if opt.Mode == Both && r.Outcome.Total()+r.Drops.Ingress != r.Packets || in.Segments == nil && r.Outcome != r.Cache.Outcome {
			fail("outcomes %v, %d lost at ingress", r.Outcome, r.Drops.Ingress)
		}
		c := r.Compile
		if c.Begun != c.Installed+c.Refused+c.Lost+c.NoWorker+c.NoChannel+c.Stopped {
			fail("compile %+v", c)
		}
		if c.Begun != r.Cache.Began || c.Installed != r.Cache.Installed || c.Stopped != r.Cache.Canceled || c.Dropped != r.Cache.Invalidated ||
			c.Evicted != r.Cache.Evicted || c.Refused != r.Cache.Refused || c.Lost+c.NoWorker+c.NoChannel != r.Cache.Abandoned {
			fail("compile %+v, cache %+v", c, r.Cache)
		}
		if c.Hot != c.Searched+c.Unfinished || c.Found > c.Searched || c.Swapped > c.Hot && len(in.Invalidations) == 0 && opt.Cache.Entries > 0 {
			fail("tier 2: %+v", c)
		}
		if opt.Ordered && r.Order.Reordered > 0 {
			fail("%+v", r.Order)
		}
		if (r.Order.Reordered > 0) != (r.Order.Extent > 0) {
			fail("%+v", r.Order)
		}
		free := 0
		for s := m.free; s >= 0; s = m.slots[s].next {
			free++
		}
		if free != len(m.slots) {
			fail("%d of %d slots free", free, len(m.slots))
		}
		for i := range m.g {
			if m.g[i].n != 0 {
				fail("gauge %d is at %d", i, m.g[i].n)
			}
		}

		// Little, queue by queue.
		for _, g := range []int{gIngress, gUnitQ, gCoreQ, gSearchQ} {
			if m.end.g[g].lo != m.wait[g].lo || m.end.g[g].hi != m.wait[g].hi {
				fail("gauge %d: integral %d, waits %d", g, m.end.g[g].lo, m.wait[g].lo)
			}
		}
		for line, way := range []int{gUp, gBack, gEgress} {
			if m.end.q[line].lo != m.wait[way].lo {
				fail("line %d: integral %d, waits %d", line, m.end.q[line].lo, m.wait[way].lo)
			}
		}
		// And of the device as a whole.
		var inside uint64
		for _, g := range []int{gIngress, gMatcher, gUnitQ, gUnits, gUp, gCoreQ, gCores, gBack, gHeld} {
			inside += m.end.g[g].lo
		}
		inside += m.end.q[port].lo + uint64(m.line[port].busy)
		if of := m.lat[0].sum.lo + m.lat[1].sum.lo + m.lostTime.lo; inside != of {
			fail("integral of the packets inside %d, times inside %d", inside, of)
		}
		for _, s := range r.Stations {
			if s.Utilisation < 0 || s.Utilisation > 1+1e-9 {
				fail("%s: utilisation %v", s.Name, s.Utilisation)
			}
		}
		for name, on := range map[string]bool{
			"ingress": r.Drops.Ingress > 0, "host": r.Drops.Host > 0, "egress": r.Drops.Egress > 0, "needs host": r.Drops.NeedsHost > 0, "transmit": r.Drops.Transmit > 0,
			"lost": c.Lost > 0, "no worker": c.NoWorker > 0, "no channel": c.NoChannel > 0, "stopped": c.Stopped > 0,
			"refused": c.Refused > 0, "dropped": c.Dropped > 0, "evicted": c.Evicted > 0,
			"hot": c.Hot > 0, "unfinished": c.Unfinished > 0, "nothing found": c.Found < c.Searched, "swapped": c.Swapped > 0, "found and not in": c.Swapped < c.Found, "resized": r.Cache.Resized > 0,
			"reordered": r.Order.Reordered > 0, "held": r.Order.Held > 0, "messages": r.Memory.NIC.Messages > 0 && r.Memory.Host.Messages > 0,
		} {
			if on {
				seen[name]++
			}
		}
	}
	if len(seen) != 21 {
		t.Errorf("not all that can happen happened: %v", seen)
	}
}

// The same arguments give the same bytes.
func TestSameBytes(t *testing.T) {
	for seed := range uint64(50) {
		var text [2]string
		for i := range text {
			in, nic, host, load, opt := random(seed)
			b := must.Get(json.Marshal(mustRun(t, in, nic, host, load, opt)))(t)
			text[i] = string(b)
		}
		if text[0] != text[1] {
			t.Errorf("seed %d:\n%s\n%s", seed, text[0], text[1])
		}
	}
}

// A device and host on which nothing takes time count what a replay of the
// same requests counts, outcome for outcome.
func TestNoTimeIsReplay(t *testing.T) {
	nic := &profile.NIC{Name: "no time", Clock: 1_000_000, Units: 1, Memory: profile.MemShared, IngressQueue: 1}
	host := &profile.Host{Name: "no time", Cores: 1, Queue: 1, Compilers: 1}
	for i, policy := range []string{"lru", "fifo", "sieve", "arc", "2q", "lirs", "w-tinylfu", "gdsf", "random", "lfu", "infinite", "preinstalled"} {
		for _, c := range []cache.Config{
			{Entries: 20}, {Slots: 500}, {Entries: 20, HotThreshold: 3}, {Entries: 5, Admission: "threshold/2"},
		} {
			c.Policy, c.Seed = policy, uint64(i)
			s := stream.Zipf(100, 20_000, uint64(i))
			in := &Input{}
			for id := range s.NumIDs() {
				s.Sizes = append(s.Sizes, uint32(1+id%50))
				s.Costs = append(s.Costs, uint32(1+id%7))
				in.Paths = append(in.Paths, Path{Slots: s.Sizes[id], Cost: s.Costs[id]})
			}
			times := make([]int64, s.Len())
			for i := range s.IDs {
				p := Packet{Path: int32(s.IDs[i]), Fate: Drop}
				if i%31 == 0 {
					s.IDs[i], p.Path = stream.None, -1
				}
				if i%53 == 0 {
					s.Invalidations = append(s.Invalidations, stream.Invalidation{At: uint64(i), ID: uint32(i / 53 % 20)})
				}
				in.Packets = append(in.Packets, p)
				times[i] = int64(i / 3) // three at once
			}
			s.Invalidations = append(s.Invalidations, stream.Invalidation{At: uint64(s.Len()), ID: 0}, stream.Invalidation{At: uint64(s.Len()), ID: 1})
			in.Invalidations = s.Invalidations
			plain, err := cache.NewTraceCache(c)
			must.OKf(t, err, "%+v", c)
			cache.Replay(s, plain, nil)
			r := mustRun(t, in, nic, host, Load{Arrivals: Capture, Times: times}, Options{Cache: c})
			if r.Cache != plain.Stats() || r.Outcome != plain.Stats().Outcome {
				t.Errorf("%+v:\n%+v\nwant\n%+v", c, r.Cache, plain.Stats())
			}
		}
	}
}

// server is a device that is one server: the matcher, 100 ns a packet.
func server() (*Input, *profile.NIC, *profile.Host) {
	n := testDevice()
	n.MatcherInterval, n.IngressQueue = 0, 1<<30
	return &Input{Packets: packets(1, Packet{Fate: Drop}), Paths: []Path{{Match: 100}}}, n, testHost()
}

// M/D/1: Poisson arrivals at rate λ, service of s each. The mean wait is
// λs²/(2(1-ρ)) with ρ = λs (Pollaczek and Khinchine).
func TestMD1(t *testing.T) {
	in, n, h := server()
	const s = 100e-9
	for _, c := range []struct {
		rho     float64
		packets int
	}{{0.5, 1_000_000}, {0.8, 3_000_000}, {0.9, 6_000_000}} {
		lambda := c.rho / s
		r := mustRun(t, in, n, h, Load{Arrivals: Poisson, Rate: uint64(lambda), Packets: c.packets, Seed: 1}, Options{Mode: NICOnly})
		m, _ := r.Station("matcher")
		want := lambda * s * s / (2 * (1 - c.rho)) * second
		t.Logf("ρ %.1f: wait %.2f ns, theory %.2f ns (%+.2f %%)", c.rho, m.MeanWait/ns, want/ns, 100*(m.MeanWait/want-1))
		if math.Abs(m.MeanWait/want-1) > 0.02 {
			t.Errorf("ρ %.1f: mean wait %.1f ps, theory %.1f", c.rho, m.MeanWait, want)
		}
		if math.Abs(m.MeanQueue/(lambda*want/second)-1) > 0.02 || math.Abs(m.Utilisation-c.rho) > 0.01 {
			t.Errorf("ρ %.1f: mean queue %.3f, theory %.3f; utilisation %.3f", c.rho, m.MeanQueue, lambda*want/second, m.Utilisation)
		}
	}
}

// M/D/c, by Crommelin's series (1932): with a = cρ the mean wait is
// s Σ_i [P(N_i ≥ ic) - P(N_i ≥ ic+1)/ρ], N_i Poisson of mean ia.
func TestMDc(t *testing.T) {
	wait := func(c int, rho float64) (w float64) {
		for i := 1; i < 2000; i++ {
			mean := float64(i*c) * rho
			below := 0.0 // P(N < ic)
			for j := range i * c {
				lg, _ := math.Lgamma(float64(j + 1))
				below += math.Exp(float64(j)*math.Log(mean) - mean - lg)
			}
			lg, _ := math.Lgamma(float64(i*c + 1))
			at := math.Exp(float64(i*c)*math.Log(mean) - mean - lg)
			term := (1 - below) - (1-below-at)/rho
			w += term
			if term < 1e-9 {
				break
			}
		}
		return w
	}
	if w := wait(1, 0.8); math.Abs(w-2) > 1e-3 { // the series is M/D/1's for one server
		t.Errorf("series for one server: %v", w)
	}
	n := testDevice()
	n.Units, n.UnitQueue, n.MatcherInterval = 4, 1<<30, 1
	n.Clock = 100_000_000 // the matcher takes a packet in 10 ps: no wait there
	in := &Input{Packets: packets(1, Packet{Fate: Drop}), Paths: []Path{{Exec: 10_000}}}
	for _, rho := range []float64{0.5, 0.8} {
		r := mustRun(t, in, n, testHost(), Load{Arrivals: Poisson, Rate: uint64(4 * rho * 1e7), Packets: 2_000_000, Seed: 1}, Options{Mode: NICOnly})
		u, _ := r.Station("units")
		want := wait(4, rho) * 100 * ns
		t.Logf("ρ %.1f: wait %.2f ns, theory %.2f ns", rho, u.MeanWait/ns, want/ns)
		if math.Abs(u.MeanWait/want-1) > 0.02 {
			t.Errorf("ρ %.1f: mean wait %.1f ps, theory %.1f", rho, u.MeanWait, want)
		}
	}
}

// D/D/1: up to the server's rate nobody waits, and beyond it the i-th packet
// waits i times what it comes too early.
func TestDD1(t *testing.T) {
	in, n, h := server()
	n.IngressQueue = 1
	for _, rate := range []uint64{1, 3_333_333, 9_999_999, 10_000_000} {
		r := mustRun(t, in, n, h, Load{Rate: rate, Packets: 1000}, Options{Mode: NICOnly})
		equal(t, "longest", r.Latency.Max, 100*ns)
		equal(t, "drops", r.Drops.Total(), 0)
	}
	n.IngressQueue = 1000
	r := mustRun(t, in, n, h, Load{Rate: 12_500_000, Packets: 1000}, Options{Mode: NICOnly})
	equal(t, "longest beyond", r.Latency.Max, (100+999*20)*ns)
	n.IngressQueue = 1
	r = mustRun(t, in, n, h, Load{Rate: 20_000_000, Packets: 10_000}, Options{Mode: NICOnly, Warm: 100})
	equal(t, "half is lost", r.Drops.Ingress, 9900/2)
	if math.Abs(r.Throughput/1e7-1) > 1e-3 || math.Abs(r.Offered/2e7-1) > 1e-9 {
		t.Errorf("throughput %v of %v", r.Throughput, r.Offered)
	}
}

// Units of random service against the recursion of Kiefer and Wolfowitz: a
// packet begins when it is there and the first unit is free.
func TestUnitsAgainstRecursion(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		n := testDevice()
		n.Units, n.UnitQueue, n.IngressQueue = 1+r.Uint64N(8), 1<<20, 1<<20
		n.MatcherInterval = 1 + r.Uint64N(5)
		in := &Input{}
		for range 20 {
			in.Paths = append(in.Paths, Path{Match: 7, Exec: r.Uint32N(500)})
		}
		var times []int64
		now := int64(0)
		for range 5000 {
			in.Packets = append(in.Packets, Packet{Path: int32(r.IntN(20)), Fate: Drop})
			now += int64(r.IntN(100))
			times = append(times, now)
		}
		got := mustRun(t, in, n, testHost(), at(times...), Options{Mode: NICOnly})
		free := make([]int64, n.Units)
		taken := int64(-1 << 40)
		total, most := int64(0), int64(0)
		for i, p := range in.Packets {
			taken = max(times[i], taken+int64(n.MatcherInterval))
			slices.Sort(free)
			free[0] = max(taken+7, free[0]) + int64(in.Paths[p.Path].Exec)
			total += free[0] - times[i]
			most = max(most, free[0]-times[i])
		}
		// times are relative to the first
		equal(t, fmt.Sprintf("seed %d: mean latency", seed), got.Latency.Mean, float64(total*ns)/float64(len(times)))
		equal(t, "most", got.Latency.Max, most*ns)
	}
}

// The extent against its definition, packet by packet.
func TestExtentAgainstDefinition(t *testing.T) {
	largest := uint64(0)
	for seed := range uint64(200) {
		in, nic, host, load, opt := random(seed)
		opt.Ordered, opt.Mode = false, Both
		m := must.Get(newModel(in, nic, host, load, opt))(t)
		must.OK(t, m.run())
		byFlow := map[uint32][]uint32{}
		for _, e := range m.log {
			byFlow[e.flow] = append(byFlow[e.flow], e.seq)
		}
		var want Order
		for _, s := range byFlow {
			for i := range s {
				for j := range i {
					if s[j] > s[i] { // the first one later than i and in front of it
						want.Reordered++
						want.Extent = max(want.Extent, uint64(i-j))
						break
					}
				}
			}
		}
		if got := m.result().Order; got != want {
			t.Errorf("seed %d: %+v, want %+v", seed, got, want)
		}
		largest = max(largest, want.Extent)
	}
	if largest < 10 {
		t.Errorf("the largest extent is %d: the runs test little", largest)
	}
}
