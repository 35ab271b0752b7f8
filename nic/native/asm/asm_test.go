package asm

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"golang.org/x/arch/arm64/arm64asm"
	"golang.org/x/arch/x86/x86asm"
)

var (
	allRegs = []Reg{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, T0, T1, Base, Ctx}
	sizes   = []int{1, 2, 4, 8}
	consts  = []int32{0, 1, -1, 7, 127, -128, 128, -129, 255, 4095, 4096, -4095, -4096, 65535, 1<<31 - 1, -1 << 31}
	words   = []uint64{0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 32, 1<<63 - 1, 1 << 63, ^uint64(0), ^uint64(0xffff),
		0xffffffff80000000, 0xffff0000ffff0000, 0x123456789abcdef0}
)

// x86Name and armName are written out apart from the encoders' own tables.
var x86Name = map[Reg][4]string{
	R0: {"al", "ax", "eax", "rax"}, R1: {"dil", "di", "edi", "rdi"}, R2: {"sil", "si", "esi", "rsi"}, R3: {"dl", "dx", "edx", "rdx"},
	R4: {"r9b", "r9w", "r9d", "r9"}, R5: {"r8b", "r8w", "r8d", "r8"}, R6: {"bl", "bx", "ebx", "rbx"}, R7: {"r13b", "r13w", "r13d", "r13"},
	R8: {"r15b", "r15w", "r15d", "r15"}, R9: {"r12b", "r12w", "r12d", "r12"}, R10: {"bpl", "bp", "ebp", "rbp"},
	T0: {"cl", "cx", "ecx", "rcx"}, T1: {"r10b", "r10w", "r10d", "r10"}, Base: {"r11b", "r11w", "r11d", "r11"}, Ctx: {"r14b", "r14w", "r14d", "r14"},
}

var armNumber = map[Reg]int{R0: 0, R1: 1, R2: 2, R3: 3, R4: 4, R5: 5, R6: 6, R7: 7, R8: 8, R9: 9, R10: 12, T0: 10, T1: 11, Base: 20, Ctx: 21}

func lg(size int) int { return map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[size] }

func x86(size int, r Reg) string { return "%" + x86Name[r][lg(size)] }

func wideName(wide bool, r Reg) string {
	if wide {
		return x86(8, r)
	}
	return x86(4, r)
}

func arm(wide bool, r Reg) string {
	if wide {
		return fmt.Sprintf("x%d", armNumber[r])
	}
	return fmt.Sprintf("w%d", armNumber[r])
}

// disX86 and disARM are what the disassemblers make of code, one instruction a
// line.
func disX86(code []byte) (string, error) {
	var out []string
	for len(code) > 0 {
		in, err := x86asm.Decode(code, 64)
		if err != nil {
			return "", fmt.Errorf("% x: %w", code, err)
		}
		out = append(out, x86asm.GNUSyntax(in, 0, nil))
		code = code[in.Len:]
	}
	return strings.Join(out, "; "), nil
}

func disARM(code []byte) (string, error) {
	var out []string
	for ; len(code) > 0; code = code[4:] {
		in, err := arm64asm.Decode(code)
		if err != nil {
			return "", fmt.Errorf("% x: %w", code[:4], err)
		}
		out = append(out, arm64asm.GNUSyntax(in))
	}
	return strings.Join(out, "; "), nil
}

func mems() (out []Mem) {
	for _, base := range allRegs {
		for _, disp := range []int32{0, 8, -8, 127, 128, -512, 32760, 1 << 20, -1 << 31, 1<<31 - 1} {
			out = append(out, At(base, disp))
		}
		for _, index := range allRegs {
			for _, disp := range []int32{0, 8, -200, 1 << 20} {
				out = append(out, Mem{base, index, disp})
			}
		}
	}
	return out
}

// gnuMem is an address in GNU syntax, as the disassembler prints it.
func gnuMem(m Mem) string {
	d := ""
	switch {
	case m.Disp < 0:
		d = fmt.Sprintf("-%#x", -int64(m.Disp))
	case m.Disp > 0:
		d = fmt.Sprintf("%#x", m.Disp)
	}
	if m.Index == None {
		return fmt.Sprintf("%s(%s)", d, x86(8, m.Base))
	}
	return fmt.Sprintf("%s(%s,%s)", d, x86(8, m.Base), x86(8, m.Index))
}

func suffix(size int) string { return string("bwlq"[lg(size)]) }

