package superopt

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/superopttest"
)

// oddPrograms are what no compiler makes: each is refused with its place, or
// optimised; none is a crash.
var oddPrograms = map[string][]ebpf.Insn{
	"empty":             {},
	"no exit":           {{Op: ebpf.ClassALU64 | ebpf.ALUMov, Imm: 1}},
	"jump to the end":   {{Op: ebpf.OpJA, Off: 1}, {Op: ebpf.OpExit}},
	"jump past the end": {{Op: ebpf.OpJA, Off: 100}, {Op: ebpf.OpExit}},
	"jump before":       {{Op: ebpf.OpJA, Off: -3}, {Op: ebpf.OpExit}},
	"branch off":        {{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: 1, Off: 2}, {Op: ebpf.OpExit}},
	"call of itself":    {{Op: ebpf.OpCall, Src: ebpf.CallLocal, Imm: -1}, {Op: ebpf.OpExit}},
	"call into itself":  {{Op: ebpf.ClassALU64 | ebpf.ALUMov, Imm: 1}, {Op: ebpf.OpCall, Src: ebpf.CallLocal, Imm: -1}, {Op: ebpf.OpExit}},
	"call past the end": {{Op: ebpf.OpCall, Src: ebpf.CallLocal, Imm: 7}, {Op: ebpf.OpExit}},
	"half a wide load":  {{Op: ebpf.OpLDDW, Dst: 1}},
	"into a wide load":  {{Op: ebpf.OpJA, Off: 1}, {Op: ebpf.OpLDDW, Dst: 1}, {}, {Op: ebpf.OpExit}},
	"unknown map":       {{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD, Imm: 9}, {}, {Op: ebpf.ClassALU64 | ebpf.ALUMov, Imm: 1}, {Op: ebpf.OpExit}},
	"unknown helper":    {{Op: ebpf.OpCall, Imm: 9999}, {Op: ebpf.OpExit}},
	"only exit":         {{Op: ebpf.OpExit}},
	"endless":           {{Op: ebpf.OpJA, Off: -1}},
	"r10 written":       {{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 10, Imm: 1}, {Op: ebpf.OpExit}},
}

func TestOddPrograms(t *testing.T) {
	for name, code := range oddPrograms {
		if msg := odd(code, KindXDP); msg != "" {
			t.Errorf("%s: %s", name, msg)
		}
	}
}

// odd tries a program with all layers: its error must be a line that names the
// program.
func odd(code []ebpf.Insn, kind Kind) string {
	p, err := FromSlots("odd", kind, code, superopttest.Values())
	if err == nil {
		_, err = Optimize(context.Background(), p, &rewrite.Options{Seed: 1, Proposals: 200, RLimit: 20000})
	}
	switch {
	case err == nil:
		return ""
	case strings.Contains(err.Error(), "internal error"), strings.Contains(err.Error(), "\n"), !strings.HasPrefix(err.Error(), `program "odd": `):
		return err.Error()
	}
	return ""
}

// Random instructions, most of them no program: never a crash.
func TestRandomInstructions(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	ops := []uint8{0x07, 0x0f, 0xb7, 0xbf, 0x04, 0xb4, 0x61, 0x71, 0x79, 0x63, 0x7b, 0x62, 0x72, 0x15, 0x1d, 0x25, 0x05, 0x85, 0x95, 0x18, 0xdb, 0xc3, 0x20, 0x40, 0xdc, 0xe5, 0x06}
	taken := 0
	for k := range 500 {
		n := 1 + rng.IntN(14)
		var code []ebpf.Insn
		for range n {
			in := ebpf.Insn{Op: ops[rng.IntN(len(ops))], Dst: uint8(rng.IntN(11)), Off: int16(rng.IntN(9) - 4), Imm: int32(rng.IntN(20) - 4)}
			if rng.IntN(8) == 0 {
				in.Op = uint8(rng.Uint32())
			}
			if in.Op&ebpf.SrcX != 0 || in.Op == ebpf.OpCall && rng.IntN(3) == 0 {
				in.Src = uint8(rng.IntN(11))
			}
			var hi *ebpf.Insn
			if in.IsWide() {
				hi = &ebpf.Insn{}
			}
			if in.Check(hi) != nil { // mostly what an assembler would take
				in.Imm = 0
			}
			if in.Check(hi) != nil {
				in.Off = 0
			}
			if in.Check(hi) != nil && rng.IntN(8) > 0 {
				in = ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd, Dst: in.Dst % 10, Imm: in.Imm}
			}
			if code = append(code, in); in.IsWide() {
				code = append(code, ebpf.Insn{})
			}
		}
		code = append(code, ebpf.Insn{Op: ebpf.OpExit})
		if msg := odd(code, Kind(k%6)); msg != "" {
			t.Errorf("%d: %s\n%v", k, msg, code)
		}
		if _, err := FromSlots("odd", Kind(k%6), code, superopttest.Values()); err == nil {
			taken++
		}
	}
	if taken < 60 {
		t.Errorf("only %d of 500 are programs", taken)
	}
}
