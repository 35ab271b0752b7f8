package studycmd_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/report/browsertest"
	"jitnic/cmd/internal/studycmd"
	"jitnic/host/hosttest/must"
)

func jitnic(t *testing.T, args ...string) string {
	t.Helper()
	c := studycmd.Command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SetArgs(args)
	c.SilenceUsage, c.SilenceErrors = true, true
	must.OKf(t, c.ExecuteContext(t.Context()), "%q", args)
	return out.String()
}

const asked = `
name: two programs
question: Which policy, which size, does it pay?
programs: [sample:ipv6filter, sample:firewall]
captures: [sample:dns, sample:vlan, sample:web, sample:ipv6, sample:bulk]
policies: [lru, s3-fifo, sieve, belady-bypass]
entries: [1, 2, 4, 8, 16]
devices: [hxdp, bluefield]
`

func results(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "s.yaml"), filepath.Join(dir, "r")
	must.OK(t, os.WriteFile(file, []byte(asked), 0o666))
	jitnic(t, "run", file, "--out", out)
	return out
}

// TestReport reads the answers off the text, and each figure in its three forms.
func TestReport(t *testing.T) {
	dir := results(t)
	text := jitnic(t, "report", dir)
	for _, want := range []string{"Ranking over all programs", "Best policy by size and program", "In how many cells it pays", "hxdp ", "bluefield", "10 traces", "written to " + dir} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the report:\n%s", want, text)
		}
	}
	svgs, err := filepath.Glob(filepath.Join(dir, "figures", "*.svg"))
	if err != nil || len(svgs) != 4 { // a chart a program, cores saved, the heat map
		t.Errorf("figures: %v", svgs)
	}
	for _, path := range svgs {
		b := must.Get(os.ReadFile(path))(t)
		if err := xml.Unmarshal(b, new(struct{})); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		stem := strings.TrimSuffix(path, ".svg")
		if b, err := os.ReadFile(stem + ".pdf"); err != nil || !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.Contains(b, []byte("%%EOF")) {
			t.Errorf("%s.pdf: %v", stem, err)
		}
		if b, err := os.ReadFile(stem + ".csv"); err != nil || bytes.Count(b, []byte("\n")) < 3 {
			t.Errorf("%s.csv: %v, %s", stem, err, b)
		}
	}
	before, err := os.ReadFile(filepath.Join(dir, "report.html"))
	must.OK(t, err)
	jitnic(t, "report", dir)
	if after, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the same results make another page: %v", err)
	}
}

// TestPage opens the page in a real browser: curves and facets are drawn, every
// link leads somewhere, nothing is fetched, and it fits a phone and a wide window.
func TestPage(t *testing.T) {
	b := browsertest.Start(t)
	dir := results(t)
	jitnic(t, "report", dir)
	b.Open(filepath.Join(dir, "report.html"), "#answers")
	b.Each(func(where, name string) {
		b.Script(`document.querySelectorAll("details").forEach(d => { d.open = true; })`)
		b.Fits(where)
		b.Readable(where)
		charts := b.Charts(".chart")
		if len(charts) != 2 {
			t.Errorf("%s: charts %v, want 2", where, charts)
		}
		b.Drawn(where, charts)
		b.Shot("study-" + name)
	})
	b.Links()
	if n := browsertest.Eval[int](b, `document.querySelectorAll(".facets tbody a svg path").length`); n < 2*5*5 {
		t.Errorf("%d lines in the facets", n)
	}
	if miss := browsertest.Eval[[]string](b, `[...document.querySelectorAll(".facets tbody a, #outliers td a")].map(a => a.getAttribute("href").slice(1)).filter(id => !document.getElementById(id))`); len(miss) > 0 {
		t.Errorf("cells that links don't find: %q", miss)
	}
	if colour := browsertest.Eval[string](b, `getComputedStyle(document.querySelector(".facets path.l1:not(.band)")).stroke`); colour != "rgb(213, 94, 0)" {
		t.Errorf("the second line of a facet is drawn in %s", colour)
	}
	if tip := b.Tip("saved", "chart-saved"); !strings.Contains(tip, "hxdp") {
		t.Errorf("tip under the cursor: %q", tip)
	}
	b.Offline()
	b.Quiet()
}
