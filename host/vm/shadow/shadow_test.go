package shadow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

func machine(code []ebpf.Insn, specs ...*maps.Spec) (*loader.Object, *vm.State, *vm.Interp, error) {
	obj, err := loader.FromCode("test", code, specs)
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	it, err := vm.NewInterp(s, obj, obj.Programs[0])
	return obj, s, it, err
}

// A value of eight bytes goes into a map, and four of them were never written.
func Example() {
	code, err := ebpf.Parser{MapIndex: func(string) (int, bool) { return 0, true }}.Code(`
		*(u32 *)(r10 -4) = 0
		*(u32 *)(r10 -16) = 1
		r1 = map[m]
		r2 = r10
		r2 += -4
		r3 = r10
		r3 += -16
		r4 = 0
		call map_update_elem
		r0 = 2
		exit`)
	if err != nil {
		fmt.Println(err)
		return
	}
	obj, s, it, err := machine(code, &maps.Spec{Name: "m", Type: cilium.Array, KeySize: 4, ValueSize: 8, Max: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	var rec vm.Recording
	var out vm.Output
	sh := New(s, obj)
	it.RunRecorded(&vm.Input{Data: make([]byte, 60)}, &out, &rec)
	sh.Run(&rec, out.Err)
	fmt.Println(sh.At(s.Maps[0].Peek(make([]byte, 4), 0), 8), sh.Why() == 0)
	// Output: [    unset unset unset unset] true
}

// What arithmetic makes of marks, byte by byte.
func TestALU(t *testing.T) {
	u := all(Unset)
	low := lanes(Unset)
	for _, c := range []struct {
		text     string
		dst, src lanes
		want     lanes
	}{
		{"r1 = r2", 0, u, u},
		{"r1 = 5", u, 0, 0},
		{"w1 = w2", 0, u, u.first(4)},
		{"r1 += r2", low, 0, u},
		{"r1 += 1", low << 56, 0, low << 56},
		{"w1 += w2", 0, low << 16, lanes(0x01010000)},
		{"r1 ^= r1", u, u, 0},
		{"r1 -= r1", u, u, 0},
		{"r1 &= 255", u, 0, low},
		{"r1 |= 255", u, 0, u &^ low},
		{"r1 &= -1", u, 0, u},
		{"r1 <<= 8", low, 0, low << 8},
		{"r1 <<= 4", low, 0, low | low<<8},
		{"r1 >>= 8", low << 8, 0, low},
		{"r1 >>= 1", low << 8, 0, low | low<<8},
		{"r1 s>>= 32", low << 56, 0, low<<24 | u&^u.first(4)},
		{"w1 s>>= 8", low << 24, 0, u.first(4) &^ 0xffff},
		{"r1 *= r2", low << 8, 0, u &^ low},
		{"r1 /= r2", low << 56, 0, u},
		{"r1 = be16 r1", low, 0, low << 8},
		{"r1 = le16 r1", low<<8 | low<<16, 0, low << 8},
		{"r1 -= r2", all(Packet), all(Packet), 0},
		{"w1 -= w2", all(Packet), all(Packet), 0},
		{"r1 -= r2", all(Packet), all(Stack), all(Packet | Stack)},
		{"r1 += 14", all(Packet), 0, all(Packet)},
	} {
		code, err := ebpf.Parser{}.Code(c.text)
		must.OKf(t, err, "%s", c.text)
		src := c.src
		if code[0].Src == code[0].Dst {
			src = c.dst
		}
		if got := alu(code[0], c.dst, src); got != c.want {
			t.Errorf("%s of %016x, %016x: got %016x, want %016x", c.text, uint64(c.dst), uint64(c.src), uint64(got), uint64(c.want))
		}
	}
}

func TestBranch(t *testing.T) {
	for _, c := range []struct {
		text     string
		dst, src lanes
		want     Mark
	}{
		{"if r1 == 0 goto +0", all(Unset), 0, Unset},
		{"if r1 > r2 goto +0", all(Packet), all(Packet), 0},
		{"if r1 > r2 goto +0", all(Packet), all(Value), Packet | Value},
		{"if r1 == 0 goto +0", all(Value), 0, 0},
		{"if r1 != 7 goto +0", all(Value), 0, Value},
		{"if w1 == 0 goto +0", lanes(Unset) << 32, 0, 0},
		{"if r1 & 256 goto +0", lanes(Unset), 0, 0},
		{"if r1 & 255 goto +0", lanes(Unset), 0, Unset},
		{"if r1 == 0 goto +0", all(Value | Foreign), 0, Value | Foreign},
	} {
		code, err := ebpf.Parser{}.Code(c.text)
		must.OKf(t, err, "%s", c.text)
		if got := branch(code[0], c.dst, c.src); got != c.want {
			t.Errorf("%s of %016x, %016x: got %v, want %v", c.text, uint64(c.dst), uint64(c.src), got, c.want)
		}
	}
}

// Random programs over a stack that nobody wrote, run with two kinds of garbage
// in it: what differs carries a mark, and where the path or the verdict differs
// the marks say that they may.
func TestGarbage(t *testing.T) {
	depends, differ, apart := 0, 0, 0
	const programs = 3000
	for seed := range uint64(programs) {
		rng := rand.New(rand.NewPCG(seed, 11))
		body := randomBody(rng)
		var outs [2]vm.Output
		for i := range outs {
			_, s, it, err := machine(append(garbage(rng), body...))
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, ebpf.Printer{}.Code(body))
			}
			it.Run(&vm.Input{Data: bytes.Repeat([]byte{7}, 64)}, &outs[i])
			outs[i].Data = bytes.Clone(outs[i].Data)
			s.Close()
		}
		obj, s, it, err := machine(body)
		must.OK(t, err)
		var rec vm.Recording
		var out vm.Output
		it.RunRecorded(&vm.Input{Data: bytes.Repeat([]byte{7}, 64)}, &out, &rec)
		sh := New(s, obj)
		sh.Run(&rec, out.Err)
		marks := sh.At(s.Data, 64)
		s.Close()
		if out.Err != nil || outs[0].Err != nil || outs[1].Err != nil {
			t.Fatalf("seed %d: %v, %v, %v\n%s", seed, out.Err, outs[0].Err, outs[1].Err, ebpf.Printer{}.Code(body))
		}
		if sh.Why() != 0 {
			depends++
			continue
		}
		if outs[0].Verdict != outs[1].Verdict {
			t.Errorf("seed %d: verdicts %d and %d, and no mark says so\n%s", seed, outs[0].Verdict, outs[1].Verdict, ebpf.Printer{}.Code(body))
		}
		for k := range outs[0].Data {
			if outs[0].Data[k] == outs[1].Data[k] {
				continue
			}
			differ++
			if marks == nil || marks[k]&Unset == 0 {
				t.Errorf("seed %d: byte %d: %#x and %#x, and no mark says so\n%s", seed, k, outs[0].Data[k], outs[1].Data[k], ebpf.Printer{}.Code(body))
				break
			}
		}
		if marks != nil {
			apart++
		}
	}
	t.Logf("%d programs: %d depend on what nobody wrote; of the others %d leave marks in the packet, %d bytes differed", programs, depends, apart, differ)
	if depends < programs/10 || depends > programs*9/10 || differ < programs/4 {
		t.Errorf("too few of a kind: %d depend, %d bytes differ", depends, differ)
	}
}

