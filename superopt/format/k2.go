package format

import (
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
)

// K2's text: an opcode and its operands a line. The letters tell the operands:
// XC register and constant, XY two registers. The names and the order of
// operands are those of the K2 compiler (smartnic/superopt, src/isa/ebpf).

type operand byte

const (
	opDst operand = 'd'
	opSrc operand = 's'
	opOff operand = 'o'
	opImm operand = 'i'
)

type k2op struct {
	name string
	in   ebpf.Insn // opcode, and what the name fixes beside it
	ops  string    // operands in order, letters as above
	mask string    // fields beside the opcode that the name fixes: 'i' Imm, 'o' Off
}

var k2ops = k2Table()
var k2ByName = func() map[string]*k2op {
	m := map[string]*k2op{}
	for i := range k2ops {
		m[k2ops[i].name] = &k2ops[i]
	}
	return m
}()

func k2Table() []k2op {
	var t []k2op
	add := func(name string, op uint8, ops string) {
		t = append(t, k2op{name: name, in: ebpf.Insn{Op: op}, ops: ops})
	}
	type named struct {
		n  string
		op uint8
	}
	for _, w := range []named{{"64", ebpf.ClassALU64}, {"32", ebpf.ClassALU}} {
		for _, a := range []named{{"ADD", ebpf.ALUAdd}, {"SUB", ebpf.ALUSub}, {"MUL", ebpf.ALUMul}, {"DIV", ebpf.ALUDiv}, {"OR", ebpf.ALUOr},
			{"AND", ebpf.ALUAnd}, {"LSH", ebpf.ALULsh}, {"RSH", ebpf.ALURsh}, {"MOD", ebpf.ALUMod}, {"XOR", ebpf.ALUXor},
			{"MOV", ebpf.ALUMov}, {"ARSH", ebpf.ALUArsh}} {
			add(a.n+w.n+"XC", w.op|a.op, "di")
			add(a.n+w.n+"XY", w.op|a.op|ebpf.SrcX, "ds")
		}
		add("NEG"+w.n+"X", w.op|ebpf.ALUNeg, "d")
	}
	add("LE", ebpf.ClassALU|ebpf.ALUEnd, "di")
	add("BE", ebpf.ClassALU|ebpf.ALUEnd|ebpf.SrcX, "di")
	for _, s := range []named{{"B", ebpf.SizeB}, {"H", ebpf.SizeH}, {"W", ebpf.SizeW}, {"DW", ebpf.SizeDW}} {
		add("LDX"+s.n, ebpf.ClassLDX|ebpf.ModeMEM|s.op, "dso")
		add("STX"+s.n, ebpf.ClassSTX|ebpf.ModeMEM|s.op, "dos")
		add("ST"+s.n, ebpf.ClassST|ebpf.ModeMEM|s.op, "doi")
		if s.n != "DW" {
			add("LDABS"+s.n, ebpf.ClassLD|ebpf.ModeABS|s.op, "i")
			add("LDIND"+s.n, ebpf.ClassLD|ebpf.ModeIND|s.op, "s")
		}
	}
	t = append(t, k2op{name: "XADD64", in: ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ebpf.SizeDW}, ops: "dos", mask: "i"},
		k2op{name: "XADD32", in: ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ebpf.SizeW}, ops: "dos", mask: "i"})
	add("JA", ebpf.OpJA, "o")
	for _, j := range []named{{"JEQ", ebpf.JmpEQ}, {"JGT", ebpf.JmpGT}, {"JGE", ebpf.JmpGE}, {"JSET", ebpf.JmpSET}, {"JNE", ebpf.JmpNE},
		{"JSGT", ebpf.JmpSGT}, {"JSGE", ebpf.JmpSGE}, {"JLT", ebpf.JmpLT}, {"JLE", ebpf.JmpLE}, {"JSLT", ebpf.JmpSLT}, {"JSLE", ebpf.JmpSLE}} {
		add(j.n+"XC", ebpf.ClassJMP|j.op, "dio")
		add(j.n+"XY", ebpf.ClassJMP|j.op|ebpf.SrcX, "dso")
		add(j.n+"32XC", ebpf.ClassJMP32|j.op, "dio")
		add(j.n+"32XY", ebpf.ClassJMP32|j.op|ebpf.SrcX, "dso")
	}
	add("CALL", ebpf.OpCall, "i")
	add("EXIT", ebpf.OpExit, "")
	return t
}

