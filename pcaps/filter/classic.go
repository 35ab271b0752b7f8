package filter

import (
	"fmt"
	"slices"
	"strings"
)

// Insn is an instruction of classic BPF (bpf(4); struct sock_filter of
// uapi/linux/filter.h) with two liberties that [Encode] takes back: Jt and Jf
// count instructions to skip without a bound of 255, and scratch memory has no
// end. LoadParam is an addition: A = a word of a parameter.
type Insn struct {
	Code   uint16
	Jt, Jf int
	K      uint32
}

// What makes up a Code (uapi/linux/bpf_common.h).
const (
	ClsLD, ClsLDX, ClsST, ClsSTX, ClsALU, ClsJMP, ClsRET, ClsMISC   = 0, 1, 2, 3, 4, 5, 6, 7
	SizeW, SizeH, SizeB                                             = 0x00, 0x08, 0x10
	ModeIMM, ModeABS, ModeIND, ModeMEM, ModeLEN, ModeMSH, modeParam = 0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xe0
	OpAdd, OpSub, OpMul, OpDiv, OpOr, OpAnd, OpLsh, OpRsh           = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
	OpNeg, OpMod, OpXor                                             = 0x80, 0x90, 0xa0
	JumpA, JumpEQ, JumpGT, JumpGE, JumpSET                          = 0x00, 0x10, 0x20, 0x30, 0x40
	SrcK, SrcX                                                      = 0x00, 0x08
	Tax, Txa                                                        = 0x00, 0x80
	LoadParam                                                       = ClsLD | modeParam // K: parameter * ParamWords + word
)

// Accept is what a match returns: the bytes tcpdump keeps of a packet
// (its default snapshot length); a packet that doesn't match returns 0.
const Accept = 262144

// classicCells is how many words of scratch memory classic BPF has
// (BPF_MEMWORDS), classicMost how many instructions (BPF_MAXINSNS).
const (
	classicCells = 16
	classicMost  = 4096
)

// operators of computed operands, as ALU codes.
var aluOf = map[byte]uint16{'+': OpAdd, '-': OpSub, '*': OpMul, '/': OpDiv, '|': OpOr, '&': OpAnd, opLsh: OpLsh, opRsh: OpRsh, '%': OpMod, '^': OpXor}

// Code compiles the program to classic BPF, without what it would load twice.
func (p *Program) Code() []Insn {
	g := &classic{pos: map[int32]int{reject: 0, accept: 1}, rev: []Insn{{Code: ClsRET}, {Code: ClsRET, K: Accept}}}
	for i := range p.insts {
		in := &p.insts[i]
		g.regs = max(g.regs, int(in.reg))
		if in.mode == assign {
			g.regs = max(g.regs, int(in.off))
		}
	}
	for i := range p.insts {
		g.inst(&p.insts[i])
		g.pos[int32(i)] = len(g.rev) - 1
	}
	if p.entry < 0 {
		return []Insn{g.rev[g.pos[p.entry]]}
	}
	slices.Reverse(g.rev)
	return lean(g.rev)
}

// classic writes code from its end to its beginning, so that every jump knows
// how far it leads.
type classic struct {
	rev  []Insn        // the last instruction first
	pos  map[int32]int // index in rev where an instruction of the program begins
	regs int           // cells of scratch memory that registers take
	seq  []Insn        // of the instruction being written, in order
	vals []operand     // operands on the stack while seq computes
}

// operand is where a computed value stands.
type operand struct {
	at byte // 'k' constant, 'a' accumulator, 'm' scratch memory
	k  uint32
}

func (g *classic) put(code uint16, k uint32) { g.seq = append(g.seq, Insn{Code: code, K: k}) }

