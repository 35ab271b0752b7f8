package vm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// cell is a test of one instruction. It finds its two operands in registers 1
// and 2, and its third in register 0, and leaves its results in registers 1, 2
// and 0. Register 7 points to 8 bytes of memory that hold the first operand.
type cell struct {
	name  string
	insns []ebpf.Insn
}

// cells lists every arithmetic, jump, load, store and atomic instruction.
func cells() (out []cell) {
	add := func(name string, insns ...ebpf.Insn) { out = append(out, cell{name, insns}) }
	imms := []int32{0, 1, -1, 2, 7, 31, 32, 63, 127, -128, 0x7fffffff, -0x80000000, 0x1234567, 255, 65535}

	// Arithmetic.
	for _, class := range []uint8{ebpf.ClassALU, ebpf.ClassALU64} {
		for op := uint8(0); op <= 0xc0; op += 0x10 {
			for _, off := range []int16{0, 1, 8, 16, 32} {
				x := ebpf.Insn{Op: class | op | ebpf.SrcX, Dst: 1, Src: 2, Off: off}
				if Valid(x) {
					add(fmt.Sprintf("alu %#02x off %d", x.Op, off), x)
				}
				for _, imm := range imms {
					k := ebpf.Insn{Op: class | op, Dst: 1, Off: off, Imm: imm}
					div := op == ebpf.ALUDiv || op == ebpf.ALUMod
					width := int32(64)
					if class == ebpf.ClassALU {
						width = 32
					}
					shift := op == ebpf.ALULsh || op == ebpf.ALURsh || op == ebpf.ALUArsh
					if !Valid(k) || div && imm == 0 || shift && (imm < 0 || imm >= width) || op == ebpf.ALUNeg && imm != 0 {
						continue // the verifier refuses these
					}
					add(fmt.Sprintf("alu %#02x off %d imm %d", k.Op, off, imm), k)
				}
			}
		}
	}
	for _, op := range []uint8{ebpf.ClassALU, ebpf.ClassALU | ebpf.SrcX, ebpf.ClassALU64} {
		for _, width := range []int32{16, 32, 64} {
			add(fmt.Sprintf("end %#02x %d", op|ebpf.ALUEnd, width), ebpf.Insn{Op: op | ebpf.ALUEnd, Dst: 1, Imm: width})
		}
	}

	// Jumps: register 1 becomes 1 where taken, else 2.
	for _, class := range []uint8{ebpf.ClassJMP, ebpf.ClassJMP32} {
		for op := uint8(0x10); op <= 0xd0; op += 0x10 {
			jump := func(name string, in ebpf.Insn) {
				in.Off = 2
				add(name, in,
					ebpf.Insn{Op: 0xb7, Dst: 1, Imm: 2},
					ebpf.Insn{Op: ebpf.OpJA, Off: 1},
					ebpf.Insn{Op: 0xb7, Dst: 1, Imm: 1})
			}
			x := ebpf.Insn{Op: class | op | ebpf.SrcX, Dst: 1, Src: 2}
			if !Valid(x) || op == ebpf.JmpCall || op == ebpf.JmpExit {
				continue
			}
			jump(fmt.Sprintf("jmp %#02x", x.Op), x)
			for _, imm := range imms {
				jump(fmt.Sprintf("jmp %#02x imm %d", class|op, imm), ebpf.Insn{Op: class | op, Dst: 1, Imm: imm})
			}
		}
	}
	add("gotol", ebpf.Insn{Op: ebpf.OpJA32, Imm: 1}, ebpf.Insn{Op: ebpf.OpJA, Off: 1}, ebpf.Insn{Op: ebpf.OpJA32, Imm: -2})
	add("may_goto", ebpf.Insn{Op: ebpf.OpMayGo, Off: 1}, ebpf.Insn{Op: 0x07, Dst: 1, Imm: 1})

	// Loads and stores.
	for _, size := range []uint8{ebpf.SizeB, ebpf.SizeH, ebpf.SizeW, ebpf.SizeDW} {
		ld := ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | size, Dst: 1, Src: 7}
		add(fmt.Sprintf("ldx %#02x", ld.Op), ld)
		if size != ebpf.SizeDW {
			sx := ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEMSX | size, Dst: 1, Src: 7}
			add(fmt.Sprintf("ldxs %#02x", sx.Op), sx)
		}
		add(fmt.Sprintf("stx size %#02x", size), ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | size, Dst: 7, Src: 2})
		add(fmt.Sprintf("st size %#02x", size), ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | size, Dst: 7, Imm: -559038737})
		for _, imm := range []int32{ebpf.AtomicLoadAcq, ebpf.AtomicStRel} {
			in := ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | size, Dst: 7, Src: 2, Imm: imm}
			if imm == ebpf.AtomicLoadAcq {
				in.Dst, in.Src = 2, 7
			}
			add(fmt.Sprintf("atomic %#x size %#02x", imm, size), in)
		}
	}
	for _, size := range []uint8{ebpf.SizeW, ebpf.SizeDW} {
		for imm := int32(0); imm < 0x100; imm++ {
			in := ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | size, Dst: 7, Src: 2, Imm: imm}
			if Valid(in) {
				add(fmt.Sprintf("atomic %#x size %#02x", imm, size), in)
			}
		}
	}
	add("lddw", ebpf.Insn{Op: ebpf.OpLDDW, Dst: 1, Imm: -2}, ebpf.Insn{Imm: 0x7fffffff})
	return out
}

