package filter

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// mode is where an instruction takes its operand from.
type mode uint8

const (
	absolute  mode = iota // packet bytes at off
	afterIPv4             // packet bytes at off behind the IPv4 header that starts at ip
	wireLen               // the packet's length on the wire
	computed              // two computed operands, in x
	assign                // register off takes x.left; always yes
)

// relation compares operand and value, both unsigned.
type relation uint8

const (
	eq relation = iota
	gt
	ge
)

// The two ends of a program, as jump targets.
const (
	accept int32 = -1
	reject int32 = -2
)

// inst is one compare and branch: (operand & mask) rel val ? yes : no.
// An operand outside the packet rejects it, as classic BPF does.
type inst struct {
	mode    mode
	rel     relation
	size    uint8 // 1, 2 or 4 bytes, big-endian
	reg     uint8 // register that is added to off and ip; 0 none
	par     uint8 // parameter, from 1, whose word, under mask, is compared with in place of val; 0 none
	word    uint8
	off, ip uint32
	mask    uint32
	val     uint32
	x       *sides
	yes, no int32
}

// Program is a compiled expression. It is immutable and may be shared.
type Program struct {
	insts []inst // a jump goes to a lower index
	entry int32
	deep  bool // some instruction computes, or depends on a register or a parameter
	// Params are the parameters without a value, in the order they stand in.
	Params []Param
}

// value is the place of the word of a parameter that is compared with.
func (in *inst) value() uint32 { return uint32(in.par-1)*ParamWords + uint32(in.word) }

// Match tells whether a packet matches: data from its Ethernet header on, and
// its length on the wire, which is more than len(data) if it was cut.
func (p *Program) Match(data []byte, wire uint32) bool {
	if p.deep {
		return p.matchDeep(data, wire)
	}
	pc := p.entry
	for pc >= 0 {
		in := &p.insts[pc]
		v := wire
		if in.mode != wireLen {
			off := uint64(in.off)
			if in.mode == afterIPv4 {
				if uint64(in.ip) >= uint64(len(data)) {
					return false
				}
				off += uint64(data[in.ip]&0xf) * 4
			}
			if off+uint64(in.size) > uint64(len(data)) {
				return false
			}
			switch b := data[off:]; in.size {
			case 1:
				v = uint32(b[0])
			case 2:
				v = uint32(binary.BigEndian.Uint16(b))
			default:
				v = binary.BigEndian.Uint32(b)
			}
		}
		if in.rel.of(v&in.mask, in.val) {
			pc = in.yes
		} else {
			pc = in.no
		}
	}
	return pc == accept
}

// matchDeep is Match for programs with computed operands or registers.
func (p *Program) matchDeep(data []byte, wire uint32) bool {
	return p.run(&machine{data: data, wire: wire})
}

// MatchWith is Match with the words of parameters, ParamWords of each.
func (p *Program) MatchWith(data []byte, wire uint32, params []uint32) bool {
	return p.run(&machine{data: data, wire: wire, params: params})
}

func (p *Program) run(m *machine) bool {
	pc := p.entry
	for pc >= 0 {
		in := &p.insts[pc]
		ok, whole := in.holds(m)
		switch {
		case !whole:
			return false
		case ok:
			pc = in.yes
		default:
			pc = in.no
		}
	}
	return pc == accept
}

// holds makes the comparison; whole is false where the packet lacks a byte of it.
func (in *inst) holds(m *machine) (ok, whole bool) {
	var v uint32
	val := in.val
	switch in.mode {
	case wireLen:
		v = m.wire
	case computed:
		if v, whole = m.compute(in.x.left); !whole {
			return false, false
		}
		if val, whole = m.compute(in.x.right); !whole {
			return false, false
		}
		return in.rel.of(v, val), true
	case assign:
		m.regs[in.off], whole = m.compute(in.x.left)
		return true, whole
	default:
		if in.par > 0 {
			val = m.params[in.value()] & in.mask
		}
		off := uint64(in.off)
		if in.reg != 0 {
			off += uint64(m.regs[in.reg])
		}
		if in.mode == afterIPv4 {
			ip := uint64(in.ip)
			if in.reg != 0 {
				ip += uint64(m.regs[in.reg])
			}
			if ip >= uint64(len(m.data)) {
				return false, false
			}
			off += uint64(m.data[ip]&0xf) * 4
		}
		if off+uint64(in.size) > uint64(len(m.data)) {
			return false, false
		}
		switch b := m.data[off:]; in.size {
		case 1:
			v = uint32(b[0])
		case 2:
			v = uint32(binary.BigEndian.Uint16(b))
		default:
			v = binary.BigEndian.Uint32(b)
		}
	}
	return in.rel.of(v&in.mask, val), true
}