// inst writes one compare and branch.
func (g *classic) inst(in *inst) {
	g.seq, g.vals = g.seq[:0], g.vals[:0]
	switch {
	case in.mode == assign:
		g.compute(in.x.left)
		g.accumulate()
		g.put(ClsST, in.off-1)
		if skip := len(g.rev) - 1 - g.pos[in.yes]; skip > 0 {
			g.rev = append(g.rev, Insn{Code: ClsJMP | JumpA, K: uint32(skip)})
		}
		g.flush()
		return
	case in.mode == computed:
		g.compute(in.x.left)
		if r := in.x.right; len(r) == 1 && r[0].op == 'k' {
			g.accumulate()
			g.branch(in, SrcK, r[0].k)
			return
		}
		g.compute(in.x.right)
		g.operands()
		g.branch(in, SrcX, 0)
		return
	case in.par > 0:
		// The value is a parameter's, under the same mask.
		g.put(LoadParam, in.value())
		g.mask(in)
		g.put(ClsST, uint32(g.regs))
		g.field(in)
		g.mask(in)
		g.put(ClsLDX|ModeMEM, uint32(g.regs))
		g.branch(in, SrcX, 0)
		return
	}
	g.field(in)
	if in.rel == gt && in.val == 0 && in.mode != wireLen {
		g.jump(in, JumpSET, in.mask) // some bit that counts is set
		return
	}
	g.mask(in)
	g.branch(in, SrcK, in.val)
}

// field leaves a field of the packet in A.
func (g *classic) field(in *inst) {
	size := map[uint8]uint16{1: SizeB, 2: SizeH, 4: SizeW}[in.size]
	switch {
	case in.mode == wireLen:
		g.put(ClsLD|ModeLEN, 0)
		return
	case in.mode == absolute && in.reg == 0:
		g.put(ClsLD|ModeABS|size, in.off)
		return
	case in.mode == absolute:
		g.put(ClsLDX|ModeMEM, uint32(in.reg)-1)
	case in.reg == 0:
		g.put(ClsLDX|ModeMSH|SizeB, in.ip)
	default:
		g.put(ClsLDX|ModeMEM, uint32(in.reg)-1)
		g.put(ClsLD|ModeIND|SizeB, in.ip)
		g.put(ClsALU|OpAnd, 0xf)
		g.put(ClsALU|OpLsh, 2)
		g.put(ClsALU|OpAdd|SrcX, 0)
		g.put(ClsMISC|Tax, 0)
	}
	g.put(ClsLD|ModeIND|size, in.off)
}

// mask has the bits of A that count.
func (g *classic) mask(in *inst) {
	full := ^uint32(0)
	if in.mode != wireLen && in.size < 4 {
		full = 1<<(8*uint(in.size)) - 1
	}
	if in.mask&full != full {
		g.put(ClsALU|OpAnd, in.mask)
	}
}

// branch compares A, and ends the sequence.
func (g *classic) branch(in *inst, src uint16, k uint32) {
	g.jump(in, [...]uint16{eq: JumpEQ, gt: JumpGT, ge: JumpGE}[in.rel]|src, k)
}

func (g *classic) jump(in *inst, op uint16, k uint32) {
	at := len(g.rev)
	g.rev = append(g.rev, Insn{Code: ClsJMP | op, K: k, Jt: at - 1 - g.pos[in.yes], Jf: at - 1 - g.pos[in.no]})
	g.flush()
}

// flush puts the sequence before what is there.
func (g *classic) flush() {
	slices.Reverse(g.seq)
	g.rev = append(g.rev, g.seq...)
	g.seq = g.seq[:0]
}

// cell is the scratch memory of the operand at a depth of the stack.
func (g *classic) cell(depth int) uint32 { return uint32(g.regs + depth) }

// free saves what is in A.
func (g *classic) free() {
	for d := range g.vals {
		if v := &g.vals[d]; v.at == 'a' {
			g.put(ClsST, g.cell(d))
			v.at = 'm'
		}
	}
}

// accumulate brings the topmost operand into A.
func (g *classic) accumulate() {
	d := len(g.vals) - 1
	switch v := g.vals[d]; v.at {
	case 'k':
		g.free()
		g.put(ClsLD|ModeIMM, v.k)
	case 'm':
		g.free()
		g.put(ClsLD|ModeMEM, g.cell(d))
	}
	g.vals[d] = operand{at: 'a'}
}