func gnuK(k int64) string { return fmt.Sprintf("$%#x", k) }

// loose takes away what two correct listings may differ in: the suffix of an
// operand size that a register tells, the sign of constants, the length of
// spaces, a displacement of zero.
func loose(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.ReplaceAll(strings.ReplaceAll(s, ", ", ","), "rex ", "")
	s = strings.ReplaceAll(s, ",%riz", "")
	s = strings.ReplaceAll(s, " 0x0(", " (")
	s = strings.ReplaceAll(s, ",0x0(", ",(")
	return s
}

// TestAMD64 holds every instruction that the backend writes, on every register
// and addressing mode, to what golang.org/x/arch reads in it.
func TestAMD64(t *testing.T) {
	n := 0
	check := func(want string, f func(a *amd64)) {
		t.Helper()
		a := &amd64{}
		f(a)
		got, err := disX86(a.b)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		n++
		if loose(got) != loose(want) {
			t.Fatalf("% x: reads\n\t%s\nwant\n\t%s", a.b, loose(got), loose(want))
		}
	}
	names := [...]string{Add: "add", Sub: "sub", And: "and", Or: "or", Xor: "xor", Mul: "imul", Lsh: "shl", Rsh: "shr", Arsh: "sar"}
	for _, d := range allRegs {
		for _, s := range allRegs {
			for _, wide := range []bool{false, true} {
				if d != s {
					check(fmt.Sprintf("mov %s,%s", wideName(wide, s), wideName(wide, d)), func(a *amd64) { a.Mov(wide, d, s) })
				}
				for op := range numOps {
					if op >= Lsh {
						continue
					}
					check(fmt.Sprintf("%s %s,%s", names[op], wideName(wide, s), wideName(wide, d)), func(a *amd64) { a.Op(op, wide, d, s) })
				}
			}
			check(fmt.Sprintf("movzbl %s,%s", x86(1, s), x86(4, d)), func(a *amd64) { a.Zext(1, d, s) })
			check(fmt.Sprintf("movzwl %s,%s", x86(2, s), x86(4, d)), func(a *amd64) { a.Zext(2, d, s) })
			check(fmt.Sprintf("mov %s,%s", x86(4, s), x86(4, d)), func(a *amd64) { a.Zext(4, d, s) })
			check(fmt.Sprintf("movsbq %s,%s", x86(1, s), x86(8, d)), func(a *amd64) { a.Sext(1, d, s) })
			check(fmt.Sprintf("movswq %s,%s", x86(2, s), x86(8, d)), func(a *amd64) { a.Sext(2, d, s) })
			check(fmt.Sprintf("movsxd %s,%s", x86(4, s), x86(8, d)), func(a *amd64) { a.Sext(4, d, s) })
		}
		for _, wide := range []bool{false, true} {
			check(fmt.Sprintf("neg %s", wideName(wide, d)), func(a *amd64) { a.Neg(wide, d) })
			for _, op := range []Op{Lsh, Rsh, Arsh} {
				if d != T0 {
					check(fmt.Sprintf("mov %%rdx,%%rcx; %s %%cl,%s", names[op], wideName(wide, d)), func(a *amd64) { a.Op(op, wide, d, R3) })
				}
				check(fmt.Sprintf("%s $0x5,%s", names[op], wideName(wide, d)), func(a *amd64) { a.OpK(op, wide, d, 5) })
			}
			for _, k := range consts {
				for _, op := range []Op{Add, Sub, And, Or, Xor} {
					check(fmt.Sprintf("%s %s,%s", names[op], gnuK(int64(k)), wideName(wide, d)), func(a *amd64) { a.OpK(op, wide, d, k) })
				}
				check(fmt.Sprintf("imul %s,%s,%s", gnuK(int64(k)), wideName(wide, d), wideName(wide, d)), func(a *amd64) { a.OpK(Mul, wide, d, k) })
			}
		}
		check(fmt.Sprintf("rol $0x8,%s; movzwl %s,%s", x86(2, d), x86(2, d), x86(4, d)), func(a *amd64) { a.Swap(2, d) })
		check(fmt.Sprintf("bswap %s", x86(4, d)), func(a *amd64) { a.Swap(4, d) })
		check(fmt.Sprintf("bswap %s", x86(8, d)), func(a *amd64) { a.Swap(8, d) })
		check(fmt.Sprintf("jmp *%s", x86(8, d)), func(a *amd64) { a.JmpReg(d) })
		for _, v := range words {
			want := fmt.Sprintf("mov $%#x,%s", int32(v), x86(4, d))
			switch {
			case v == 0:
				want = fmt.Sprintf("xor %s,%s", x86(4, d), x86(4, d))
			case v > 1<<32-1 && v == uint64(int64(int32(v))):
				want = fmt.Sprintf("mov $-%#x,%s", -v, x86(8, d))
			case v > 1<<32-1:
				want = fmt.Sprintf("mov $%#x,%s", int64(v), x86(8, d))
			}
			check(want, func(a *amd64) { a.Imm(d, v) })
		}
	}
	for _, m := range mems() {
		for _, r := range allRegs {
			check(fmt.Sprintf("movzbl %s,%s", gnuMem(m), x86(4, r)), func(a *amd64) { a.Load(1, r, m) })
			check(fmt.Sprintf("movzwl %s,%s", gnuMem(m), x86(4, r)), func(a *amd64) { a.Load(2, r, m) })
			check(fmt.Sprintf("mov %s,%s", gnuMem(m), x86(4, r)), func(a *amd64) { a.Load(4, r, m) })
			check(fmt.Sprintf("mov %s,%s", gnuMem(m), x86(8, r)), func(a *amd64) { a.Load(8, r, m) })
			check(fmt.Sprintf("movsbq %s,%s", gnuMem(m), x86(8, r)), func(a *amd64) { a.LoadS(1, r, m) })
			check(fmt.Sprintf("movswq %s,%s", gnuMem(m), x86(8, r)), func(a *amd64) { a.LoadS(2, r, m) })
			check(fmt.Sprintf("movsxd %s,%s", gnuMem(m), x86(8, r)), func(a *amd64) { a.LoadS(4, r, m) })
			check(fmt.Sprintf("lea %s,%s", gnuMem(m), x86(8, r)), func(a *amd64) { a.Lea(r, m) })
			for _, size := range sizes {
				check(fmt.Sprintf("mov %s,%s", x86(size, r), gnuMem(m)), func(a *amd64) { a.Store(size, r, m) })
			}
		}
		for _, size := range sizes {
			check(fmt.Sprintf("mov%s $0x12,%s", suffix(size), gnuMem(m)), func(a *amd64) { a.StoreK(size, 0x12, m) })
		}
		check(fmt.Sprintf("addq $0x1234,%s", gnuMem(m)), func(a *amd64) { a.AddMem(m, 0x1234) })
		check(fmt.Sprintf("movdqu %s,%%xmm0; movdqu %%xmm0,0x10(%%rdi)", gnuMem(m)), func(a *amd64) { a.Move16(At(R1, 16), m) })
		check(fmt.Sprintf("movdqu (%%rdi),%%xmm0; movdqu %%xmm0,%s", gnuMem(m)), func(a *amd64) { a.Move16(m, At(R1, 0)) })
		check(fmt.Sprintf("jmpq *%s", gnuMem(m)), func(a *amd64) { a.JmpMem(m) })
	}
	t.Logf("%d instructions", n)
	if n < 50000 {
		t.Errorf("only %d instructions checked", n)
	}
}

