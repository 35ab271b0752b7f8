package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"gonum.org/v1/plot"
)

// JSON writes the document's data, indented, with its run.
func (d *Document) JSON(w io.Writer) error {
	v, err := withRun(d.Run, d.Data)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// encode is v's JSON in one line.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// Files are what a folder holds of the document: the page, the records, the JSON
// under the name given, and the plots as SVG and PNG.
func (d *Document) Files(json string) ([]File, error) {
	out := []File{{Name: "report.html", Write: d.pageBeside}}
	for i := range d.Records {
		out = append(out, File{Name: d.Records[i].Name, Write: func(w io.Writer) error { return d.Records[i].Write(w, d.Run) }})
	}
	out = append(out, File{Name: json, Write: d.JSON})
	drawings, err := d.drawings()
	if err != nil {
		return nil, err
	}
	for _, x := range drawings {
		out = append(out, PlotFiles(x.id, x.plot, x.w, x.h)...)
	}
	return out, nil
}

// A drawing is a plot for papers: a chart, bars or a heat map, with its size in
// inches and the numbers it is drawn of.
type drawing struct {
	id   string
	plot *plot.Plot
	w, h float64
	data func() [][]string
}

// drawings are those of all blocks, in the order of the document.
func (d *Document) drawings() ([]drawing, error) {
	var out []drawing
	for i := range d.Sections {
		for k := range d.Sections[i].Blocks {
			more, err := d.Sections[i].Blocks[k].drawings()
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

func (b *Block) drawings() ([]drawing, error) {
	var out []drawing
	for _, c := range b.Charts {
		for _, c := range append([]*Chart{c}, c.Choices...) {
			if c.ID == "" || !c.Seen() {
				continue
			}
			p, err := c.Plot()
			if err != nil {
				return nil, err
			}
			out = append(out, drawing{c.ID, p, 6.5, 4, c.data})
		}
	}
	for _, x := range b.Bars {
		p, err := x.Plot()
		if err != nil {
			return nil, err
		}
		n := len(x.Names)
		if x.Most > 0 {
			n = min(n, x.Most)
		}
		out = append(out, drawing{x.ID, p, 6.5, 1.4 + 0.13*float64(n*len(x.Groups)), x.data})
	}
	if h := b.Heat; h != nil {
		out = append(out, drawing{h.ID, h.Plot(), 6.5, 1 + 0.16*float64(len(h.Rows)), h.data})
	}
	return out, nil
}

// Outputs are the places a document goes to: what flags name, and stdout.
type Outputs struct {
	JSON, CSV, HTML string   // files, "-" for stdout; "": none
	Other           []Output // further files of their own
	Dir             string   // folder; "": none
	Name            string   // of the JSON in the folder
	More            []File   // what the folder holds beside the document's own

	command *cobra.Command // of Check
	args    []string
	one     one // of several programs
	sums    sums
}

// folder is Dir, or the program's in it.
func (o *Outputs) folder() string { return filepath.Join(o.Dir, o.one.name) }

// Flags adds --json, --csv and --html to a command; what says what goes there.
func (o *Outputs) Flags(c *cobra.Command, what string) {
	f := c.Flags()
	f.StringVar(&o.JSON, "json", "", "write the "+what+" as JSON to `FILE` (- for stdout)")
	f.StringVar(&o.CSV, "csv", "", "write its rows as CSV to `FILE` (- for stdout)")
	f.StringVar(&o.HTML, "html", "", "write it as a page that opens offline to `FILE` (- for stdout)")
}

// An Output is a file that a flag names, "-" for stdout; an empty path is none.
type Output struct {
	Flag, Path string

	Write func(io.Writer) error
}

// told says whether anything that is written says what was run: files do, and the
// text.
func (o *Outputs) told() bool {
	return o.JSON != "" || o.CSV != "" || o.HTML != "" || o.Dir != "" || !quietly(o.command)
}

// Write puts the document everywhere it goes: the files and the folder first,
// each whole or not at all, and stdout last. Who reads it may go away (a pipe
// into head), and what has been measured must be whole by then. stdout gets the
// text and where the folder is, or the one file that goes there.
func (o *Outputs) Write(stdout io.Writer, d *Document) error {
	if o.command != nil && d.Run == nil && o.told() {
		d.Run = newRun(o.command, o.args, o.one.program, o.sums)
	}
	d.Window, d.Brief = window(stdout), o.Dir != ""
	last, file := d.Text, false
	for _, f := range o.named() {
		write := f.Write
		switch f.Flag {
		case "--json":
			write = d.JSON
		case "--csv":
			if write = d.CSV; toStdout(f.Path) {
				write = o.afterFirst(d.CSV)
			}
		case "--html":
			write = d.Page
		}
		if toStdout(f.Path) {
			last, file = write, true
		} else if err := WriteFile(f.Path, stdout, write); err != nil {
			return err
		}
	}
	where := ""
	if o.Dir != "" {
		files, err := d.Files(o.Name)
		if err != nil {
			return err
		}
		files = append(files, o.More...)
		if err := WriteDir(o.folder(), files); err != nil {
			return err
		}
		where = fmt.Sprintf("\nwritten to %s: %s\n", o.folder(), list(files))
	}
	if file {
		return WriteFile("-", stdout, last)
	}
	if quietly(o.command) {
		return nil
	}
	if o.one.index > 0 {
		if _, err := io.WriteString(stdout, "\n"); err != nil {
			return err
		}
	}
	if err := last(stdout); err != nil {
		return err
	}
	_, err := io.WriteString(stdout, where)
	return err
}

// window is how many characters a line of the terminal has that w is; 0: it is none.
func window(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	wide, _, err := term.GetSize(int(f.Fd()))
	if err != nil || wide < 20 {
		return 0
	}
	return wide
}

// quietly says whether --quiet was given: what files have is not told again.
func quietly(c *cobra.Command) bool {
	if c == nil {
		return false
	}
	f := c.Flags().Lookup("quiet")
	return f != nil && f.Value.String() == "true"
}

// list names files, and plots as such.
func list(files []File) string {
	var names []string
	plots := ""
	for _, f := range files {
		switch filepath.Ext(f.Name) {
		case ".svg", ".png":
			plots = " and the plots as SVG and PNG"
		default:
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ") + plots
}
