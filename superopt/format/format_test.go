package format

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/superopt"
)

const macros = `// two halves into a word
BPF_LDX_MEM(BPF_H, BPF_REG_0, BPF_REG_1, 0), // r0 = *(u16 *)(r1 + 0)
	BPF_STX_MEM(BPF_H, BPF_REG_10, BPF_REG_0, -4), /* first */
BPF_LD_MAP_FD(BPF_REG_1, 4), // the map

BPF_MOV64_REG(BPF_REG_2, BPF_REG_10),
BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, -4),
BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem), // call
BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 1),
BPF_MOV64_IMM(BPF_REG_0, 0x1),
BPF_EXIT_INSN(), // done`

func TestMacrosRoundTrip(t *testing.T) {
	f := must.Get(Parse("x.bpf", []byte(macros), []byte("m { type = 2, key_size = 4, value_size = 8, max_entries = 1, fd = 4 }"), nil))(t)
	out := must.Get(f.Write(f.Original()))(t)
	if string(out) != macros {
		t.Fatalf("written back:\n%s\nwas:\n%s", out, macros)
	}
	// An instruction goes, with its line; comments and blank lines stay.
	slots, from := f.Original()
	out = must.Get(f.Write(append(slots[:1:1], slots[2:]...), append(from[:1:1], from[2:]...)))(t)
	if strings.Contains(string(out), "first") || !strings.Contains(string(out), "// two halves") || !strings.Contains(string(out), "\n\n") {
		t.Fatalf("one instruction left out:\n%s", out)
	}
}

// K2's own .maps files lack the closing brace here and there, and its .desc
// files the last end of line.
func TestSideFiles(t *testing.T) {
	f := must.Get(Parse("x.k2", []byte("LDMAPID 1 1\nEXIT\n"), []byte("a { type = 1, key_size = 4, value_size = 32, max_entries = 50, fd = 0\nb { type = 11, key_size = 8, value_size = 32, max_entries = 50, fd = 1\n"),
		[]byte("{ pgm_input_type = 2, }\n{ max_pkt_sz = 64, }")))(t)
	if len(f.Maps) != 2 || f.Maps[1].KeySize != 8 || f.FDs[1] != 1 || f.Kind != superopt.KindXDP || f.MaxPacket != 64 {
		t.Errorf("%+v", f)
	}
}

// K2 calls every context flat that has no packet pointers; those of socket
// buffers are told by what their programs do.
func TestFlatContexts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       superopt.Kind
	}{
		{"control block", "MOV64XY 6 1\nMOV64XC 1 0\nSTXW 6 48 1\nSTXW 6 64 1\nEXIT", superopt.KindSKB},
		{"packet load", "MOV64XY 6 1\nLDABSH 12\nEXIT", superopt.KindSKB},
		{"only read", "LDXW 0 1 28\nEXIT", superopt.KindTracing},
		{"a socket's address written", "MOV64XC 2 0\nSTXW 1 4 2\nSTXW 1 48 2\nEXIT", superopt.KindTracing},
		{"read wide", "LDXDW 2 1 8\nSTXW 1 48 2\nEXIT", superopt.KindTracing},
		{"not the context any more", "MOV64XY 1 10\nSTXW 1 48 2\nEXIT", superopt.KindTracing},
	} {
		f := must.Get(Parse("x.k2", []byte(c.text), nil, []byte("{ pgm_input_type = 1, }")))(t)
		if f.Kind != c.want {
			t.Errorf("%s: %v, want %v", c.name, f.Kind, c.want)
		}
	}
}

