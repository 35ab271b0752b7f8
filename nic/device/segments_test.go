package device

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
)

// cut makes an input's paths segments, of which its packets take some, one to three.
func cut(in *Input, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	in.Segments, in.Paths = in.Paths, make([]Path, 1+r.IntN(15))
	for w := range in.Paths {
		d := &in.Paths[w]
		*d = Path{Match: r.Uint32N(30), Exec: r.Uint32N(20), Reads: uint16(r.IntN(3)), Writes: uint16(r.IntN(3)), Refused: r.IntN(10) == 0}
		for range 1 + r.IntN(3) {
			if s := r.Uint32N(uint32(len(in.Segments))); !slices.ContainsFunc(d.Parts, func(p Part) bool { return p.Segment == s }) {
				d.Parts = append(d.Parts, Part{Segment: s, Fail: d.Exec + r.Uint32N(20)})
				d.Exec += in.Segments[s].Exec
			}
		}
	}
	for i := range in.Packets {
		in.Packets[i].Path = int32(r.IntN(len(in.Paths)+1)) - 1
	}
}

// A path of one segment is a whole path: everything is the same, to the picosecond.
func TestOneSegmentIsAPath(t *testing.T) {
	for seed := range uint64(200) {
		in, nic, host, load, opt := random(seed)
		one := *in
		one.Segments, one.Paths = in.Paths, slices.Clone(in.Paths)
		for i := range one.Paths {
			one.Paths[i].Parts = []Part{{Segment: uint32(i), Fail: 99}}
		}
		var got [2][]byte
		for i, x := range []*Input{in, &one} {
			r := must.Get(Run(x, nic, host, load, opt))(t)
			got[i] = must.Get(json.Marshal(r))(t)
		}
		if string(got[0]) != string(got[1]) {
			t.Fatalf("seed %d:\n%s\n%s", seed, got[0], got[1])
		}
	}
}

// Two segments, of which first none is in, then both, and then, in a cache of one, the
// first alone.
//
//	  0  received, taken; 5 cycles until no condition holds
//	      up 116 ns on PCIe and 150 ns of its way, driver and program 140 ns
//	411  both are recorded: 1000 ns to compile the first and then the second, 500 ns
//	      each to install
//
// A hit takes 10 cycles of the matcher and 45 of the unit, both look-ups, both traces;
// a packet whose second segment isn't in 10 and 30 until that is known, then up.
func TestTwoSegments(t *testing.T) {
	seg := Path{Slots: 1, Cost: 1, Compile: 1000 * ns, Install: 500 * ns, Bytes: 80}
	in := &Input{
		Packets:  packets(2, Packet{Len: 60, OutLen: 60, Host: 100 * ns, Miss: 5}),
		Segments: []Path{seg, seg},
		Paths:    []Path{{Match: 10, Exec: 45, Parts: []Part{{Segment: 0}, {Segment: 1, Fail: 30}}}},
	}
	r := mustRun(t, in, testDevice(), testHost(), at(0, 100_000), Options{})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Cold: 1, cache.Hit: 1})
	equal(t, "compile", r.Compile, Compile{Begun: 2, Made: 2, Installed: 2, Stall: 60 * ns})
	equal(t, "latency of the miss", r.MissLatency.Max, 411*ns)
	equal(t, "latency of the hit", r.HitLatency.Max, 55*ns)
	equal(t, "requests", r.Cache.Outcome, cache.Counts{cache.Cold: 2, cache.Hit: 2})

	// In a cache of one the second takes the first's place, and the other way round.
	in.Packets = in.Packets[:1]
	r = mustRun(t, in, testDevice(), testHost(), at(0), Options{Cache: cache.Config{Entries: 1}, Settle: 1})
	equal(t, "outcomes in a cache of one", r.Outcome, cache.Counts{cache.Capacity: 1})
	equal(t, "latency where the first isn't in", r.MissLatency.Max, 411*ns)

	// A packet of a path that is refused for its second segment runs the first in vain.
	in.Packets = append(in.Packets, Packet{Path: 1, Len: 60, OutLen: 60, Host: 100 * ns, Miss: 5})
	in.Paths = append(in.Paths, Path{Match: 10, Exec: 60, Refused: true, Parts: []Part{{Segment: 0}, {Segment: 2, Fail: 30}}})
	in.Segments = append(in.Segments, Path{Refused: true})
	r = mustRun(t, in, testDevice(), testHost(), at(0, 100_000), Options{Settle: 1})
	equal(t, "outcomes beside one refused", r.Outcome, cache.Counts{cache.Hit: 1, cache.Uncacheable: 1})
	equal(t, "latency of a packet in vain", r.MissLatency.Max, (411-5+40)*ns)
}

// More entries of lru never hit less, segments or not: what one holds the larger holds.
func TestSegmentsHitMoreInMore(t *testing.T) {
	for seed := range uint64(60) {
		in, nic, host, load, _ := random(seed)
		cut(in, seed)
		in.Invalidations = nil
		nic.IngressQueue, nic.InstallQueue, host.Queue, host.CompileQueue = 1<<20, 1<<20, 1<<20, 1<<20
		load.Packets = len(in.Packets)
		last := uint64(0)
		for entries := range uint64(12) {
			m := must.Get(newModel(in, nic, host, load, Options{Cache: cache.Config{Policy: "lru", Entries: entries + 1, HotThreshold: 1}, Settle: 1}))(t)
			m.settle(1)
			hits := uint64(0)
			for i := range in.Packets {
				p := &in.Packets[i]
				if p.Path < 0 || in.Paths[p.Path].Refused {
					continue
				}
				all := true
				for k := range m.parts(p) {
					id := m.part(p, k)
					all = m.trace.Request(id, m.traces[id].Slots, m.traces[id].Cost) == cache.Hit && all
				}
				for k := range m.parts(p) {
					if id := m.part(p, k); m.trace.InFlight(id) {
						m.trace.Finish(id)
					}
				}
				if all {
					hits++
				}
			}
			if hits < last {
				t.Fatalf("seed %d: %d entries hit %d, %d hit %d", seed, entries+1, hits, entries, last)
			}
			last = hits
		}
	}
}
