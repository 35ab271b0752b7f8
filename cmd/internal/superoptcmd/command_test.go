package superoptcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cebpf "github.com/cilium/ebpf"

	"jitnic/host/hosttest/must"
	"jitnic/superopt/format"
	"jitnic/superopt/kernelcheck"
	"jitnic/superopt/z3"
)

func needZ3(t *testing.T) {
	t.Helper()
	if err := z3.Open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
}

// do runs the verb and gives what it printed.
func do(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	c := Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	err = c.ExecuteContext(ctx)
	return out.String(), errs.String(), err
}

// want is what the testdata becomes: the same format, smaller, comments kept.
var want = map[string]string{
	"double.k2":  "MOV64XC 0 2\nEXIT\n",
	"double.bpf": "/* two, the long way */\nBPF_MOV64_IMM(BPF_REG_0, 2), // and one\nBPF_EXIT_INSN(),\n",
}

func TestFormatsBack(t *testing.T) {
	needZ3(t)
	for name, text := range want {
		out := filepath.Join(t.TempDir(), name)
		if _, _, err := do(t.Context(), filepath.Join("testdata", name), "-o", out); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Error(err)
		} else if string(got) != text {
			t.Errorf("%s became\n%swant\n%s", name, got, text)
		}
	}
}

// An image with maps: smaller, still an image, read back as a program.
func TestImage(t *testing.T) {
	needZ3(t)
	dir := t.TempDir()
	for _, ext := range []string{".insns", ".maps", ".desc"} {
		raw := must.Get(os.ReadFile("testdata/count" + ext))(t)
		must.OK(t, os.WriteFile(filepath.Join(dir, "count"+ext), raw, 0o644))
	}
	in := filepath.Join(dir, "count.insns")
	before := must.Get(format.Read(in))(t)
	if _, _, err := do(t.Context(), in, "--in-place"); err != nil {
		t.Fatal(err)
	}
	after := must.Get(format.Read(in))(t)
	if len(after.Slots) >= len(before.Slots) {
		t.Errorf("%d slots, %d before", len(after.Slots), len(before.Slots))
	}
	// --pad keeps the size.
	padded := filepath.Join(dir, "padded.insns")
	must.OK(t, os.WriteFile(in, encode(t, "testdata/count.insns"), 0o644))
	if _, _, err := do(t.Context(), in, "-o", padded, "--pad"); err != nil {
		t.Fatal(err)
	}
	if raw := encode(t, padded); len(raw) != 8*len(before.Slots) {
		t.Errorf("padded to %d bytes, want %d", len(raw), 8*len(before.Slots))
	}
}

func encode(t *testing.T, path string) []byte {
	t.Helper()
	raw := must.Get(os.ReadFile(path))(t)
	return raw
}