// TestJumpsAMD64 checks conditional jumps: the comparison, the condition, the
// distance.
func TestJumpsAMD64(t *testing.T) {
	cc := [numConds]string{EQ: "je", NE: "jne", LT: "jb", LE: "jbe", GT: "ja", GE: "jae", SLT: "jl", SLE: "jle", SGT: "jg", SGE: "jge"}
	for c := range numConds {
		for _, wide := range []bool{false, true} {
			for _, x := range allRegs {
				for _, y := range allRegs {
					a := &amd64{}
					l := a.NewLabel()
					a.Br(c, wide, x, y, l)
					at := a.Len()
					a.emit(0x90)
					a.Bind(l)
					code, err := a.Code()
					must.OK(t, err)
					got, err := disX86(code)
					want := fmt.Sprintf("cmp %s,%s; %s .+0x1; nop", wideName(wide, y), wideName(wide, x), cc[c])
					if err != nil || loose(got) != loose(want) {
						t.Fatalf("% x: %q, %v; want %q", code[:at], loose(got), err, want)
					}
				}
			}
		}
	}
}

// TestARM64 is TestAMD64 for the other machine. Sequences are checked as such.
func TestARM64(t *testing.T) {
	n := 0
	check := func(want string, f func(a *arm64)) {
		t.Helper()
		a := &arm64{}
		f(a)
		got, err := disARM(a.b)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		n++
		if loose(got) != loose(want) {
			t.Fatalf("% x: reads\n\t%s\nwant\n\t%s", a.b, loose(got), loose(want))
		}
	}
	names := [...]string{Add: "add", Sub: "sub", And: "and", Or: "orr", Xor: "eor", Mul: "mul", Lsh: "lsl", Rsh: "lsr", Arsh: "asr"}
	for _, d := range allRegs {
		for _, s := range allRegs {
			for _, wide := range []bool{false, true} {
				if d != s {
					check(fmt.Sprintf("mov %s, %s", arm(wide, d), arm(wide, s)), func(a *arm64) { a.Mov(wide, d, s) })
				}
				for op := range numOps {
					check(fmt.Sprintf("%s %s, %s, %s", names[op], arm(wide, d), arm(wide, d), arm(wide, s)), func(a *arm64) { a.Op(op, wide, d, s) })
				}
				check(fmt.Sprintf("udiv %s, %s, %s", arm(wide, d), arm(wide, d), arm(wide, s)), func(a *arm64) { a.Div(wide, false, false, d, s) })
				check(fmt.Sprintf("sdiv %s, %s, %s", arm(wide, d), arm(wide, d), arm(wide, s)), func(a *arm64) { a.Div(wide, true, false, d, s) })
				x := map[bool]string{false: "w16", true: "x16"}[wide]
				check(fmt.Sprintf("udiv %s, %s, %s; msub %s, %s, %s, %s", x, arm(wide, d), arm(wide, s), arm(wide, d), x, arm(wide, s), arm(wide, d)),
					func(a *arm64) { a.Div(wide, false, true, d, s) })
			}
			check(fmt.Sprintf("uxtb %s, %s", arm(false, d), arm(false, s)), func(a *arm64) { a.Zext(1, d, s) })
			check(fmt.Sprintf("uxth %s, %s", arm(false, d), arm(false, s)), func(a *arm64) { a.Zext(2, d, s) })
			check(fmt.Sprintf("sxtb %s, %s", arm(true, d), arm(false, s)), func(a *arm64) { a.Sext(1, d, s) })
			check(fmt.Sprintf("sxth %s, %s", arm(true, d), arm(false, s)), func(a *arm64) { a.Sext(2, d, s) })
			check(fmt.Sprintf("sxtw %s, %s", arm(true, d), arm(false, s)), func(a *arm64) { a.Sext(4, d, s) })
			check(fmt.Sprintf("umulh x16, %s, %s; mul %s, %s, %s; eor %s, %s, x16", arm(true, d), arm(true, s), arm(true, d), arm(true, d), arm(true, s), arm(true, d), arm(true, d)),
				func(a *arm64) { a.MulFold(d, s) })
		}
		for _, wide := range []bool{false, true} {
			r := arm(wide, d)
			check(fmt.Sprintf("neg %s, %s", r, r), func(a *arm64) { a.Neg(wide, d) })
			check(fmt.Sprintf("lsl %s, %s, #5", r, r), func(a *arm64) { a.OpK(Lsh, wide, d, 5) })
			check(fmt.Sprintf("lsr %s, %s, #5", r, r), func(a *arm64) { a.OpK(Rsh, wide, d, 5) })
			check(fmt.Sprintf("asr %s, %s, #5", r, r), func(a *arm64) { a.OpK(Arsh, wide, d, 5) })
			check(fmt.Sprintf("add %s, %s, #0xfff", r, r), func(a *arm64) { a.OpK(Add, wide, d, 4095) })
			check(fmt.Sprintf("sub %s, %s, #0xfff", r, r), func(a *arm64) { a.OpK(Add, wide, d, -4095) })
			check(fmt.Sprintf("sub %s, %s, #0x7", r, r), func(a *arm64) { a.OpK(Sub, wide, d, 7) })
		}
		check(fmt.Sprintf("rev16 %s, %s; uxth %s, %s", arm(false, d), arm(false, d), arm(false, d), arm(false, d)), func(a *arm64) { a.Swap(2, d) })
		check(fmt.Sprintf("rev %s, %s", arm(false, d), arm(false, d)), func(a *arm64) { a.Swap(4, d) })
		check(fmt.Sprintf("rev %s, %s", arm(true, d), arm(true, d)), func(a *arm64) { a.Swap(8, d) })
		check(fmt.Sprintf("br %s", arm(true, d)), func(a *arm64) { a.JmpReg(d) })
		for _, v := range words { // by meaning: pieces may be put together in more than one way
			a := &arm64{}
			a.Imm(d, v)
			got, err := immOf(a.b, uint32(armNumber[d]))
			if n++; err != nil || got != v {
				t.Fatalf("imm %#x: builds %#x, %v", v, got, err)
			}
		}
	}
	lds := map[int]string{1: "ldrb", 2: "ldrh", 4: "ldr", 8: "ldr"}
	sts := map[int]string{1: "strb", 2: "strh", 4: "str", 8: "str"}
	ldss := map[int]string{1: "ldrsb", 2: "ldrsh", 4: "ldrsw"}
	for _, base := range allRegs {
		for _, size := range sizes {
			for _, r := range allRegs {
				for _, k := range []int32{0, 1, 4095} {
					off := ""
					if k > 0 {
						off = fmt.Sprintf(",#%d", k*int32(size))
					}
					m := At(base, k*int32(size))
					at := fmt.Sprintf("[%s%s]", arm(true, base), off)
					check(fmt.Sprintf("%s %s, %s", lds[size], arm(size == 8, r), at), func(a *arm64) { a.Load(size, r, m) })
					check(fmt.Sprintf("%s %s, %s", sts[size], arm(size == 8, r), at), func(a *arm64) { a.Store(size, r, m) })
					if size < 8 {
						check(fmt.Sprintf("%s %s, %s", ldss[size], arm(true, r), at), func(a *arm64) { a.LoadS(size, r, m) })
					}
				}
				for _, index := range allRegs {
					m := Mem{base, index, 0}
					at := fmt.Sprintf("[%s, %s]", arm(true, base), arm(true, index))
					check(fmt.Sprintf("%s %s, %s", lds[size], arm(size == 8, r), at), func(a *arm64) { a.Load(size, r, m) })
					check(fmt.Sprintf("%s %s, %s", sts[size], arm(size == 8, r), at), func(a *arm64) { a.Store(size, r, m) })
					check(fmt.Sprintf("add x16, %s, #0x8; %s %s, [%s, x16]", arm(true, index), lds[size], arm(size == 8, r), arm(true, base)),
						func(a *arm64) { a.Load(size, r, Mem{base, index, 8}) })
				}
			}
		}
	}
	for _, x := range allRegs {
		for _, y := range allRegs {
			bx, by := arm(true, x), arm(true, y)
			check(fmt.Sprintf("ldr q0, [%s,#32]; str q0, [%s]", bx, by), func(a *arm64) { a.Move16(At(y, 0), At(x, 32)) })
			check(fmt.Sprintf("ldr q0, [%s, %s]; add x16, %s, #0x8; str q0, [%s, x16]", bx, by, by, bx),
				func(a *arm64) { a.Move16(Mem{x, y, 8}, Mem{x, y, 0}) })
			check(fmt.Sprintf("mov x16, #0x9; ldr q0, [%s, x16]; str q0, [%s,#65520]", bx, by),
				func(a *arm64) { a.Move16(At(y, 65520), At(x, 9)) })
		}
	}
	t.Logf("%d instructions", n)
	if n < 10000 {
		t.Errorf("only %d instructions checked", n)
	}
}

