package device

import (
	"testing"

	"jitnic/cache"
)

// A trace has paid when its hits have saved host cores as much as compilers took
// for it: each hit here saves the driver's and the program's time.
//
//	packet  arrives  looked up; then
//	1       0        misses; compiled from when the host has run it, 1 ms
//	2..     10 ms..  hits, each saves driver + 0.3 ms: the fourth makes it 1.2 ms
func TestPays(t *testing.T) {
	in := &Input{Paths: []Path{{Exec: 1, Slots: 1, Compile: 1e9, Install: 1e6}, {Exec: 1, Slots: 1, Compile: 1e9, Install: 1e6}}}
	load := Load{Arrivals: Capture}
	for i := range 8 {
		in.Packets = append(in.Packets, Packet{Path: 0, Len: 64, OutLen: 64, Host: 3e8})
		load.Times = append(load.Times, int64(i)*10e6) // ns
	}
	host := testHost()
	r := mustRun(t, in, testDevice(), host, load, Options{Cache: cache.Config{Entries: 2}})
	hits := (int64(1e9) + int64(host.Driver) + 3e8 - 1) / (int64(host.Driver) + 3e8)
	y := r.Pays[0]
	if y.Spent != 1e9 || y.Saved != hits*(int64(host.Driver)+3e8) {
		t.Errorf("%+v, want %d hits of %d ps to pay for %d", y, hits, int64(host.Driver)+3e8, int64(1e9))
	}
	if want := hits * 10e9; y.After < want-1e9 || y.After > want+1e9 { // ps, the waits in the device beside it
		t.Errorf("paid %d ps after the first packet, want about %d", y.After, want)
	}
	if n := r.Pays[1]; n.First != -1 || n.After != -1 {
		t.Errorf("a path without packets: %+v", n)
	}
	// What was at hand before time began cost nothing: its first hit pays.
	if y := mustRun(t, in, testDevice(), host, load, Options{Cache: cache.Config{Entries: 2}, Settle: 1}).Pays[0]; y.Spent != 0 || y.After != 0 {
		t.Errorf("settled: %+v", y)
	}
}