func (r relation) of(v, val uint32) bool {
	switch r {
	case eq:
		return v == val
	case gt:
		return v > val
	}
	return v >= val
}

// String lists the instructions in the order they run.
func (p *Program) String() string {
	var sb strings.Builder
	at := func(t int32) string {
		switch t {
		case accept:
			return "accept"
		case reject:
			return "reject"
		}
		return fmt.Sprint(int(p.entry - t))
	}
	for i := p.entry; i >= 0; i-- {
		in := &p.insts[i]
		operand := "len"
		switch in.mode {
		case assign:
			fmt.Fprintf(&sb, "%3d  M[%d] = %s ? %s\n", p.entry-i, in.off, listing(in.x.left), at(in.yes))
			continue
		case computed:
			fmt.Fprintf(&sb, "%3d  %s %s %s ? %s : %s\n", p.entry-i, listing(in.x.left), [...]string{"==", ">", ">="}[in.rel], listing(in.x.right), at(in.yes), at(in.no))
			continue
		case absolute:
			operand = fmt.Sprintf("pkt[%d:%d]", in.off, in.off+uint32(in.size))
		case afterIPv4:
			operand = fmt.Sprintf("pkt[%d+4*(pkt[%d]&15):%d]", in.off, in.ip, in.size)
		}
		if in.reg != 0 {
			operand = strings.Replace(operand, "pkt[", fmt.Sprintf("pkt[M[%d]+", in.reg), 1)
		}
		val := fmt.Sprintf("%#x", in.val)
		if in.par != 0 {
			val = fmt.Sprintf("$%s[%d]", p.Params[in.par-1].Name, in.word)
		}
		if full := uint32(1<<(8*uint(in.size)) - 1); in.mode != wireLen && in.mask&full != full {
			operand += fmt.Sprintf("&%#x", in.mask)
		}
		fmt.Fprintf(&sb, "%3d  %s %s %s ? %s : %s\n", p.entry-i, operand, [...]string{"==", ">", ">="}[in.rel], val, at(in.yes), at(in.no))
	}
	return sb.String()
}

// listing prints computed steps in their postfix order.
func listing(steps []step) string {
	var out []string
	for _, s := range steps {
		switch s.op {
		case 'k':
			out = append(out, fmt.Sprintf("%#x", s.k))
		case 'r', 'l', 'p':
			out = append(out, fmt.Sprintf("%c%d", s.op, s.k))
		default:
			out = append(out, string(s.op))
		}
	}
	return "(" + strings.Join(out, " ") + ")"
}

// node is an expression before it is flattened.
type node struct {
	op   byte // '=' a comparison, '&', '|', '!'
	a, b *node
	test inst
}

func and(nodes ...*node) *node { return join('&', nodes) }
func or(nodes ...*node) *node  { return join('|', nodes) }
func not(n *node) *node        { return &node{op: '!', a: n} }

func join(op byte, nodes []*node) *node {
	n := nodes[0]
	for _, m := range nodes[1:] {
		n = &node{op: op, a: n, b: m}
	}
	return n
}

// assemble flattens n from its end to its beginning, so that the targets of
// every jump are known when it is made.
func assemble(n *node) *Program {
	p := &Program{}
	p.entry = p.emit(n, accept, reject)
	return p
}

func (p *Program) emit(n *node, yes, no int32) int32 {
	switch n.op {
	case '&':
		return p.emit(n.a, p.emit(n.b, yes, no), no)
	case '|':
		return p.emit(n.a, yes, p.emit(n.b, yes, no))
	case '!':
		return p.emit(n.a, no, yes)
	}
	in := n.test
	in.yes, in.no = yes, no
	p.insts = append(p.insts, in)
	p.deep = p.deep || in.x != nil || in.reg != 0 || in.par != 0
	return int32(len(p.insts) - 1)
}