// immOf runs movz, movn and movk.
func immOf(code []byte, reg uint32) (v uint64, err error) {
	for ; len(code) > 0; code = code[4:] {
		in := uint32(code[0]) | uint32(code[1])<<8 | uint32(code[2])<<16 | uint32(code[3])<<24
		sh, p := in>>21&3*16, uint64(in>>5&0xffff)
		if in&31 != reg {
			return 0, fmt.Errorf("writes x%d", in&31)
		}
		switch in >> 23 {
		case 0xd2800000 >> 23:
			v = p << sh
		case 0x92800000 >> 23:
			v = ^(p << sh)
		case 0xf2800000 >> 23:
			v = v&^(0xffff<<sh) | p<<sh
		default:
			return 0, fmt.Errorf("%#x is no move of a constant", in)
		}
	}
	return v, nil
}

// TestJumpsARM64 checks conditional jumps.
func TestJumpsARM64(t *testing.T) {
	cc := [numConds]string{EQ: "eq", NE: "ne", LT: "cc", LE: "ls", GT: "hi", GE: "cs", SLT: "lt", SLE: "le", SGT: "gt", SGE: "ge"}
	for c := range numConds {
		for _, wide := range []bool{false, true} {
			for _, x := range allRegs {
				for _, y := range allRegs {
					a := &arm64{}
					l := a.NewLabel()
					a.Br(c, wide, x, y, l)
					a.Ret()
					a.Bind(l)
					code, err := a.Code()
					must.OK(t, err)
					got, err := disARM(code)
					want := fmt.Sprintf("cmp %s, %s; b.%s .+0x8; ret", arm(wide, x), arm(wide, y), cc[c])
					got = strings.NewReplacer("b.lo", "b.cc", "b.hs", "b.cs").Replace(loose(got))
					if err != nil || got != loose(want) {
						t.Fatalf("%q, %v; want %q", got, err, want)
					}
				}
			}
		}
	}
}

