package calibratecmd_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/report/browsertest"
	"jitnic/host/hosttest/must"
)

// TestPage opens report.html in a real browser: curves and tables are there,
// hover tells numbers, nothing is fetched, no error is logged, and it can be read
// on a phone and on a wide window.
func TestPage(t *testing.T) {
	need(t)
	b := browsertest.Start(t)
	dir := filepath.Join(t.TempDir(), "out")
	must.Get(try(t.Context(), flags("floor,insn,packet,call,atomic,type,change", "--out", dir)...))(t)
	b.Open(filepath.Join(dir, "report.html"), "#machine")
	b.Each(func(where, name string) {
		b.Script(`document.querySelectorAll("details").forEach(d => { d.open = true; })`)
		b.Fits(where)
		b.Readable(where)
		charts := b.Charts(".chart")
		if len(charts) != 2 { // packet and insert: the others need step map
			t.Errorf("%s: charts %v, want 2", where, charts)
		}
		b.Drawn(where, charts)
		b.Shot("calibrate-" + name)
	})
	b.Links()
	// Words to the left, numbers to the right: the columns of the text too.
	if got := browsertest.Eval[string](b, `[...document.querySelectorAll("#table-papers tbody tr:first-child td")].map(e => getComputedStyle(e).textAlign).join(" ")`); got != "left right right right left left" {
		t.Errorf("cells of the first table are aligned %s", got)
	}
	if empty := browsertest.Eval[[]string](b, `[...document.querySelectorAll("details.table")].filter(e => e.querySelectorAll("tbody tr").length < 1 || e.clientHeight < 60).map(e => e.id)`); len(empty) > 0 {
		t.Errorf("tables without rows: %q", empty)
	}
	if tip := b.Tip("packet", "chart-packet"); !strings.Contains(tip, "bytes") || !strings.Contains(tip, "beyond the empty program") {
		t.Errorf("tip under the cursor: %q", tip)
	}
	b.Offline()
	// One that was interrupted can be opened too.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	out := filepath.Join(t.TempDir(), "cut")
	if _, err := try(ctx, flags("floor", "--out", out)...); err == nil {
		t.Error("not interrupted")
	}
	b.Open(filepath.Join(out, "report.html"), "#machine")
	b.Ran("interrupted")
	b.Quiet()
}
