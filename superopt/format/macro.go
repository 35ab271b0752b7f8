package format

import (
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
)

// The kernel's instruction macros (include/linux/filter.h, samples/bpf/bpf_insn.h).

var macroConst = map[string]int64{
	"BPF_B": int64(ebpf.SizeB), "BPF_H": int64(ebpf.SizeH), "BPF_W": int64(ebpf.SizeW), "BPF_DW": int64(ebpf.SizeDW),
	"BPF_LD": 0, "BPF_LDX": 1, "BPF_ST": 2, "BPF_STX": 3, "BPF_ALU": 4, "BPF_JMP": 5, "BPF_RET": 6, "BPF_JMP32": 6, "BPF_ALU64": 7, "BPF_MISC": 7,
	"BPF_IMM": 0, "BPF_ABS": 0x20, "BPF_IND": 0x40, "BPF_MEM": 0x60, "BPF_LEN": 0x80, "BPF_MSH": 0xa0, "BPF_MEMSX": 0x80, "BPF_XADD": 0xc0, "BPF_ATOMIC": 0xc0,
	"BPF_ADD": 0, "BPF_SUB": 0x10, "BPF_MUL": 0x20, "BPF_DIV": 0x30, "BPF_OR": 0x40, "BPF_AND": 0x50, "BPF_LSH": 0x60, "BPF_RSH": 0x70,
	"BPF_NEG": 0x80, "BPF_MOD": 0x90, "BPF_XOR": 0xa0, "BPF_MOV": 0xb0, "BPF_ARSH": 0xc0, "BPF_END": 0xd0,
	"BPF_TO_LE": 0, "BPF_TO_BE": 8, "BPF_FROM_LE": 0, "BPF_FROM_BE": 8, "BPF_K": 0, "BPF_X": 8, "BPF_FETCH": 1, "BPF_XCHG": 0xe1, "BPF_CMPXCHG": 0xf1,
	"BPF_JA": 0, "BPF_JEQ": 0x10, "BPF_JGT": 0x20, "BPF_JGE": 0x30, "BPF_JSET": 0x40, "BPF_JNE": 0x50, "BPF_JSGT": 0x60, "BPF_JSGE": 0x70,
	"BPF_CALL": 0x80, "BPF_EXIT": 0x90, "BPF_JLT": 0xa0, "BPF_JLE": 0xb0, "BPF_JSLT": 0xc0, "BPF_JSLE": 0xd0,
	"BPF_PSEUDO_MAP_FD": 1, "BPF_PSEUDO_MAP_VALUE": 2, "BPF_PSEUDO_CALL": 1,
	"BPF_REG_FP": 10, "BPF_REG_CTX": 6, "BPF_REG_ARG1": 1, "BPF_REG_ARG2": 2, "BPF_REG_ARG3": 3, "BPF_REG_ARG4": 4, "BPF_REG_ARG5": 5,
	"BPF_ANY": 0, "BPF_NOEXIST": 1, "BPF_EXIST": 2,
	"XDP_ABORTED": 0, "XDP_DROP": 1, "XDP_PASS": 2, "XDP_TX": 3, "XDP_REDIRECT": 4,
}

// lastNamed is the last helper whose name K2's headers have, those of Linux 4.14.
const lastNamed = ebpf.FnRedirectMap

func init() {
	for i := int64(0); i <= 10; i++ {
		macroConst[fmt.Sprintf("BPF_REG_%d", i)] = i
	}
	for id := range int32(lastNamed) + 1 {
		macroConst["BPF_FUNC_"+ebpf.HelperName(id)] = int64(id)
	}
}

// value evaluates a macro argument: numbers, names, | + - and parentheses.
type expr struct {
	s string
	i int
}

func (e *expr) skip() {
	for e.i < len(e.s) && (e.s[e.i] == ' ' || e.s[e.i] == '\t') {
		e.i++
	}
}

func value(s string) (int64, error) {
	e := &expr{s: s}
	v, err := e.or()
	if err != nil {
		return 0, err
	}
	e.skip()
	if e.i != len(e.s) {
		return 0, fmt.Errorf("%q: not understood after %d characters", s, e.i)
	}
	return v, nil
}

