package filter

import (
	"encoding/binary"
	"fmt"
)

// Run runs classic BPF on a packet, with a length on the wire and the words of
// parameters, and gives what it returns: 0 where the packet doesn't match. It is
// there to be read, and to judge what was compiled (libpcap's bpf_filter.c says
// the same): a load outside the packet and a division by zero return 0. The
// error is an instruction it doesn't know.
func Run(code []Insn, data []byte, wire uint32, params []uint32) (uint32, error) {
	var a, x uint32
	cells := map[uint32]uint32{}
	load := func(at uint64, size uint16) (uint32, bool) {
		n := map[uint16]uint64{SizeW: 4, SizeH: 2, SizeB: 1}[size]
		if n == 0 || at+n > uint64(len(data)) {
			return 0, false
		}
		var v uint32
		for _, b := range data[at : at+n] {
			v = v<<8 | uint32(b)
		}
		return v, true
	}
	for pc := 0; pc < len(code); pc++ {
		c := code[pc]
		ok := true
		switch mode := c.Code & 0xe0; c.Code & 7 {
		case ClsRET:
			if c.Code&0x18 == 0x10 {
				return a, nil
			}
			return c.K, nil
		case ClsLD:
			switch mode {
			case ModeIMM:
				a = c.K
			case ModeABS:
				a, ok = load(uint64(c.K), c.Code&0x18)
			case ModeIND:
				a, ok = load(uint64(x)+uint64(c.K), c.Code&0x18)
			case ModeMEM:
				a = cells[c.K]
			case ModeLEN:
				a = wire
			case modeParam:
				a = params[c.K]
			default:
				return 0, unknown(pc, c)
			}
		case ClsLDX:
			switch mode {
			case ModeIMM:
				x = c.K
			case ModeMEM:
				x = cells[c.K]
			case ModeLEN:
				x = wire
			case ModeMSH:
				x, ok = load(uint64(c.K), SizeB)
				x = x & 0xf * 4
			default:
				return 0, unknown(pc, c)
			}
		case ClsST:
			cells[c.K] = a
		case ClsSTX:
			cells[c.K] = x
		case ClsALU:
			v := c.K
			if c.Code&SrcX != 0 {
				v = x
			}
			if c.Code&0xf0 == OpNeg {
				a = -a
				break
			}
			found := false
			for letter, op := range aluOf {
				if op == c.Code&0xf0 {
					a, ok = apply(letter, a, v)
					found = true
				}
			}
			if !found {
				return 0, unknown(pc, c)
			}
		case ClsJMP:
			v := c.K
			if c.Code&SrcX != 0 {
				v = x
			}
			var yes bool
			switch c.Code & 0xf0 {
			case JumpA:
				pc += int(c.K)
				continue
			case JumpEQ:
				yes = a == v
			case JumpGT:
				yes = a > v
			case JumpGE:
				yes = a >= v
			case JumpSET:
				yes = a&v != 0
			default:
				return 0, unknown(pc, c)
			}
			if yes {
				pc += c.Jt
			} else {
				pc += c.Jf
			}
		case ClsMISC:
			if c.Code&0x80 == Tax {
				x = a
			} else {
				a = x
			}
		}
		if !ok {
			return 0, nil
		}
	}
	return 0, fmt.Errorf("classic BPF: it ends without a return")
}

func unknown(pc int, c Insn) error {
	return fmt.Errorf("classic BPF: instruction %d: no code %#x", pc, c.Code)
}

// ParamWords is how many words a parameter has: an IPv6 address fills them all,
// the most significant first; anything else is the first.
const ParamWords = 4

// words are those of a parameter's value.
func words(b [16]byte) (w [ParamWords]uint32) {
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}
