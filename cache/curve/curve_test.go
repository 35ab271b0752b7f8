package curve

import (
	"cmp"
	"iter"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// naive walks a list.
func naive(ids []uint32) []uint32 {
	var list []uint32
	out := make([]uint32, len(ids))
	for i, id := range ids {
		k := slices.Index(list, id)
		if k < 0 {
			out[i] = Never
			list = slices.Insert(list, 0, id)
			continue
		}
		out[i] = uint32(k + 1)
		copy(list[1:k+1], list[:k])
		list[0] = id
	}
	return out
}

func TestDistancesAreThoseOfAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 3, 50, 700}).Draw(t, "ids")
		ids := stream.Uniform(n, rapid.IntRange(0, 9000).Draw(t, "requests"), rapid.Uint64().Draw(t, "seed")).IDs
		out := make([]uint32, len(ids))
		Distances(ids, n, out)
		if !slices.Equal(out, naive(ids)) {
			t.Fatal("distances differ")
		}
	})
}

// In however many stretches requests are counted, and whatever can't be cached is
// among them, a profile is what lists give.
func TestProfileIsThatOfLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{1, 3, 50, 700, latestAtMost + 1}).Draw(t, "ids")
		ids := stream.Uniform(n, rapid.IntRange(0, 9000).Draw(t, "requests"), rapid.Uint64().Draw(t, "seed")).IDs
		if rapid.Bool().Draw(t, "uncacheable") {
			for i := range ids {
				if ids[i]%7 == 3 && i%2 == 0 {
					ids[i] = stream.None
				}
			}
		}
		spans := rapid.IntRange(0, 30).Draw(t, "spans")
		pieces := func(from, to int) iter.Seq[[]uint32] {
			return func(yield func([]uint32) bool) {
				for c := range slices.Chunk(ids[from:to], 100) {
					if !yield(c) {
						return
					}
				}
			}
		}
		got := look(pieces, len(ids), n, spans, rapid.IntRange(1, 9).Draw(t, "stretches"))
		if want := listed(ids, n, spans); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v\nwant %+v", got, want)
		}
	})
}

// listed is look by lists and sets.
func listed(ids []uint32, n, spans int) Profile {
	var plain []uint32
	for _, id := range ids {
		if id != stream.None {
			plain = append(plain, id)
		}
	}
	p := Profile{Popularity: PopularityOf(ids, n), LRU: &LRU{Hits: make([]float64, n+1), Requests: float64(len(plain)), Rate: 1}}
	var stack, time [33]uint64
	last := map[uint32]int{}
	for i, d := range naive(plain) {
		if d == Never {
			p.Reuse.First++
		} else {
			p.LRU.Hits[d]++
			stack[bits.Len32(d)]++
			time[bits.Len(uint(i-last[plain[i]]))]++
		}
		last[plain[i]] = i
	}
	p.LRU.finish()
	p.Reuse.Stack, p.Reuse.Time = buckets(stack), buckets(time)
	if spans == 0 {
		return p
	}
	known := map[uint32]bool{}
	each := (len(ids) + spans - 1) / spans
	for from := 0; from < len(ids); from += each {
		s := Span{From: from, To: min(from+each, len(ids))}
		here := map[uint32]bool{}
		for _, id := range ids[s.From:s.To] {
			if id == stream.None {
				continue
			}
			if !here[id] {
				s.Unique++
			}
			if !known[id] {
				s.New++
			}
			here[id], known[id] = true, true
		}
		s.Known = len(known)
		p.WorkingSet = append(p.WorkingSet, s)
	}
	return p
}

// What is added up by a formula is what is added up one by one.
func TestPowers(t *testing.T) {
	for _, n := range []int{2*addedUp + 1, 5000, 300_000} {
		logs := make([]float64, n)
		for i := range logs {
			logs[i] = math.Log(float64(i + 1))
		}
		for _, α := range []float64{0, 0.3, 0.999999, 1, 1.5, 4, 8} {
			var h, hl float64
			for i := n - 1; i >= 0; i-- { // the small ones first
				w := math.Exp(-α * logs[i])
				h += w
				hl += w * logs[i]
			}
			if g, gl := powers(logs, α); math.Abs(g/h-1) > 1e-12 || math.Abs(gl/hl-1) > 1e-12 {
				t.Errorf("%d ranks, α = %v: %v %v, want %v %v", n, α, g, gl, h, hl)
			}
		}
	}
}