// Weak kernel configuration, which the loader mends, goes into the kernel too.
func TestKernelWeakKconfig(t *testing.T) {
	needZ3(t)
	if err := kernelcheck.Allowed(); err != nil {
		t.Skip(err)
	}
	out, _, err := do(t.Context(), "testdata/cases/superopt-kernel-weak-kconfig/kconf.o", "--layers", "pr", "--kernel", "--json", "-")
	must.OK(t, err)
	var r struct {
		Kernel struct {
			Loaded            bool
			Runs, Differences int
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || !r.Kernel.Loaded || r.Kernel.Runs == 0 || r.Kernel.Differences != 0 {
		t.Errorf("%v: %+v", err, r)
	}
}

// The fields scripts rely on, by the names the issue gives them.
func TestJSON(t *testing.T) {
	needZ3(t)
	out, _, err := do(t.Context(), "testdata/count.insns", "--json", "-", "--kernel")
	must.OK(t, err)
	var r map[string]any
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, f := range []string{"before", "after", "cost_before", "cost_after", "proposals", "proposals_per_s", "seconds", "proved", "refuted", "unknown", "latency_before_ns", "latency_after_ns"} {
		if _, ok := r[f].(float64); !ok {
			t.Errorf("no number %q", f)
		}
	}
	k, ok := r["kernel"].(map[string]any)
	if !ok {
		t.Fatal("no kernel")
	}
	for _, f := range []string{"loaded", "runs", "differences"} {
		if _, ok := k[f]; !ok {
			t.Errorf("no kernel.%s", f)
		}
	}
	if kernelcheck.Allowed() == nil && (k["loaded"] != true || k["differences"] != 0.0) {
		t.Errorf("kernel: %v", k)
	}
	if r["after"].(float64) >= r["before"].(float64) {
		t.Errorf("%v -> %v", r["before"], r["after"])
	}
	if p, ok := r["programs"].([]any); !ok || len(p) != 1 {
		t.Errorf("programs: %v", r["programs"])
	}
}

// The same input and seed, any number of workers: the same report but for the
// times.
func TestDeterministic(t *testing.T) {
	needZ3(t)
	var first string
	for _, workers := range []string{"1", "3"} {
		out := filepath.Join(t.TempDir(), "out.insns")
		text, _, err := do(t.Context(), "testdata/count.insns", "-o", out, "--workers", workers, "--seed", "7", "--proposals", "3000")
		must.OK(t, err)
		text, _, _ = strings.Cut(text, "file ")
		text += string(encode(t, out))
		if first == "" {
			first = text
		} else if text != first {
			t.Errorf("1 worker:\n%s\n3 workers:\n%s", first, text)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		f := filepath.Join(dir, name)
		must.OK(t, os.WriteFile(f, []byte(text), 0o644))
		return f
	}
	out := filepath.Join(dir, "out")
	for _, c := range []struct {
		args []string
		part string
	}{
		{[]string{filepath.Join(dir, "none.o")}, "none.o: no such file"},
		{[]string{put("text.o", "no object")}, "text.o: not an ELF object"},
		{[]string{put("bad.k2", "MOV64XC 0\n")}, "bad.k2: line 1"},
		{[]string{put("bad.bpf", "BPF_NOTHING(),\n")}, "bad.bpf: line 1"},
		{[]string{put("odd.insns", "123")}, "odd.insns: "},
		{[]string{put("a.txt", "")}, "a.txt: not a"},
		{[]string{"testdata/double.k2", "--cost", "size"}, "--cost size: not one of balanced, count, count-no-atomics, latency, nic"},
		{[]string{"testdata/double.k2", "--layers", "x"}, "--layers x"},
		{[]string{"testdata/double.k2", "--windows", "2:1"}, `--windows "2:1"`},
		{[]string{"testdata/double.k2", "--windows", "0:9"}, "double has 3 slots"},
		{[]string{"testdata/double.k2", "--entry", "main"}, `no function "main"`},
		{[]string{"testdata/double.k2", "--rules", put("r.rules", "half a rule\n")}, "r.rules:1: "},
		{[]string{"testdata/double.k2", "--workers", "-1"}, "--workers -1"},
		{[]string{"testdata/double.k2", "--json", "-", "-o", "-"}, "only one of them"},
		{[]string{"bench", "--only", "nothing"}, "--only nothing"},
		{[]string{"bench", "--dir", filepath.Join(dir, "none")}, "none: no such file"},
		{[]string{"ladder", "--traces", "-1"}, "--traces -1"},
		{[]string{"ladder", "--layers", "p", "--samples", "none"}, "--samples none: not one of"},
	} {
		_, _, err := do(t.Context(), append(c.args, "-o", out)[:len(c.args)+2*b2i(c.args[0] != "bench" && c.args[0] != "ladder" && !strings.Contains(strings.Join(c.args, " "), "-o "))]...)
		if err == nil || !strings.Contains(err.Error(), c.part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v; want one line with %q", c.args, err, c.part)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%v: left a file", c.args)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// An interrupt writes what there is, whole, and says so.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "out.insns")
	text, _, err := do(ctx, "testdata/count.insns", "-o", out)
	if err == nil || !strings.Contains(err.Error(), "interrupted") || !strings.Contains(text, "interrupted") {
		t.Errorf("%v\n%s", err, text)
	}
	if got := encode(t, out); !bytes.Equal(got, encode(t, "testdata/count.insns")) {
		t.Error("not the input, though nothing was proved")
	}
}

// Debian's objects and the samples: the result loads and isn't larger.
func TestObjects(t *testing.T) {
	needZ3(t)
	files, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/bpf/xsk_def_xdp_prog.o")
	more, _ := filepath.Glob("../../../host/programs/ipv6filter.o")
	if files = append(files, more...); len(files) == 0 {
		t.Skip("skipped: no objects here (Debian: libxdp1)")
	}
	for _, f := range files {
		out := filepath.Join(t.TempDir(), "out.o")
		if _, _, err := do(t.Context(), f, "-o", out, "--layers", "pr"); err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		old, got := encode(t, f), encode(t, out)
		if len(got) > len(old) {
			t.Errorf("%s: %d bytes, %d before", f, len(got), len(old))
		}
		if err := kernelcheck.Allowed(); err != nil {
			t.Logf("not loaded: %v", err)
			continue
		}
		if load(old) != nil {
			continue
		}
		if err := load(got); err != nil {
			t.Errorf("%s: the result isn't loaded: %v", f, err)
		}
	}
}

func load(raw []byte) error {
	spec, err := cebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	for _, m := range spec.Maps {
		m.Pinning = cebpf.PinNone
	}
	c, err := cebpf.NewCollection(spec)
	if err == nil {
		c.Close()
	}
	return err
}

// The ladder's table, with traces of one sample.
func TestLadderVerb(t *testing.T) {
	needZ3(t)
	table := filepath.Join(t.TempDir(), "rungs.csv")
	out, _, err := do(t.Context(), "ladder", "--layers", "pr", "--samples", "ipv6filter", "--traces", "1", "-c", "sample:ipv6", "--csv", table)
	must.OK(t, err)
	if b, err := os.ReadFile(table); err != nil || !strings.Contains(string(b), "01-double,") || !strings.Contains(string(b), ",proved,") {
		t.Errorf("%v\n%s", err, b)
	}
	for _, part := range []string{"01-double", "trace of", "ipv6filter"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
}

// bench over a folder of inputs, and the ablation's table.
func TestBenchVerb(t *testing.T) {
	needZ3(t)
	dir := t.TempDir()
	for _, ext := range []string{".insns", ".maps", ".desc"} {
		must.OK(t, os.WriteFile(filepath.Join(dir, "xdp_exception"+ext), encode(t, "testdata/count"+ext), 0o644))
	}
	args := []string{"bench", "--build=false", "--dir", dir, "--only", "xdp_exception,xdp_fw", "--layers", "p"}
	out, _, err := do(t.Context(), args...)
	must.OK(t, err)
	if !strings.Contains(out, "xdp_exception.insns") || !strings.Contains(out, "skipped") {
		t.Error(out)
	}
	if out, _, err = do(t.Context(), append(args, "--ablate")...); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"all on", "without windows", "all off"} {
		if !strings.Contains(out, a) {
			t.Errorf("no %q in\n%s", a, out)
		}
	}
}
