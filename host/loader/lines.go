package loader

import (
	"fmt"
	"path"
	"sort"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Line is a line of C source, as the object's line information (.BTF.ext) has it:
// the text is the compiler's, whatever the file holds by now.
type Line struct {
	File   string // as it was compiled; of an absolute path the last part
	Number int
	Text   string // without the blanks around it
}

// String is the line's place, without the file's folder: net.h:176.
func (l Line) String() string { return fmt.Sprintf("%s:%d", path.Base(l.File), l.Number) }

// lineAt says at which slot code of a line begins.
type lineAt struct {
	slot int
	line Line
}

// Line is the source line of a slot: the one that begins there, or else the last
// one before it in the same function. An object without line information has none.
func (p *Program) Line(slot int) (Line, bool) {
	i := sort.Search(len(p.lines), func(i int) bool { return p.lines[i].slot > slot }) - 1
	f := p.Func(slot)
	if i < 0 || f == nil || p.lines[i].slot < f.Start {
		return Line{}, false
	}
	return p.lines[i].line, true
}

// HasLines says whether the object has line information for the program.
func (p *Program) HasLines() bool { return len(p.lines) > 0 }

// SourceLines are the lines that the program has code of, by file and number.
func (p *Program) SourceLines() []Line {
	seen := map[Line]bool{}
	var out []Line
	for _, l := range p.lines {
		if !seen[l.line] {
			seen[l.line] = true
			out = append(out, l.line)
		}
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].File != out[j].File {
			return out[i].File < out[j].File
		}
		return out[i].Number < out[j].Number
	})
	return out
}

// Place says where a slot is for a person: its line where that is known, else
// function and instruction.
func (p *Program) Place(slot int) string {
	if l, ok := p.Line(slot); ok {
		return l.String()
	}
	if f := p.Func(slot); f != nil {
		return fmt.Sprintf("%s+%d", f.Name, slot-f.Start)
	}
	return fmt.Sprintf("%s+%d", p.Name, slot)
}

// lineOf is the line that begins with an instruction. Compilers give line 0 to
// what they made up.
func lineOf(ins *asm.Instruction) (Line, bool) {
	l, ok := ins.Source().(*btf.Line)
	if !ok || l.LineNumber() == 0 {
		return Line{}, false
	}
	file := path.Clean(l.FileName())
	if path.IsAbs(file) {
		file = path.Base(file)
	}
	return Line{file, int(l.LineNumber()), strings.TrimSpace(l.Line())}, true
}
