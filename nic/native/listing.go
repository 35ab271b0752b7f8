package native

import (
	"fmt"
	"io"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

// List prints a trace's machine code, each instruction of BPF before what was
// made of it. An instruction with nothing behind it was folded into others or
// left out. have are the look-ups that the guard tree has made; held says that its
// stores are held back.
func List(w io.Writer, s *vm.State, t *trace.Trace, have []bv.Term, held bool, p ebpf.Printer) error {
	mine := &work{}
	x, text, err := compileTrace(mine, s, 0, t, have, held)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "; %d instructions of BPF, %d bytes for %s", t.Len(), len(text), mine.b.Name())
	if x.taken > 0 {
		fmt.Fprintf(w, ", %d look-ups taken over from the guard tree", x.taken)
	}
	fmt.Fprintln(w)
	at := make(map[int][]string) // by offset: BPF's text
	for pc := 0; pc < len(t.Code); pc++ {
		n := 1
		if t.Code[pc].IsWide() {
			n = 2
		}
		line := strings.TrimSpace(p.Code(t.Code[pc : pc+n]))
		at[int(x.place[pc])] = append(at[int(x.place[pc])], fmt.Sprintf("%4d: %s", pc, line))
		pc += n - 1
	}
	return disassemble(w, mine.b.Name(), text, func(off int) {
		if off == int(x.enter) {
			fmt.Fprintln(w, "; back from Go, and what stands out of the way")
		}
		for _, l := range at[off] {
			fmt.Fprintln(w, "; "+l)
		}
	})
}

// disassemble prints code, one instruction a line; before is called at each.
func disassemble(w io.Writer, arch string, text []byte, before func(off int)) error {
	for off := 0; off < len(text); {
		before(off)
		var line string
		n := 4
		if arch == "arm64" {
			in, err := arm64asm.Decode(text[off:])
			if err != nil {
				return fmt.Errorf("native code: byte %d: %w", off, err)
			}
			line = arm64asm.GNUSyntax(in)
		} else {
			in, err := x86asm.Decode(text[off:], 64)
			if err != nil {
				return fmt.Errorf("native code: byte %d: %w", off, err)
			}
			line, n = x86asm.IntelSyntax(in, uint64(off), nil), in.Len
		}
		if _, err := fmt.Fprintf(w, "%6x  %-24x %s\n", off, text[off:off+n], line); err != nil {
			return err
		}
		off += n
	}
	return nil
}