// Long jumps are refused, unbound labels too.
func TestRefused(t *testing.T) {
	a := &arm64{}
	l := a.NewLabel()
	a.Br(EQ, true, R0, R1, l)
	a.b = append(a.b, make([]byte, 1<<20)...)
	a.Bind(l)
	if _, err := a.Code(); err == nil {
		t.Error("a conditional jump of 1 MiB was encoded")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		b, _ := New(arch)
		b.Jmp(b.NewLabel())
		if _, err := b.Code(); err == nil {
			t.Errorf("%s: a jump to nowhere was encoded", arch)
		}
	}
	if _, err := New("riscv64"); err == nil {
		t.Error("a machine without a backend has one")
	}
}

// TestLLVM lets llvm-mc read all that the backends write, where it is there:
// every byte must be part of an instruction it knows, and give the same bytes
// when its text is assembled again.
func TestLLVM(t *testing.T) {
	mc, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("llvm-mc is not installed")
	}
	for arch, triple := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
		b, _ := New(arch)
		everything(b)
		code := must.Get(b.Code())(t)
		var hex strings.Builder
		for _, c := range code {
			fmt.Fprintf(&hex, "0x%02x ", c)
		}
		run := func(in string, args ...string) string {
			c := exec.Command(mc, append(args, "-triple="+triple)...)
			c.Stdin = strings.NewReader(in)
			var out, errs bytes.Buffer
			c.Stdout, c.Stderr = &out, &errs
			if err := c.Run(); err != nil || strings.Contains(errs.String(), "warning") {
				t.Fatalf("%s: llvm-mc %v: %v\n%s", arch, args, err, errs.String())
			}
			return out.String()
		}
		text := run(hex.String(), "-disassemble")
		lines := strings.Count(text, "\n")
		again := run(text, "-show-encoding")
		if strings.Count(again, "encoding:") < lines-2 {
			t.Errorf("%s: %d lines read, %d assembled", arch, lines, strings.Count(again, "encoding:"))
		}
		t.Logf("%s: %d bytes, %d lines", arch, len(code), lines)
	}
}