// A cell's 64 bytes of the map: first operand and memory, second, third, then
// the results.
const cellBytes = 64

// program runs all cells one after the other.
func cellProgram(cs []cell) []ebpf.Insn {
	dw := func(op uint8) uint8 { return op | ebpf.ModeMEM | ebpf.SizeDW }
	ldx, stx := dw(ebpf.ClassLDX), dw(ebpf.ClassSTX)
	out := []ebpf.Insn{{Op: ebpf.OpLDDW, Dst: 6, Src: ebpf.PseudoMapValue}, {}}
	for i, c := range cs {
		out = append(out,
			ebpf.Insn{Op: 0xbf, Dst: 7, Src: 6},
			ebpf.Insn{Op: 0x07, Dst: 7, Imm: int32(i * cellBytes)},
			ebpf.Insn{Op: ldx, Dst: 1, Src: 7, Off: 0},
			ebpf.Insn{Op: ldx, Dst: 2, Src: 7, Off: 8},
			ebpf.Insn{Op: ldx, Dst: 0, Src: 7, Off: 16})
		out = append(out, c.insns...)
		out = append(out,
			ebpf.Insn{Op: stx, Dst: 7, Src: 1, Off: 24},
			ebpf.Insn{Op: stx, Dst: 7, Src: 2, Off: 32},
			ebpf.Insn{Op: stx, Dst: 7, Src: 0, Off: 40})
	}
	return append(out, ebpf.Insn{Op: 0xb7, Imm: 2}, ebpf.Insn{Op: ebpf.OpExit})
}

// operands is what arithmetic goes wrong with, and random bits.
func operands(r *rand.Rand) uint64 {
	edge := []uint64{0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
		1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 2, 0xffffffff80000000, 0x80000000ffffffff}
	switch r.IntN(4) {
	case 0:
		return r.Uint64()
	case 1:
		return uint64(int64(int32(r.Uint32())))
	}
	return edge[r.IntN(len(edge))]
}

// TestOpcodes demands that every instruction does what the kernel does, on many
// operands.
func TestOpcodes(t *testing.T) {
	needKernel(t)
	all := cells()
	ops := map[uint8]bool{}
	for _, c := range all {
		ops[c.insns[0].Op] = true
	}
	t.Logf("%d cells, %d opcodes", len(all), len(ops))
	r := rand.New(rand.NewPCG(1, 2))
	const batch = 100
	for lo := 0; lo < len(all); lo += batch {
		cs := all[lo:min(lo+batch, len(all))]
		size := uint32(len(cs) * cellBytes)
		w := newTwin(t, cellProgram(cs), 0, &maps.Spec{Name: "cells", Type: cebpf.Array, KeySize: 4, ValueSize: size, Max: 1})
		value := make([]byte, size)
		for round := range 60 {
			clear(value)
			for i := range cs {
				for j := range 3 {
					binary.LittleEndian.PutUint64(value[i*cellBytes+8*j:], operands(r))
				}
				if round%5 == 0 { // so that compare and exchange does
					copy(value[i*cellBytes+16:][:8], value[i*cellBytes:])
				}
			}
			w.set(0, value)
			w.run(make([]byte, 14))
			mine, kernel := w.get(0)
			for i, c := range cs {
				a, b := mine[i*cellBytes:][:48], kernel[i*cellBytes:][:48]
				if string(a) != string(b) {
					t.Errorf("%s: operands %x: got %x, kernel %x", c.name, value[i*cellBytes:][:24], a, b)
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}
