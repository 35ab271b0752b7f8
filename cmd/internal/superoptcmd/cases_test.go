package superoptcmd

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/replaycmd"
	"jitnic/host/hosttest/must"
	"jitnic/superopt/kernelcheck"
)

// Inputs that went wrong, each with what is right.
const cases = "testdata/cases/"

// verdicts replays a capture through a program and counts what it says.
func verdicts(t *testing.T, args ...string) map[string]float64 {
	t.Helper()
	var out bytes.Buffer
	c := replaycmd.Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(append(args, "--json", "-"))
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	var r struct {
		Verdicts map[string]float64
	}
	if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '{'):]), &r); err != nil || len(r.Verdicts) == 0 {
		t.Fatalf("%v\n%s", err, text)
	}
	return r.Verdicts
}

// A bpf_xdp_load_bytes that fails leaves its buffer as it was: what stood there
// is no dead store.
func TestCaseLoadBytesFails(t *testing.T) {
	needZ3(t)
	dir := cases + "superopt-load-bytes-fails/"
	out := filepath.Join(t.TempDir(), "out.o")
	if text, _, err := do(t.Context(), dir+"w_load7.o", "-o", out); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	old, new := verdicts(t, "-p", dir+"w_load7.o", "-c", dir+"base.pcap"), verdicts(t, "-p", out, "-c", dir+"base.pcap")
	if !maps.Equal(old, new) || len(old) != 2 {
		t.Errorf("verdicts %v, were %v", new, old)
	}
}

// Likewise in a trace, beside the interpreter.
func TestCaseTraceLoadBytes(t *testing.T) {
	needZ3(t)
	dir := cases + "superopt-trace-load-bytes/"
	verdicts(t, "-p", dir+"q_tr.o", "-c", dir+"base.pcap", "--superopt", "--check")
}

// A pointer to no bytes is still one that the verifier checks.
func TestCaseZeroSize(t *testing.T) {
	needZ3(t)
	if err := kernelcheck.Allowed(); err != nil {
		t.Skip(err)
	}
	if text, _, err := do(t.Context(), cases+"superopt-zero-size-csum/s_cs.o", "-o", filepath.Join(t.TempDir(), "out.o"), "--kernel=on"); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// A call that was never linked is an error with its place.
func TestCaseUnlinkedCall(t *testing.T) {
	_, _, err := do(t.Context(), cases+"superopt-panic-call/panic.insns", "--layers", "p")
	if err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "internal") || !strings.Contains(err.Error(), "panic.insns: ") || !strings.Contains(err.Error(), "insn ") {
		t.Errorf("%v", err)
	}
}

// Under --kernel=on what can't be compared is an error and no file; under auto
// it is a line of the report.
func TestKernelModes(t *testing.T) {
	needZ3(t)
	if err := kernelcheck.Allowed(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	in := filepath.Join(dir, "bad.insns") // reads r7, which nothing set: no kernel takes it
	must.OK(t, os.WriteFile(in, []byte{0xbf, 0x70, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}, 0o644))
	for mode, fails := range map[string]bool{"--kernel=auto": false, "--kernel=on": true, "--kernel": true, "--kernel=true": true, "--kernel=off": false, "--kernel=false": false} {
		out := filepath.Join(dir, strings.TrimLeft(mode, "-")+".insns")
		text, _, err := do(t.Context(), in, "-o", out, "--layers", "p", mode)
		if (err != nil) != fails {
			t.Errorf("%s: %v", mode, err)
		}
		if _, e := os.Stat(out); (e != nil) != fails {
			t.Errorf("%s: file: %v", mode, e)
		}
		if mode == "--kernel=auto" && !strings.Contains(text, "original refused") {
			t.Errorf("%s: nothing said of it:\n%s", mode, text)
		}
	}
	if _, _, err := do(t.Context(), in, "--kernel=maybe"); err == nil || !strings.Contains(err.Error(), "want auto, on or off") {
		t.Errorf("%v", err)
	}
}
