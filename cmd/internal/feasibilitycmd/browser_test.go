package feasibilitycmd_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"jitnic/cmd/internal/report/browsertest"
)

// TestPage opens report.html in a real browser: all sections and curves are
// there in each device's tab, links lead to parameters, nothing is fetched, no
// error is logged, and it can be read on a phone and on a wide window.
func TestPage(t *testing.T) {
	b := browsertest.Start(t)
	_, dir := study(t)
	b.Open(filepath.Join(dir, "report.html"), "#table-overview")
	sections := map[string][]string{"hxdp": nil, "netronome": nil}
	for nic := range sections {
		for _, s := range []string{"verdict", "fit", "match", "exec", "schedule", "program", "load", "memory", "sensitivity", "designs", "params"} {
			sections[nic] = append(sections[nic], nic+"-"+s)
		}
	}
	b.Each(func(where, name string) {
		for _, nic := range []string{"hxdp", "netronome"} {
			b.Click("#pick-" + nic)
			b.Script(`document.querySelectorAll("details").forEach(d => { d.open = true; })`)
			where := nic + ", " + where
			b.Fits(where)
			b.Readable(where)
			charts := b.Charts(".chart")
			if len(charts) != 10 { // four of all devices, six of this one
				t.Errorf("%s: %d charts are seen, want 10: %v", where, len(charts), charts)
			}
			b.Drawn(where, charts)
			seen := browsertest.Eval[[]string](b, `[...document.querySelectorAll("div.tab section")].filter(e => e.clientHeight > 60).map(e => e.id)`)
			if fmt.Sprint(seen) != fmt.Sprint(sections[nic]) {
				t.Errorf("%s: sections %v are seen, want %v", where, seen, sections[nic])
			}
			if bars := browsertest.Eval[int](b, `[...document.querySelectorAll(".track i")].filter(e => e.clientWidth > 2).length`); bars < 10 {
				t.Errorf("%s: %d bars", where, bars)
			}
			b.Shot(nic + "-" + name)
		}
	})
	// Every link leads somewhere, those of parameters to a line with a source.
	b.Links()
	if n := browsertest.Eval[int](b, `document.querySelectorAll("a[href^='#p-']").length`); n < 60 {
		t.Errorf("%d links to parameters", n)
	}
	if bare := browsertest.Eval[[]string](b, `[...document.querySelectorAll("tr[id^='p-']")].filter(r => !r.cells[1].textContent || !r.cells[3].textContent).map(r => r.id)`); len(bare) > 0 {
		t.Errorf("parameters without a value or a source: %q", bare)
	}
	// A link into the other device's tab opens it.
	b.Script(`location.hash = "#p-hxdp-pcie.read"`)
	if !browsertest.Eval[bool](b, `!document.getElementById("tab-hxdp").hidden && document.getElementById("tab-netronome").hidden && document.getElementById("p-hxdp-pcie.read").getBoundingClientRect().top < innerHeight`) {
		t.Error("a link to a parameter of a device that is not shown does not show it")
	}
	// Hover tells rates and numbers.
	if tip := b.Tip("throughput-hxdp", "chart-throughput-hxdp"); len(tip) < 20 {
		t.Errorf("tip under the cursor: %q", tip)
	}
	b.Offline()
	// A study that was interrupted, and a quick one, can be opened too.
	small := []string{"--program", "sample:firewall", "--capture", "sample:dns", "--packets", "300", "--workers", "1", "--quick"}
	first, all := asked(t, small...)
	for i, left := range []int{first + 2, all} {
		out := filepath.Join(t.TempDir(), "small")
		try(&cutAfter{Context: t.Context(), left: left}, append(small, "--out", out)...)
		b.Open(filepath.Join(out, "report.html"), "h1")
		b.Ran(fmt.Sprint("small page ", i))
	}
	b.Quiet()
}
