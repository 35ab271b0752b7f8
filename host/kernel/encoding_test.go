package kernel

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"jitnic/host/ebpf"

	cilium "github.com/cilium/ebpf"
)

// structural are the kernel's words for what ebpf.Validate checks.
var structural = regexp.MustCompile(`unknown opcode|uses reserved fields|invalid shift|div by zero|invalid bpf_ld_imm64|unrecognized bpf_ld_imm64|R1[1-5] is invalid|frame pointer is read only|invalid BPF_ALU opcode|invalid may_goto|invalid atomic op|BPF_ATOMIC uses invalid`)

// TestEncodings holds ebpf.Validate against the verifier on random slots: what
// it refuses the kernel refuses, and what the kernel refuses for its encoding
// alone it refuses too.
func TestEncodings(t *testing.T) {
	need(t)
	rng := rand.New(rand.NewPCG(7, 7))
	imms := []int32{0, 0, 1, 16, 31, 32, 63, 64, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110, -1}
	valid, refused := 0, 0
	for i := range 256 * 10 {
		in := ebpf.Insn{Op: uint8(i), Imm: imms[rng.IntN(len(imms))]}
		in.Dst = []uint8{0, 1, 2, 2, 2, 10, 11}[rng.IntN(7)]
		in.Src = []uint8{0, 0, 0, 1, 2, 3, 10, 12}[rng.IntN(8)]
		in.Off = []int16{0, 0, 0, 1, 8, 16, 32, -8}[rng.IntN(8)]
		// Most draws fall on reserved fields: clear some of them.
		for _, clear := range []func(){func() { in.Off = 0 }, func() { in.Src = 0 }, func() { in.Imm = 0 }, func() { in.Dst = 2 }} {
			if rng.IntN(3) > 0 {
				clear()
			}
		}
		if c := in.Class(); c == ebpf.ClassALU || c == ebpf.ClassALU64 {
			// cilium/ebpf drops offsets it knows no meaning of.
			switch op := in.ALUOp(); {
			case op == ebpf.ALUDiv || op == ebpf.ALUMod:
				in.Off &= 1
			case op == ebpf.ALUMov && in.Op&ebpf.SrcX != 0 && in.Off >= 8:
			default:
				in.Off = 0
			}
		}
		// r2 = r10 - 16 points at written stack; every register is readable.
		code := []ebpf.Insn{
			{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0},
			{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 6, Src: 1},
			{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Off: -8},
			{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Off: -16},
			{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 2, Src: 10},
			{Op: ebpf.ClassALU64 | ebpf.ALUAdd, Dst: 2, Imm: -16},
			in,
		}
		if in.IsWide() {
			code = append(code, ebpf.Insn{Imm: int32(rng.IntN(2))})
		}
		for range 10 { // so that short jumps forward land
			code = append(code, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 0})
		}
		code = append(code, ebpf.Insn{Op: ebpf.OpExit})
		if in.IsWide() && (in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue || in.Src == ebpf.PseudoBTFID) ||
			in.Op == ebpf.OpCall || in.Op == ebpf.OpMayGo {
			continue // ask for more than an encoding
		}
		ours := ebpf.Validate(code)
		p, err := LoadRaw(Raw{Name: "enc", Insns: code, Type: cilium.XDP}, &Maps{}, Options{})
		if err == nil {
			p.Close()
		}
		var v *cilium.VerifierError
		words := ""
		if errors.As(err, &v) {
			words = strings.Join(v.Log, "\n")
		}
		switch {
		case ours != nil && err == nil:
			t.Errorf("%+v: the kernel takes it, Validate says %v", in, ours)
		case ours == nil && structural.MatchString(words):
			t.Errorf("%+v: Validate takes it, the kernel says %s", in, v)
		}
		if ours == nil {
			valid++
		} else {
			refused++
		}
	}
	if valid < 100 || refused < 100 {
		t.Errorf("only %d valid and %d refused", valid, refused)
	}
	t.Logf("%d valid, %d refused", valid, refused)
}