func (e *expr) or() (int64, error) {
	v, err := e.sum()
	for err == nil {
		e.skip()
		if e.i >= len(e.s) || e.s[e.i] != '|' {
			break
		}
		e.i++
		var w int64
		w, err = e.sum()
		v |= w
	}
	return v, err
}

func (e *expr) sum() (int64, error) {
	v, err := e.atom()
	for err == nil {
		e.skip()
		if e.i >= len(e.s) || e.s[e.i] != '+' && e.s[e.i] != '-' {
			break
		}
		c := e.s[e.i]
		e.i++
		var w int64
		w, err = e.atom()
		if c == '-' {
			w = -w
		}
		v += w
	}
	return v, err
}

func (e *expr) atom() (int64, error) {
	e.skip()
	if e.i >= len(e.s) {
		return 0, fmt.Errorf("%q: ends too early", e.s)
	}
	switch c := e.s[e.i]; {
	case c == '-' || c == '~':
		e.i++
		v, err := e.atom()
		if c == '~' {
			return ^v, err
		}
		return -v, err
	case c == '(':
		e.i++
		v, err := e.or()
		if err != nil {
			return 0, err
		}
		e.skip()
		if e.i >= len(e.s) || e.s[e.i] != ')' {
			return 0, fmt.Errorf("%q: ) missing", e.s)
		}
		e.i++
		return v, nil
	}
	j := e.i
	for j < len(e.s) && (e.s[j] == '_' || e.s[j] >= '0' && e.s[j] <= '9' || e.s[j]|32 >= 'a' && e.s[j]|32 <= 'z') {
		j++
	}
	w := e.s[e.i:j]
	if w == "" {
		return 0, fmt.Errorf("%q: %q not understood", e.s, e.s[e.i:])
	}
	e.i = j
	if v, ok := macroConst[w]; ok {
		return v, nil
	}
	t := strings.TrimRight(w, "uUlL")
	if v, err := strconv.ParseInt(t, 0, 64); err == nil {
		return v, nil
	}
	if v, err := strconv.ParseUint(t, 0, 64); err == nil {
		return int64(v), nil
	}
	return 0, fmt.Errorf("%q: unknown name", w)
}

