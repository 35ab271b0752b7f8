package text

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
)

// session runs packets through a program and collects its paths.
type session struct {
	obj  *loader.Object
	s    *vm.State
	it   *vm.Interp
	c    words
	tree *tree.Tree
	rec  vm.Recording
	out  vm.Output
	n    int32
}

func newSession(t testing.TB, file string, object []byte, entry string, opt vm.Options) *session {
	t.Helper()
	obj := must.Get(loader.LoadBytes(file, object, loader.Options{}))(t)
	p := must.Get(obj.Entry(entry))(t)
	return openSession(t, obj, p, opt)
}

func openSession(t testing.TB, obj *loader.Object, p *loader.Program, opt vm.Options) *session {
	t.Helper()
	opt.Track = true // specialised paths ask for it
	r := &session{obj: obj}
	var err error
	if r.s, err = vm.NewState(obj, opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.s.Close() })
	if r.it, err = vm.NewInterp(r.s, obj, p); err != nil {
		t.Fatal(err)
	}
	r.c = words{pathcond.NewCompiler(r.s, obj)}
	r.tree = tree.New(r.c.B, &pathcond.Env{S: r.s, Versions: r.c.Versions})
	return r
}

// packet runs one packet; the path is returned if it is new.
func (r *session) packet(in *vm.Input) *pathcond.Path {
	if r.s.Begin(in) != nil || r.s.Frags > 0 {
		return nil
	}
	if r.tree.Match() >= 0 {
		r.it.Run(in, &r.out)
		return nil
	}
	r.c.Before()
	r.it.RunRecorded(in, &r.out, &r.rec)
	p := r.c.Compile(&r.rec, len(in.Data), r.out.Err)
	if r.tree.Insert(p, r.n) == nil {
		r.n++
	}
	return p
}

// TestTextOnCorpus prints the conditions of the sample programs on real
// packets, reads them back to the same terms, and holds that a minimal
// condition is as good as the whole one.
func TestTextOnCorpus(t *testing.T) {
	files := hosttest.Corpus(t)
	dump := os.Getenv("JITNIC_DUMP")
	limit := uint64(300)
	if testing.Short() {
		limit = 60
	}
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			var all strings.Builder
			preds, dropped, escapes, compared := 0, 0, 0, 0
			r := newSession(t, s.Name+".o", s.Object, s.Entry, vm.Options{})
			r.c.Specialise = s.Name == "firewall" || s.Name == "router"
			rng := rand.New(rand.NewPCG(7, 11))
			for _, f := range files {
				for in := range hosttest.Packets(t, f, limit) {
					p := r.packet(in)
					if p == nil {
						continue
					}
					least := Minimal(r.c.B, p.Cond)
					preds, dropped = preds+len(p.Cond), dropped+len(p.Cond)-len(least)
					for _, cond := range [][]pathcond.Pred{p.Cond, least} {
						text := Format(r.c.Compiler, cond)
						back, err := Parse(r.c.Compiler, text)
						if err != nil {
							t.Fatalf("%v in\n%s", err, text)
						}
						sameTerms(t, r.c, cond, back, text)
						escapes += strings.Count(text, "raw(")
						fmt.Fprintf(&all, "# %s packet %d: %v\n%s\n", filepath.Base(f), in.Packet, p.Abort, text)
					}
					// Around the condition: the packet itself, then with bytes changed.
					data := append([]byte(nil), in.Data...)
					for k := 0; k < 40; k++ {
						around := *in
						around.Data = data
						if r.s.Begin(&around) == nil && r.s.Frags == 0 {
							compared++
							if whole, less := r.tree.Holds(p.Cond), r.tree.Holds(least); whole != less {
								t.Fatalf("the condition is %v and its minimum %v of packet %x:\n%s\n%s", whole, less, data, Format(r.c.Compiler, p.Cond), Format(r.c.Compiler, least))
							}
						}
						data = append(data[:0], in.Data...)
						for range 1 + rng.IntN(3) {
							data[rng.IntN(min(len(data), 64))] = byte(rng.Uint32())
						}
						if rng.IntN(4) == 0 {
							data = data[:rng.IntN(len(data)+1)]
						}
					}
				}
			}
			t.Logf("%d paths, %d predicates, %d of them implied by others, %d comparisons, %d operations printed as they stand",
				r.n, preds, dropped, compared, escapes)
			if dump != "" {
				os.WriteFile(filepath.Join(dump, s.Name+".txt"), []byte(all.String()), 0o644)
			}
		})
	}
}

func sameTerms(t testing.TB, c words, want, got []pathcond.Pred, text string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d predicates read of %d:\n%s", len(got), len(want), text)
	}
	for i := range want {
		if got[i].Term != want[i].Term || got[i].Want != want[i].Want {
			t.Fatalf("predicate %d: printed of %v %s, read as %v %s\n%s", i, want[i].Want, clip(c.B.String(want[i].Term)),
				got[i].Want, clip(c.B.String(got[i].Term)), text)
		}
	}
}

func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "…"
	}
	return s
}
