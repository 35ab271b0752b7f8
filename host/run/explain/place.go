package explain

import (
	"cmp"
	"fmt"

	"jitnic/host/loader"
)

// Place is a place in a program: its source line where the object has it, else the
// instruction.
type Place struct {
	Where    string `json:"where"` // net.h:176, or parse+12: function and slots from its start
	Program  string `json:"program"`
	Function string `json:"function"` // that the slot is in; a call that was inlined has its caller here
	Insn     int    `json:"insn"`     // slot in the program; of several the first
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`   // number of the source line; left out where it is not known
	Source   string `json:"source,omitempty"` // the line's text when it was compiled
}

// PlaceOf is the place of a program's slot.
func PlaceOf(p *loader.Program, slot int) Place {
	at := Place{Where: p.Place(slot), Program: p.Name, Function: p.Name, Insn: slot}
	if f := p.Func(slot); f != nil {
		at.Function = f.Name
	}
	if l, ok := p.Line(slot); ok {
		at.File, at.Line, at.Source = l.File, l.Number, l.Text
	}
	return at
}

// String is the place with its text: net.h:176: if (pos + tot > p->end).
func (p Place) String() string {
	if p.Source == "" {
		return fmt.Sprintf("%s (insn %d of %s)", p.Where, p.Insn, p.Program)
	}
	return p.Where + ": " + p.Source
}

// key is what choices of one point have in common.
func (p Place) key() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s %s+%d", p.Program, p.Function, p.Insn)
}

// compare orders places as a reader finds them.
func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.File, q.File), p.Line-q.Line, cmp.Compare(p.Program, q.Program), p.Insn-q.Insn)
}
