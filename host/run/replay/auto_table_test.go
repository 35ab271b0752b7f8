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
	"jitnic/nic"
)

// TestAutoTable holds specialising where it pays to its promise: in no cache it hits
// half a point less than generic traces do. It prints how much shorter what is
// executed by hits gets, and how many more paths there are. JITNIC_HEAVY=1: all
// samples, objects at hand and the kernel's XDP programs on all recorded captures.
func TestAutoTable(t *testing.T) {
	const most = 0.005
	all := []studied{{kind: "samples", program: "sample:telemetry", limit: 6000}, {kind: "samples", program: "sample:router", limit: 6000}}
	captures := []string{"many-protocols.pcap.gz"}
	if os.Getenv("JITNIC_HEAVY") != "" {
		all = nil
		for _, p := range programs.All() {
			all = append(all, studied{kind: "samples", program: "sample:" + p.Name})
		}
		objects, _ := filepath.Glob("/usr/lib/*/bpf/xdp*.o")
		for _, f := range objects {
			all = append(all, studied{kind: "objects", program: f})
		}
		all = append(all, kernels(t)...)
		files, _ := filepath.Glob(filepath.Join(filepath.Dir(hosttest.Capture(t, "zoo.pcap.gz")), "*.pcap.gz"))
		captures = nil
		for _, f := range files {
			captures = append(captures, filepath.Base(f))
		}
	}
	sizes := []uint64{4, 16, 64, 256, 1024}
	g := cache.Grid{Policies: []string{"lru"}, Entries: sizes, HotThreshold: 1, Seed: 1}
	caches := g.Configs()
	cells, folds := map[string]int{}, map[string]int{}
	var lost, shorter, more []float64
	var worst []string
	for _, what := range all {
		for _, c := range captures {
			in := Input{Program: what.program, Entry: what.entry, Captures: []string{hosttest.Capture(t, c)}, Limit: what.limit, Seed: 1, Loop: 1, Queues: 1}
			var paths [2]int
			var long [2]float64
			var hits [2][]uint64
			var packets uint64
			var err error
			for i, how := range []Remedies{{}, {Auto: true}} {
				packets, hits[i], err = hitsFrom(caches, func(sink Sink) (*Session, error) {
					s, err := Record(t.Context(), in, how, sink)
					if err == nil {
						paths[i], long[i] = len(s.Runtime.Paths()), meanTrace(s)
					}
					return s, err
				})
				if err != nil {
					break
				}
			}
			if err != nil {
				t.Logf("%s on %s left out: %v", what, c, err)
				continue
			}
			cells[what.kind]++
			if paths[1] != paths[0] || long[1] != long[0] {
				folds[what.kind]++
				shorter = append(shorter, 1-long[1]/max(long[0], 1))
				more = append(more, float64(paths[1])/float64(max(paths[0], 1))-1)
			}
			for k, n := range sizes {
				x := (float64(hits[0][k]) - float64(hits[1][k])) / float64(max(packets, 1))
				lost = append(lost, x)
				words := fmt.Sprintf("%s on %s, %d entries: %d paths, generic %d; %.2f %% hit in place of %.2f %%", what, c, n, paths[1], paths[0],
					100*float64(hits[1][k])/float64(packets), 100*float64(hits[0][k])/float64(packets))
				if x > most {
					t.Error(words)
				}
				if x > most/5 {
					worst = append(worst, words)
				}
			}
		}
	}
	if len(lost) == 0 {
		t.Fatal("nothing was compared")
	}
	slices.Sort(lost)
	t.Logf("%v cells, in %v of which something is folded; points of hits lost in %d caches: median %.3f, most %.3f, least %.3f", cells, folds, len(lost),
		100*lost[len(lost)/2], 100*lost[len(lost)-1], 100*lost[0])
	if len(shorter) > 0 {
		t.Logf("where something is folded: what packets execute of traces is shorter by %s; more paths: %s", spread(shorter), spread(more))
	}
	for _, w := range worst {
		t.Log("more than a tenth of a point lost: ", w)
	}
}

// meanTrace is how many instructions a packet executes that hits, in an endless cache.
func meanTrace(s *Session) float64 {
	sum, n := 0.0, 0.0
	for id, p := range s.Runtime.Paths() {
		slots, _ := s.Runtime.Price(nic.Path(id))
		sum += float64(p.Packets) * float64(int(slots)-len(p.Path.Cond))
		n += float64(p.Packets)
	}
	return sum / max(n, 1)
}
