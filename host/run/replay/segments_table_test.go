package replay

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/host/hosttest"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/nic"
)

// TestSegmentsTable prints how many more packets hit where paths are cut than where
// they are whole, at so many entries and at as many slots as so many whole paths
// take, over samples and objects at hand on recorded captures. Where the number of
// tables is left open, a cache may hit little less than with whole paths: what was
// chosen by the first packets is wrong for the rest by so much at most. JITNIC_HEAVY=1:
// all of them.
func TestSegmentsTable(t *testing.T) {
	var names []string
	for _, p := range programs.All() {
		names = append(names, "sample:"+p.Name)
	}
	captures, limit, most := []string{"zoo.pcap.gz"}, uint64(6000), 0.02
	if os.Getenv("JITNIC_HEAVY") != "" {
		objects, _ := filepath.Glob("/usr/lib/*/bpf/xdp*.o")
		more, _ := filepath.Glob(os.Getenv("JITNIC_OBJECTS"))
		names = append(append(names, objects...), more...)
		captures = []string{"zoo.pcap.gz", "many-protocols.pcap.gz", "tls2-v4v6.pcap.gz", "vlan-smb.pcap.gz", "ipv6-exthdr-denial6-6.pcap.gz", "defrag-spray-v4v6.pcap.gz"}
		limit, most = 0, 0.05
	} else {
		names = []string{"sample:telemetry", "sample:conntrack"}
	}
	sizes := []uint64{4, 16, 64, 256}
	ways := []Remedies{{Segments: jit.SegmentsAuto}, {Segments: 3}, {Merge: true, Predicate: usualPredicate}, {Merge: true, Predicate: usualPredicate, Segments: jit.SegmentsAuto}}
	more := make([][][]float64, len(ways)) // by way and cache: hits more than with whole paths, as shares of these
	for i := range more {
		more[i] = make([][]float64, 2*len(sizes))
	}
	type cell struct {
		what string
		more float64
	}
	var best, worst []cell
	cells := 0
	for _, p := range names {
		for _, c := range captures {
			in := Input{Program: p, Captures: []string{hosttest.Capture(t, c)}, Limit: limit, Seed: 1, Loop: 1, Queues: 1}
			whole, caches, packets, err := wholeHits(t, in, sizes)
			if err != nil {
				t.Logf("%s on %s left out: %v", p, c, err)
				continue
			}
			if whole == nil {
				continue
			}
			cells++
			for i, how := range ways {
				hits, err := hitsWith(t, in, how, caches)
				if err != nil {
					t.Errorf("%s on %s, %v: %v", p, c, how, err)
					continue
				}
				for k, n := range hits {
					x := float64(n)/float64(max(whole[k], 1)) - 1
					more[i][k] = append(more[i][k], x)
					what := fmt.Sprintf("%s on %s, %s: %.2f %% hit in place of %.2f %%", p, c, sizeName(sizes, k), 100*float64(n)/float64(packets), 100*float64(whole[k])/float64(packets))
					if i == 0 {
						best = append(best, cell{what, x})
						if loss := float64(whole[k]) - float64(n); loss > most*float64(packets) {
							t.Errorf("%s: whole paths hit more", what)
						}
					}
					if i == 1 {
						worst = append(worst, cell{what, x})
					}
				}
			}
		}
	}
	t.Logf("%d cells of two paths or more", cells)
	if cells == 0 {
		t.Error("nothing was compared")
	}
	for i, how := range ways {
		for k := range more[i] {
			x := more[i][k]
			slices.Sort(x)
			many := 0
			for _, v := range x {
				if v >= 0.25 {
					many++
				}
			}
			t.Logf("%-40s %-22s more hits than whole: %s; 25 %% or more in %d of %d cells", how, sizeName(sizes, k), spread(x), many, len(x))
		}
	}
	slices.SortStableFunc(best, func(a, b cell) int { return cmp.Compare(b.more, a.more) })
	slices.SortStableFunc(worst, func(a, b cell) int { return cmp.Compare(a.more, b.more) })
	for _, x := range best[:min(len(best), 12)] {
		t.Logf("best, auto: %+.1f %%: %s", 100*x.more, x.what)
	}
	for _, x := range worst[:min(len(worst), 8)] {
		t.Logf("worst, three tables: %+.1f %%: %s", 100*x.more, x.what)
	}
}

func sizeName(sizes []uint64, k int) string {
	if k < len(sizes) {
		return fmt.Sprintf("%d entries", sizes[k])
	}
	return fmt.Sprintf("slots of %d paths", sizes[k-len(sizes)])
}

// wholeHits is what whole paths hit in caches of such sizes, in entries and in slots;
// nil where there is one path alone.
func wholeHits(t *testing.T, in Input, sizes []uint64) (hits []uint64, caches []cache.Config, packets uint64, err error) {
	rec := stream.NewRecorder(stream.Fields{Time: true})
	s, err := Record(t.Context(), in, Remedies{}, rec)
	if err != nil {
		return nil, nil, 0, err
	}
	defer s.Close()
	paths := len(s.Runtime.Paths())
	if paths < 2 {
		return nil, nil, 0, nil
	}
	slots := uint64(0)
	for id := range paths {
		n, _ := s.Runtime.Price(nic.Path(id))
		slots += uint64(n)
	}
	g := cache.Grid{Policies: []string{"lru"}, Entries: sizes, HotThreshold: 1, Seed: in.Seed}
	for _, n := range sizes {
		g.Slots = append(g.Slots, max(n*slots/uint64(paths), 1))
	}
	caches = g.Configs()
	packets, hits, err = hitsOf(rec.Stream(), nil, caches)
	return hits, caches, packets, err
}

// hitsWith is what hits in each cache, each with the cuts it would choose itself.
func hitsWith(t *testing.T, in Input, how Remedies, caches []cache.Config) ([]uint64, error) {
	if how.Segments != jit.SegmentsAuto {
		_, hits, err := hitsFrom(caches, func(sink Sink) (*Session, error) { return Record(t.Context(), in, how, sink) })
		return hits, err
	}
	sets, tr, o, err := tried(t.Context(), in, how, caches)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, len(caches))
	for i, set := range sets {
		var mine []int
		for k := range caches {
			if tr.best(k, k+1) == i {
				mine = append(mine, k)
			}
		}
		if len(mine) == 0 {
			continue
		}
		_, hits, err := hitsFrom(caches, func(sink Sink) (*Session, error) { return recordCut(t.Context(), in, o, set.pcs, sink) })
		if err != nil {
			return nil, err
		}
		for _, k := range mine {
			out[k] = hits[k]
		}
	}
	return out, nil
}

func hitsFrom(caches []cache.Config, record func(sink Sink) (*Session, error)) (uint64, []uint64, error) {
	rec := stream.NewRecorder(stream.Fields{Time: true})
	s, err := record(rec)
	if err != nil {
		return 0, nil, err
	}
	defer s.Close()
	return hitsOf(rec.Stream(), s.Requests, caches)
}
