package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cmd/internal/report"
	"jitnic/host/hosttest/must"

	"github.com/spf13/cobra"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// TestWriteDir: a folder appears whole or not at all.
func TestWriteDir(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "out")
	broken := []report.File{{Name: "one", Write: text("1")}, {Name: "two", Write: func(io.Writer) error { return errors.New("no more") }}}
	err := report.WriteDir(dir, broken)
	if err == nil || !strings.Contains(err.Error(), "two: no more") {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(top, "a")); len(left) > 0 {
		t.Errorf("a folder that failed left %v", left)
	}
	must.OK(t, report.WriteDir(dir, []report.File{{Name: "one", Write: text("1")}}))
	if err := report.WriteDir(dir, broken); err == nil {
		t.Error("no error")
	}
	if b, err := os.ReadFile(filepath.Join(dir, "one")); err != nil || string(b) != "1" {
		t.Errorf("what was there before a failure: %q, %v", b, err)
	}
	file := filepath.Join(top, "file")
	must.OK(t, os.WriteFile(file, nil, 0o644))
	if err := report.WriteDir(file, nil); err == nil || !strings.HasPrefix(err.Error(), file+": ") {
		t.Errorf("onto a file: %v", err)
	}
}

// pipe is a reader that goes away after one line, as head does.
type pipe struct{ lines int }

