package calibratecmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/calibratecmd"
	"jitnic/host/calibrate"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/run/replay"
	"jitnic/nic/profile"
	"jitnic/superopt"
)

func need(t *testing.T) {
	t.Helper()
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
}

func try(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	c := calibratecmd.Command()
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

// flags of a run that takes a second.
func flags(steps string, more ...string) []string {
	return append([]string{"--quick", "--rounds", "3", "--share", "--steps", steps}, more...)
}

func TestFolder(t *testing.T) {
	need(t)
	parent := t.TempDir()
	dir := filepath.Join(parent, "a", "out")
	out, err := try(t.Context(), flags("floor,insn,packet,call,atomic,type", "--out", dir)...)
	must.OK(t, err)
	for _, w := range []string{"Beside the papers", "map access, hash", "CoNEXT'25, table 3", "table 3, order", "bpf-to-bpf", "GHz by a chain of adds", "written to " + dir} {
		if !strings.Contains(out, w) {
			t.Errorf("%q is not in\n%s", w, out)
		}
	}
	for _, name := range []string{"report.html", "calibrate.json", "this.host", "packet.svg", "packet.png"} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || len(b) < 500 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("beside the folder: %v", left)
	}
	h, err := profile.LoadHost(filepath.Join(dir, "this.host"))
	must.OK(t, err)
	if h.Name != "this" || !strings.Contains(h.From["map.hash"].Source, "measured on Linux") {
		t.Errorf("profile %q, map.hash from %q", h.Name, h.From["map.hash"].Source)
	}
	b, err := os.ReadFile(filepath.Join(dir, "calibrate.json"))
	must.OK(t, err)
	var r struct {
		Machine struct{ Kernel string }
		Figures []calibrate.Figure
		Checks  []calibrate.Check
		Latency superopt.Latency
		Profile string
		Partial bool
	}
	must.OK(t, json.Unmarshal(b, &r))
	if r.Machine.Kernel == "" || len(r.Figures) < 40 || len(r.Checks) != 4 || r.Partial || r.Profile != h.Format() {
		t.Errorf("study of %q: %d figures, %d checks, partial %v", r.Machine.Kernel, len(r.Figures), len(r.Checks), r.Partial)
	}
	l, err := replay.LatencyTable(filepath.Join(dir, "calibrate.json"))
	if err != nil || *l != r.Latency || *l == superopt.DefaultLatency() {
		t.Errorf("latencies %+v, %v; want %+v", l, err, r.Latency)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	must.OK(t, err)
	for _, w := range []string{`id="chart-packet"`, "Does the paper hold here?", "map.hash", `"id":"packet"`} {
		if !bytes.Contains(page, []byte(w)) {
			t.Errorf("report.html: no %s", w)
		}
	}
}

// TestProfile: --profile writes the profile and nothing else.
func TestProfile(t *testing.T) {
	need(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "my.host")
	must.Get(try(t.Context(), flags("atomic", "--profile", file)...))(t)
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("in the folder: %v", left)
	}
	h, err := profile.LoadHost(file)
	must.OK(t, err)
	out, err := try(t.Context(), flags("atomic", "--profile", "-", "--base", file)...)
	must.OK(t, err)
	again, err := profile.ParseHost("-", []byte(out))
	if err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if again.Driver != h.Driver || !strings.Contains(again.From["atomic"].Source, "measured") {
		t.Errorf("atomic from %q", again.From["atomic"].Source)
	}
}

// TestInterrupt: what there is is told and said to be partial; no half file
// stays.
func TestInterrupt(t *testing.T) {
	need(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := t.TempDir()
	out, err := try(ctx, flags("floor,atomic", "--out", filepath.Join(dir, "out"), "--json", filepath.Join(dir, "c.json"))...)
	if err == nil || !strings.Contains(err.Error(), "interrupted: 0 of 2 steps") {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(out, "partial") {
		t.Errorf("not told: %s", out)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("in the folder: %v", entries)
	}
	page, err := os.ReadFile(filepath.Join(dir, "out", "report.html"))
	if err != nil || !bytes.Contains(page, []byte("Partial: it was interrupted. 0 of 2")) {
		t.Errorf("report.html doesn't say that it is partial (%v)", err)
	}
	var r struct{ Partial bool }
	if b, err := os.ReadFile(filepath.Join(dir, "c.json")); err != nil || json.Unmarshal(b, &r) != nil || !r.Partial || bytes.Contains(b, []byte(`"figures": null`)) {
		t.Errorf("c.json: %v, partial %v", err, r.Partial)
	}
}

// TestErrors: what can't be is one line that names the flag, before anything is
// measured.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must.OK(t, os.WriteFile(file, nil, 0o644))
	for _, c := range []struct{ args, want string }{
		{"--steps nope", `--steps: step "nope"`},
		{"--rounds -1", "--rounds -1"},
		{"--cpu -2", "--cpu -2"},
		{"--optimise-paths -2", "--optimise-paths -2"},
		{"--json - --profile -", "only one of them"},
		{"--profile x --out y", "--profile: writes nothing else"},
		{"--out " + file, "not a folder"},
		{"--base nope", "--base: nope"},
		{"extra", "unknown command"},
	} {
		_, err := try(t.Context(), strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("calibrate %s: error %v, want one line with %q", c.args, err, c.want)
		}
	}
	if kernel.Available() == nil {
		if _, err := try(t.Context(), "--cpu", "100000", "--quick"); err == nil || !strings.Contains(err.Error(), "CPU 100000") {
			t.Errorf("calibrate --cpu 100000: error %v", err)
		}
	}
}
