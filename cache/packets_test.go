package cache

import (
	"testing"

	"jitnic/cache/stream"
)

// A packet hits where all of its requests do, and else is what its first miss is.
func TestPackets(t *testing.T) {
	s := &stream.Stream{IDs: []uint32{0, 1, 0, 1, 0, 2, stream.None, 0, 1}}
	n, st, err := Packets(s, []uint8{2, 2, 2, 1, 2}, Config{Policy: "lru", Entries: 2})
	if err != nil {
		t.Fatal(err)
	}
	// 0 and 1 are cold; both hit; 2 is cold and takes 1's place; 1 was evicted.
	want := Counts{Hit: 1, Cold: 2, Capacity: 1, Uncacheable: 1}
	if n != want || st.Packets != 9 {
		t.Errorf("%v of %d requests, want %v", n, st.Packets, want)
	}
}