func parseK2Line(text string) (before, after string, slots []ebpf.Insn, err error) {
	body := text
	if i := strings.IndexAny(body, "#;"); i >= 0 {
		body = body[:i]
	}
	if i := strings.Index(body, "//"); i >= 0 {
		body = body[:i]
	}
	trimmed := strings.TrimSpace(body)
	if trimmed == "" {
		return "", "", nil, nil
	}
	at := strings.Index(text, trimmed)
	before, after = text[:at], text[at+len(trimmed):]
	f := strings.Fields(trimmed)
	name := strings.ToUpper(f[0])
	var n []int64
	for _, a := range f[1:] {
		v, err := strconv.ParseInt(a, 0, 64)
		if err != nil {
			u, err2 := strconv.ParseUint(a, 0, 64)
			if err2 != nil {
				return "", "", nil, fmt.Errorf("%s: operand %q is no number", name, a)
			}
			v = int64(u)
		}
		n = append(n, v)
	}
	want := func(k int) error {
		if len(n) != k {
			return fmt.Errorf("%s: %d operands, want %d", name, len(n), k)
		}
		return nil
	}
	switch name {
	case "NOP":
		return before, after, []ebpf.Insn{{Op: ebpf.OpJA}}, want(0)
	case "LDMAPID", "MOVDWXC", "LDDW":
		if err := want(2); err != nil {
			return "", "", nil, err
		}
		if n[0] < 0 || n[0] > 9 {
			return "", "", nil, fmt.Errorf("%s: register %d", name, n[0])
		}
		in := ebpf.Insn{Op: ebpf.OpLDDW, Dst: uint8(n[0]), Imm: int32(n[1])}
		hi := ebpf.Insn{Imm: int32(n[1] >> 32)}
		if name == "LDMAPID" {
			if n[1] != int64(int32(n[1])) {
				return "", "", nil, fmt.Errorf("%s: map %d", name, n[1])
			}
			in.Src, hi.Imm = ebpf.PseudoMapFD, 0
		}
		return before, after, []ebpf.Insn{in, hi}, nil
	}
	op := k2ByName[name]
	if op == nil {
		return "", "", nil, fmt.Errorf("%q: no such opcode", f[0])
	}
	if err := want(len(op.ops)); err != nil {
		return "", "", nil, err
	}
	in := op.in
	for i, o := range op.ops {
		v := n[i]
		bad := false
		switch operand(o) {
		case opDst:
			in.Dst, bad = uint8(v), v < 0 || v > 10
		case opSrc:
			in.Src, bad = uint8(v), v < 0 || v > 10
		case opOff:
			in.Off, bad = int16(v), v != int64(int16(v))
		case opImm:
			in.Imm, bad = int32(v), v != int64(int32(v)) && v != int64(uint32(v))
		}
		if bad {
			return "", "", nil, fmt.Errorf("%s: operand %d out of range", name, v)
		}
	}
	return before, after, []ebpf.Insn{in}, nil
}

func k2Line(in, hi ebpf.Insn) (string, error) {
	if in.Op == ebpf.OpLDDW {
		if in.Src == ebpf.PseudoMapFD || in.Src == 0 && false {
			return fmt.Sprintf("LDMAPID %d %d", in.Dst, in.Imm), nil
		}
		if in.Src != 0 {
			return "", fmt.Errorf("wide load of kind %d has no name in K2's text", in.Src)
		}
		return fmt.Sprintf("MOVDWXC %d %d", in.Dst, int64(uint64(uint32(in.Imm))|uint64(uint32(hi.Imm))<<32)), nil
	}
	for i := range k2ops {
		op := &k2ops[i]
		if op.in.Op != in.Op || op.mask == "i" && op.in.Imm != in.Imm {
			continue
		}
		var b strings.Builder
		b.WriteString(op.name)
		for _, o := range op.ops {
			switch operand(o) {
			case opDst:
				fmt.Fprintf(&b, " %d", in.Dst)
			case opSrc:
				fmt.Fprintf(&b, " %d", in.Src)
			case opOff:
				fmt.Fprintf(&b, " %d", in.Off)
			case opImm:
				fmt.Fprintf(&b, " %d", in.Imm)
			}
		}
		return b.String(), nil
	}
	return "", fmt.Errorf("opcode %#02x has no name in K2's text", in.Op)
}