// garbage fills the stack with random numbers, and leaves all registers but r9
// as they are.
func garbage(rng *rand.Rand) []ebpf.Insn {
	var code []ebpf.Insn
	for off := int16(-64); off < 0; off += 8 {
		v := rng.Uint64()
		code = append(code, ebpf.Insn{Op: ebpf.OpLDDW, Dst: 9, Imm: int32(v)}, ebpf.Insn{Imm: int32(v >> 32)},
			ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: 9, Off: off})
	}
	return append(code, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: 9})
}

// randomBody moves what registers, stack and packet hold among each other.
func randomBody(rng *rand.Rand) []ebpf.Insn {
	const movX = ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX
	code := []ebpf.Insn{{Op: movX, Dst: 6, Src: 1}, {Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: 7, Src: 6}}
	for r := range uint8(6) {
		code = append(code, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: r, Imm: int32(rng.Uint32())})
	}
	sizes := []uint8{ebpf.SizeB, ebpf.SizeH, ebpf.SizeW, ebpf.SizeDW}
	widths := []int{1, 2, 4, 8}
	ops := []uint8{ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul, ebpf.ALUDiv, ebpf.ALUMod, ebpf.ALUOr, ebpf.ALUAnd, ebpf.ALUXor, ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh, ebpf.ALUMov, ebpf.ALUNeg}
	jumps := []uint8{ebpf.JmpEQ, ebpf.JmpNE, ebpf.JmpGT, ebpf.JmpSGE, ebpf.JmpSET, ebpf.JmpLT}
	n := 6 + rng.IntN(24)
	for range n {
		d, s, k := uint8(rng.IntN(6)), uint8(rng.IntN(6)), rng.IntN(4)
		stack := int16(-(rng.IntN(64/widths[k]) + 1) * widths[k])
		packet := int16(rng.IntN(64 - widths[k] + 1))
		switch rng.IntN(10) {
		case 0, 1:
			code = append(code, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizes[k], Dst: d, Src: 10, Off: stack})
		case 2:
			code = append(code, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizes[k], Dst: 10, Src: s, Off: stack})
		case 3:
			code = append(code, ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizes[k], Dst: 10, Off: stack, Imm: int32(rng.Uint32())})
		case 4, 5:
			code = append(code, ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizes[k], Dst: 7, Src: s, Off: packet})
		case 6:
			code = append(code, ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizes[k], Dst: d, Src: 7, Off: packet})
		case 7:
			if rng.IntN(4) == 0 {
				code = append(code, ebpf.Insn{Op: ebpf.ClassJMP | jumps[rng.IntN(len(jumps))] | ebpf.SrcX, Dst: d, Src: s})
			} else {
				code = append(code, ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | uint8(rng.IntN(2))<<3, Dst: d, Imm: []int32{16, 32, 64}[rng.IntN(3)]})
			}
		default:
			in := ebpf.Insn{Op: ebpf.ClassALU64 | ops[rng.IntN(len(ops))], Dst: d}
			if rng.IntN(3) == 0 {
				in.Op = ebpf.ClassALU | in.Op&0xf0
			}
			switch {
			case in.ALUOp() == ebpf.ALUNeg:
			case rng.IntN(2) == 0:
				in.Op |= ebpf.SrcX
				in.Src = s
			case in.ALUOp() == ebpf.ALULsh || in.ALUOp() == ebpf.ALURsh || in.ALUOp() == ebpf.ALUArsh:
				in.Imm = int32(rng.IntN(32))
			default:
				in.Imm = int32(rng.Uint32()>>rng.IntN(32)) | 1
			}
			code = append(code, in)
		}
	}
	// Jumps go forward, by a few.
	for i := range code {
		if c := code[i].Class(); c == ebpf.ClassJMP {
			code[i].Off = int16(rng.IntN(min(4, len(code)-i)))
		}
	}
	if rng.IntN(2) == 0 {
		code = append(code, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Imm: 2})
	}
	return append(code, ebpf.Insn{Op: ebpf.OpExit})
}