// The curve gives lru's misses on the corpus's stream at each size of the goldens.
func TestExactGivesLRUsMisses(t *testing.T) {
	s := stream.Zipf(100_000, 10_000_000, 42)
	c := Exact(s.IDs, s.NumIDs())
	for entries, want := range map[uint64]float64{100: 7101956, 1000: 4937580, 10_000: 2629321, 1 << 40: 99_997} {
		if g := c.Misses(entries); g != want {
			t.Errorf("%v misses at %d entries, want %v", g, entries, want)
		}
	}
	for name, e := range map[string]*LRU{
		"a tenth": Shards(s.IDs, s.NumIDs(), 0.1, 1), "a hundredth": Shards(s.IDs, s.NumIDs(), 0.01, 1),
		"8192 ids": ShardsFixed(s.IDs, s.NumIDs(), 8192, 1),
	} {
		for _, entries := range []uint64{1, 2, 4, 8, 100} { // counted, not estimated
			if e.Misses(entries) != c.Misses(entries) && (name != "a tenth" || entries <= 20) && (name != "8192 ids" || entries <= 24) {
				t.Errorf("%s: %v misses at %d entries, exactly %v", name, e.Misses(entries), entries, c.Misses(entries))
			}
		}
		for _, entries := range []uint64{1000, 10_000, 50_000} {
			if d := math.Abs(e.MissRatio(entries) - c.MissRatio(entries)); d > 0.02 && (name != "a hundredth" || d > 0.05) {
				t.Errorf("%s: %.3f off at %d entries", name, d, entries)
			}
		}
		if math.Abs(e.Misses(1<<40)-99_997) > 0.001 {
			t.Errorf("%s: %v misses in a boundless cache, want the first requests", name, e.Misses(1<<40))
		}
		if !e.Estimate || c.Estimate {
			t.Error("only shards is an estimate")
		}
	}
	k, ok := c.Smallest(0.5)
	if !ok || c.MissRatio(k) > 0.5 || c.MissRatio(k-1) <= 0.5 {
		t.Errorf("smallest for half: %d", k)
	}
	if _, ok := c.Smallest(0.999); ok {
		t.Error("0.999 can't be reached: first requests miss")
	}
}

func TestExactIsLRU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := stream.Uniform(40, 600, rapid.Uint64().Draw(t, "seed"))
		c := Exact(s.IDs, 40)
		size := rapid.Uint64Range(1, 50).Draw(t, "size")
		p := must.Get(policy.New("lru", policy.Config{Capacity: size}))(t)
		miss := make([]uint64, 10)
		policy.Run(p, s.IDs, miss)
		n := 0
		for _, m := range miss {
			n += bits.OnesCount64(m)
		}
		if float64(n) != c.Misses(size) {
			t.Fatalf("%d misses at %d, the curve says %v", n, size, c.Misses(size))
		}
	})
}

func TestWhatAStreamIsLike(t *testing.T) {
	s := stream.Zipf(10_000, 1_000_000, 42)
	p := PopularityOf(s.IDs, s.NumIDs())
	if math.Abs(p.Alpha-1) > 0.02 || p.R2 < 0.9 {
		t.Errorf("α = %.3f (R² %.3f) of a Zipf stream with α = 1", p.Alpha, p.R2)
	}
	ids := []uint32{0, 1, 0, 2, 2, 3, 0, 1}
	look := Look(Of(ids), len(ids), 4, 2)
	ws := look.WorkingSet
	if want := []Span{{0, 4, 3, 3, 3}, {4, 8, 4, 1, 4}}; !slices.Equal(ws, want) {
		t.Errorf("working set %v, want %v", ws, want)
	}
	r := look.Reuse
	// Stack distances: 0 after 1: 2; 2 after 2: 1; 0: 3; 1: 4.
	if want := []Bucket{{1, 1, 1}, {2, 3, 2}, {4, 7, 1}}; !slices.Equal(r.Stack, want) || r.First != 4 {
		t.Errorf("reuse %v, first %d", r.Stack, r.First)
	}
	if p := PopularityOf(ids, 4); p.OneHit != 1 || p.Rank[0] != (Ranked{0, 3}) {
		t.Errorf("popularity %+v", p)
	}
}

func BenchmarkExact(b *testing.B) {
	s := stream.Zipf(100_000, 10_000_000, 42)
	b.ResetTimer()
	for range b.N {
		Exact(s.IDs, s.NumIDs())
	}
	b.ReportMetric(float64(len(s.IDs))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mreq/s")
}

// Ids stand by requests, and by number among equals, also where some are requested
// more often than ids are dealt out by.
func TestRanked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.SliceOf(rapid.OneOf(rapid.Uint32Range(0, 3), rapid.Uint32Range(1000, 1050))).Draw(t, "count")
		var want []Ranked
		for id, c := range count {
			if c > 0 {
				want = append(want, Ranked{uint32(id), uint64(c)})
			}
		}
		slices.SortStableFunc(want, func(a, b Ranked) int { return cmp.Compare(b.Count, a.Count) })
		if got := ranked(count); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}
