package policy

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
	"jitnic/pcaps/splitmix"
)

// holdsOneMore are those that may hold one entry more than the budget, as
// golang-lru's ARC does.
var holdsOneMore = map[string]bool{"golang-arc": true}

// spec draws a policy, with a parameter now and then.
func drawPolicy(t *rapid.T, kinds ...string) string {
	name := rapid.SampledFrom(kinds).Draw(t, "policy")
	if info, _ := Lookup(name); info.Param.Name != "" && rapid.Bool().Draw(t, "with parameter") {
		name = fmt.Sprintf("%s/%d", name, rapid.IntRange(info.Param.Min, min(info.Param.Max, 12)).Draw(t, "parameter"))
	}
	return name
}

// Every policy, driven step by step with delayed inserts, refusals and
// invalidations, keeps its word: what it says is in, how many, how large, and
// who was evicted agree with a plain set kept beside.
func TestEveryPolicyKeepsItsWord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := drawPolicy(t, Names()...)
		info := must.Get(Lookup(name))(t)
		c := Config{
			Capacity: rapid.Uint64Range(1, 40).Draw(t, "capacity"),
			Sized:    rapid.Bool().Draw(t, "sized"),
			Seed:     rapid.Uint64().Draw(t, "seed"),
		}
		p := must.Get(New(name, c))(t)
		late, _ := p.(LateEvictor)
		in := map[uint32]uint64{}
		const ids = 60
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			id := uint32(rapid.IntRange(0, ids-1).Draw(t, "id"))
			_, want := in[id]
			switch rapid.IntRange(0, 11).Draw(t, "what") {
			case 10, 11:
				if !p.Contains(id) || info.Name == "preinstalled" {
					continue
				}
				size := uint32(rapid.IntRange(1, 14).Draw(t, "new size"))
				out := p.Resize(id, size, nil)
				if fits := uint64(size) <= in[id]; (fits || !c.Sized) && len(out) > 0 {
					t.Fatalf("%s: evicted %v though %d of %d slots are left to entry %d", name, out, size, in[id], id)
				}
				if c.Sized && info.Sizes != "counts entries: each takes one slot" {
					in[id] = uint64(size)
				}
				for _, v := range out {
					if _, ok := in[v]; !ok {
						t.Fatalf("%s: evicted %d for another size of %d, which was not in", name, v, id)
					}
					delete(in, v)
				}
			case 0:
				if g := p.Remove(id); g != want && info.Name != "preinstalled" {
					t.Fatalf("%s: Remove(%d) = %v, want %v", name, id, g, want)
				}
				delete(in, id)
			case 1, 2, 3, 4:
				if g := p.Access(id); g != want && info.Name != "preinstalled" {
					t.Fatalf("%s: Access(%d) = %v, want %v", name, id, g, want)
				}
				if late != nil {
					for _, v := range late.Late(nil) {
						if _, ok := in[v]; !ok {
							t.Fatalf("%s: evicted %d on a hit, which was not in", name, v)
						}
						delete(in, v)
					}
				}
			default:
				if want || p.Contains(id) {
					continue
				}
				size := uint32(1)
				if c.Sized {
					size = uint32(rapid.IntRange(1, 12).Draw(t, "size"))
				}
				for _, v := range p.Insert(id, size, uint32(rapid.IntRange(0, 9).Draw(t, "cost")), nil) {
					if _, ok := in[v]; !ok {
						t.Fatalf("%s: evicted %d, which was not in", name, v)
					}
					delete(in, v)
				}
				if p.Contains(id) {
					in[id] = uint64(size)
					if info.Sizes == "counts entries: each takes one slot" {
						in[id] = 1
					}
				}
			}
			if info.Name == "preinstalled" {
				continue
			}
			var used uint64
			for id := range uint32(ids) {
				size, ok := in[id]
				if g := p.Contains(id); g != ok {
					t.Fatalf("%s: Contains(%d) = %v, want %v", name, id, g, ok)
				}
				used += size
			}
			if p.Len() != len(in) || p.Used() != used {
				t.Fatalf("%s: %d entries of %d, want %d of %d", name, p.Len(), p.Used(), len(in), used)
			}
			limit := c.Capacity
			if holdsOneMore[info.Name] {
				limit++
			}
			if used > limit && info.Kind != Bound {
				t.Fatalf("%s: %d used of %d", name, used, limit)
			}
		}
	})
}

