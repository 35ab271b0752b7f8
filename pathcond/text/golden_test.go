package text

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the condition, minimal and trace sections of testdata")

// golden is one file of testdata: a program (its text, or the name of a
// sample), its maps, a packet, and what becomes of it: the whole condition, the
// minimal one, the trace. Packets under "good" satisfy the condition too, those
// under "bad" must not.
type golden struct {
	ar  *txtar.Archive
	obj *loader.Object
	r   *session
}

func (g *golden) file(name string) *txtar.File {
	for i := range g.ar.Files {
		if g.ar.Files[i].Name == name {
			return &g.ar.Files[i]
		}
	}
	return nil
}

func (g *golden) text(name string) string {
	if f := g.file(name); f != nil {
		return string(f.Data)
	}
	return ""
}

var goldenTypes = map[string]cebpf.MapType{"hash": cebpf.Hash, "array": cebpf.Array, "lru_hash": cebpf.LRUHash,
	"percpu_array": cebpf.PerCPUArray, "lpm_trie": cebpf.LPMTrie, "devmap": cebpf.DevMap, "prog_array": cebpf.ProgramArray}

// goldenMaps reads lines "name type key N value N max N" and entries
// "name[hex] = hex", or "name[hex] = program".
func goldenMaps(t testing.TB, text string) []*maps.Spec {
	var out []*maps.Spec
	byName := map[string]*maps.Spec{}
	for _, line := range strings.Split(text, "\n") {
		line = ebpf.StripComment(line)
		if strings.TrimSpace(line) == "" {
			continue
		}
		if name, rest, ok := strings.Cut(line, "["); ok {
			k, v, _ := strings.Cut(rest, "] = ")
			key, err := hex.DecodeString(k)
			m := byName[name]
			if err != nil || m == nil {
				t.Fatalf("maps: %q: %v", line, err)
			}
			e := maps.Entry{Key: key}
			if m.Type == cebpf.ProgramArray {
				e.Name = strings.TrimSpace(v)
			} else if e.Value, err = hex.DecodeString(strings.TrimSpace(v)); err != nil {
				t.Fatalf("maps: %q: %v", line, err)
			}
			m.Contents = append(m.Contents, e)
			continue
		}
		var typ string
		m := &maps.Spec{}
		if _, err := fmt.Sscanf(line, "%s %s key %d value %d max %d", &m.Name, &typ, &m.KeySize, &m.ValueSize, &m.Max); err != nil {
			t.Fatalf("maps: %q: %v", line, err)
		}
		m.Type = goldenTypes[typ]
		if m.Type == cebpf.LPMTrie {
			m.Flags = 1 // BPF_F_NO_PREALLOC
		}
		byName[m.Name] = m
		out = append(out, m)
	}
	return out
}

// hexPackets reads packets as hex with comments, apart by empty lines. A line
// "time N" sets the time in ns, which else is a second a packet, counted from
// first.
func hexPackets(t testing.TB, text string, first int) (out []vm.Input) {
	for _, para := range strings.Split(strings.TrimSpace(text), "\n\n") {
		var b strings.Builder
		n := uint64(first + len(out))
		in := vm.Input{TimeNS: 1_000_000_000 * (n + 1), IfIndex: 1, Packet: n}
		for _, line := range strings.Split(para, "\n") {
			if _, err := fmt.Sscanf(line, "time %d", &in.TimeNS); err == nil {
				continue
			}
			b.WriteString(strings.Join(strings.Fields(ebpf.StripComment(line)), ""))
		}
		p, err := hex.DecodeString(b.String())
		if err != nil {
			t.Fatalf("packet %q: %v", b.String(), err)
		}
		if in.Data = p; len(p) > 0 {
			out = append(out, in)
		}
	}
	return out
}

