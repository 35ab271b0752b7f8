package device

import (
	"testing"

	"jitnic/cache"
)

// A run that has settled begins with what the packets left in the cache: with
// room for all paths there is no miss, whatever an install takes; with room
// for fewer the misses are those of a second pass.
func TestSettle(t *testing.T) {
	in := &Input{Paths: make([]Path, 3)}
	for i := range 300 {
		in.Packets = append(in.Packets, Packet{Path: int32(i % 3), Len: 64, OutLen: 64})
	}
	for i := range in.Paths {
		in.Paths[i] = Path{Exec: 1, Slots: 1, Compile: 1e12, Install: 1e12}
	}
	load := Load{Rate: 1_000_000}
	cold := mustRun(t, in, testDevice(), testHost(), load, Options{Cache: cache.Config{Entries: 3}})
	equal(t, "cold hits", cold.HitLatency.Packets, 0)
	warm := mustRun(t, in, testDevice(), testHost(), load, Options{Cache: cache.Config{Entries: 3}, Settle: 1})
	equal(t, "settled hits", warm.HitLatency.Packets, 300)
	equal(t, "settled installs", warm.Compile.Begun, 0)
	small := mustRun(t, in, testDevice(), testHost(), load, Options{Cache: cache.Config{Entries: 1, Policy: "fifo"}, Settle: 2})
	equal(t, "hits of the one that is in", small.HitLatency.Packets, 100)
}

// A trace is made once: when it was evicted, only the install is paid again.
//
//	packet  path  arrives   misses; host done  compiled      installed
//	1       0       0         ...              +1 ms         +1 us
//	2       1      10 ms      evicts path 0 when installed
//	3       0      20 ms      misses again     at hand       +1 us
//	4       0      20.1 ms    hits
func TestMadeOnce(t *testing.T) {
	in := &Input{Paths: make([]Path, 2)}
	for i := range in.Paths {
		in.Paths[i] = Path{Exec: 1, Slots: 1, Compile: 1e9, Install: 1e6}
	}
	for _, p := range []int32{0, 1, 0, 0} {
		in.Packets = append(in.Packets, Packet{Path: p, Len: 64, OutLen: 64})
	}
	load := Load{Arrivals: Capture, Times: []int64{0, 10e6, 20e6, 20.1e6}}
	r := mustRun(t, in, testDevice(), testHost(), load, Options{Cache: cache.Config{Entries: 1}})
	equal(t, "begun", r.Compile.Begun, 3)
	equal(t, "made", r.Compile.Made, 2)
	equal(t, "installed", r.Compile.Installed, 3)
	equal(t, "hits", r.HitLatency.Packets, 1)
}
