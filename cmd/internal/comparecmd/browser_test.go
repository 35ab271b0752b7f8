package comparecmd_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/report/browsertest"
	"jitnic/host/hosttest/must"
)

// TestPage opens report.html in a real browser: curves are there, toggles work,
// nothing is fetched, no error is logged, and it can be read on a phone and on
// a wide window.
func TestPage(t *testing.T) {
	b := browsertest.Start(t)
	dir := filepath.Join(t.TempDir(), "study")
	run(t, "--requests", zipfFile(t), "--policies", "all", "--entries", "1..512", "--slots", "256,1024,4096", "--workers", "1", "--out", dir)
	b.Open(filepath.Join(dir, "report.html"), "#keys-miss-ratio input")
	b.Each(func(where, name string) {
		b.Script(`document.querySelectorAll("details").forEach(d => { d.open = true; })`)
		b.Fits(where)
		b.Readable(where)
		charts := b.Charts(".chart")
		if len(charts) != 5 {
			t.Errorf("%s: %d charts are seen, want 5: %v", where, len(charts), charts)
		}
		b.Drawn(where, charts)
		b.Shot("page-" + name)
	})
	b.Links()
	// Toggles: a policy off and on again changes what is drawn, and the curve
	// that hit ratios are drawn for.
	count := func() (n, hits, ink int) {
		v := browsertest.Eval[[]int](b, `["miss-ratio", "hit-ratio"].map(c => jitnic.charts[c].series.filter((s, i) => i && s.show).length)`)
		return v[0], v[1], b.Charts("#chart-miss-ratio")[0].Ink
	}
	n0, _, ink0 := count()
	b.Click(`#keys-miss-ratio input[data-series="lru"]`)
	n1, h1, ink1 := count()
	if n1 != n0-1 || h1 != n1 || ink1 >= ink0 {
		t.Errorf("lru off: %d curves of %d (%d over time), %d coloured pixels of %d", n1, n0, h1, ink1, ink0)
	}
	b.Click(`#keys-miss-ratio input[data-series="lru"]`)
	n2, _, ink2 := count()
	if n2 != n0 || ink2 != ink0 {
		t.Errorf("lru off and on: %d curves of %d, %d coloured pixels of %d", n2, n0, ink2, ink0)
	}
	names := browsertest.Eval[int](b, `jitnic.data[0].series.length`)
	for pick, want := range map[string]int{"all": names, "none": 0, "few": n0} {
		b.Click(`button[data-pick="` + pick + `"]`)
		if n, _, _ := count(); n != want {
			t.Errorf("button %s: %d curves, want %d", pick, n, want)
		}
	}
	// Hover tells sizes and numbers.
	b.Click(`button[data-pick="few"]`)
	tip := b.Tip("miss-ratio", "chart-miss-ratio")
	if !strings.Contains(tip, "entries") || !strings.Contains(tip, "lru") || !strings.Contains(tip, "%") {
		t.Errorf("tip under the cursor: %q", tip)
	}
	// Another unit, and the distance to the bound.
	b.Script(`(() => { const s = document.querySelector("#controls-miss-ratio select"); s.value = [...s.options].findIndex(o => o.text === "above the bound, by slots"); s.dispatchEvent(new Event("change")); })()`)
	last := browsertest.Eval[[]float64](b, `(() => { const u = jitnic.charts["miss-ratio"], row = n => u.data[u.series.findIndex(s => s.label === n)][1]; return [u.data[0].length, row("pfoo-l"), row("fifo")]; })()`)
	if len(last) != 3 || last[0] != 3 || last[1] != 0 || last[2] <= 0 {
		t.Errorf("slots above the bound: sizes, pfoo-l, fifo: %v", last)
	}
	b.Offline()
	// What is nearly nothing can be opened too: one path at one size, nothing
	// but uncacheable packets, and a study interrupted before its first point.
	for i, text := range []string{"id\n7\n", "id\n\"\"\n\"\"\n", "id\n1\n2\n1\n"} {
		file := filepath.Join(t.TempDir(), "<\\script><b>x&.csv")
		must.OK(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must.OK(t, os.WriteFile(file, []byte(text), 0o644))
		runCtx, stop := context.WithCancel(t.Context())
		if i == 2 {
			stop()
		}
		out := filepath.Join(t.TempDir(), "small")
		if _, err := try(runCtx, "--requests", file, "--policies", "lru,infinite", "--entries", "4", "--out", out); (err != nil) != (i == 2) {
			t.Fatal(err)
		}
		stop()
		b.Open(filepath.Join(out, "report.html"), "h1")
		b.Ran(fmt.Sprint("small page ", i))
	}
	b.Quiet()
}