func newGolden(t testing.TB, ar *txtar.Archive) *golden {
	g := &golden{ar: ar}
	if name := strings.TrimSpace(g.text("sample")); name != "" {
		s := must.Get(programs.Get(name))(t)
		g.r = newSession(t, name+".o", s.Object, s.Entry, vm.Options{})
		return g
	}
	specs := goldenMaps(t, g.text("maps"))
	g.obj = &loader.Object{File: "golden", License: "GPL", Maps: specs}
	for _, f := range ar.Files {
		name, ok := strings.CutPrefix(f.Name, "program")
		if !ok {
			continue
		}
		name = strings.TrimSpace(name)
		if name == "" {
			name = "golden"
		}
		code, err := ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(string(f.Data))
		must.OKf(t, err, "program")
		g.obj.Programs = append(g.obj.Programs, &loader.Program{Name: name, Insns: code, Maps: specs, Type: cebpf.XDP,
			Funcs: []loader.Func{{Name: name, End: len(code)}}})
	}
	g.r = openSession(t, g.obj, g.obj.Programs[0], vm.Options{})
	return g
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no files in testdata", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txtar"), func(t *testing.T) {
			ar := must.Get(txtar.ParseFile(f))(t)
			runGolden(t, f, ar)
		})
	}
}

func runGolden(t *testing.T, file string, ar *txtar.Archive) {
	g := newGolden(t, ar)
	r := g.r
	if g.file("specialise") != nil {
		r.c.Specialise = true
	}
	pkts := hexPackets(t, g.text("packet"), 0)
	if len(pkts) == 0 {
		t.Fatal("no packet")
	}
	// The last packet is the one; those before it prepare the maps.
	var p *pathcond.Path
	for _, in := range pkts {
		r.tree = tree.New(r.c.B, &pathcond.Env{S: r.s, Versions: r.c.Versions})
		if p = r.packet(&in); p == nil {
			t.Fatalf("packet %x: refused", in.Data)
		}
	}
	c := r.c
	least := Minimal(c.B, p.Cond)
	got := map[string]string{"condition": Format(c.Compiler, p.Cond), "minimal": Format(c.Compiler, least)}
	name := func(i int) string { return r.s.Maps[i].Spec().Name }
	if p.Abort != nil {
		got["trace"] = "# " + p.Abort.Error() + "\n"
	} else {
		got["trace"] = trace.Format(p.Trace, name)
		back := must.Get(trace.Parse(got["trace"], c.mapNamed))(t)
		if d := cmp.Diff(back.Code, p.Trace.Code); d != "" {
			t.Errorf("the trace is read back as another: %s", d)
		}
	}
	for _, s := range []string{"condition", "minimal", "trace"} {
		f := g.file(s)
		switch {
		case *update && f == nil:
			ar.Files = append(ar.Files, txtar.File{Name: s, Data: []byte(got[s])})
		case *update:
			f.Data = []byte(got[s])
		case f == nil:
			t.Errorf("no section %s; run with -update", s)
		default:
			if d := cmp.Diff(string(f.Data), got[s]); d != "" {
				t.Errorf("%s (-golden +got):\n%s", s, d)
			}
		}
	}
	if *update {
		must.OK(t, os.WriteFile(file, txtar.Format(ar), 0o644))
	}
	for text, cond := range map[string][]pathcond.Pred{got["condition"]: p.Cond, got["minimal"]: least} {
		back, err := Parse(c.Compiler, text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		sameTerms(t, c, cond, back, text)
	}
	twins := func(section string, want bool) {
		for i, in := range hexPackets(t, g.text(section), len(pkts)) {
			if err := r.s.Begin(&in); err != nil {
				t.Errorf("%s packet %d: %v", section, i, err)
				continue
			}
			if whole, less := r.tree.Holds(p.Cond), r.tree.Holds(least); whole != want || less != want {
				t.Errorf("%s packet %d %x: condition %v, minimal %v, want %v", section, i, in.Data, whole, less, want)
			}
		}
	}
	// The maps are as the packet left them; twins that depend on them say so.
	twins("good", true)
	twins("bad", false)
	if len(hexPackets(t, g.text("bad"), 0)) == 0 && len(p.Cond) > 0 {
		t.Error("no bad twin: a packet that must not satisfy the condition")
	}
}
