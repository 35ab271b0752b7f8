package ebpf

import "testing"

// A select prints and parses, names the registers it reads and writes, and is no
// instruction of a program.
func TestSelect(t *testing.T) {
	in := Select(3, 4, 5)
	text := Printer{}.Insn(in, Insn{})
	if text != "r3 = r4 if r5" {
		t.Errorf("printed %q", text)
	}
	back, err := Parser{}.Insn(text)
	if err != nil || len(back) != 1 || back[0] != in {
		t.Errorf("read back %v, %v", back, err)
	}
	if in.Reads() != 1<<3|1<<4|1<<5 || in.Writes() != 1<<3 {
		t.Errorf("reads %b, writes %b", in.Reads(), in.Writes())
	}
	if in.Check(nil) == nil {
		t.Error("a program may have it")
	}
	for _, bad := range []string{"r3 = w4 if r5", "w3 = w4 if r5", "r3 = r4 if 5", "r3 = r4 if", "r3 = r4 if r11"} {
		if code, err := (Parser{}).Code(bad); err == nil && HasSelect(code) && code[0].IsSelect() {
			t.Errorf("%q is taken", bad)
		}
	}
}