// everything writes one of each operation on many registers.
func everything(b Backend) {
	l := b.NewLabel()
	b.Bind(l)
	for _, d := range []Reg{R0, R1, R3, R4, R7, R9, R10} {
		for _, s := range []Reg{R2, R5, R6, R8} {
			for _, wide := range []bool{false, true} {
				for op := range numOps {
					b.Op(op, wide, d, s)
					b.OpK(op, wide, d, 77777)
				}
				for _, sign := range []bool{false, true} {
					b.Div(wide, sign, false, d, s)
					b.Div(wide, sign, true, d, s)
				}
				b.Neg(wide, d)
				for c := range numConds {
					b.Br(c, wide, d, s, l)
					b.BrK(c, wide, d, 77777, l)
				}
				b.BrSet(wide, d, s, l)
				b.BrSetK(wide, d, 77777, l)
			}
			for _, m := range []Mem{At(s, 0), At(Base, 1<<20), {Base, s, 3}, {Base, s, 1 << 20}, At(Ctx, -3)} {
				for _, size := range sizes {
					b.Load(size, d, m)
					b.LoadS(size, d, m)
					b.Store(size, d, m)
					b.StoreK(size, -77777, m)
				}
				b.Lea(d, m)
				b.AddMem(m, 1<<20)
				b.BrMem(LT, d, m, l)
				b.BrSub(m, 1<<20, l)
				b.JmpMem(m)
			}
		}
		for _, size := range sizes[1:] {
			b.Swap(size, d)
		}
		b.LeaLabel(d, l)
		b.JmpReg(d)
	}
	b.MulFold(R1, R2)
	b.Call(l)
	b.Jmp(l)
	b.Ret()
}
