package device

import (
	"testing"

	"jitnic/cache"
)

// A path that becomes hot at its third hit, and gains 40 ns a hit from then on. A
// packet comes each ms.
//
//	0 ms  misses; its trace is in before the next comes
//	1, 2  hit
//	3     hits, is hot; searched for 100 ns, swapped in 10 us
//	4, 5  hit, 40 ns shorter
//	6     hits: 120 ns are saved, and the search has paid
func TestTier2(t *testing.T) {
	in := &Input{Hot: 3, Packets: packets(8, Packet{Fate: Drop, Len: 64, Host: 100 * ns}), Paths: []Path{{
		Match: 10, Exec: 100, Slots: 9, Compile: 1000 * ns, Install: 500 * ns,
		Better: Better{Search: 100 * ns, Exec: 60, Slots: 7, Install: 10_000 * ns, Bytes: 56},
	}}}
	const ms = 1_000_000
	load := at(0, 1*ms, 2*ms, 3*ms, 4*ms, 5*ms, 6*ms, 7*ms)
	r := mustRun(t, in, testDevice(), testHost(), load, Options{Cache: cache.Config{Slots: 9}})
	equal(t, "hits before the swap", r.HitLatency.Max, 110*ns)
	equal(t, "and after it", r.HitLatency.Min, 70*ns)
	equal(t, "mean", r.HitLatency.Mean, (3*110+4*70)*ns/7.)
	equal(t, "pays", r.Better[0], Pay{First: 0, After: 6 * ms * ns, Spent: 100 * ns, Saved: 120 * ns})
	c := r.Compile
	equal(t, "compile", c, Compile{Begun: 1, Made: 1, Installed: 1, Hot: 1, Searched: 1, Found: 1, Swapped: 1, Stall: 60 * ns})
	equal(t, "another size", r.Cache.Resized, 1)
	equal(t, "bytes", r.PCIeDown[Installs], 20+56) // of the swap: the install has none here

	// A search that finds nothing costs a compiler its time and changes nothing else.
	in.Paths[0].Better.Slots = 0
	r = mustRun(t, in, testDevice(), testHost(), load, Options{})
	equal(t, "nothing found", r.Compile, Compile{Begun: 1, Made: 1, Installed: 1, Hot: 1, Searched: 1, Stall: 30 * ns})
	equal(t, "hits", r.HitLatency.Min, 110*ns)
	equal(t, "never pays", r.Better[0], Pay{First: 0, After: -1, Spent: 100 * ns})

	// One that isn't done when the last packet is, is not done.
	in.Paths[0].Better = Better{Search: 10 * ms * ns, Exec: 60, Slots: 7}
	r = mustRun(t, in, testDevice(), testHost(), load, Options{})
	equal(t, "unfinished", r.Compile, Compile{Begun: 1, Made: 1, Installed: 1, Hot: 1, Unfinished: 1, Stall: 30 * ns})

	// Settled, the better trace is there when time begins.
	r = mustRun(t, in, testDevice(), testHost(), load, Options{Settle: 1})
	equal(t, "settled", r.HitLatency.Max, 70*ns)
}

// The only compiler stops a search for a new path: its trace is in as soon as without
// the search, which ends so much later.
//
//	1 ms   path 0 hits, is hot; the search takes 2 ms
//	2 ms   path 1 misses, is compiled for 1 ms
//	3 ms   path 1 misses, in flight; path 0 hits
//	4 ms   path 1 hits; the search goes on: half a ms is left, and a hair
//	5 ms   path 0 hits the better trace
func TestSearchGivesWay(t *testing.T) {
	const ms = 1_000_000
	in := &Input{Hot: 1, Paths: []Path{
		{Match: 10, Exec: 100, Slots: 1, Better: Better{Search: 2 * ms * ns, Exec: 60, Slots: 1}},
		{Match: 10, Exec: 100, Slots: 1, Compile: 1 * ms * ns, Better: Better{Search: 100 * ms * ns}},
	}}
	var load []int64
	for _, p := range []struct {
		path int32
		ms   int64
	}{{0, 0}, {0, 1}, {1, 2}, {1, 3}, {0, 3}, {1, 4}, {0, 5}} {
		in.Packets = append(in.Packets, Packet{Path: p.path, Fate: Drop, Len: 64, Host: 100 * ns})
		load = append(load, p.ms*ms)
	}
	r := mustRun(t, in, testDevice(), testHost(), at(load...), Options{Cache: cache.Config{Entries: 2}})
	equal(t, "outcomes", r.Outcome, cache.Counts{cache.Hit: 4, cache.Cold: 2, cache.InFlight: 1})
	equal(t, "compile", r.Compile, Compile{Begun: 2, Made: 2, Installed: 2, Hot: 2, Searched: 1, Unfinished: 1, Found: 1, Swapped: 1, Stall: 90 * ns})
	equal(t, "the last", r.HitLatency.Min, 70*ns)
	s, ok := r.Station(Searches)
	if !ok || s.MaxQueue != 1 {
		t.Errorf("%+v: want one waiting while path 1 is compiled, and one behind the other", s)
	}
	// With a second compiler nobody gives way.
	h := testHost()
	h.Compilers = 2
	r = mustRun(t, in, testDevice(), h, at(load...), Options{Cache: cache.Config{Entries: 2}})
	s, _ = r.Station(Searches)
	equal(t, "waiting", s.MaxQueue, 0)
}