// An entry that is given the size it has is as it was: what is evicted later, whom
// and when, is what it would have been. So a swap is neither a use nor an insertion.
func TestSameSizeChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := drawPolicy(t, Names()...)
		c := Config{Capacity: rapid.Uint64Range(1, 60).Draw(t, "capacity"), Sized: rapid.Bool().Draw(t, "sized"), Seed: 7}
		a := must.Get(New(name, c))(t)
		b, _ := New(name, c)
		size := func(id uint32) uint32 {
			if c.Sized {
				return 1 + id%9
			}
			return 1
		}
		late := func(p Policy) []uint32 {
			if l, ok := p.(LateEvictor); ok {
				return l.Late(nil)
			}
			return nil
		}
		for i, id := range drawIDs(t) {
			x, y := a.Access(id), b.Access(id)
			out, want := late(a), late(b)
			if !x && !y {
				out, want = a.Insert(id, size(id), 1, out), b.Insert(id, size(id), 1, want)
			}
			if x != y || !slices.Equal(out, want) {
				t.Fatalf("%s: request %d of %d: hit %v, evicts %v; without resizes %v, %v", name, i, id, x, out, y, want)
			}
			if v := id / 2; a.Contains(v) && i%3 == 0 {
				if out := a.Resize(v, size(v), nil); len(out) > 0 {
					t.Fatalf("%s: %v evicted for the size that %d has", name, out, v)
				}
			}
		}
	})
}

// A policy's own loop gives what its steps give, wherever the stream is cut and
// steps come between.
func TestRunIsTheSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := drawPolicy(t, Names()...)
		c := Config{Capacity: rapid.Uint64Range(1, 60).Draw(t, "capacity"), Seed: 7}
		a := must.Get(New(name, c))(t)
		b, _ := New(name, c)
		ids := drawIDs(t)
		for len(ids) > 0 {
			k := rapid.IntRange(1, len(ids)).Draw(t, "part")
			x, y := make([]uint64, (k+63)/64), make([]uint64, (k+63)/64)
			Run(a, ids[:k], x)
			play(b, ids[:k], y)
			if !slices.Equal(x, y) {
				t.Fatalf("%s: run %x, steps %x", name, x, y)
			}
			if a.Len() != b.Len() || a.Used() != b.Used() {
				t.Fatalf("%s: run leaves %d entries of %d, steps %d of %d", name, a.Len(), a.Used(), b.Len(), b.Used())
			}
			if rapid.Bool().Draw(t, "remove") { // which some loops must notice
				id := ids[0]
				if x, y := a.Remove(id), b.Remove(id); x != y {
					t.Fatalf("%s: Remove(%d) after run %v, after steps %v", name, id, x, y)
				}
			}
			ids = ids[k:]
		}
	})
}