func (p *pipe) Write(b []byte) (int, error) {
	if p.lines > 0 {
		return 0, io.ErrClosedPipe
	}
	p.lines += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// study is a document with one of each.
func study() *report.Document {
	type row struct {
		Name string  `json:"name"`
		N    float64 `json:"n"`
	}
	d := &report.Document{Verb: "test", Title: "a < b", About: "one of each", Data: map[string]string{"a": "<1"},
		Records: []report.Records{{Name: "rows.csv", Columns: report.Columns("name", "n"), Rows: []any{row{"x", 1.5}, &row{"y", 1e6}}}}}
	d.Tabs = []report.Tab{{ID: "one", Name: "One", Title: "the first", Answer: "yes", Class: "good", Lead: "It is so.", Terms: report.Terms{"pcie.read": {Anchor: "p-pcie.read", Word: "pcie.read", Tip: "1 ns"}}}}
	d.Terms = d.Tabs[0].Terms
	t := &report.Table{ID: "t", Title: "Table", Head: []string{"name", "n"}, Left: 1, Rows: [][]string{{"x", "1.5"}}, Note: "See pcie.read.", TextNote: "More elsewhere."}
	d.Add(report.Section{ID: "facts", Title: "Facts", Blocks: []report.Block{{Facts: report.Facts{{Name: "name", Cols: []string{"</script><script>alert(1)"}}}}, {Apart: true, Table: t}}})
	d.Add(report.Section{ID: "nothing", Title: "Nothing", Blocks: []report.Block{{Table: &report.Table{ID: "none"}}}})
	c := &report.Chart{ID: "c", Title: "Chart: x", X: "x", Y: "y", Series: []report.Series{{Name: "</script>", X: []float64{1, 2}, Y: []float64{3, 4}}}}
	d.Add(report.Section{ID: "one-more", Title: "More", Tab: "one", Blocks: []report.Block{{Charts: report.Charts{c}},
		{Table: &report.Table{ID: "p", Title: "Parameters", Head: []string{"name"}, Left: 1, Rows: [][]string{{"pcie.read"}}, Anchor: "p-"}},
		{Only: report.OnPage, Pre: "seen on the page"}, {Only: report.InText, Pre: "read in the text"}, {Checks: []report.Check{{Holds: true, What: "w", Detail: "d"}}},
		{Tree: []report.Node{{Share: 0.5, Text: "half", Lines: []string{"a == 1", "b == 2"}}}}}})
	return d
}

const studyText = "name  </script><script>alert(1)\n\nTable\nname    n\nx     1.5\nSee pcie.read. More elsewhere.\n\n== One: the first ==\nIt is so.\nParameters\nname\npcie.read\nread in the text\nholds w (d)\n"

// TestOutputs: files are whole before stdout hears anything, so that who reads
// it may go away; and stdout has one thing only.
func TestOutputs(t *testing.T) {
	const csv = "name,n\nx,1.5\ny,1e+06\n"
	for _, c := range []struct {
		json, csv string // file, or "-"
		want      string // on stdout
	}{
		{"x.json", "", studyText + "\nwritten to DIR: report.html, rows.csv, study.json and the plots as SVG and PNG\n"},
		{"x.json", "-", csv},
		{"-", "x.csv", "{\n  \"a\": \"<1\"\n}\n"},
		{"", "", studyText + "\nwritten to DIR: report.html, rows.csv, study.json and the plots as SVG and PNG\n"},
	} {
		top := t.TempDir()
		at := func(name string) string {
			if name == "" || name == "-" {
				return name
			}
			return filepath.Join(top, name)
		}
		dir := filepath.Join(top, "out")
		out := report.Outputs{JSON: at(c.json), CSV: at(c.csv), Dir: dir, Name: "study.json"}
		whole := func(when string) {
			for _, f := range []string{at(c.json), at(c.csv), filepath.Join(dir, "report.html"), filepath.Join(dir, "c.svg")} {
				if _, err := os.Stat(f); f != "" && f != "-" && err != nil {
					t.Errorf("%+v, %s: %v", c, when, err)
				}
			}
			os.RemoveAll(dir)
		}
		if err := out.Write(&pipe{}, study()); c.json != "-" && c.csv != "-" && err != io.ErrClosedPipe {
			t.Errorf("%+v: the reader goes away: error %v", c, err)
		}
		whole("the reader goes away")
		var all bytes.Buffer
		must.OK(t, out.Write(&all, study()))
		whole("all is read")
		if got := strings.ReplaceAll(all.String(), dir, "DIR"); got != c.want {
			t.Errorf("%+v: %q on stdout, want %q", c, got, c.want)
		}
	}
	broken := study()
	broken.Records[0].Columns[1].Name = "no such"
	out := report.Outputs{Dir: filepath.Join(t.TempDir(), "out"), Name: "study.json"}
	var said bytes.Buffer
	if err := out.Write(&said, broken); err == nil || !strings.Contains(err.Error(), `column no such: no "no such" in`) || said.Len() > 0 {
		t.Errorf("a folder that can't be: error %v, and %q on stdout", err, &said)
	}
}

// TestPage: data can't end its element, the page asks for nothing outside, terms
// lead to their lines, and it has what the text has.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	must.OK(t, study().Page(&b))
	s := b.String()
	if strings.Contains(s, "</script><script>alert") || !strings.Contains(s, `\u003c/script\u003e`) {
		t.Error("data is not escaped")
	}
	for _, want := range []string{"a &lt; b", "var uPlot=", "Leon Sorokin", `<a href="#p-pcie.read" title="1 ns">pcie.read</a>`, `<tr id="p-pcie.read">`, `id="table-one-p"`,
		"seen on the page", `id="figure-c"`, "<code>a == 1</code><small> and 1 more</small>", "50.00 %", ">x</td>", ">1.5</td>"} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	for _, no := range []string{"<link rel=\"stylesheet", " src=", "@import", "url(", "read in the text", "More elsewhere", `id="nothing"`, ".svg"} {
		if strings.Contains(s, no) {
			t.Errorf("%q is in the page", no)
		}
	}
}

