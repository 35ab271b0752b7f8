package feasibility

import (
	"context"
	"math"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/nic/workload"
)

// pick makes the packets of a workload those of these numbers.
func pick(w *workload.Workload, of []int) *workload.Workload {
	x := *w
	x.Packets, x.Time, x.Keys, x.Mega, x.Effects = nil, nil, nil, nil, nil
	x.Paths = append([]workload.Path(nil), w.Paths...)
	for i := range x.Paths {
		x.Paths[i].Packets = 0
	}
	for k, i := range of {
		x.Packets, x.Time = append(x.Packets, w.Packets[i]), append(x.Time, int64(k))
		x.Keys, x.Mega = append(x.Keys, w.Keys[i]), append(x.Mega, w.Mega[i])
		if w.Effects != nil {
			x.Effects = append(x.Effects, w.Effects[i])
		}
		x.Paths[w.Packets[i].Path].Packets++
	}
	return &x
}

// What tier 2's row says is worked out; where a run is long enough, the model gives
// the same: two paths take turns, become hot one after the other, and the second
// waits for the compiler.
func TestHotPays(t *testing.T) {
	n, h := profiles(t, "hxdp", "paper")
	w, x, tree := observed(t, "conntrack", "sample:lab", 700, false)
	short := 0
	for i := range w.Paths {
		if w.Paths[i].Trace.Len() < w.Paths[short].Trace.Len() {
			short = i
		}
	}
	var of []int
	for i := range w.Packets {
		if p := w.Packets[i].Path; len(of) < 2 && p >= 0 && w.Paths[p].Trace.Len() > 3*w.Paths[short].Trace.Len() && (len(of) == 0 || p != w.Packets[of[0]].Path) {
			of = append(of, i)
		}
	}
	for len(of) < 8000 {
		of = append(of, of[:2]...)
	}
	w = pick(w, of)
	w.Hot, w.Tier = 200, 1
	for i := range w.Paths {
		if p := &w.Paths[i]; p.Packets > 0 {
			p.Better, p.Search, p.Optimised, p.Units = w.Paths[short].Trace, 100, true, 1
		}
	}
	h.Search, h.Unit = 1_000_000, 1_000_000 // 1 us: a search is 100 us
	s := must.Get(Run(context.Background(), w, x, tree, n, h, Options{Cache: lru(8), Rate: 1_000_000, Packets: len(of), Seed: 1}))(t)
	row, run := &s.Pays.Tiers[2], s.Pays.Swaps
	if row.Tier != 2 || row.Traces != 2 || row.Found != 2 || row.Spent != 100_000 || row.Hits <= 0 || row.Never != 0 || row.Wait <= 0 || row.Swap <= 0 {
		t.Fatalf("%+v", row)
	}
	if run.Hot != 2 || run.Swapped != 2 || run.Paid != 2 || run.Unfinished != 0 {
		t.Fatalf("%+v", run)
	}
	t.Logf("%+v\n%+v", row, run)
	if math.Abs(run.Median/row.After-1) > 0.05 {
		t.Errorf("worked out %.0f ns, in the run %.0f ns", row.After, run.Median)
	}
	// Without such a tier there is no row, and no station.
	w.Hot = 0
	s = must.Get(Run(context.Background(), w, x, tree, n, h, Options{Cache: lru(8), Rate: 1_000_000, Packets: len(of), Seed: 1}))(t)
	if len(s.Pays.Tiers) != 2 || s.Pays.Swaps != nil {
		t.Errorf("%+v", s.Pays)
	}
}
