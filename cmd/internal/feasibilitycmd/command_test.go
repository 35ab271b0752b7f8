package feasibilitycmd_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"jitnic/cmd/internal/feasibilitycmd"
	"jitnic/host/hosttest/must"
)

// try runs the verb and returns what it printed.
func try(ctx context.Context, args ...string) (string, error) {
	c := feasibilitycmd.Command()
	var out, errs bytes.Buffer
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

// flags are those of a study of two devices, short ones.
var flags = []string{"--program", "sample:firewall", "--capture", "sample:dns", "--nic", "hxdp,netronome", "--rate", "8Mpps", "--packets", "8000", "--compare-designs"}

// made is that study, made once: what it printed and the folder it wrote.
var made = sync.OnceValues(func() (x struct{ text, dir string }, err error) {
	top, err := os.MkdirTemp("", "jitnic-feasibility-*")
	if err != nil {
		return x, err
	}
	x.dir = filepath.Join(top, "study")
	x.text, err = try(context.Background(), append(flags, "--workers", "1", "--out", x.dir)...)
	return x, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if x, _ := made(); x.dir != "" {
		os.RemoveAll(filepath.Dir(x.dir))
	}
	os.Exit(code)
}

func study(t *testing.T) (text, dir string) {
	t.Helper()
	x := must.Get(made())(t)
	return x.text, x.dir
}

// TestText: the verdict is first, each section is there, in order, and no line
// of it is a mistake of formatting.
func TestText(t *testing.T) {
	text, dir := study(t)
	at := 0
	for _, want := range []string{
		"program ", "capture ", "load ", "times as fast", "Devices side by side", "answer ", "break-even hit ratio, cores", "host cores needed", "loss-free rate (MLFFR)",
		"== hxdp:", "8 Mpps on hxdp", "break-even ", "installs needed", "can be offloaded", "to cover packets", "Matchers (", "tree *", "In a TCAM", "executor ", "whole program", "traces ",
		"At 8 Mpps", "NIC + host", "host only", "NIC only", "flows in order", "cold start", "order ", "Maximum loss-free forwarding rate", "Memory models", "replicated",
		"Assumed figures:", "Designs on the same capture", "megaflow", "claims ", "parameters  hxdp:", "with a source",
		"== netronome:", "What keeps packets out", "map type lpm_trie", "limit.map.types", "Lifting them",
	} {
		k := strings.Index(text[at:], want)
		if k < 0 {
			t.Fatalf("no %q after\n…%s\nin\n%s", want, text[max(0, at-80):at], text)
		}
		at += k
	}
	lines := 0
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "== ") {
			if lines > 90 {
				t.Errorf("%d lines of a device", lines)
			}
			lines = 0
		}
		lines++
		for _, bad := range []string{"NaN", "Inf", "%!", "<nil>", "e+", "\t"} {
			if strings.Contains(l, bad) {
				t.Errorf("%q in %q", bad, l)
			}
		}
		if strings.TrimRight(l, " \n")+"\n" != l {
			t.Errorf("blanks at the end of %q", l)
		}
	}
	if !strings.HasSuffix(text, "written to "+dir+": report.html, rows.csv, study.json and the plots as SVG and PNG\n") {
		t.Errorf("the last line of\n%s", text)
	}
}