// TestRecords: a column is what the JSON has under its key, in embedded structs,
// maps and lists too, and what is not there is empty.
func TestRecords(t *testing.T) {
	type in struct {
		Mode string            `json:"mode"`
		Out  map[string]uint64 `json:"out"`
	}
	type label struct {
		Label string `json:"label"`
		N     int    `json:"n"`
	}
	type row struct {
		*in
		Labels []label  `json:"labels"`
		Far    *float64 `json:"far,omitempty"`
		Names  []string `json:"names"`
		OK     bool     `json:"ok"`
	}
	r := report.Records{Columns: []report.Column{{Name: "mode"}, {Name: "hit", Key: "out.hit"}, {Name: "legit", Key: "labels.legit.n"}, {Name: "far"}, {Name: "names"}, {Name: "ok"}},
		Rows: []any{row{in: &in{"both", map[string]uint64{"hit": 7}}, Labels: []label{{"attack", 1}, {"legit", 2}}, Names: []string{"a", "b"}, OK: true}, row{}}}
	var b bytes.Buffer
	must.OK(t, r.Write(&b, nil))
	if want := "mode,hit,legit,far,names,ok\nboth,7,2,,a b,true\n,,,,,false\n"; b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

// TestPlots: both formats are what they say, and the same each time.
func TestPlots(t *testing.T) {
	c := report.Chart{Title: "t", X: "x", Y: "y", LogX: 2, FromZero: true, Series: []report.Series{
		{Name: "a", X: []float64{1, 2, 4}, Y: []float64{90, 50, 10}}, {Name: "bound", X: []float64{1, 2, 4}, Y: []float64{80, 40, 5}, Bound: true},
		{Name: "dots", X: []float64{1, 4}, Y: []float64{1, 2}, Dots: true}, {Name: "empty"},
	}}
	h := report.Heat{Title: "h", Cols: []string{"1", "2"}, Rows: []string{"lru", "fifo"}, Z: [][]float64{{0.5, 0.1}, {0.6, math.NaN()}}}
	if lo, hi := h.Range(); lo != 0.1 || hi != 0.6 {
		t.Errorf("range %v to %v", lo, hi)
	}
	draw := func() map[string]string {
		p := must.Get(c.Plot())(t)
		out := map[string]string{}
		for _, f := range append(report.PlotFiles("chart", p, 4, 3), report.PlotFiles("heat", h.Plot(), 4, 3)...) {
			var b bytes.Buffer
			must.OK(t, f.Write(&b))
			out[f.Name] = b.String()
		}
		return out
	}
	first, again := draw(), draw()
	if len(first) != 4 {
		t.Fatalf("%d files", len(first))
	}
	for name, s := range first {
		if again[name] != s {
			t.Errorf("%s: differs the second time", name)
		}
		if strings.HasSuffix(name, ".png") {
			if _, err := png.Decode(strings.NewReader(s)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		d := xml.NewDecoder(strings.NewReader(s))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
	if !strings.Contains(first["chart.svg"], "stroke-dasharray") {
		t.Error("the bound is not dashed")
	}
}

// TestSinglePoint: axes of one value are drawn, logarithmic ones too.
func TestSinglePoint(t *testing.T) {
	for _, c := range []report.Chart{
		{LogX: 2, Series: []report.Series{{Name: "a", X: []float64{1}, Y: []float64{0}}}},
		{LogX: 10, LogY: 10, Series: []report.Series{{Name: "a", X: []float64{1, 1}, Y: []float64{1, 1}, Dots: true}}},
	} {
		p := must.Get(c.Plot())(t)
		for _, f := range report.PlotFiles("x", p, 4, 3) {
			if err := f.Write(io.Discard); err != nil {
				t.Error(err)
			}
		}
	}
}

func ExampleCount() {
	fmt.Println(report.Count(82582), report.Share(1, 3), report.Share(0, 0))
	// Output: 82 582 33.33 % -
}

// TestBars: bars to both sides, with numbers that are none, and by factors; as
// many values as names are wanted.
func TestBars(t *testing.T) {
	for _, b := range []report.Bars{
		{Title: "t", X: "x", Names: []string{"a", "b"}, Groups: []report.BarGroup{{Name: "g", Values: []float64{-40, 80}}, {Name: "h", Values: []float64{1, math.NaN()}}}},
		{Title: "t", X: "x", Factors: true, Names: []string{"a"}, Groups: []report.BarGroup{{Name: "g", Values: []float64{0}}}},
		{Title: "t", X: "x", Factors: true, Names: []string{"a", "b"}, Groups: []report.BarGroup{{Name: "g", Values: []float64{-14, 14}}}},
	} {
		p := must.Get(b.Plot())(t)
		for _, f := range report.PlotFiles("bars", p, 4, 3) {
			var w bytes.Buffer
			if err := f.Write(&w); err != nil || w.Len() == 0 {
				t.Errorf("%s: %v", f.Name, err)
			}
			if strings.Contains(w.String(), "NaN") {
				t.Errorf("%s: a number that is none", f.Name)
			}
		}
	}
	b := report.Bars{Names: []string{"a"}, Groups: []report.BarGroup{{Name: "g"}}}
	if _, err := b.Plot(); err == nil || !strings.Contains(err.Error(), "0 values of g for 1 names") {
		t.Errorf("error %v", err)
	}
}

// TestTable: words to the left, numbers to the right, no blanks at the ends.
func TestTable(t *testing.T) {
	x := report.Table{Head: []string{"name", "what", "n"}, Left: 2}
	x.Add("a", "first", "1")
	x.Add("bcd", "", "1 024")
	want := "name  what       n\na     first      1\nbcd          1 024"
	if got := x.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if first := x.First(1).Text(); first != "name  what   n\na     first  1" || len(x.Rows) != 2 {
		t.Errorf("the first row: %q of %d", first, len(x.Rows))
	}
	x.TextRows, x.TextCols = nil, []int{0, 2}
	if got := x.Text(); got != "name      n\na         1\nbcd   1 024" {
		t.Errorf("two columns: %q", got)
	}
}

// TestWindow: on a terminal tables are put in parts below each other, texts are
// broken, and nothing is longer than a line; and what a folder has is left to it.
func TestWindow(t *testing.T) {
	d := study()
	wide := &report.Table{ID: "w", Title: "A title that has more words than there is room for", Head: []string{"name"}, Left: 1, Note: "And a note that goes on and on and on and on."}
	row := []string{"first"}
	for i := range 12 {
		wide.Head = append(wide.Head, fmt.Sprintf("col %d", i))
		row = append(row, fmt.Sprint(1000+i))
	}
	wide.Add(row...)
	var f report.Facts
	f.Add("name", "1", "words that are too many for what is left of one line of forty")
	d.Add(report.Section{ID: "wide", Title: "Wide", Blocks: []report.Block{{Facts: f}, {Apart: true, Long: true, Table: wide}}})
	for _, window := range []int{0, 40} {
		d.Window = window
		var b bytes.Buffer
		must.OK(t, d.Text(&b))
		longest := 0
		for l := range strings.SplitSeq(b.String(), "\n") {
			longest = max(longest, len(l))
		}
		if parts := strings.Count(b.String(), "\nfirst "); window == 0 && (longest < 90 || parts != 1) || window > 0 && (longest > window || parts < 3) {
			t.Errorf("window %d: the longest line has %d characters, the table %d parts:\n%s", window, longest, parts, &b)
		}
		for i := range 12 { // nothing is lost
			if strings.Count(b.String(), fmt.Sprint(1000+i)) != 1 || strings.Count(b.String(), fmt.Sprintf("col %d", i)) < 1 {
				t.Errorf("window %d: column %d is not there once:\n%s", window, i, &b)
			}
		}
	}
	d.Window, d.Brief = 0, true
	var b bytes.Buffer
	must.OK(t, d.Text(&b))
	if strings.Contains(b.String(), "col 0") || !strings.Contains(b.String(), "1 more tables are in report.html") {
		t.Errorf("a table that the folder has:\n%s", &b)
	}
}

// TestToldRun: what was read is summed where something tells it, and only there.
func TestToldRun(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.txt")
	must.OK(t, os.WriteFile(in, []byte("abc"), 0o666))
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	for _, c := range []struct {
		args []string
		told bool
	}{
		{nil, true},
		{[]string{"--quiet"}, false},
		{[]string{"--quiet", "--json"}, true},
		{[]string{"--quiet", "--csv"}, true},
		{[]string{"--quiet", "--html"}, true},
	} {
		var out report.Outputs
		cmd := &cobra.Command{Use: "x"}
		out.Flags(cmd, "report")
		cmd.Flags().Bool("quiet", false, "")
		args := c.args
		if len(args) == 2 {
			args = append(args, filepath.Join(t.TempDir(), "out"))
		}
		must.OK(t, cmd.ParseFlags(args))
		must.OK(t, out.Check(cmd, []string{in}))
		d := study()
		must.OK(t, out.Write(io.Discard, d))
		switch {
		case d.Run == nil != !c.told:
			t.Errorf("%v: the run is %+v", c.args, d.Run)
		case c.told && (len(d.Run.Inputs) == 0 || d.Run.Inputs[0].SHA256 != sum):
			t.Errorf("%v: inputs %+v", c.args, d.Run.Inputs)
		}
	}
}
