package object

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt"
)

// optimised reads an object and optimises all of its functions by the passes.
func optimised(t *testing.T, path string) *Object {
	t.Helper()
	raw := must.Get(os.ReadFile(path))(t)
	o := must.Get(Parse(path, raw))(t)
	for _, f := range o.Funcs {
		if f.Err != nil {
			continue
		}
		r := must.Get(superopt.Optimize(context.Background(), f.Prog, &superopt.Options{Layers: "p", Seed: 1}))(t)
		f.New = r.Prog
	}
	return o
}

// A map's address that goes to another register than before is written so.
func TestMapLoadRegister(t *testing.T) {
	o := optimised(t, "testdata/two-maps.o")
	for _, pad := range []bool{false, true} {
		out := must.Get(o.Write(pad))(t)
		p := must.Get(Parse("written", out))(t)
		want, got := o.Funcs[0].wanted(pad).Clone(), p.Funcs[0].Prog
		if want.Compact(); want.String() != got.String() {
			t.Errorf("pad %v: written\n%sproved\n%s", pad, got, want)
		}
	}
	moved := false
	for _, in := range o.Funcs[0].New.Insts {
		if in.IsWide() && in.Slot >= 0 {
			for _, x := range o.Funcs[0].Prog.Insts {
				moved = moved || x.Slot == in.Slot && x.Dst != in.Dst
			}
		}
	}
	if !moved {
		t.Error("no map's address goes to another register: the object tests nothing")
	}
}

// Whatever else than the proved program stands in the file is found: each bit
// of the code, and each relocation's symbol and place.
func TestCheckFinds(t *testing.T) {
	for _, path := range []string{"testdata/two-maps.o", "../../host/programs/ratelimiter.o", "../../host/loader/testdata/text.o"} {
		if _, err := os.Stat(path); err != nil {
			t.Logf("skipped: %v", err)
			continue
		}
		o := optimised(t, path)
		for _, pad := range []bool{false, true} {
			out := must.Get(o.Write(pad))(t)
			good := must.Get(Parse(path, out))(t)
			tried := 0
			flip := func(off uint64, bit int, what string) {
				tried++
				bad := bytes.Clone(out)
				bad[off] ^= 1 << bit
				if o.Check(bad, pad) == nil {
					t.Errorf("%s: pad %v: %s changed at %#x, and not found", path, pad, what, off)
				}
			}
			for i := range good.secs {
				s := &good.secs[i]
				switch {
				case s.code:
					for k := uint64(0); k < s.size; k += 8 {
						in := insnAt(s.data, int(k/8))
						flip(s.off+k+k/8%8, int(k/8%8), "code")
						if _, rel := s.rel[int(k/8)]; !rel || in.Op == ebpf.OpLDDW {
							flip(s.off+k+1, 0, "a register")
						}
					}
				case s.typ == 9 && int(s.info) < len(good.secs) && good.secs[s.info].code: // SHT_REL
					for k := uint64(0); k+16 <= s.size; k += 16 {
						flip(s.off+k, 3, "a relocation's place")
						flip(s.off+k+12, 0, "a relocation's symbol")
					}
				}
			}
			if tried < 10 {
				t.Errorf("%s: only %d changes", path, tried)
			}
		}
	}
}

// An address of a map that the file never had is refused, not written as
// another.
func TestUnknownMapLoad(t *testing.T) {
	o := optimised(t, "testdata/two-maps.o")
	f := o.Funcs[0]
	for i := range f.New.Insts {
		if in := &f.New.Insts[i]; in.IsWide() {
			in.Imm = 7
			break
		}
	}
	if _, err := o.Write(false); err == nil || !strings.Contains(err.Error(), "no relocation stands behind it") {
		t.Errorf("%v", err)
	}
}

// An old compiler's symbols have no type: the object is read as the same one
// with types.
func TestUntypedSymbols(t *testing.T) {
	for _, path := range []string{"testdata/two-maps.o", "../../host/programs/ratelimiter.o"} {
		raw := must.Get(os.ReadFile(path))(t)
		o := must.Get(Parse(path, raw))(t)
		old := bytes.Clone(raw)
		for k, y := range o.syms {
			if typ := y.info & 15; y.info>>4 == 1 && (typ == 1 || typ == 2) { // global objects and functions
				old[o.secs[o.symsec].off+uint64(24*k)+4] = y.info &^ 15
			}
		}
		if bytes.Equal(old, raw) {
			t.Fatalf("%s: no symbol to change", path)
		}
		p := must.Get(Parse(path, old))(t)
		if len(p.Maps) == 0 {
			t.Errorf("%s: no maps", path)
		}
		if err := sameMaps(o.Maps, p.Maps); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if len(o.Funcs) != len(p.Funcs) {
			t.Fatalf("%s: %d functions, want %d", path, len(p.Funcs), len(o.Funcs))
		}
		for i, f := range o.Funcs {
			g := p.Funcs[i]
			if f.Name != g.Name || f.Prog == nil || g.Prog == nil || f.Prog.String() != g.Prog.String() || f.Prog.Kind != g.Prog.Kind {
				t.Errorf("%s: function %s is read as\n%v\nwant\n%v", path, f.Name, g.Prog, f.Prog)
			}
			for k := range f.Prog.Insts {
				if f.Prog.Insts[k].Fixed != g.Prog.Insts[k].Fixed {
					t.Errorf("%s: %s: instruction %d: fixed %v, want %v", path, f.Name, k, g.Prog.Insts[k].Fixed, f.Prog.Insts[k].Fixed)
				}
			}
		}
	}
}

// Functions begin where something calls, whatever the symbols there say: those of
// a local label, and of one that is in no symbol table, are read as functions,
// get shorter, and are found again behind one that got shorter.
func TestFunctionsAtLabels(t *testing.T) {
	o := optimised(t, "testdata/labels.o")
	var names []string
	for _, f := range o.Funcs {
		if f.Err != nil {
			t.Fatalf("%s: %v", f.Name, f.Err)
		}
		if called := f.Name != "prog"; f.Prog.Sub != called || f.New.Slots() >= f.Prog.Slots() {
			t.Errorf("%s: called %v, %d -> %d slots", f.Name, f.Prog.Sub, f.Prog.Slots(), f.New.Slots())
		}
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "prog inner xdp+12" {
		t.Fatalf("functions %s", got)
	}
	out := must.Get(o.Write(false))(t)
	got := must.Get(Parse("out.o", out))(t)
	for i, f := range got.Funcs {
		if want := o.Funcs[i].New; f.Name == names[i] != (i < 2) || f.Prog.Slots() != want.Slots() {
			t.Errorf("%s: %d slots, %d of %s before", f.Name, f.Prog.Slots(), want.Slots(), names[i])
		}
	}
}
