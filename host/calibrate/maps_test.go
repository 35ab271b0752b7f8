package calibrate

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"

	cilium "github.com/cilium/ebpf"
)

func need(t *testing.T) {
	t.Helper()
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
}

func TestDraws(t *testing.T) {
	const size, n = 1000, 1 << 14
	for _, kind := range []string{"uniform", "zipf"} {
		keys := draws(kind, size, n, 3)
		count := make([]int, size)
		for _, k := range keys {
			count[k]++
		}
		slices.Sort(count)
		top := count[size-1]
		if kind == "uniform" && top > 60 || kind == "zipf" && top < n/10 {
			t.Errorf("%s: the most popular of %d keys comes %d times in %d", kind, size, top, n)
		}
		if !slices.Equal(keys, draws(kind, size, n, 3)) || slices.Equal(keys, draws(kind, size, n, 4)) {
			t.Errorf("%s: the seed doesn't decide the keys", kind)
		}
	}
}

// TestPrefixes: every key number is a /24 of its own, and what the program asks
// for is what user space put in.
func TestPrefixes(t *testing.T) {
	spec := kinds[len(kinds)-1].spec(1, 0)
	if !isTrie(spec) {
		t.Fatal("the last kind is not the LPM trie")
	}
	seen := map[uint32]bool{}
	for i := range uint32(200_000) {
		k := keyOf(spec, i)
		if seen[k] {
			t.Fatalf("number %d: prefix %08x comes twice", i, k)
		}
		seen[k] = true
		if b := bytesOf(spec, i); len(b) != 8 || binary.LittleEndian.Uint32(b) != prefixLen || binary.LittleEndian.Uint32(b[4:]) != k {
			t.Fatalf("number %d: key %x", i, b)
		}
	}
}

// TestBodies runs every operation on every type of map and looks at what it
// did: failures are counted, values stay 0, and a map has what it should after.
func TestBodies(t *testing.T) {
	need(t)
	const size = 64
	for _, k := range kinds {
		b := &bench{meter: meter{ctx: t.Context(), rounds: 1, round: time.Microsecond, packet: make([]byte, 64)}, study: &Study{}}
		spec := k.spec(size, 2*perRun+k.room())
		ms, err := b.filled(spec, size)
		must.OKf(t, err, "%s", k.name)
		there, err := b.drawn(ms, spec, "uniform", size)
		must.OK(t, err)
		var fresh []uint32
		for i := range perRun {
			fresh = append(fresh, keyOf(spec, uint32(size+i)))
		}
		gone, err := b.table(ms, fresh)
		must.OK(t, err)
		type use struct {
			name   string
			table  int32
			passes []pass
			fails  uint64
			more   int // entries after it
		}
		uses := []use{
			{"access", there, []pass{{lookup, true, true}}, 0, 0},
			{"lookup", there, []pass{{lookup, false, true}}, 0, 0},
			{"count", there, []pass{{count, false, true}}, 0, 0},
			{"update", there, []pass{{op: overwrite}}, 0, 0},
			{"access of new keys", gone, []pass{{lookup, true, true}}, perRun, 0},
			{"count of new keys", gone, []pass{{count, false, true}}, perRun, 0},
		}
		if k.isArray() {
			uses[4].fails = 0 // an array has room for them: they are there
			uses[5].fails = 0
			uses = append(uses, use{"insert", there, []pass{{op: insert}}, perRun, 0})
		} else {
			uses = append(uses,
				use{"miss", gone, []pass{{missing, false, true}}, 0, 0},
				use{"miss of old keys", there, []pass{{missing, false, true}}, perRun, 0},
				use{"delete of new keys", gone, []pass{{op: remove}}, perRun, 0},
				use{"insert, delete", gone, []pass{{op: insert}, {op: remove}}, 0, 0},
				use{"insert", gone, []pass{{op: insert}}, 0, perRun},
				use{"insert again", gone, []pass{{op: insert}}, perRun, perRun},
				use{"delete", gone, []pass{{op: remove}}, 0, 0},
			)
		}
		for _, u := range uses {
			p, err := b.checked(u.name, cilium.SchedCLS, k.body(u.table, len(fresh), u.passes...), ms, xdpDrop)
			if err != nil {
				t.Fatalf("%s: %s: %+v", k.name, u.name, err)
			}
			v, err := ms.Map(int(u.table)).Lookup(make([]byte, 4))
			must.OK(t, err)
			if got := binary.LittleEndian.Uint64(v[tableFail:]); got != u.fails {
				t.Errorf("%s: %s: %d failures, want %d", k.name, u.name, got, u.fails)
			}
			if got := binary.LittleEndian.Uint64(v[tableNext:]); got != perRun {
				t.Errorf("%s: %s: took %d keys, want %d", k.name, u.name, got, perRun)
			}
			clear(v[:tableKeys]) // for the next
			must.OK(t, ms.Map(int(u.table)).Update(make([]byte, 4), v, 0))
			p.Close()
			es, err := ms.Map(0).Entries()
			must.OK(t, err)
			want := size + u.more
			if k.isArray() {
				want = int(spec.Max)
			}
			if len(es) != want {
				t.Errorf("%s: %s: %d entries after it, want %d", k.name, u.name, len(es), want)
			}
			for _, e := range es {
				if slices.ContainsFunc(e.Value, func(b byte) bool { return b != 0 }) {
					t.Fatalf("%s: %s: value %x at %x", k.name, u.name, e.Value, e.Key)
				}
			}
		}
		b.close()
	}
}
