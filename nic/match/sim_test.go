package match_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/match"
)

// Of every sample program, entries in a simulated TCAM answer as the guard tree
// does for each packet of a capture and for damaged ones; likewise hash tables
// of masks with the rest of the conditions checked behind them. The IPv6 capture is
// of specialised paths, whose conditions have version guards.
func TestMatchersAgreeWithTree(t *testing.T) {
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			for _, capture := range []string{"sample:lab", "sample:ipv6", hosttest.Capture(t, "zoo.pcap.gz")} {
				r := replay(t, s.Name, capture, 2500, capture == "sample:ipv6")
				for _, parser := range []bool{false, true} {
					x := must.Get(match.Analyse(r.work(s.Name, capture), match.Options{Parser: parser}))(t)
					agree(t, r, x)
				}
			}
		})
	}
}

func agree(t *testing.T, r *run, x *match.Analysis) {
	tcams := map[string]*match.TCAM{}
	tss := match.NewTSS(x.Conds)
	held := map[int32]bool{}
	var expanded, priority uint64
	for _, j := range x.Conds {
		if j.Whole() {
			held[j.Path] = true
			expanded += j.Expanded
			priority += j.Priority
		}
	}
	width := 0
	for _, by := range []struct {
		name     string
		priority bool
		entries  uint64
	}{{"expanded", false, expanded}, {"priority", true, priority}} {
		c, err := match.NewTCAM(x.Conds, by.priority)
		if err != nil {
			t.Log(err)
			continue
		}
		width = c.Key.Width()
		tcams[by.name] = c
		if n := uint64(c.Entries()); n != by.entries {
			t.Errorf("%s: %d entries counted, %d made", by.name, by.entries, n)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	hits, in, found, looked, counted := 0, 0, 0, 0, 0
	var buf []uint64
	check := func(what string, data []byte) {
		if len(data) < 14 || len(data) > vm.MaxLinear {
			return // never offered to a matcher
		}
		must.OK(t, r.S.Begin(&vm.Input{Data: data, IfIndex: 1}))
		want := r.Tree.Match()
		if want >= int32(len(x.Conds)) {
			want = -1 // a path that can't be a trace
		}
		in++
		p := &match.Packet{Data: data, Ifindex: 1}
		for name, c := range tcams {
			buf = c.Key.Pack(buf, p)
			got, _ := c.Lookup(buf)
			w := want
			if !held[w] {
				w = -1
			} else {
				hits++
			}
			if got != w {
				t.Fatalf("%s: %s TCAM says path %d, the tree %d: %x", what, name, got, w, data[:min(len(data), 96)])
			}
		}
		buf = tss.Key.Pack(buf, p)
		got, probes, candidates := tss.Lookup(buf, func(j *match.Judged) bool { return r.Tree.Holds(j.Cond) })
		if got != want {
			t.Fatalf("%s: tuple-space search says path %d, the tree %d: %x", what, got, want, data[:min(len(data), 96)])
		}
		if at := tss.Place(got); got >= 0 {
			if probes != at.Probes || candidates < at.Candidates || candidates > at.Worst {
				t.Fatalf("%s: path %d after %d probes and %d candidates, should be %+v", what, got, probes, candidates, at)
			}
			found++
			looked += candidates
			counted += at.Candidates
		}
	}
	for i, p := range r.packets {
		check(fmt.Sprintf("packet %d", i), p)
		q := append([]byte(nil), p...)
		for range 1 + rng.IntN(3) {
			q[rng.IntN(min(len(q), 80))] = [...]byte{0, 1, 2, 6, 17, 0x81, 0x86, 0xdd, 0x45, byte(rng.Uint32())}[rng.IntN(10)]
		}
		if rng.IntN(4) == 0 {
			q = q[:rng.IntN(len(q)+1)]
		}
		check(fmt.Sprintf("packet %d, damaged", i), q)
	}
	t.Logf("%d conditions, %d whole, %d/%d entries, key %d bits; %d packets, %d held; tuples %d, candidates %.2f, in the own table %.2f", len(x.Conds), len(held), expanded, priority, width, in, hits/2, len(tss.Tuples), float64(looked)/float64(found), float64(counted)/float64(found))
	if hits == 0 && len(held) > 0 {
		t.Error("no packet of a path that is held")
	}
}
