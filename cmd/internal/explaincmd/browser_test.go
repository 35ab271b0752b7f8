package explaincmd_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/explaincmd"
	"jitnic/cmd/internal/report/browsertest"
)

func run(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c := explaincmd.Command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceUsage = true
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("explain %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// TestPage opens the page in a real browser: the tree folds, a path shows its bytes,
// its trace and its time, the source stands beside it, and all of it can be read on a
// phone and on a wide window, offline.
func TestPage(t *testing.T) {
	b := browsertest.Start(t)
	dir := filepath.Join(t.TempDir(), "study")
	run(t, "--program", "sample:firewall", "--capture", "sample:vlan", "--entries", "8", "--out", dir)
	b.Open(filepath.Join(dir, "report.html"), ".choice-tree .way")
	b.Script(`jitnic.choices.choices.open()`)
	b.Each(func(where, name string) {
		b.Script(`document.querySelectorAll("details").forEach(d => { d.open = true; })`)
		b.Fits(where)
		b.Readable(where)
		// Nothing has to be
		// pushed aside to see the choices, their source and a packet's bytes.
		if wide := browsertest.Eval[[]string](b, `[...document.querySelectorAll(".scroll:has(table), .scroll:has(.dump), .choice-tree, .choice-source")].filter(e => e.scrollWidth > e.clientWidth).map(e => e.className + " " + e.firstElementChild.className + ": " + e.scrollWidth + " in " + e.clientWidth)`); len(wide) > 0 {
			t.Errorf("%s: wider than its room: %q", where, wide)
		}
		b.Shot("explain-" + name)
	})
	paths := browsertest.Eval[int](b, `new Set([...document.querySelectorAll(".leaf")].map(l => l.dataset.path)).size`)
	for _, fold := range []string{"function", "field", "map", "line"} {
		b.Script(`jitnic.choices.choices.fold("` + fold + `"); jitnic.choices.choices.open()`)
		if n := browsertest.Eval[int](b, `new Set([...document.querySelectorAll(".leaf")].map(l => l.dataset.path)).size`); n != paths || n < 20 {
			t.Errorf("by %s: %d paths in the tree, want %d", fold, n, paths)
		}
		// What ways have in common stands above them: they differ in each node.
		if twice := browsertest.Eval[int](b, `[...document.querySelectorAll(".choice-tree, .choice-tree details.way")].filter(d => { const w = [...d.querySelectorAll(":scope > details.way > summary > code")].map(c => c.textContent); return w.length === 1; }).length`); twice > 0 {
			t.Errorf("by %s: %d questions with one answer", fold, twice)
		}
	}
	b.Click(`.leaf[data-path="3"]`)
	got := browsertest.Eval[[]int](b, `(() => { const p = document.querySelector(".choice-path"); return [+p.dataset.path, p.querySelectorAll("mark").length, p.querySelectorAll(".over .hit").length, p.querySelectorAll(".step").length, p.querySelectorAll("pre").length]; })()`)
	if got[0] != 3 || got[1] < 8 || got[2] < 1 || got[3] < 5 || got[4] != 2 {
		t.Errorf("path 3: number, marked bytes, stretches with hits, steps, lists: %v", got)
	}
	b.Click(`.choice-path .step:last-child button`)
	if line := browsertest.Eval[string](b, `document.querySelector(".choice-source .line.here .text").textContent`); strings.TrimSpace(line) == "" {
		t.Error("no line of the source is shown")
	}
	b.Links()
	b.Offline()
	// One path alone.
	for _, args := range [][]string{{"--limit", "1"}} {
		file := filepath.Join(t.TempDir(), "one.html")
		run(t, append([]string{"--program", "sample:firewall", "--capture", "sample:dns", "--html", file}, args...)...)
		b.Open(file, "#why")
	}
	b.Quiet()
}

// TestText: the first screen of a terminal begins with the sentence and has no more
// lines than a screen.
func TestText(t *testing.T) {
	for _, p := range []string{"firewall", "telemetry", "conntrack"} {
		out := run(t, "--program", "sample:"+p, "--capture", "sample:lab")
		if first, _, _ := strings.Cut(out, "\n"); !strings.Contains(first, " paths: ") {
			t.Errorf("%s: the first line is %q", p, first)
		}
		if n := strings.Count(out, "\n"); n > 32 {
			t.Errorf("%s: %d lines", p, n)
		}
	}
	out := run(t, "--program", "sample:firewall", "--capture", "sample:lab", "--by", "map")
	if !strings.Contains(out, "\nservices ") || !strings.Contains(out, "(no map)") {
		t.Errorf("by map:\n%s", out)
	}
}

func TestRefused(t *testing.T) {
	for _, args := range [][]string{{"--by", "colour"}, {"--top", "0"}, {"--packet", "0"}, {"--packet", "99999999"}} {
		c := explaincmd.Command()
		c.SetArgs(append([]string{"--program", "sample:firewall", "--capture", "sample:dns"}, args...))
		c.SilenceUsage, c.SilenceErrors = true, true
		if err := c.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), args[1]) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