// Many hits at once leave what the steps leave, between them too.
func TestHitsAreTheSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := drawPolicy(t, Names()...)
		c := Config{Capacity: rapid.Uint64Range(1, 60).Draw(t, "capacity"), Seed: 7, Sized: rapid.Bool().Draw(t, "sized")}
		a := must.Get(New(name, c))(t)
		b, _ := New(name, c)
		if _, late := a.(LateEvictor); late {
			return // is never told so
		}
		if id, ok := Hits(must.Get(New(name, c))(t), []uint32{3}); ok && !b.Contains(3) {
			t.Fatalf("%s: Hits takes %d for one that is in", name, id)
		}
		r := rng(rapid.Uint64().Draw(t, "seed"))
		var in []uint32
		for ids := drawIDs(t); len(ids) > 0; ids = ids[1:] {
			id := ids[0]
			if x, y := a.Access(id), b.Access(id); x != y {
				t.Fatalf("%s: Access(%d) is %v behind hits told at once, %v behind steps", name, id, x, y)
			} else if !x {
				size := uint32(1)
				if c.Sized {
					size += id % 3
				}
				x, y := a.Insert(id, size, 1, nil), b.Insert(id, size, 1, nil)
				if !slices.Equal(x, y) {
					t.Fatalf("%s: Insert(%d) evicts %d behind hits told at once, %d behind steps", name, id, x, y)
				}
			}
			if r.below(30) > 0 {
				continue
			}
			if r.below(4) == 0 {
				a.Remove(id)
				b.Remove(id)
			}
			in = in[:0]
			for range r.below(300) {
				if id := r.below(150); b.Contains(id) {
					in = append(in, id)
				}
			}
			for _, id := range in {
				b.Access(id)
			}
			if id, ok := Hits(a, in); !ok {
				t.Fatalf("%s: Hits says that %d isn't in", name, id)
			}
		}
	})
}

// drawIDs draws a stream that is partly skewed, partly cyclic.
func drawIDs(t *rapid.T) []uint32 {
	n := rapid.IntRange(1, 2000).Draw(t, "requests")
	span := uint32(rapid.IntRange(1, 150).Draw(t, "ids"))
	r := rng(rapid.Uint64().Draw(t, "stream seed"))
	ids := make([]uint32, n)
	for i := range ids {
		switch r.below(4) {
		case 0:
			ids[i] = uint32(i) % span
		case 1:
			ids[i] = r.below(span)
		default:
			ids[i] = r.below(r.below(span) + 1)
		}
	}
	return ids
}

func misses(m []uint64) (n int) {
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// The dense twins give golang-lru's own misses, request for request.
func TestGolangTwins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for name, twin := range map[string]func(Config) Policy{
			"golang-lru": newLRU, "golang-2q": newGolangTwoQTwin, "golang-arc": newGolangARCTwin,
		} {
			c := Config{Capacity: rapid.Uint64Range(1, 60).Draw(t, "capacity")}
			if name == "golang-2q" && c.Capacity == 1 {
				continue // the library makes none so small
			}
			a := twin(c)
			b, _ := New(name, c)
			ids := drawIDs(t)
			x, y := make([]uint64, (len(ids)+63)/64), make([]uint64, (len(ids)+63)/64)
			Run(a, ids, x)
			Run(b, ids, y)
			if !slices.Equal(x, y) {
				t.Fatalf("%s at %d: %d misses, golang-lru %d", name, c.Capacity, misses(x), misses(y))
			}
		}
	})
}

// Belady is never above any policy at unit size that stays within the budget,
// PFOO-L never above Belady, and infinite never above PFOO-L.
func TestBoundsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := drawIDs(t)
		c := Config{Capacity: rapid.Uint64Range(1, 60).Draw(t, "capacity"), Seed: 3}
		r := Requests{IDs: ids, N: 150}
		m := make([]uint64, (len(ids)+63)/64)
		Belady(r, c.Capacity, m)
		belady := misses(m)
		BeladyBypass(r, c.Capacity, m)
		bypass := misses(m)
		if bypass > belady {
			t.Fatalf("belady misses %d, with bypass %d", belady, bypass)
		}
		pfoo := int(NewPFOOL(r).Misses(c.Capacity))
		if pfoo > bypass {
			t.Fatalf("pfoo-l misses %d, belady with bypass %d", pfoo, bypass)
		}
		for _, info := range All() {
			p := must.Get(New(info.Name, c))(t)
			Run(p, ids, m)
			n := misses(m)
			switch {
			case info.Name == "infinite" && n > pfoo:
				t.Fatalf("infinite misses %d, pfoo-l %d", n, pfoo)
			case info.Name == "ovs-emc" && n < bypass:
				t.Fatalf("%s misses %d, belady with bypass %d", info.Name, n, bypass)
			case info.Kind != Bound && n < belady && info.Name != "ovs-emc" && !holdsOneMore[info.Name]:
				t.Fatalf("%s misses %d, belady %d", info.Name, n, belady)
			}
		}
	})
}

