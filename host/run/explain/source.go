package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jitnic/host/loader"
	"jitnic/host/programs"
)

// File is a source file, as far as it is known.
type File struct {
	Name  string       `json:"name"`
	Lines []SourceLine `json:"lines"` // all of them, or those that code was made of
}

// SourceLine is one of its lines.
type SourceLine struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// Sources gives the source of an object's programs and says in a line where it is
// from. The lines that code was made of are in the object itself, with the text they
// had then. Where a file of that name stands beside the object and has the same text
// in all of these lines, it fills in the others; a file of another version doesn't.
func Sources(obj *loader.Object, object string) ([]File, string) {
	var names []string
	known := map[string][]loader.Line{}
	for _, p := range obj.Programs {
		for _, l := range p.SourceLines() {
			if known[l.File] == nil {
				names = append(names, l.File)
			}
			known[l.File] = merged(known[l.File], l)
		}
	}
	if len(names) == 0 {
		return []File{}, "the object has no line information (compile with -g): places are functions and instructions"
	}
	var out []File
	note := "of the object's own line information"
	for _, n := range names {
		f := File{Name: n}
		text, differs := beside(object, n, known[n])
		switch {
		case differs > 0:
			note = fmt.Sprintf("of the object; %s beside it is another version (line %d differs) and is not shown", n, differs)
		case text != nil:
			for i, l := range text {
				f.Lines = append(f.Lines, SourceLine{i + 1, l})
			}
		}
		if f.Lines == nil {
			for _, l := range known[n] {
				f.Lines = append(f.Lines, SourceLine{l.Number, l.Text})
			}
		}
		out = append(out, f)
	}
	return out, note
}

// merged puts a line in its place; one that is there is not put in again.
func merged(list []loader.Line, l loader.Line) []loader.Line {
	i := len(list)
	for i > 0 && list[i-1].Number > l.Number {
		i--
	}
	if i > 0 && list[i-1].Number == l.Number {
		return list
	}
	list = append(list, loader.Line{})
	copy(list[i+1:], list[i:])
	list[i] = l
	return list
}

// mostSource bounds a source file that is read.
const mostSource = 4 << 20

// beside reads the file of a name in the object's folder: its lines, or the number
// of the first that is not as it was compiled. Neither where there is no such file.
func beside(object, name string, known []loader.Line) (lines []string, differs int) {
	b := sourceOf(object, filepath.Base(name))
	if b == nil {
		return nil, 0
	}
	lines = strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	for _, l := range known {
		if l.Text != "" && (l.Number > len(lines) || strings.TrimSpace(lines[l.Number-1]) != l.Text) {
			return nil, l.Number
		}
	}
	return lines, 0
}

// sourceOf reads a source file of an object: a sample's own, or the file beside it.
// nil: there is none.
func sourceOf(object, name string) []byte {
	if strings.HasPrefix(object, "sample:") {
		return programs.Source(name)
	}
	path := filepath.Join(filepath.Dir(object), name)
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() || st.Size() > mostSource {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return b
}
