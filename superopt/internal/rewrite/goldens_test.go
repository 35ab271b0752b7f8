package rewrite

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/superopttest"

	cebpf "github.com/cilium/ebpf"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the goldens' verdicts anew")

// Goldens: a program, a rewrite that is right, and its bad twin, one that looks
// as good and must be refuted, each with its verdict. Where something is given
// (a path's condition), "without" is the verdict on the right rewrite where it
// is not.
func TestGoldens(t *testing.T) {
	superopttest.NeedZ3(t)
	files, err := filepath.Glob("testdata/goldens/*.txtar")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d goldens, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) { golden(t, f) })
	}
}

func golden(t *testing.T, path string) {
	ar := must.Get(txtar.ParseFile(path))(t)
	part := map[string]string{}
	for _, f := range ar.Files {
		part[f.Name] = string(f.Data)
	}
	kind, ok := map[string]ir.Kind{"constant": ir.KindConst, "xdp": ir.KindXDP, "skb": ir.KindSKB, "tracing": ir.KindTracing}[strings.TrimSpace(part["kind"])]
	if !ok {
		t.Fatalf("kind %q", part["kind"])
	}
	var specs []*maps.Spec
	for _, l := range strings.Split(strings.TrimSpace(part["maps"]), "\n") {
		s := &maps.Spec{Type: cebpf.Array}
		var typ string
		if l == "" {
			continue
		}
		must.Get(fmt.Sscan(l, &s.Name, &typ, &s.KeySize, &s.ValueSize, &s.Max))(t)
		if typ == "hash" {
			s.Type = cebpf.Hash
		}
		specs = append(specs, s)
	}
	parse := func(name string) *ir.Prog {
		code, err := ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(part[name])
		must.OKf(t, err, "%s", name)
		p, err := ir.FromSlots(name, kind, code, specs)
		must.OKf(t, err, "%s", name)
		return p
	}
	verdicts := map[string]string{
		"rewrite verdict": goldenVerdict(t, parse("program"), parse("rewrite"), part["given"]),
		"twin verdict":    goldenVerdict(t, parse("program"), parse("twin"), part["given"]),
	}
	if part["given"] != "" {
		verdicts["without"] = goldenVerdict(t, parse("program"), parse("rewrite"), "")
	}
	if v := verdicts["rewrite verdict"]; !strings.HasPrefix(v, "proved") {
		t.Errorf("the rewrite: %s", v)
	}
	for _, n := range []string{"twin verdict", "without"} {
		if v := verdicts[n]; v != "" && !strings.HasPrefix(v, "refuted") && !strings.HasPrefix(v, "refused") {
			t.Errorf("%s: %s", n, v)
		}
	}
	if *update {
		out := &txtar.Archive{Comment: ar.Comment}
		for _, f := range ar.Files {
			if f.Name == "rewrite verdict" || f.Name == "twin verdict" || f.Name == "without" {
				continue
			}
			out.Files = append(out.Files, f)
			if v, ok := verdicts[f.Name+" verdict"]; ok {
				out.Files = append(out.Files, txtar.File{Name: f.Name + " verdict", Data: []byte(v + "\n")})
			}
		}
		if v := verdicts["without"]; v != "" {
			out.Files = append(out.Files, txtar.File{Name: "without", Data: []byte(v + "\n")})
		}
		must.OK(t, os.WriteFile(path, txtar.Format(out), 0o644))
		return
	}
	for n, v := range verdicts {
		want := strings.TrimSpace(part[n])
		if strings.HasPrefix(v, "refuted by z3") && strings.HasPrefix(want, "refuted by z3") {
			continue // which counterexample it finds is the solver's version's
		}
		if v != want {
			t.Errorf("%s: %s\nwant %s", n, v, want)
		}
	}
}

// goldenVerdict says what becomes of a rewrite in one line: what the verifier
// would refuse counts as an answer.
func goldenVerdict(t *testing.T, old, new *ir.Prog, given string) string {
	t.Helper()
	for _, p := range dataflow.Analyse(old).Problems {
		if !strings.Contains(p.What, "what may be a pointer") { // that, the verifier knows better
			t.Fatalf("the program itself: %s", p)
		}
	}
	v, why := judge(t, old, new, assumeText(t, given))
	switch v := v.(type) {
	case proof.Proved:
		if why != "" {
			return "refused: " + why
		}
		return "proved by " + v.By
	case proof.Refuted:
		s := "refuted by " + v.By + ":"
		if v.What != "" {
			s += " " + v.What
		}
		slices.SortStableFunc(v.Counterexample, func(a, b proof.Assignment) int { return strings.Compare(a.Name, b.Name) })
		sep := " "
		for _, a := range v.Counterexample {
			if a.Name != "world" && !strings.HasPrefix(a.Name, "in") {
				s += fmt.Sprintf("%s%s = %#x", sep, a.Name, a.Value)
				sep = ", "
			}
		}
		if sep == " " && v.What == "" {
			s += " by what the helpers return"
		}
		return s
	case proof.Unknown:
		if why != "" {
			return "refused: " + why
		}
		return "unknown: " + v.Reason
	}
	return ""
}

var givenLine = regexp.MustCompile(`^(?:r(\d)|pkt\[(\d+)\]) (==|<=) (\S+)$`)

// assumeText is a precondition of lines like "r1 <= 255" and "pkt[23] == 6".
func assumeText(t *testing.T, given string) proof.Assumption {
	if given == "" {
		return nil
	}
	return func(m *proof.Machine, st *proof.State) bv.Term {
		all := m.One
		for _, l := range strings.Split(strings.TrimSpace(given), "\n") {
			g := givenLine.FindStringSubmatch(l)
			if g == nil {
				t.Fatalf("given %q", l)
			}
			k := must.Get(strconv.ParseUint(g[4], 0, 64))(t)
			var x bv.Term
			if g[1] != "" {
				x = st.R[g[1][0]-'0']
			} else {
				off, _ := strconv.ParseUint(g[2], 0, 16)
				x = m.Initial(proof.PacketRegion, m.B.Const(off, 64), m.B.Const(0, 64))
			}
			op := bv.OpULe
			if g[3] == "==" {
				op = bv.OpEq
			}
			c := m.B.Bin(op, x, m.B.Const(k, m.B.Width(x)))
			m.LearnBytes(st, c)
			all = m.B.AndB(all, c)
		}
		st.NoteKnown()
		return all
	}
}
