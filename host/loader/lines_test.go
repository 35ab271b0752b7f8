package loader

import (
	"strconv"
	"testing"

	"jitnic/host/hosttest/must"
)

// TestLines: slots know their source line, those between two lines too, and code
// of one function never has a line of another.
func TestLines(t *testing.T) {
	o := must.Get(Load("../programs/telemetry.o", Options{BTF: LocalBTF}))(t)
	p := o.Named("telemetry")
	if !p.HasLines() {
		t.Fatal("no lines")
	}
	with := 0
	for slot := range p.Insns {
		l, ok := p.Line(slot)
		if !ok {
			continue
		}
		with++
		if f := p.Func(slot); f.Name == "log2_of" && (l.File != "telemetry.c" || l.Number < 125 || l.Number > 136) {
			t.Errorf("insn %d of log2_of is of %v", slot, l)
		}
		if p.Place(slot) != l.String() {
			t.Errorf("insn %d: %s, %v", slot, p.Place(slot), l)
		}
	}
	if with < len(p.Insns)*9/10 {
		t.Errorf("%d of %d slots have a line", with, len(p.Insns))
	}
	found := false
	for i, l := range p.SourceLines() {
		found = found || l == Line{"telemetry.c", 130, "if (v >> shift) {"}
		if k := p.SourceLines(); i > 0 && k[i-1].File == l.File && k[i-1].Number > l.Number {
			t.Errorf("%v behind %v", l, k[i-1])
		}
	}
	if !found {
		t.Errorf("line 130 is not among %v", p.SourceLines())
	}
	p.lines = nil
	if got := p.Place(len(p.Insns) - 1); got != "log2_of+"+strconv.Itoa(len(p.Insns)-1-p.Funcs[len(p.Funcs)-1].Start) {
		t.Errorf("without lines: %s", got)
	}
}
