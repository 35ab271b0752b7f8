package filter

import (
	"fmt"
	"strings"
)

// Run runs classic BPF on a packet, with a length on the wire and the words of
// parameters, and gives what it returns: 0 where the packet doesn't match. It is
// there to be read, and to judge what was compiled (libpcap's bpf_filter.c says
// the same): a load outside the packet and a division by zero return 0. The
// error is an instruction it doesn't know.
func Run(code []Insn, data []byte, wire uint32, params []uint32) (uint32, error) {
	m := classicVM{data: data, wire: wire, params: params, cells: map[uint32]uint32{}}
	for pc := 0; pc < len(code); pc++ {
		c := code[pc]
		known, ok := true, true
		switch c.Code & 7 {
		case ClsRET:
			if c.Code&0x18 == 0x10 {
				return m.a, nil
			}
			return c.K, nil
		case ClsLD, ClsLDX:
			known, ok = m.load(c)
		case ClsST:
			m.cells[c.K] = m.a
		case ClsSTX:
			m.cells[c.K] = m.x
		case ClsALU:
			known, ok = m.alu(c)
		case ClsJMP:
			var by int
			by, known = m.jump(c)
			pc += by
		case ClsMISC:
			if c.Code&0x80 == Tax {
				m.x = m.a
			} else {
				m.a = m.x
			}
		}
		switch {
		case !known:
			return 0, unknown(pc, c)
		case !ok:
			return 0, nil
		}
	}
	return 0, fmt.Errorf("classic BPF: it ends without a return")
}

// classicVM is what classic BPF runs on: two registers, cells, and the packet.
type classicVM struct {
	a, x   uint32
	cells  map[uint32]uint32
	data   []byte
	wire   uint32
	params []uint32
}

// fetch loads from the packet; false outside of it.
func (m *classicVM) fetch(at uint64, size uint16) (uint32, bool) {
	n := map[uint16]uint64{SizeW: 4, SizeH: 2, SizeB: 1}[size]
	if n == 0 || at+n > uint64(len(m.data)) {
		return 0, false
	}
	var v uint32
	for _, b := range m.data[at : at+n] {
		v = v<<8 | uint32(b)
	}
	return v, true
}

// load is a load of a, or of x, which has fewer modes.
func (m *classicVM) load(c Insn) (known, ok bool) {
	var v uint32
	ok = true
	switch mode, ofX := c.Code&0xe0, c.Code&7 == ClsLDX; {
	case mode == ModeIMM:
		v = c.K
	case mode == ModeMEM:
		v = m.cells[c.K]
	case mode == ModeLEN:
		v = m.wire
	case ofX && mode == ModeMSH:
		v, ok = m.fetch(uint64(c.K), SizeB)
		v = v & 0xf * 4
	case ofX:
		return false, true
	case mode == ModeABS:
		v, ok = m.fetch(uint64(c.K), c.Code&0x18)
	case mode == ModeIND:
		v, ok = m.fetch(uint64(m.x)+uint64(c.K), c.Code&0x18)
	case mode == modeParam:
		v = m.params[c.K]
	default:
		return false, true
	}
	if c.Code&7 == ClsLDX {
		m.x = v
	} else {
		m.a = v
	}
	return true, ok
}

// operand is the second of an operation or a comparison.
func (m *classicVM) operand(c Insn) uint32 {
	if c.Code&SrcX != 0 {
		return m.x
	}
	return c.K
}

func (m *classicVM) alu(c Insn) (known, ok bool) {
	if c.Code&0xf0 == OpNeg {
		m.a = -m.a
		return true, true
	}
	for letter, op := range aluOf {
		if op == c.Code&0xf0 {
			m.a, ok = apply(letter, m.a, m.operand(c))
			return true, ok
		}
	}
	return false, true
}

// jump is how many instructions are passed over.
func (m *classicVM) jump(c Insn) (by int, known bool) {
	var yes bool
	switch v := m.operand(c); c.Code & 0xf0 {
	case JumpA:
		return int(c.K), true
	case JumpEQ:
		yes = m.a == v
	case JumpGT:
		yes = m.a > v
	case JumpGE:
		yes = m.a >= v
	case JumpSET:
		yes = m.a&v != 0
	default:
		return 0, false
	}
	if yes {
		return c.Jt, true
	}
	return c.Jf, true
}

func unknown(pc int, c Insn) error {
	return fmt.Errorf("classic BPF: instruction %d: no code %#x", pc, c.Code)
}

// ParseDecimal reads what Decimal and `tcpdump -ddd` print.
func ParseDecimal(text string) ([]Insn, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var n int
	if _, err := fmt.Sscan(lines[0], &n); err != nil || n != len(lines)-1 {
		return nil, fmt.Errorf("classic BPF: line 1: want the number of lines that follow, not %q", lines[0])
	}
	code := make([]Insn, n)
	for i, line := range lines[1:] {
		c := &code[i]
		if _, err := fmt.Sscan(line, &c.Code, &c.Jt, &c.Jf, &c.K); err != nil {
			return nil, fmt.Errorf("classic BPF: line %d: want four numbers, not %q", i+2, line)
		}
		next := max(c.Jt, c.Jf)
		switch {
		case c.Code&7 == ClsRET:
			next = -1
		case c.Code == ClsJMP|JumpA:
			next = int(c.K)
		}
		if next < -1 || i+1+next >= n {
			return nil, fmt.Errorf("classic BPF: line %d: it leads past the end", i+2)
		}
	}
	return code, nil
}
