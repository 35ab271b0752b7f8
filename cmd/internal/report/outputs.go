package report

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Outputs are all places a report goes to. Write fills the files first and tells
// stdout last: who reads it may go away (a pipe into head), and what has been
// measured must be whole by then.
type Outputs struct {
	Files []Output               // files of their own; at most one goes to stdout
	Dir   string                 // folder; empty: none
	In    func() ([]File, error) // what the folder holds
	Text  func(io.Writer) error  // for stdout, where no file goes there
}

// An Output is a file that a flag names, "-" for stdout; an empty path is none.
type Output struct {
	Path  string
	Write func(io.Writer) error
}

// JSON gives v to a writer as indented JSON.
func JSON(v any) func(io.Writer) error {
	return func(w io.Writer) error { return WriteJSON("-", w, v) }
}

// Write puts the report everywhere it goes: each file and the folder whole or
// not at all, then the text and where the folder is.
func (o *Outputs) Write(stdout io.Writer) error {
	last := o.Text
	for _, f := range o.Files {
		switch f.Path {
		case "":
		case "-":
			last = f.Write
		default:
			if err := WriteFile(f.Path, stdout, f.Write); err != nil {
				return err
			}
		}
	}
	where := ""
	if o.Dir != "" {
		files, err := o.In()
		if err != nil {
			return err
		}
		if err := WriteDir(o.Dir, files); err != nil {
			return err
		}
		where = fmt.Sprintf("\nwritten to %s: %s\n", o.Dir, list(files))
	}
	for _, f := range o.Files {
		if f.Path == "-" {
			return WriteFile(f.Path, stdout, last)
		}
	}
	if err := last(stdout); err != nil {
		return err
	}
	_, err := io.WriteString(stdout, where)
	return err
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
