package replay

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic"
)

// TestRemediesTable prints, for each way to have fewer paths, the median and the worst
// share of the paths that it takes away, and of the entries that 99 % of the hits
// need, over samples and objects at hand on recorded captures, and holds each against the
// interpreter packet by packet; and how long a path takes to be made merged and
// predicated. JITNIC_HEAVY=1: all of them, and the XDP programs of the kernel's samples and
// selftests, on the first packets of each capture.
func TestRemediesTable(t *testing.T) {
	var all []studied
	captures := []string{"many-protocols.pcap.gz"}
	for _, p := range programs.All() {
		all = append(all, studied{kind: "samples", program: "sample:" + p.Name})
	}
	if os.Getenv("JITNIC_HEAVY") != "" {
		objects, _ := filepath.Glob("/usr/lib/*/bpf/xdp*.o")
		more, _ := filepath.Glob(os.Getenv("JITNIC_OBJECTS"))
		for _, f := range append(objects, more...) {
			all = append(all, studied{kind: "objects", program: f})
		}
		all = append(all, kernels(t)...)
		captures = []string{"zoo.pcap.gz", "many-protocols.pcap.gz", "tls2-v4v6.pcap.gz", "vlan-smb.pcap.gz", "ipv6-exthdr-denial6-6.pcap.gz", "defrag-spray-v4v6.pcap.gz"}
	} else {
		all = all[:2]
		all[0].limit, all[1].limit = 1000, 1000
	}
	tables := map[string]*remediesTable{}
	var kinds []string
	for _, what := range all {
		if tables[what.kind] == nil {
			tables[what.kind] = newRemediesTable()
			kinds = append(kinds, what.kind)
		}
		t.Run(what.String(), func(t *testing.T) {
			for _, c := range captures {
				in := Input{Program: what.program, Entry: what.entry, Captures: []string{hosttest.Capture(t, c)}, Limit: what.limit, Seed: 1, Loop: 1, Queues: 1}
				tables[what.kind].add(t, in, c)
			}
		})
	}
	sum := newRemediesTable()
	for _, k := range kinds {
		tables[k].print(t, k)
		sum.join(tables[k])
	}
	sum.print(t, "all")
	if sum.cells == 0 {
		t.Error("nothing was compared")
	}
}

// studied is a program of the table.
type studied struct {
	kind, program, entry string
	limit                uint64 // packets of a capture; 0: all
}

func (s studied) String() string {
	return strings.TrimRight(strings.ReplaceAll(filepath.Base(s.program), ":", "-")+"+"+s.entry, "+")
}

// kernelPackets are how many of a capture the kernel's programs are run on.
const kernelPackets = 6000

// kernels are the XDP programs of the kernel's samples and selftests.
func kernels(t *testing.T) (out []studied) {
	files, err := hosttest.LinuxSamples(t)
	if err != nil {
		t.Log("the kernel's programs are left out:", err)
	}
	for _, f := range files {
		entries, err := hosttest.XDPPrograms(f)
		if err != nil {
			t.Log("left out:", err)
		}
		for _, e := range entries {
			out = append(out, studied{"kernel", f, e, kernelPackets})
		}
	}
	return out
}

// remediesTable is what ways to have fewer paths do to some programs.
type remediesTable struct {
	ways           []Remedies
	paths, entries [][]float64 // by way and cell: the shares they take away
	cells, single  int
	took           []float64 // ms that paths took to be made merged and predicated
	plain          []float64 // and neither
}

func newRemediesTable() *remediesTable {
	w := Ways(Remedies{})
	return &remediesTable{ways: w, paths: make([][]float64, len(w)), entries: make([][]float64, len(w))}
}

// add runs a program in all ways on a capture.
func (r *remediesTable) add(t *testing.T, in Input, capture string) {
	whole, need := 0, 0
	for i, how := range r.ways {
		n, e, err := remedied(t, in, how)
		if err != nil {
			t.Logf("on %s left out: %v", capture, err)
			return
		}
		if i == 0 {
			if whole, need = n, e; whole < 2 {
				r.single++
				return
			}
			r.cells++
			r.time(t, in)
			continue
		}
		r.paths[i] = append(r.paths[i], 1-float64(n)/float64(whole))
		r.entries[i] = append(r.entries[i], 1-float64(e)/float64(need))
		if how.Merge && !how.Auto && n > whole {
			t.Errorf("on %s: %d paths %v, %d whole", capture, n, how, whole)
		}
	}
}

// time measures how long each path takes to be made merged and predicated, from the
// same recording as the path itself.
func (r *remediesTable) time(t *testing.T, in Input) {
	length := 0
	var s *Session
	s, err := Open(t.Context(), in, Cache{Policy: "lru", Entries: 4096}, func(o *jit.Options) {
		o.Learnt = func(_ nic.Path, rec *vm.Recording) {
			ms := func(merge bool, predicate int) float64 {
				begin := time.Now()
				s.Runtime.Comp.Otherwise(merge, predicate, rec, length)
				return time.Since(begin).Seconds() * 1000
			}
			r.took, r.plain = append(r.took, ms(true, usualPredicate)), append(r.plain, ms(false, 0))
		}
	})
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	s.Before = func(p *vm.Input) error { length = len(p.Data); return nil }
	if err := s.Run(t.Context(), func(*Packet) error { return nil }); err != nil {
		t.Error(err)
	}
}

func (r *remediesTable) join(of *remediesTable) {
	r.cells, r.single = r.cells+of.cells, r.single+of.single
	r.took, r.plain = append(r.took, of.took...), append(r.plain, of.plain...)
	for i := range r.ways {
		r.paths[i], r.entries[i] = append(r.paths[i], of.paths[i]...), append(r.entries[i], of.entries[i]...)
	}
}

func (r *remediesTable) print(t *testing.T, kind string) {
	t.Logf("%s: %d cells of two paths or more, %d of one", kind, r.cells, r.single)
	if r.cells == 0 {
		return
	}
	for i, how := range r.ways[1:] {
		t.Logf("%-8s %-60s fewer paths: %s; fewer entries for 99 %% of hits: %s", kind, how, spread(r.paths[i+1]), spread(r.entries[i+1]))
	}
	slices.Sort(r.took)
	slices.Sort(r.plain)
	n := len(r.took)
	t.Logf("%-8s %d paths: made merged and predicated in %.3f ms at the median, 99 %% within %.3f, all within %.3f; in neither way in %.3f at the median",
		kind, n, r.took[n/2], r.took[n*99/100], r.took[n-1], r.plain[n/2])
}

// spread is the median, the least and the most of shares.
func spread(x []float64) string {
	if len(x) == 0 {
		return "none"
	}
	x = slices.Sorted(slices.Values(x))
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
