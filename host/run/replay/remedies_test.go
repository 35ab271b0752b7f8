package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
)

// TestRemediesTable prints, for each way to have fewer paths, the median and the worst
// share of the paths that it takes away, and of the entries that 99 % of the hits
// need, over samples and objects at hand on recorded captures, and holds each against the
// interpreter packet by packet. JITNIC_HEAVY=1: all of them.
func TestRemediesTable(t *testing.T) {
	var names []string
	captures := []string{"many-protocols.pcap.gz"}
	for _, p := range programs.All() {
		names = append(names, "sample:"+p.Name)
	}
	limit := uint64(1000)
	if os.Getenv("JITNIC_HEAVY") != "" {
		objects, _ := filepath.Glob("/usr/lib/*/bpf/xdp*.o")
		more, _ := filepath.Glob(os.Getenv("JITNIC_OBJECTS"))
		names = append(append(names, objects...), more...)
		captures = []string{"zoo.pcap.gz", "many-protocols.pcap.gz", "tls2-v4v6.pcap.gz", "vlan-smb.pcap.gz", "ipv6-exthdr-denial6-6.pcap.gz", "defrag-spray-v4v6.pcap.gz"}
		limit = 0
	} else {
		names = names[:2]
	}
	ways := Ways(Remedies{})
	paths, entries := make([][]float64, len(ways)), make([][]float64, len(ways))
	cells := 0
	for _, p := range names {
		for _, c := range captures {
			in := Input{Program: p, Captures: []string{hosttest.Capture(t, c)}, Limit: limit, Seed: 1, Loop: 1, Queues: 1}
			whole, need := 0, 0
			for i, how := range ways {
				n, e, err := remedied(t, in, how)
				if err != nil {
					t.Logf("%s on %s left out: %v", p, c, err)
					break
				}
				if i == 0 {
					if whole, need = n, e; whole < 2 {
						break
					}
					cells++
					continue
				}
				paths[i] = append(paths[i], 1-float64(n)/float64(whole))
				entries[i] = append(entries[i], 1-float64(e)/float64(need))
				if how.Merge && !how.Auto && n > whole {
					t.Errorf("%s on %s: %d paths %v, %d whole", p, c, n, how, whole)
				}
			}
		}
	}
	t.Logf("%d cells of two paths or more", cells)
	if cells == 0 {
		t.Error("nothing was compared")
	}
	for i, how := range ways[1:] {
		t.Logf("%-60s fewer paths: %s; fewer entries for 99 %% of hits: %s", how, spread(paths[i+1]), spread(entries[i+1]))
	}
}

// spread is the median, the least and the most of shares.
func spread(x []float64) string {
	if len(x) == 0 {
		return "none"
	}
	slices.Sort(x)
	return fmt.Sprintf("median %.0f %%, worst %.0f %%, best %.0f %%", 100*x[len(x)/2], 100*x[0], 100*x[len(x)-1])
}

// remedied runs a program in one way beside the interpreter, and gives its paths and
// the entries of lru that 99 % of the hits of an endless cache need.
func remedied(t *testing.T, in Input, how jit.Remedies) (paths, entries int, err error) {
	s, err := Open(t.Context(), in, Cache{Policy: "lru", Entries: 4096, Remedies: how}, func(o *jit.Options) { o.Check = true })
	if err != nil {
		return 0, 0, err
	}
	err = s.Run(t.Context(), nil)
	paths = len(s.Runtime.Paths()) + len(s.Runtime.Dead())
	s.Close()
	if err != nil {
		t.Errorf("%v: %v", how, err)
		return 0, 0, err
	}
	st, s, err := Paths(t.Context(), in, how)
	if err != nil {
		return 0, 0, err
	}
	s.Close()
	g := cache.Grid{Policies: []string{"lru"}, Entries: entriesFor99, HotThreshold: 1, Seed: in.Seed}
	study, err := g.Run(t.Context(), st)
	if err != nil {
		return 0, 0, err
	}
	all := study.Points[len(study.Points)-1].Hits
	for _, p := range study.Points {
		if 100*p.Hits >= 99*all {
			return paths, int(p.Entries), nil
		}
	}
	return paths, 4096, nil
}

// entriesFor99 are the sizes that are looked at.
var entriesFor99 = func() []uint64 {
	var out []uint64
	for n := uint64(1); n <= 64; n++ {
		out = append(out, n)
	}
	return append(out, 72, 80, 96, 112, 128, 160, 192, 256, 384, 512, 1024, 4096)
}()