// parseMacroLine reads one macro a line.
func parseMacroLine(text string) (before, after string, slots []ebpf.Insn, err error) {
	at := 0
	for {
		for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
			at++
		}
		if strings.HasPrefix(text[at:], "/*") {
			if end := strings.Index(text[at:], "*/"); end >= 0 {
				at += end + 2
				continue
			}
		}
		break
	}
	rest := text[at:]
	if rest == "" || strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "/*") || strings.HasPrefix(rest, "#") ||
		strings.HasPrefix(rest, "struct bpf_insn") || strings.HasPrefix(rest, "}") || strings.HasPrefix(rest, "{") {
		return "", "", nil, nil
	}
	o := strings.IndexByte(rest, '(')
	if o < 0 {
		return "", "", nil, fmt.Errorf("%q: not a macro", strings.TrimSpace(rest))
	}
	name := strings.TrimSpace(rest[:o])
	depth, c := 0, -1
	var args []string
	last := o + 1
	for i := o; i < len(rest) && c < 0; i++ {
		switch rest[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				c = i
				if a := strings.TrimSpace(rest[last:i]); a != "" || len(args) > 0 {
					args = append(args, a)
				}
			}
		case ',':
			if depth == 1 {
				args = append(args, strings.TrimSpace(rest[last:i]))
				last = i + 1
			}
		}
	}
	if c < 0 {
		return "", "", nil, fmt.Errorf("%s: ) missing", name)
	}
	tail := strings.TrimSpace(rest[c+1:])
	tail = strings.TrimSpace(strings.TrimPrefix(tail, ","))
	if tail != "" && !strings.HasPrefix(tail, "//") && !strings.HasPrefix(tail, "/*") {
		return "", "", nil, fmt.Errorf("%s: %q after the macro", name, tail)
	}
	v := make([]int64, len(args))
	for i, a := range args {
		if name == "BPF_ATOMIC_OP" && i == 1 || true {
			if v[i], err = value(a); err != nil {
				return "", "", nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	slots, err = macro(name, v)
	if err != nil {
		return "", "", nil, err
	}
	return text[:at], text[at+c+1:], slots, nil
}

// macroForm says which field each argument of a macro is: d s o i, z size, p
// operation, t kind of byte swap.
var macroForm = map[string]struct {
	op   uint8
	args string
	imm  int32
}{
	"BPF_ALU64_REG": {ebpf.ClassALU64 | ebpf.SrcX, "pds", 0}, "BPF_ALU32_REG": {ebpf.ClassALU | ebpf.SrcX, "pds", 0},
	"BPF_ALU64_IMM": {ebpf.ClassALU64, "pdi", 0}, "BPF_ALU32_IMM": {ebpf.ClassALU, "pdi", 0},
	"BPF_ENDIAN":    {ebpf.ClassALU | ebpf.ALUEnd, "tdi", 0},
	"BPF_MOV64_REG": {ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, "ds", 0}, "BPF_MOV32_REG": {ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX, "ds", 0},
	"BPF_MOV64_IMM": {ebpf.ClassALU64 | ebpf.ALUMov, "di", 0}, "BPF_MOV32_IMM": {ebpf.ClassALU | ebpf.ALUMov, "di", 0},
	"BPF_MOV64_RAW": {ebpf.ClassALU64 | ebpf.ALUMov, "tdsi", 0}, "BPF_MOV32_RAW": {ebpf.ClassALU | ebpf.ALUMov, "tdsi", 0},
	"BPF_LDX_MEM": {ebpf.ClassLDX | ebpf.ModeMEM, "zdso", 0}, "BPF_STX_MEM": {ebpf.ClassSTX | ebpf.ModeMEM, "zdso", 0},
	"BPF_ST_MEM": {ebpf.ClassST | ebpf.ModeMEM, "zdoi", 0},
	"BPF_LD_ABS": {ebpf.ClassLD | ebpf.ModeABS, "zi", 0}, "BPF_LD_IND": {ebpf.ClassLD | ebpf.ModeIND, "zsi", 0},
	"BPF_STX_XADD": {ebpf.ClassSTX | ebpf.ModeATOMIC, "zdso", 0}, "BPF_ATOMIC_OP": {ebpf.ClassSTX | ebpf.ModeATOMIC, "zidso", 0},
	"BPF_JMP_REG": {ebpf.ClassJMP | ebpf.SrcX, "pdso", 0}, "BPF_JMP_IMM": {ebpf.ClassJMP, "pdio", 0},
	"BPF_JMP32_REG": {ebpf.ClassJMP32 | ebpf.SrcX, "pdso", 0}, "BPF_JMP32_IMM": {ebpf.ClassJMP32, "pdio", 0},
	"BPF_JMP_A": {ebpf.OpJA, "o", 0}, "BPF_EMIT_CALL": {ebpf.OpCall, "i", 0}, "BPF_CALL_REL": {ebpf.OpCall, "i", 1},
	"BPF_RAW_INSN": {0, "cdsoi", 0}, "BPF_EXIT_INSN": {ebpf.OpExit, "", 0},
}

func macro(name string, v []int64) ([]ebpf.Insn, error) {
	want := func(n int) error {
		if len(v) != n {
			return fmt.Errorf("%s: %d arguments, want %d", name, len(v), n)
		}
		return nil
	}
	reg := func(x int64) (uint8, error) {
		if x < 0 || x > 15 {
			return 0, fmt.Errorf("%s: register %d", name, x)
		}
		return uint8(x), nil
	}
	switch name {
	case "BPF_LD_IMM64", "BPF_LD_MAP_FD", "BPF_LD_IMM64_RAW", "BPF_LD_MAP_VALUE":
		n := map[string]int{"BPF_LD_IMM64": 2, "BPF_LD_MAP_FD": 2, "BPF_LD_IMM64_RAW": 3, "BPF_LD_MAP_VALUE": 3}[name]
		if err := want(n); err != nil {
			return nil, err
		}
		d, err := reg(v[0])
		if err != nil {
			return nil, err
		}
		in, hi := ebpf.Insn{Op: ebpf.OpLDDW, Dst: d}, ebpf.Insn{}
		x := v[n-1]
		switch name {
		case "BPF_LD_MAP_FD":
			in.Src, x = ebpf.PseudoMapFD, int64(uint32(x))
		case "BPF_LD_IMM64_RAW":
			in.Src = uint8(v[1]) & 15
		case "BPF_LD_MAP_VALUE":
			in.Src, x = ebpf.PseudoMapValue, int64(uint32(v[1]))|v[2]<<32
		}
		in.Imm, hi.Imm = int32(x), int32(x>>32)
		return []ebpf.Insn{in, hi}, nil
	}
	f, ok := macroForm[name]
	if !ok {
		return nil, fmt.Errorf("%q: no such macro", name)
	}
	if err := want(len(f.args)); err != nil {
		return nil, err
	}
	in := ebpf.Insn{Op: f.op, Imm: f.imm}
	if name == "BPF_CALL_REL" {
		in.Imm, in.Src = 0, ebpf.CallLocal
	}
	var err error
	for i, a := range f.args {
		switch a {
		case 'd':
			in.Dst, err = reg(v[i])
		case 's':
			in.Src, err = reg(v[i])
		case 'o':
			if in.Off = int16(v[i]); v[i] != int64(in.Off) {
				err = fmt.Errorf("%s: offset %d out of range", name, v[i])
			}
		case 'i':
			if in.Imm = int32(v[i]); v[i] != int64(in.Imm) && v[i] != int64(uint32(v[i])) {
				err = fmt.Errorf("%s: constant %d out of range", name, v[i])
			}
		case 'z', 'p', 't':
			in.Op |= uint8(v[i])
		case 'c':
			if in.Op = uint8(v[i]); v[i] != int64(in.Op) {
				err = fmt.Errorf("%s: opcode %d out of range", name, v[i])
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return []ebpf.Insn{in}, nil
}

var sizeName = map[uint8]string{ebpf.SizeB: "BPF_B", ebpf.SizeH: "BPF_H", ebpf.SizeW: "BPF_W", ebpf.SizeDW: "BPF_DW"}
var aluName = map[uint8]string{0: "BPF_ADD", 0x10: "BPF_SUB", 0x20: "BPF_MUL", 0x30: "BPF_DIV", 0x40: "BPF_OR", 0x50: "BPF_AND", 0x60: "BPF_LSH",
	0x70: "BPF_RSH", 0x80: "BPF_NEG", 0x90: "BPF_MOD", 0xa0: "BPF_XOR", 0xb0: "BPF_MOV", 0xc0: "BPF_ARSH", 0xd0: "BPF_END"}
var jmpName = map[uint8]string{0x10: "BPF_JEQ", 0x20: "BPF_JGT", 0x30: "BPF_JGE", 0x40: "BPF_JSET", 0x50: "BPF_JNE", 0x60: "BPF_JSGT",
	0x70: "BPF_JSGE", 0xa0: "BPF_JLT", 0xb0: "BPF_JLE", 0xc0: "BPF_JSLT", 0xd0: "BPF_JSLE"}

// macroLine prints an instruction as the macro the kernel's samples would use.
func macroLine(in, hi ebpf.Insn) (string, error) {
	size := sizeName[in.Op&0x18]
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		return aluMacro(in), nil
	case ebpf.ClassLDX:
		if in.Mode() == ebpf.ModeMEM {
			return fmt.Sprintf("BPF_LDX_MEM(%s, %s, %s, %d)", size, regMacro(in.Dst), regMacro(in.Src), in.Off), nil
		}
	case ebpf.ClassST:
		if in.Mode() == ebpf.ModeMEM {
			return fmt.Sprintf("BPF_ST_MEM(%s, %s, %d, %d)", size, regMacro(in.Dst), in.Off, in.Imm), nil
		}
	case ebpf.ClassSTX:
		switch {
		case in.Mode() == ebpf.ModeMEM:
			return fmt.Sprintf("BPF_STX_MEM(%s, %s, %s, %d)", size, regMacro(in.Dst), regMacro(in.Src), in.Off), nil
		case in.Mode() == ebpf.ModeATOMIC && in.Imm == 0:
			return fmt.Sprintf("BPF_STX_XADD(%s, %s, %s, %d)", size, regMacro(in.Dst), regMacro(in.Src), in.Off), nil
		case in.Mode() == ebpf.ModeATOMIC:
			return fmt.Sprintf("BPF_ATOMIC_OP(%s, %d, %s, %s, %d)", size, in.Imm, regMacro(in.Dst), regMacro(in.Src), in.Off), nil
		}
	case ebpf.ClassLD:
		switch {
		case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapFD && hi.Imm == 0:
			return fmt.Sprintf("BPF_LD_MAP_FD(%s, %d)", regMacro(in.Dst), in.Imm), nil
		case in.Op == ebpf.OpLDDW && in.Src == 0:
			return fmt.Sprintf("BPF_LD_IMM64(%s, %d)", regMacro(in.Dst), int64(ebpf.Const64(in, hi))), nil
		case in.Op == ebpf.OpLDDW:
			return fmt.Sprintf("BPF_LD_IMM64_RAW(%s, %d, %d)", regMacro(in.Dst), in.Src, int64(ebpf.Const64(in, hi))), nil
		case in.Mode() == ebpf.ModeABS:
			return fmt.Sprintf("BPF_LD_ABS(%s, %d)", size, in.Imm), nil
		case in.Mode() == ebpf.ModeIND:
			return fmt.Sprintf("BPF_LD_IND(%s, %s, %d)", size, regMacro(in.Src), in.Imm), nil
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		return jumpMacro(in), nil
	}
	return rawMacro(in), nil
}

func regMacro(r uint8) string { return fmt.Sprintf("BPF_REG_%d", r) }

// rawMacro is any instruction, field by field.
func rawMacro(in ebpf.Insn) string {
	return fmt.Sprintf("BPF_RAW_INSN(0x%02x, %s, %s, %d, %d)", in.Op, regMacro(in.Dst), regMacro(in.Src), in.Off, in.Imm)
}

// operandMacro is the second operand, and the ending of the macro's name.
func operandMacro(in ebpf.Insn) (form, arg string) {
	if in.Op&ebpf.SrcX != 0 {
		return "REG", regMacro(in.Src)
	}
	return "IMM", fmt.Sprint(in.Imm)
}

func aluMacro(in ebpf.Insn) string {
	op, w := in.ALUOp(), "64"
	if in.Class() == ebpf.ClassALU {
		w = "32"
	}
	if in.Off != 0 || aluName[op] == "" || op == ebpf.ALUNeg || op == ebpf.ALUEnd && w == "64" {
		return rawMacro(in)
	}
	form, arg := operandMacro(in)
	switch op {
	case ebpf.ALUEnd:
		to := map[string]string{"IMM": "LE", "REG": "BE"}[form]
		return fmt.Sprintf("BPF_ENDIAN(BPF_TO_%s, %s, %d)", to, regMacro(in.Dst), in.Imm)
	case ebpf.ALUMov:
		return fmt.Sprintf("BPF_MOV%s_%s(%s, %s)", w, form, regMacro(in.Dst), arg)
	}
	return fmt.Sprintf("BPF_ALU%s_%s(%s, %s, %s)", w, form, aluName[op], regMacro(in.Dst), arg)
}

func jumpMacro(in ebpf.Insn) string {
	switch {
	case in.Op == ebpf.OpExit:
		return "BPF_EXIT_INSN()"
	case in.Op == ebpf.OpCall && in.Src == 0 && in.Imm > 0 && in.Imm <= lastNamed:
		return fmt.Sprintf("BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_%s)", ebpf.HelperName(in.Imm))
	case in.Op == ebpf.OpJA:
		return fmt.Sprintf("BPF_JMP_A(%d)", in.Off)
	case in.IsCondJump() && jmpName[in.JmpOp()] != "":
		w := ""
		if in.Class() == ebpf.ClassJMP32 {
			w = "32"
		}
		form, arg := operandMacro(in)
		return fmt.Sprintf("BPF_JMP%s_%s(%s, %s, %s, %d)", w, form, jmpName[in.JmpOp()], regMacro(in.Dst), arg, in.Off)
	}
	return rawMacro(in)
}
