package dataflow

import (
	"math/rand/v2"
	"slices"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/progen"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// An analysis brought up to date is the one made anew: facts, liveness and
// problems, over chains of random edits of random programs.
func TestUpdateIsAnalyse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	followed, loops := 0, 0
	for seed := range uint64(50) {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, NoLoops: seed%3 != 0})
		p, err := ir.FromSlots("random", ir.KindXDP, c.Entry.Insns, c.Object.Maps)
		if err != nil {
			continue
		}
		p.Number()
		a := Analyse(p)
		a.Liveness()
		for range 25 {
			q := p.Clone()
			disturb(rng, q)
			was := p.String()
			edited := q.Clone()
			if c := q.Clone(); c.Compact() == nil || c.Wellformed() != nil {
				if c.Wellformed() != nil {
					continue
				}
			}
			s, e := a.Changed(q, 0, len(q.Insts))
			newer, change := a.ProblemsAfter(q, s, e)
			if rng.IntN(2) == 0 {
				change = nil // Update finds it out itself
			}
			if !a.Update(q, s, e, change) {
				q.Compact()
				q.DropUncalled()
				p, a = q, Analyse(q)
				a.Liveness()
				continue
			}
			followed++
			p = q
			got := a
			for _, at := range newer { // of edited's places
				if edited.Insts[at.Insn].Op != ir.Nop && !slices.ContainsFunc(got.Problems, func(x Problem) bool { return x.What == at.What }) {
					t.Fatalf("seed %d: %s of\n%s\nis no problem of\n%s", seed, at, edited, q)
				}
			}
			if got.Stale {
				loops++
				holds(t, seed, got)
				continue
			}
			want := Analyse(q)
			want.Liveness()
			for i := range q.Insts {
				if *got.In[i] != *want.In[i] || got.Live[i] != want.Live[i] || got.Before[i] != want.Before[i] {
					t.Fatalf("seed %d: instruction %d of\n%s\nmade of\n%s\nfacts equal: %v, liveness equal: %v\n got %+v\nwant %+v", seed, i, q, was, *got.In[i] == *want.In[i], got.Live[i] == want.Live[i], got.In[i].R, want.In[i].R)
				}
			}
			if !slices.Equal(got.Problems, want.Problems) {
				t.Fatalf("seed %d: problems %v, want %v, of\n%s", seed, got.Problems, want.Problems, q)
			}
			for i := range q.Insts {
				if want, got := jumpsOf(q).to(i), got.jumps.to(i); !slices.Equal(want, got) {
					t.Fatalf("seed %d: jumps to %d from %v, want %v", seed, i, got, want)
				}
			}
		}
	}
	t.Logf("%d edits followed, %d of them near loops", followed, loops)
	if followed < 500 || loops < 50 {
		t.Errorf("only %d edits were followed, the others found anew", followed)
	}
}

// holds checks that every edge of the program agrees with what is known, from
// which it follows that it holds.
func holds(t *testing.T, seed uint64, a *Analysis) {
	t.Helper()
	w := &flow{p: a.p}
	for r := range a.p.Entry {
		if !rooted(a.p, r) {
			continue
		}
		f := EntryFacts(a.p, r)
		if in := a.In[a.p.Entry[r]]; points.JoinFacts(in, &f) != *in {
			t.Fatalf("seed %d: the entry of\n%s\ndisagrees", seed, a.p)
		}
	}
	for i := range a.p.Insts {
		if a.In[i].Reached {
			w.edges(i, a.In[i], func(to int, f *points.Facts) {
				if to < len(a.p.Insts) && f.Reached && points.JoinFacts(a.In[to], f) != *a.In[to] {
					t.Fatalf("seed %d: the edge %d to %d of\n%s\ndisagrees", seed, i, to, a.p)
				}
			})
		}
		after := a.Live[i]
		if l := a.liveAt(i); l.without(&a.Before[i]) || a.Live[i].without(&after) {
			t.Fatalf("seed %d: what is live at %d of\n%s\nis more than was said", seed, i, a.p)
		}
		a.Live[i] = after
	}
}

// disturb changes a few instructions in one neighbourhood.
func disturb(rng *rand.Rand, p *ir.Prog) {
	n := len(p.Insts)
	if n < 3 {
		return
	}
	s := rng.IntN(n)
	for i := s; i < min(n, s+1+rng.IntN(4)); i++ {
		in := &p.Insts[i]
		switch k := rng.IntN(6); {
		case in.Op == ebpf.OpExit || in.Op == ebpf.OpLDDW && in.To >= 0:
		case k == 0:
			*in = ir.Empty()
		case k == 1 && !in.Jumps():
			*in = ir.MovImm(uint8(rng.IntN(10)), int32(rng.IntN(4)))
		case k == 2 && !in.Jumps():
			*in = ir.MovReg(uint8(rng.IntN(10)), uint8(rng.IntN(11)))
		case k == 3 && in.Jumps() && i+1 < n:
			if in.To = int32(i + 1 + rng.IntN(n-i-1)); rng.IntN(4) == 0 { // a loop, perhaps
				in.To = int32(rng.IntN(n))
			}
		case k == 4 && in.IsCondJump():
			*in = ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: in.To, Slot: in.Slot}
		case k == 5 && in.IsStore() && !in.IsAtomic():
			in.Off -= 8
		}
	}
}

// What an edit puts in doubt goes with the edit, not with the program: behind it
// the two agree soon.
func TestUpdateIsLocal(t *testing.T) {
	for _, n := range []int{100, 10000} {
		var p ir.Prog
		for i := range n {
			in := ir.MovImm(uint8(i%6), int32(i))
			if i%10 == 9 {
				in = ir.Inst{Insn: ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: uint8(i % 6)}, To: int32(i + 1), Slot: int32(i)}
			}
			p.Insts = append(p.Insts, in)
		}
		p.Insts = append(p.Insts, ir.MovImm(0, 0), ir.Inst{Insn: ebpf.Insn{Op: ebpf.OpExit}, To: -1})
		p.Entry, p.Kind = []int32{0}, ir.KindXDP
		p.Number()
		a := Analyse(&p)
		a.Liveness()
		q := p.Clone()
		q.Insts[n/2] = ir.MovImm(uint8(n/2%6), -1)
		c := a.follow(q, n/2, n/2+1)
		if len(c.facts) == 0 || len(c.facts) > 12 {
			t.Errorf("%d instructions: an edit of one makes the facts of %d new", n, len(c.facts))
		}
	}
}