// TestFiles: the folder holds what it should, each of its kind, and the rows
// are those of the study.
func TestFiles(t *testing.T) {
	_, dir := study(t)
	want := map[string]bool{"report.html": true, "rows.csv": true, "study.json": true}
	charts := []string{"all-throughput", "all-latency", "all-cores", "all-hits"}
	for _, nic := range []string{"hxdp", "netronome"} {
		for _, c := range []string{"throughput", "latency", "latency-p99", "latency-tails", "loss", "host-cores", "sensitivity-latency", "sensitivity-cores", "designs"} {
			charts = append(charts, c+"-"+nic)
		}
	}
	for _, c := range charts {
		want[c+".svg"], want[c+".png"] = true, true
	}
	have, err := os.ReadDir(dir)
	must.OK(t, err)
	for _, f := range have {
		if !want[f.Name()] {
			t.Errorf("%s should not be there", f.Name())
		}
		delete(want, f.Name())
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		must.OK(t, err)
		switch filepath.Ext(f.Name()) {
		case ".png":
			if _, err := png.Decode(bytes.NewReader(b)); err != nil {
				t.Errorf("%s: %v", f.Name(), err)
			}
		case ".svg":
			d := xml.NewDecoder(bytes.NewReader(b))
			for err == nil {
				_, err = d.Token()
			}
			if err != io.EOF {
				t.Errorf("%s: %v", f.Name(), err)
			}
			if bytes.Contains(b, []byte("NaN")) || bytes.Contains(b, []byte("Inf")) {
				t.Errorf("%s: numbers that are none", f.Name())
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		t.Errorf("no %s", name)
	}

	var r struct {
		Partial bool
		Studies []struct {
			NIC    struct{ Name string }
			Point  []struct{ Mode string }
			Memory []struct{} `json:"memory_models"`
			Curves []struct {
				Mode   string
				Points []struct {
					Offered float64 `json:"offered_pps"`
				}
			}
			Loaded []struct{} `json:"designs_loaded"`
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "study.json"))
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil || r.Partial || len(r.Studies) != 2 {
		t.Fatalf("study.json: %v, partial %v, %d studies", err, r.Partial, len(r.Studies))
	}
	b, err = os.ReadFile(filepath.Join(dir, "rows.csv"))
	must.OK(t, err)
	lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	must.OK(t, err)
	col := map[string]int{}
	for i, name := range lines[0] {
		if _, twice := col[name]; twice {
			t.Errorf("column %s twice", name)
		}
		col[name] = i
	}
	count := map[string]int{}
	for _, l := range lines[1:] {
		count[l[col["nic"]]+" "+l[col["run"]]]++
	}
	for _, s := range r.Studies {
		n := s.NIC.Name
		points := 0
		for _, c := range s.Curves {
			points += len(c.Points)
		}
		if points != 30 || count[n+" curve"] != points || count[n+" point"] != 3 || count[n+" cold"] != 1 || count[n+" other order"] != 1 || count[n+" memory host"] != 1 || count[n+" design flow"] != 1 {
			t.Errorf("%s: %d points, rows %v", n, points, count)
		}
	}
}

// TestSame: the same input, the same bytes, whatever the number of workers.
func TestSame(t *testing.T) {
	text, dir := study(t)
	again := filepath.Join(t.TempDir(), "again")
	out := must.Get(try(t.Context(), append(flags, "--workers", "2", "--out", again)...))(t)
	if strings.ReplaceAll(out, again, dir) != text {
		t.Error("another text")
	}
	files := must.Get(os.ReadDir(dir))(t)
	for _, f := range files {
		a, err := os.ReadFile(filepath.Join(dir, f.Name()))
		must.OK(t, err)
		b, err := os.ReadFile(filepath.Join(again, f.Name()))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: differs (%v)", f.Name(), err)
		}
	}
}

// TestQuick: what a study leaves out is left out of the report too.
func TestQuick(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "quick")
	text, err := try(t.Context(), "--program", "sample:firewall", "--capture", "sample:dns", "--quick", "--packets", "3000", "--out", dir)
	must.OK(t, err)
	for _, no := range []string{"Devices side by side", "Maximum loss-free", "Assumed figures", "Designs on", "superoptimized"} {
		if strings.Contains(text, no) {
			t.Errorf("%q in\n%s", no, text)
		}
	}
	for _, yes := range []string{"on hxdp", "At 10 Mpps", "Memory models"} {
		if !strings.Contains(text, yes) {
			t.Errorf("no %q in\n%s", yes, text)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("%d files, %v: want the page, the study and the rows alone", len(files), err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	must.OK(t, err)
	for _, no := range []string{"hxdp-sensitivity", "hxdp-designs", `id="figure-`} {
		if strings.Contains(string(page), no) {
			t.Errorf("%s is in the page", no)
		}
	}
}

// TestNames: a device may have any name; files and the page cope with it.
func TestNames(t *testing.T) {
	top := t.TempDir()
	var nics []string
	for i, name := range []string{"a/b c", "a-b-c", `<b>x&"y`, "host"} {
		file := filepath.Join(top, fmt.Sprint(i, ".nic"))
		must.OK(t, os.WriteFile(file, []byte("base = hxdp\nname = "+name+"\n"), 0o644))
		nics = append(nics, file)
	}
	dir := filepath.Join(top, "study")
	must.Get(try(t.Context(), "--program", "sample:ipv6filter", "--capture", "sample:ipv6", "--nic", strings.Join(nics, ","), "--rate", "1M,2M", "--packets", "200", "--out", dir))(t)
	for _, name := range []string{"loss-a-b-c.svg", "loss-a-b-c-2.svg", "loss--b-x--y.svg", "loss-host.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	page := must.Get(os.ReadFile(filepath.Join(dir, "report.html")))(t)
	for _, id := range []string{`id="tab-a-b-c"`, `id="tab-a-b-c-2"`, `id="p-host-pcie.read"`, `id="p-host.-cores"`, "&lt;b&gt;x&amp;"} {
		if n := strings.Count(string(page), id); n == 0 || strings.HasPrefix(id, "id") && n > 1 {
			t.Errorf("%d times %s", n, id)
		}
	}
	if strings.Contains(string(page), "<b>x") {
		t.Error("a name is not escaped")
	}
}

// cutAfter ends a context when it has been asked so many times whether it has
// ended: an interrupt at a place that is the same each time.
type cutAfter struct {
	context.Context
	mu   sync.Mutex
	left int
}

func (c *cutAfter) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// asked is how often a study of these flags asks whether it has been interrupted, and
// from which time on an interrupt leaves a page.
func asked(t *testing.T, flags ...string) (first, all int) {
	cut := func(left int) (int, bool) {
		dir := filepath.Join(t.TempDir(), "cut")
		ctx := &cutAfter{Context: t.Context(), left: left}
		try(ctx, append(flags, "--out", dir)...)
		_, err := os.Stat(filepath.Join(dir, "report.html"))
		return left - ctx.left, err == nil
	}
	all, _ = cut(1 << 30)
	return sort.Search(all, func(left int) bool { _, ok := cut(left); return ok }), all
}

// TestInterrupted: what an interrupt leaves is marked as partial and can be read,
// wherever it comes.
func TestInterrupted(t *testing.T) {
	marked, refused := 0, 0
	flags := []string{"--program", "sample:firewall", "--capture", "sample:dns", "--packets", "300", "--workers", "1", "--compare-designs"}
	first, all := asked(t, flags...)
	for _, left := range []int{0, first / 2, first - 1, first, first + 2, first + 5, first + 8, first + 10, first + 33, first + 108, first + 153, all - 4, all - 1} {
		dir := filepath.Join(t.TempDir(), "cut")
		ctx := &cutAfter{Context: t.Context(), left: left}
		text, err := try(ctx, append(flags, "--out", dir)...)
		if err == nil {
			continue
		}
		page, readErr := os.ReadFile(filepath.Join(dir, "report.html"))
		if errors.Is(readErr, os.ErrNotExist) { // before there was anything
			refused++
			if text != "" {
				t.Errorf("after %d: no folder, but\n%s", left, text)
			}
			continue
		}
		marked++
		b, jsonErr := os.ReadFile(filepath.Join(dir, "study.json"))
		var r struct{ Partial bool }
		if jsonErr == nil {
			jsonErr = json.Unmarshal(b, &r)
		}
		if jsonErr != nil || !r.Partial || !strings.Contains(err.Error(), "interrupted") || strings.Contains(err.Error(), "\n") {
			t.Errorf("after %d: %v, partial %v, error %v", left, jsonErr, r.Partial, err)
		}
		if !strings.Contains(text, "partial: interrupted") || !strings.Contains(string(page), "Partial: it was interrupted") {
			t.Errorf("after %d: not marked in\n%s", left, text)
		}
		for _, bad := range []string{"NaN", "Inf", "%!", "<nil>"} {
			if strings.Contains(text, bad) {
				t.Errorf("after %d: %q in\n%s", left, bad, text)
			}
		}
	}
	if marked < 8 {
		t.Errorf("%d interrupted studies were written, %d were not begun: want more of the first", marked, refused)
	}
	t.Logf("%d written as partial, %d not begun", marked, refused)
}
