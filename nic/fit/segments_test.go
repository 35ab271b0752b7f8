package fit

import (
	"slices"
	"testing"

	"jitnic/nic/workload"
	"jitnic/trace"
)

// chains is a workload of three paths that are cut: the first two share their first
// segment, and all but the second their last.
func chains() *workload.Workload {
	segs := work([]int{1, 1, 1, 1}, []*trace.Trace{code(), code(call(5)), code(), code()})
	w := &workload.Workload{Program: "hand", Capture: "made", Segments: segs.Paths}
	for i, held := range []uint32{8, 0, 4, 0} {
		w.Segments[i].Table, w.Segments[i].Held = i%2, workload.Held{Stores: held / 4, Bytes: held}
	}
	for i, parts := range [][]int32{{0, 3}, {0, 1}, {2, 3}} {
		p := workload.Path{}
		for _, s := range parts {
			p.Parts = append(p.Parts, workload.Part{Segment: s})
		}
		w.Paths = append(w.Paths, p)
		for range []int{5, 3, 2}[i] {
			w.Packets = append(w.Packets, workload.Packet{Path: int32(i), Abort: workload.None})
		}
	}
	return w
}

// A path fits where all its segments do, and segments that paths share take room once.
func TestChains(t *testing.T) {
	w := chains()
	r := Check(w, device(t))
	var all uint64
	for i := range w.Segments {
		all += uint64(w.Segments[i].Slots)
	}
	c := r.CoverageFit[len(r.CoverageFit)-1]
	if r.Offloadable != 10 || c.Paths != 3 || c.Segments != 4 || c.Slots != all || r.Needs.Traces != 4 {
		t.Errorf("%d offloadable, %+v, needs %+v\n%s", r.Offloadable, c, r.Needs, r.Format())
	}
	for _, x := range []struct {
		limit string
		fits  []bool
		kind  Kind
	}{
		{"limit.helpers=map_lookup_elem", []bool{true, false, true}, KindHelper},
		{"matcher.tables=1", []bool{false, false, false}, KindTables},
		{"limit.held=7", []bool{false, false, true}, KindHeld},
		{"limit.held=8", []bool{true, true, true}, ""},
	} {
		r := Check(w, device(t, x.limit))
		got := []bool{r.Fits(0), r.Fits(1), r.Fits(2)}
		kind := Kind("")
		for _, b := range r.Blockers {
			kind = b.Kind
		}
		if !slices.Equal(got, x.fits) || kind != x.kind {
			t.Errorf("%s: %v fit, want %v; %q\n%s", x.limit, got, x.fits, kind, r.Format())
		}
	}
	// Three entries hold the hottest path and the one that shares its first segment.
	if r := Check(w, device(t, "limit.entries=3")); r.AtOnce.Paths != 2 || r.AtOnce.Segments != 3 || r.AtOnce.Packets != 8 {
		t.Errorf("%+v", r.AtOnce)
	}
}