// operands brings the two topmost into A and X.
func (g *classic) operands() {
	g.accumulate()
	g.put(ClsMISC|Tax, 0)
	d := len(g.vals) - 2
	if v := g.vals[d]; v.at == 'k' {
		g.put(ClsLD|ModeIMM, v.k)
	} else {
		g.put(ClsLD|ModeMEM, g.cell(d))
	}
	g.vals = g.vals[:d+1]
	g.vals[d] = operand{at: 'a'}
}

// compute leaves the value of steps on the stack.
func (g *classic) compute(steps []step) {
	load := func(code uint16, k uint32) {
		g.free()
		g.put(code, k)
		g.vals = append(g.vals, operand{at: 'a'})
	}
	for _, s := range steps {
		switch s.op {
		case 'k':
			g.vals = append(g.vals, operand{at: 'k', k: s.k})
		case 'n':
			load(ClsLD|ModeLEN, 0)
		case 'r':
			load(ClsLD|ModeMEM, s.k-1)
		case 'p':
			load(LoadParam, s.k)
		case '~':
			g.accumulate()
			g.put(ClsALU|OpNeg, 0)
		case 'l':
			g.indirect(map[uint32]uint16{1: SizeB, 2: SizeH, 4: SizeW}[s.k])
		case 'h':
			g.indirect(SizeB)
			g.put(ClsALU|OpAnd, 0xf)
			g.put(ClsALU|OpLsh, 2)
		default:
			g.binary(aluOf[s.op])
		}
	}
}

// indirect loads from where the topmost operand says.
func (g *classic) indirect(size uint16) {
	d := len(g.vals) - 1
	if v := g.vals[d]; v.at == 'k' {
		g.free()
		g.put(ClsLD|ModeABS|size, v.k)
	} else {
		g.accumulate()
		g.put(ClsMISC|Tax, 0)
		g.put(ClsLD|ModeIND|size, 0)
	}
	g.vals[d] = operand{at: 'a'}
}

func (g *classic) binary(op uint16) {
	d := len(g.vals) - 2
	if r := g.vals[d+1]; r.at == 'k' {
		g.vals = g.vals[:d+1]
		g.accumulate()
		g.put(ClsALU|op, r.k)
		return
	}
	g.operands()
	g.put(ClsALU|op|SrcX, 0)
}

// held is what A and X are known to hold: the instruction that loaded it, and
// what was cut off A since.
type held struct {
	a, x Insn
	mask uint32 // of a
}

// nothing is not an instruction's code.
const nothing = ^uint16(0)

// lean takes out loads of what A or X holds already, whichever way led there.
func lean(code []Insn) []Insn {
	in := make([]held, len(code))
	seen := make([]bool, len(code))
	flow := func(to int, s held) {
		if !seen[to] {
			in[to], seen[to] = s, true
			return
		}
		if t := &in[to]; t.a != s.a || t.mask != s.mask {
			t.a = Insn{Code: nothing}
		}
		if in[to].x != s.x {
			in[to].x = Insn{Code: nothing}
		}
	}
	drop := make([]bool, len(code))
	if len(code) > 0 {
		flow(0, held{a: Insn{Code: nothing}, x: Insn{Code: nothing}})
	}
	for i, c := range code {
		s := in[i]
		switch c.Code & 7 {
		case ClsLD:
			switch c.Code & 0xe0 {
			case ModeABS, ModeLEN:
				drop[i] = s.a == c && s.mask == ^uint32(0)
				s.a, s.mask = c, ^uint32(0)
			default:
				s.a = Insn{Code: nothing}
			}
		case ClsLDX:
			if c.Code&0xe0 == ModeMSH {
				drop[i] = s.x == c
				s.x = c
			} else {
				s.x = Insn{Code: nothing}
			}
		case ClsALU:
			if c.Code == ClsALU|OpAnd && s.a.Code != nothing {
				s.mask &= c.K
			} else {
				s.a = Insn{Code: nothing}
			}
		case ClsMISC:
			if c.Code&0x80 == Tax {
				s.x = Insn{Code: nothing}
			} else {
				s.a = Insn{Code: nothing}
			}
		case ClsJMP:
			if c.Code&0xf0 == JumpA {
				flow(i+1+int(c.K), s)
			} else {
				flow(i+1+c.Jt, s)
				flow(i+1+c.Jf, s)
			}
			continue
		case ClsRET:
			continue
		}
		flow(i+1, s)
	}
	return cut(code, drop)
}