// PFOO-L bounds every policy with sizes too.
func TestPFOOLHoldsWithSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := drawIDs(t)
		size := make([]uint32, 150)
		for i := range size {
			size[i] = 1 + uint32(splitmix.Mix(uint64(i))%20)
		}
		c := Config{Capacity: rapid.Uint64Range(1, 300).Draw(t, "capacity"), Sized: true, Seed: 3}
		pfoo := int(NewPFOOL(Requests{ids, 150, size}).Misses(c.Capacity))
		m := make([]uint64, (len(ids)+63)/64)
		for _, info := range All() {
			if info.Kind == Bound || info.Sizes == "counts entries: each takes one slot" {
				continue
			}
			p, _ := New(info.Name, c)
			RunSized(p, ids, size, nil, m)
			if n := misses(m); n < pfoo {
				t.Fatalf("%s misses %d, pfoo-l %d", info.Name, n, pfoo)
			}
		}
	})
}

// A uniform random policy misses 2,993,048 ± noise on the corpus's stream.
func TestRandomIsUnbiased(t *testing.T) {
	s := stream.Zipf(100_000, 10_000_000, 42)
	n, _ := run(t, "random", Config{Capacity: 10_000, Seed: 1}, s)
	if n < 2_993_048-3000 || n > 2_993_048+3000 {
		t.Errorf("%d misses, want 2993048 ± 3000", n)
	}
}

func TestLookupErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"lruu", `policy "lruu": not known; there are fifo, `},
		{"slru/0", `policy "slru/0": segments must be a number from 1 to 8`},
		{"slru/x", `policy "slru/x": segments must be a number from 1 to 8`},
		{"lru/2", `policy "lru/2": lru takes no number`},
	} {
		_, err := New(c.text, Config{Capacity: 1})
		if err == nil || len(err.Error()) < len(c.want) || err.Error()[:len(c.want)] != c.want {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if _, err := New("belady", Config{Capacity: 1}); err == nil {
		t.Error("belady can be driven step by step")
	}
	if _, err := New("lru", Config{}); err == nil {
		t.Error("capacity 0 is taken")
	}
}

// Once warm, no policy allocates.
func TestStepsDoNotAllocate(t *testing.T) {
	ids := stream.Zipf(500, 20_000, 1).IDs
	for _, info := range All() {
		switch info.Name {
		case "golang-lru", "golang-2q", "golang-arc":
			continue // the library allocates list nodes
		}
		p := must.Get(New(info.Name, Config{Capacity: 50, IDs: 500}))(t)
		buf := make([]uint32, 0, 1000)
		pass := func() {
			for _, id := range ids {
				if !p.Access(id) {
					buf = p.Insert(id, 1, 1, buf[:0])
				}
			}
		}
		pass()
		if n := testing.AllocsPerRun(3, pass); n > 0 {
			t.Errorf("%s: %v allocations in %d requests", info.Name, n, len(ids))
		}
	}
}

func TestParse(t *testing.T) {
	for list, want := range map[string][]string{
		"lru, sieve,lru":                  {"lru", "sieve"},
		"bound,slru/5":                    {"infinite", "preinstalled", "belady", "belady-bypass", "pfoo-l", "slru/5"},
		"reference":                       {"golang-lru", "golang-2q", "golang-arc"},
		"twoq,arc-libcachesim,s3fifo-new": {"2q", "arc", "s3-fifo"},
	} {
		got, err := Parse(list)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", list, got, err, want)
		}
	}
	all, err := Parse("all")
	if err != nil || len(all) != len(registry)+len(offline)-3 {
		t.Errorf("all is %d policies, %v", len(all), err)
	}
	if _, err := Parse("lru,"); err == nil {
		t.Error("an empty name is taken")
	}
}

// Each policy says who it is.
func TestRegistryIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range append(All(), Offline()...) {
		if i.Is == "" || i.Sizes == "" || seen[i.Name] {
			t.Errorf("%+v", i)
		}
		seen[i.Name] = true
	}
}
