package text

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/progen"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/trace"
)

// TestTextOfRandomPrograms takes random programs, their conditions and traces
// through the text form, and compares minimal conditions with whole ones on the
// packets made for the program and on mutants of them.
func TestTextOfRandomPrograms(t *testing.T) {
	n := uint64(150)
	if testing.Short() {
		n = 30
	}
	preds, dropped, escapes, compared, traces := 0, 0, 0, 0, 0
	for seed := uint64(1); seed <= n; seed++ {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, Latched: seed%3 == 0})
		r := openSession(t, c.Object, c.Entry, vm.Options{Seed: seed})
		r.c.Specialise = seed%4 == 0
		name := func(i int) string { return r.s.Maps[i].Spec().Name }
		for _, p := range c.Object.Programs {
			text := ebpf.Printer{MapName: name}.Code(p.Insns)
			back, err := ebpf.Parser{MapIndex: r.c.mapNamed}.Code(text)
			if err != nil || !slices.Equal(back, p.Insns) {
				t.Fatalf("seed %d: program %s is read back as another: %v\n%s", seed, p.Name, err, text)
			}
		}
		rng := rand.New(rand.NewPCG(seed, 3))
		pkts := c.Packets(24, seed)
		for i, data := range pkts {
			in := vm.Input{Data: data, TimeNS: uint64(1000 + i), IfIndex: 1, Packet: uint64(i)}
			p := r.packet(&in)
			if p == nil {
				continue
			}
			least := Minimal(r.c.B, p.Cond)
			preds, dropped = preds+len(p.Cond), dropped+len(p.Cond)-len(least)
			for _, cond := range [][]pathcond.Pred{p.Cond, least} {
				text := Format(r.c.Compiler, cond)
				back, err := Parse(r.c.Compiler, text)
				if err != nil {
					t.Fatalf("seed %d: %v in\n%s", seed, err, text)
				}
				sameTerms(t, r.c, cond, back, text)
				escapes += strings.Count(text, "raw(")
			}
			if p.Trace != nil {
				traces++
				text := trace.Format(p.Trace, name)
				back, err := trace.Parse(text, r.c.mapNamed)
				if err != nil || !slices.Equal(back.Code, p.Trace.Code) || back.Raw != p.Trace.Raw || back.Straight != p.Trace.Straight {
					t.Fatalf("seed %d: trace is read back as another: %v\n%s", seed, err, text)
				}
			}
			for range 30 {
				q := c.Mutate(rng, data)
				if rng.IntN(3) == 0 {
					q = pkts[rng.IntN(len(pkts))]
				}
				in := vm.Input{Data: q, TimeNS: uint64(1000 + rng.IntN(3000)), IfIndex: 1, Packet: uint64(rng.IntN(50))}
				if r.s.Begin(&in) != nil || r.s.Frags > 0 {
					continue
				}
				compared++
				if whole, short := r.tree.Holds(p.Cond), r.tree.Holds(least); whole != short {
					t.Fatalf("seed %d: the condition is %v and its minimum %v of packet %x:\n%s\n%s", seed, whole, short, q, Format(r.c.Compiler, p.Cond), Format(r.c.Compiler, least))
				}
			}
		}
	}
	t.Logf("%d predicates, %d of them implied by others, %d operations as they stand, %d comparisons, %d traces", preds, dropped, escapes, compared, traces)
}
