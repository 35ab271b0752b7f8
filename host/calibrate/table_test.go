package calibrate

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"jitnic/cache"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// TestTable prints, for make bench, what a hit takes beside the kernel's JIT: the
// sample programs on two captures of the corpus, the mean over the packets that
// hit, in ns. The kernel runs a packet of each path by BPF_PROG_TEST_RUN, restored
// between runs, its maps filled from ours; paths count by their packets, the most
// frequent that are most of them.
func TestTable(t *testing.T) {
	if os.Getenv("JITNIC_BENCH") == "" {
		t.Skip("JITNIC_BENCH is not set: make bench does")
	}
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	cpu, err := kernel.CPU()
	if err != nil {
		t.Skip(err)
	}
	fmt.Printf("%-14s %-6s %9s %9s %7s\n", "hits, ns", "", "jitnic", "kernel", "ratio")
	for _, capture := range []string{"echo-connections.pcap.gz", "zoo.pcap.gz"} {
		packets := hosttest.Packets(t, hosttest.Capture(t, capture), 0)
		var ins []vm.Input
		for in := range packets {
			in := *in
			in.Data = bytes.Clone(in.Data)
			ins = append(ins, in)
		}
		for _, p := range programs.All() {
			hits, err := newHits(t, p.Name, ins)
			must.OK(t, err)
			ours := hits.ours(t)
			var theirs float64
			err = kernel.Isolated(cpu, func() (err error) {
				theirs, err = hits.kernel(t)
				return err
			})
			hits.rt.Close()
			if err != nil {
				fmt.Printf("%-14s %-6s %9.1f         - (%v)\n", p.Name, capture[:4], ours, err)
				continue
			}
			fmt.Printf("%-14s %-6s %9.1f %9.1f %7.2f\n", p.Name, capture[:4], ours, theirs, ours/theirs)
		}
	}
}

// hits is a runtime that knows all paths, and packets that hit in it.
type hits struct {
	sample *hosttest.Program
	rt     *jit.Runtime
	ins    []vm.Input
	paths  []uint32 // of each
}

func newHits(t *testing.T, name string, all []vm.Input) (*hits, error) {
	t.Helper()
	h := &hits{sample: hosttest.Sample(t, name)}
	o := jit.Options{Cache: cache.Config{Policy: "infinite", Entries: 1}, Prepare: h.sample.Prepare}
	var err error
	if h.rt, err = jit.New(h.sample.Obj, h.sample.Entry, o); err != nil {
		return nil, err
	}
	in := slices.Clone(all)
	for pass := range 2 {
		err := h.rt.Run(t.Context(), in, func(i int, paths []uint32, out cache.Outcome) error {
			for k, p := range paths {
				if pass == 1 && out == cache.Hit {
					h.ins, h.paths = append(h.ins, in[i+k]), append(h.paths, p)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// ours is the fastest of the passes within a while, a packet's mean. Before them all
// paths have run often enough to be native.
func (h *hits) ours(t *testing.T) float64 {
	t.Helper()
	pass := func() float64 {
		begin := time.Now()
		for in := range slices.Chunk(h.ins, 128) {
			must.OK(t, h.rt.Run(t.Context(), in, nil))
		}
		return float64(time.Since(begin).Nanoseconds()) / float64(len(h.ins))
	}
	for range 64 {
		pass()
	}
	best := math.MaxFloat64
	for start := time.Now(); time.Since(start) < 500*time.Millisecond; {
		best = min(best, pass())
	}
	return best
}

// mostPaths is how many paths of a program are timed in the kernel.
const mostPaths = 12

func (h *hits) kernel(t *testing.T) (float64, error) {
	t.Helper()
	b := &bench{meter: meter{ctx: t.Context(), rounds: 7, round: time.Millisecond, packet: make([]byte, 64)}, study: &Study{}}
	defer b.close()
	k, err := kernel.Load(h.sample.Obj, h.sample.Entry, kernel.Options{Plain: true})
	if err != nil {
		return 0, err
	}
	b.open = append(b.open, k.Maps, k)
	if err := copyMaps(h.rt.S, k.Maps); err != nil {
		return 0, err
	}
	flags := h.sample.Entry.LoadFlags
	nothing, err := kernel.LoadRaw(kernel.Raw{Name: "empty", Insns: code{mov(0, xdpDrop), exit()}, Type: cilium.XDP, Flags: flags}, &kernel.Maps{}, kernel.Options{})
	if err != nil {
		return 0, err
	}
	b.open = append(b.open, nothing)
	count, first := map[uint32]int{}, map[uint32][]byte{}
	for i, p := range h.paths {
		if count[p]++; first[p] == nil {
			first[p] = h.ins[i].Data
		}
	}
	order := make([]uint32, 0, len(count))
	for p := range count {
		order = append(order, p)
	}
	slices.SortFunc(order, func(p, q uint32) int {
		if d := count[q] - count[p]; d != 0 {
			return d
		}
		return int(p) - int(q)
	})
	var sum, n float64
	for _, p := range order[:min(len(order), mostPaths)] {
		pkt := first[p]
		with, err := b.restored("restored", k, flags, pkt)
		if err != nil {
			return 0, err
		}
		without, err := b.restored("restored_empty", nothing, flags, pkt)
		if err != nil {
			return 0, err
		}
		times, err := b.series(job{prog: with.prog, packet: pkt, before: with.reset}, job{prog: without.prog, packet: pkt, before: without.reset}, job{prog: nothing, packet: pkt})
		if err != nil {
			return 0, err
		}
		whole := make([]float64, len(times[0]))
		for i := range whole {
			whole[i] = times[0][i] + times[2][i]
		}
		f := difference(whole, times[1], 1)
		sum += f.Value * float64(count[p])
		n += float64(count[p])
	}
	return sum / n, nil
}
