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
	if err := report.WriteDir(dir, []report.File{{Name: "one", Write: text("1")}}); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteDir(dir, broken); err == nil {
		t.Error("no error")
	}
	if b, err := os.ReadFile(filepath.Join(dir, "one")); err != nil || string(b) != "1" {
		t.Errorf("what was there before a failure: %q, %v", b, err)
	}
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
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

// TestOutputs: files are whole before stdout hears anything, so that who reads
// it may go away; and stdout has one thing only.
func TestOutputs(t *testing.T) {
	in := func() ([]report.File, error) {
		return []report.File{{Name: "page", Write: text("p")}, {Name: "a.svg", Write: text("<svg/>")}}, nil
	}
	lines := func(w io.Writer) error {
		for range 3 {
			if _, err := io.WriteString(w, "line\n"); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		json, csv string // file, or "-"
		want      string // on stdout
	}{
		{"x.json", "", "line\nline\nline\n\nwritten to DIR: page and the plots as SVG and PNG\n"},
		{"x.json", "-", "1,2\n3,4\n"},
		{"-", "x.csv", "{\n  \"a\": \"<1\"\n}\n"},
		{"", "", "line\nline\nline\n\nwritten to DIR: page and the plots as SVG and PNG\n"},
	} {
		top := t.TempDir()
		at := func(name string) string {
			if name == "" || name == "-" {
				return name
			}
			return filepath.Join(top, name)
		}
		dir := filepath.Join(top, "out")
		out := report.Outputs{Files: []report.Output{{Path: at(c.json), Write: report.JSON(map[string]string{"a": "<1"})}, {Path: at(c.csv), Write: text("1,2\n3,4\n")}}, Dir: dir, In: in, Text: lines}
		whole := func(when string) {
			for _, f := range []string{at(c.json), at(c.csv), filepath.Join(dir, "page"), filepath.Join(dir, "a.svg")} {
				if _, err := os.Stat(f); f != "" && f != "-" && err != nil {
					t.Errorf("%+v, %s: %v", c, when, err)
				}
			}
			os.RemoveAll(dir)
		}
		if err := out.Write(&pipe{}); c.json != "-" && c.csv != "-" && err != io.ErrClosedPipe {
			t.Errorf("%+v: the reader goes away: error %v", c, err)
		}
		whole("the reader goes away")
		var all bytes.Buffer
		if err := out.Write(&all); err != nil {
			t.Fatal(err)
		}
		whole("all is read")
		if got := strings.ReplaceAll(all.String(), dir, "DIR"); got != c.want {
			t.Errorf("%+v: %q on stdout, want %q", c, got, c.want)
		}
	}
	broken := report.Outputs{Dir: filepath.Join(t.TempDir(), "out"), Text: lines, In: func() ([]report.File, error) {
		return []report.File{{Name: "page", Write: func(io.Writer) error { return errors.New("no more") }}}, nil
	}}
	var said bytes.Buffer
	if err := broken.Write(&said); err == nil || said.Len() > 0 {
		t.Errorf("a folder that can't be: error %v, and %q on stdout", err, &said)
	}
}

// TestPage: data can't end its element, and the page asks for nothing outside.
func TestPage(t *testing.T) {
	p := report.Page{Title: "a < b", Data: map[string]string{"name": "</script><script>alert(1)"}, Body: "<p>x</p>", JS: "/* end */"}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	s := b.String()
	if strings.Contains(s, "</script><script>alert") || !strings.Contains(s, `\u003c/script\u003e`) {
		t.Error("data is not escaped")
	}
	if !strings.Contains(s, "a &lt; b") || !strings.Contains(s, "var uPlot=") || !strings.Contains(s, "Leon Sorokin") {
		t.Error("title, library or its licence is not in the page")
	}
	for _, tag := range []string{"<link rel=\"stylesheet", " src=", "@import", "url("} {
		if strings.Contains(s, tag) {
			t.Errorf("%q is in the page: it may ask for something outside", tag)
		}
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
		p, err := c.Plot()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range append(report.PlotFiles("chart", p, 4, 3), report.PlotFiles("heat", h.Plot(), 4, 3)...) {
			var b bytes.Buffer
			if err := f.Write(&b); err != nil {
				t.Fatal(err)
			}
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
		p, err := c.Plot()
		if err != nil {
			t.Fatal(err)
		}
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
		p, err := b.Plot()
		if err != nil {
			t.Fatal(err)
		}
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
	if first := x.First(1); len(first.Rows) != 1 || len(x.Rows) != 2 || len(x.First(9).Rows) != 2 {
		t.Errorf("%d rows of %d", len(first.Rows), len(x.Rows))
	}
}
