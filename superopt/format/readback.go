package format

import (
	"fmt"

	"jitnic/host/ebpf"
)

// Check reads a file that Write made, as whoever runs it does, and says where it
// isn't the program of these slots.
func (f *File) Check(out []byte, slots []ebpf.Insn) error {
	g, err := Parse(f.path, out, f.mapText, f.descText)
	if err != nil {
		return err
	}
	if len(g.Slots) != len(slots) {
		return fmt.Errorf("%d slots, want %d", len(g.Slots), len(slots))
	}
	for i := range slots {
		x, y := slots[i], g.Slots[i]
		if x.IsWide() && x.Src == ebpf.PseudoMapFD && y.Op == x.Op && y.Src == x.Src {
			a, b := f.fd(x.Imm), g.fd(y.Imm)
			if a != b {
				return fmt.Errorf("slot %d: map fd %d, proved %d", i, b, a)
			}
			x.Imm, y.Imm = 0, 0
		}
		if x != y {
			return fmt.Errorf("slot %d: %v, proved %v", i, y, x)
		}
	}
	if g.Kind != f.Kind && f.descText != nil {
		return fmt.Errorf("a %v program, want a %v one", g.Kind, f.Kind)
	}
	return nil
}

// fd is the number the file has for a map.
func (f *File) fd(i int32) int {
	if i < 0 || int(i) >= len(f.FDs) {
		return -1
	}
	return f.FDs[i]
}
