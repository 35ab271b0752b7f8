package cache

import (
	"fmt"
	"slices"
	"testing"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// A hot id's better trace is swapped in at the packet that its units say, takes the
// slots it needs from then on, also when it is installed again, and is neither a
// hit nor an install.
func TestTier2(t *testing.T) {
	const after, units, perPacket = 3, 20, 10
	var told []string
	c := must.Get(NewTraceCache(Config{Policy: "lru", Slots: 30, Events: true, Tier2: &Tier2{After: after, PerPacket: perPacket,
		Better: func(id uint32) (uint32, uint64) {
			if id == 2 {
				return 0, units // none found
			}
			return 12, units
		},
		Swapped: func(id uint32, wait, hits uint64) {
			told = append(told, fmt.Sprint(id, " after ", wait, " and ", hits, " hits"))
		},
	}}))(t)
	var log []string
	ask := func(ids ...uint32) {
		for _, id := range ids {
			c.Due()
			for _, e := range c.Events() {
				log = append(log, fmt.Sprint(e.ID, e.Kind))
			}
			log = append(log, fmt.Sprint(id, c.Request(id, 10, 1)))
		}
	}
	ask(0, 1, 2, 0, 0, 0) // 0 is hot from packet 6 on
	ask(2, 2, 2)          // ready at 6+2+1: before packet 10; 2 is hot at 9
	if used := c.Used(); used != 30 {
		t.Fatalf("%d slots before the swap", used)
	}
	ask(2, 0, 1)
	want := []string{"0 cold", "0 began", "0 put", "1 cold", "1 began", "1 put", "2 cold", "2 began", "2 put", "0 hit", "0 hit", "0 hit", "2 hit", "2 hit", "2 hit",
		"1 evicted", "0 swapped", "2 hit", "0 hit", "1 capacity"}
	if !slices.Equal(log, want) {
		t.Errorf("%v\nwant %v", log, want)
	}
	st := c.Stats()
	if st.Hot != 2 || st.Swapped != 1 || st.Waited != units/perPacket+1 || st.Resized != 1 || st.Installed != 4 || st.Evicted != 2 {
		t.Errorf("%+v", st)
	}
	if !slices.Equal(told, []string{"0 after 3 and 3 hits"}) {
		t.Error(told)
	}
	// Invalidated, it is another trace: of the size it is given, and cold.
	c.Invalidate(0)
	ask(0)
	if used := c.Used(); used != 20 && used != 30 {
		t.Errorf("%d slots after an invalidation", used)
	}
	if st := c.Stats(); st.Hot != 2 {
		t.Errorf("%+v", st)
	}
}

// Whatever the policy, entries and budget are what a plain list says while sizes
// change under it, and a request of what is in hits.
func TestResizeOverPolicies(t *testing.T) {
	ids := stream.Zipf(60, 4000, 3).IDs
	for _, info := range policy.All() {
		if info.Kind == policy.Bound || info.Kind == policy.Reference {
			continue
		}
		resized := uint64(0)
		for _, slots := range []uint64{1500, 6000} {
			c := must.Get(NewTraceCache(Config{Policy: info.Name, Slots: slots, Events: true, Seed: 5,
				Tier2: &Tier2{After: 4, PerPacket: 1, Better: func(id uint32) (uint32, uint64) { return 1 + (id*37)%90, uint64(id % 7) }}}))(t)
			in, size := map[uint32]uint64{}, map[uint32]uint64{}
			for i, id := range ids {
				c.Due()
				for _, e := range c.Events() {
					switch e.Kind {
					case Swapped:
						in[e.ID] = 1 + uint64(e.ID*37)%90
					case Put:
						in[e.ID] = size[e.ID]
					case Evicted:
						if _, ok := in[e.ID]; !ok {
							t.Fatalf("%s at %d: %d left and was not in", info.Name, i, e.ID)
						}
						delete(in, e.ID)
					}
				}
				if used := sum(in); c.Used() != used || used > slots || c.Len() != len(in) {
					t.Fatalf("%s before request %d: %d entries of %d slots, want %d of %d", info.Name, i, c.Len(), c.Used(), len(in), used)
				}
				_, want := in[id]
				if c.tier2.size(id, 0) != 0 {
					size[id] = uint64(c.tier2.size(id, 0))
				} else {
					size[id] = 3 + uint64(id%40)
				}
				if hit := c.Request(id, 3+id%40, 1) == Hit; hit != want {
					t.Fatalf("%s: request %d of %d: hit %v, want %v", info.Name, i, id, hit, want)
				}
			}
			resized += c.Stats().Resized
		}
		if resized == 0 {
			t.Errorf("%s: no entry took other slots", info.Name)
		}
	}
}

func sum(in map[uint32]uint64) (n uint64) {
	for _, s := range in {
		n += s
	}
	return n
}