// cut takes instructions out that are no jumps.
func cut(code []Insn, drop []bool) []Insn {
	at := make([]int, len(code)+1) // where each, or what follows it, stands then
	for i := range code {
		at[i+1] = at[i]
		if !drop[i] {
			at[i+1]++
		}
	}
	var out []Insn
	for i, c := range code {
		if drop[i] {
			continue
		}
		if c.Code&7 == ClsJMP {
			if c.Code&0xf0 == JumpA {
				c.K = uint32(at[i+1+int(c.K)] - at[i] - 1)
			} else {
				c.Jt, c.Jf = at[i+1+c.Jt]-at[i]-1, at[i+1+c.Jf]-at[i]-1
			}
		}
		out = append(out, c)
	}
	return out
}

// Encode makes real classic BPF of the code: jumps further than 255 go by way
// of unconditional ones, as libpcap's do. It fails where the code needs more
// than classic BPF has.
func Encode(code []Insn) ([]Insn, error) {
	var rev []Insn
	pos := make([]int, len(code))
	for i := len(code) - 1; i >= 0; i-- {
		c := code[i]
		switch {
		case c.Code == LoadParam:
			return nil, fmt.Errorf("classic BPF has no parameters: give every one a value")
		case usesCell(c) && c.K >= classicCells:
			return nil, fmt.Errorf("it needs more than the %d words of scratch memory that classic BPF has", classicCells)
		case c.Code&7 == ClsJMP && c.Code&0xf0 == JumpA:
			c.K = uint32(len(rev) - 1 - pos[i+1+int(c.K)])
		case c.Code&7 == ClsJMP:
			c.Jt, c.Jf = far(&rev, pos[i+1+c.Jt], pos[i+1+c.Jf])
		}
		rev = append(rev, c)
		pos[i] = len(rev) - 1
	}
	if len(rev) > classicMost {
		return nil, fmt.Errorf("%d instructions: classic BPF ends at %d", len(rev), classicMost)
	}
	slices.Reverse(rev)
	return rev, nil
}

func usesCell(c Insn) bool {
	return c.Code == ClsST || c.Code == ClsSTX || c.Code == ClsLD|ModeMEM || c.Code == ClsLDX|ModeMEM
}

// far gives the distances of a branch that comes next to two places in rev,
// with jumps put between where a distance would be more than 255.
func far(rev *[]Insn, yes, no int) (jt, jf int) {
	hop := func(to int) int {
		*rev = append(*rev, Insn{Code: ClsJMP | JumpA, K: uint32(len(*rev) - 1 - to)})
		return len(*rev) - 1
	}
	const most = 254 // one may yet come between
	if len(*rev)-1-yes > most {
		yes = hop(yes)
	}
	if len(*rev)-1-no > most {
		no = hop(no)
	}
	return len(*rev) - 1 - yes, len(*rev) - 1 - no
}

// Decimal is the code as `tcpdump -ddd` prints it: how many instructions, then
// code, jt, jf and k of each.
func Decimal(code []Insn) string {
	var sb strings.Builder
	fmt.Fprintln(&sb, len(code))
	for _, c := range code {
		fmt.Fprintln(&sb, c.Code, c.Jt, c.Jf, c.K)
	}
	return sb.String()
}
