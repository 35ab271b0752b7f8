package filter

import "encoding/binary"

// step is one step of a computed operand, on a stack:
//
//	k constant   n length on the wire   r register   p word of a parameter   l load of k bytes   h IPv4 header length at
//	~ minus   + - * / % & | ^ L R      as in C, unsigned
type step struct {
	op byte
	k  uint32
}

// sides are the two operands of a computed comparison.
type sides struct{ left, right []step }

// maxStack is how many values a computed operand may hold at once.
const maxStack = 64

// maxRegs is how many offsets that depend on the packet an expression may keep.
const maxRegs = 16

// machine is what a match keeps beside the packet.
type machine struct {
	data   []byte
	wire   uint32
	params []uint32
	regs   [maxRegs + 1]uint32 // by number from 1
}

// compute runs steps; false where the packet has no such byte, or a division is
// by zero.
func (m *machine) compute(steps []step) (v uint32, ok bool) {
	var stack [maxStack]uint32
	n := 0 // values on the stack
	for _, s := range steps {
		switch s.op {
		case 'k':
			stack[n] = s.k
			n++
		case 'n':
			stack[n] = m.wire
			n++
		case 'r':
			stack[n] = m.regs[s.k]
			n++
		case 'p':
			stack[n] = m.params[s.k]
			n++
		case '~':
			stack[n-1] = -stack[n-1]
		case 'l', 'h':
			if stack[n-1], ok = m.at(stack[n-1], s); !ok {
				return 0, false
			}
		default:
			n--
			if stack[n-1], ok = apply(s.op, stack[n-1], stack[n]); !ok {
				return 0, false
			}
		}
	}
	return stack[0], true
}

// deepest is how many values the steps hold at once.
func deepest(steps []step) int {
	n, most := 0, 0
	for _, s := range steps {
		switch s.op {
		case 'k', 'n', 'r', 'p':
			n++
		case '~', 'l', 'h':
		default:
			n--
		}
		most = max(most, n)
	}
	return most
}

// at loads from the packet.
func (m *machine) at(off uint32, s step) (uint32, bool) {
	size := s.k
	if s.op == 'h' {
		size = 1
	}
	if uint64(off)+uint64(size) > uint64(len(m.data)) {
		return 0, false
	}
	b := m.data[off:]
	switch {
	case s.op == 'h':
		return uint32(b[0]&0xf) * 4, true
	case size == 1:
		return uint32(b[0]), true
	case size == 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	}
	return binary.BigEndian.Uint32(b), true
}

// apply is a binary operator; false for a division by zero.
func apply(op byte, a, b uint32) (uint32, bool) {
	switch op {
	case '+':
		return a + b, true
	case '-':
		return a - b, true
	case '*':
		return a * b, true
	case '&':
		return a & b, true
	case '|':
		return a | b, true
	case '^':
		return a ^ b, true
	case opLsh:
		return a << b, true // 0 from 32 on, as bpf_filter.c has it
	case opRsh:
		return a >> b, true
	}
	if b == 0 {
		return 0, false
	}
	if op == '/' {
		return a / b, true
	}
	return a % b, true
}
