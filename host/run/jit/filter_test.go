package jit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/vm"
	"jitnic/pcaps/filter/filtertest"
)

// TestFilters: as traces, filters decide as the filter does and as the program.
func TestFilters(t *testing.T) {
	most, others := uint64(150), uint64(5) // of the capture of many kinds, and of each other one
	if os.Getenv("JITNIC_HEAVY") != "" {
		most, others = 4000, 500
	}
	var all [][]byte
	for _, c := range hosttest.Corpus(t) {
		limit := others
		if strings.HasPrefix(filepath.Base(c), "zoo.") {
			limit = most
		}
		for in := range hosttest.Packets(t, c, limit) {
			all = append(all, append([]byte(nil), in.Data...))
		}
	}
	hits, packets := 0, 0
	for i, expr := range filtertest.Expressions {
		if testing.Short() && i%8 != 0 {
			continue
		}
		f := must.Get(xdpfilter.New("filter:"+expr, expr, xdpfilter.Options{}))(t)
		r := must.Get(New(f.Object, f.Object.Programs[0], Options{Check: true, Cache: cache.Config{Policy: "lru", Entries: 256}}))(t)
		for k := range 2 * len(all) {
			data := all[k%len(all)]
			in := vm.Input{Data: data, IfIndex: 1, Packet: uint64(k)}
			var out vm.Output
			res, err := r.Process(&in, &out)
			must.OKf(t, err, "%q: packet %d", expr, k)
			n := min(len(data), vm.MaxLinear)
			want := uint32(vm.XDPDrop)
			if f.Program.Match(data[:n], uint32(n)) {
				want = vm.XDPPass
			}
			if out.Err == nil && out.Verdict != want {
				t.Fatalf("%q: packet %d (%v): verdict %d, want %d", expr, k, res.Outcome, out.Verdict, want)
			}
			if packets++; res.Outcome == cache.Hit {
				hits++
			}
		}
		r.Close()
	}
	if hits < packets/3 {
		t.Errorf("%d of %d packets were run as traces: the test is weak", hits, packets)
	}
}