// Every instruction has a name in both text forms, or is refused; what is
// printed reads back as itself.
func TestEveryInstructionRoundTrips(t *testing.T) {
	printed := [2]int{}
	for op := 0; op < 256; op++ {
		in := ebpf.Insn{Op: uint8(op), Dst: 3, Src: 4, Off: -7, Imm: 32}
		var hi ebpf.Insn
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			in.Off = 0
			if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd {
				in.Imm = 0
			} else {
				in.Src = 0
			}
			if in.ALUOp() == ebpf.ALUNeg {
				in.Imm = 0
			}
		case ebpf.ClassLDX:
			in.Imm = 0
		case ebpf.ClassST:
			in.Src = 0
		case ebpf.ClassSTX:
			in.Imm = 0
		case ebpf.ClassJMP, ebpf.ClassJMP32:
			if in.Op&ebpf.SrcX != 0 {
				in.Imm = 0
			} else {
				in.Src = 0
			}
			switch in.Op {
			case ebpf.OpExit:
				in = ebpf.Insn{Op: ebpf.OpExit}
			case ebpf.OpCall:
				in = ebpf.Insn{Op: ebpf.OpCall, Imm: 1}
			case ebpf.OpJA:
				in = ebpf.Insn{Op: ebpf.OpJA, Off: -7}
			}
		case ebpf.ClassLD:
			switch {
			case in.Op == ebpf.OpLDDW:
				in, hi = ebpf.Insn{Op: ebpf.OpLDDW, Dst: 3, Imm: 5}, ebpf.Insn{Imm: 7}
			case in.Mode() == ebpf.ModeABS:
				in = ebpf.Insn{Op: in.Op, Imm: 12}
			case in.Mode() == ebpf.ModeIND:
				in = ebpf.Insn{Op: in.Op, Src: 4}
			}
		}
		for k, form := range []struct {
			print func(in, hi ebpf.Insn) (string, error)
			parse lineParser
		}{{k2Line, parseK2Line}, {macroLine, parseMacroLine}} {
			s, err := form.print(in, hi)
			if err != nil {
				continue
			}
			printed[k]++
			_, _, got, err := form.parse(s + map[int]string{0: "", 1: ","}[k])
			if err != nil {
				t.Errorf("%q: %v", s, err)
				continue
			}
			if got[0] != in || len(got) == 2 && got[1] != hi {
				t.Errorf("%q: read back as %+v, was %+v", s, got, in)
			}
		}
	}
	if printed[0] < 90 || printed[1] < 140 {
		t.Errorf("only %d instructions have a name in K2's text, %d in macros", printed[0], printed[1])
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ path, text, want string }{
		{"x.k2", "MOV64XC 0 1\nNONSENSE 1 2\n", `x.k2: line 2: "NONSENSE": no such opcode`},
		{"x.k2", "MOV64XC 0\n", "x.k2: line 1: MOV64XC: 1 operands, want 2"},
		{"x.k2", "MOV64XC 11 0\n", "x.k2: line 1: MOV64XC: operand 11 out of range"},
		{"x.k2", "LDXB 0 1 70000\n", "x.k2: line 1: LDXB: operand 70000 out of range"},
		{"x.bpf", "BPF_NONSENSE(1),\n", `x.bpf: line 1: "BPF_NONSENSE": no such macro`},
		{"x.bpf", "BPF_MOV64_IMM(BPF_REG_0, 1\n", "x.bpf: line 1: BPF_MOV64_IMM: ) missing"},
		{"x.insns", "1234567", "x.insns: code of 7 bytes: not a multiple of 8"},
		{"x.txt", "", "x.txt: not a .k2, .bpf or .insns file"},
	} {
		_, err := Parse(c.path, []byte(c.text), nil, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
	for _, bad := range []string{"m type = 1", "m { type }", "m { type = x }"} {
		if _, err := Parse("x.k2", []byte("EXIT\n"), []byte(bad), nil); err == nil || !strings.HasPrefix(err.Error(), "x.maps: line 1: ") {
			t.Errorf("maps %q: %v", bad, err)
		}
	}
	if _, err := Parse("x.k2", []byte("EXIT\n"), nil, []byte("{ pgm_input_type = 9, }")); err == nil {
		t.Error("program type 9 taken")
	}
}

func TestDesc(t *testing.T) {
	f, err := Parse("x.k2", []byte("EXIT\n"), nil, []byte("{ pgm_input_type = 2, }\n{ max_pkt_sz = 88, }"))
	if err != nil || f.Kind != superopt.KindXDP || f.MaxPacket != 88 {
		t.Fatalf("%+v %v", f, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("MOV64XC 0 1\nEXIT\n", "m { type = 2, fd = 4 }")
	f.Add(macros, "")
	f.Fuzz(func(t *testing.T, text, maps string) {
		for _, ext := range []string{".k2", ".bpf", ".insns"} {
			p, err := Parse("x"+ext, []byte(text), []byte(maps), nil)
			if err != nil {
				continue
			}
			if _, err := p.Prog(); err != nil {
				continue
			}
			p.Write(p.Original())
		}
	})
}

func ExampleFile_Write() {
	f, _ := Parse("x.k2", []byte("MOV64XC 0 1\nADD64XY 0 0 # twice\nEXIT\n"), nil, nil)
	slots := []ebpf.Insn{{Op: 0xb7, Imm: 2}, {Op: 0x95}}
	out, _ := f.Write(slots, []int{0, 2})
	fmt.Print(string(out))
	// Output:
	// MOV64XC 0 2
	// EXIT
}

// K2's LDMAPID counts maps; macros name file descriptors. Either is written
// back as it came.
func TestMapNumbers(t *testing.T) {
	maps := "a { type = 2, key_size = 4, value_size = 8, max_entries = 1, fd = 7 }\nb { type = 1, key_size = 4, value_size = 8, max_entries = 1, fd = 9 }\n"
	text := "LDMAPID 1 1\nEXIT\n"
	f, err := Parse("x.k2", []byte(text), []byte(maps), nil)
	if err != nil || f.Slots[0].Imm != 1 {
		t.Fatalf("%v %+v", err, f)
	}
	if out, err := f.Write(f.Original()); err != nil || string(out) != text {
		t.Fatalf("%q %v", out, err)
	}
	if _, err := Parse("x.k2", []byte("LDMAPID 1 2\nEXIT\n"), []byte(maps), nil); err == nil {
		t.Fatal("a third map of two")
	}
}
