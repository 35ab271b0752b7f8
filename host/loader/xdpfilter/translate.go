package xdpfilter

import (
	"fmt"
	"math"
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/pcaps/filter"
)

// Registers of the program. A and X are classic BPF's.
const (
	regA    = 0
	regT    = 1 // scratch
	regU    = 2 // scratch
	regData = 6
	regEnd  = 7
	regX    = 8
	regAtX  = 9 // data + X, where X is small and known to be (see facts)
)

// maxOffset is how far behind data the verifier follows packet pointers
// (MAX_PACKET_OFF of kernel/bpf/verifier.c). No packet is longer.
const maxOffset = 0xffff

// facts are what holds before an instruction, whichever way led there.
type facts struct {
	seen   bool
	length uint32 // bytes the packet has at least
	ihl    bool   // X is an IPv4 header's length, and regAtX is data + X
	behind uint32 // bytes there are at least behind regAtX
}

func (f *facts) meet(g facts) {
	switch {
	case !f.seen:
		*f = g
		f.seen = true
		return
	case !g.ihl:
		f.ihl = false
	}
	f.length = min(f.length, g.length)
	f.behind = min(f.behind, g.behind)
	if !f.ihl {
		f.behind = 0
	}
}

// translator writes eBPF for classic BPF.
type translator struct {
	in    []filter.Insn
	facts []facts
	live  []bool // A is read after the instruction
	joins []bool // a jump leads to it
	out   []ebpf.Insn
	at    []int // where each instruction begins
	fix   []fixup
}

// fixup is a jump at a slot to where an instruction begins; -1: where packets
// are dropped.
type fixup struct{ slot, to int }

func translate(code []filter.Insn) ([]ebpf.Insn, error) {
	t := &translator{in: code, facts: make([]facts, len(code)+1), live: make([]bool, len(code)+1), joins: make([]bool, len(code)+1), at: make([]int, len(code)+1)}
	t.look()
	t.load(ebpf.SizeW, regEnd, 1, 4) // xdp_md.data_end
	t.load(ebpf.SizeW, regData, 1, 0)
	t.facts[0] = facts{seen: true}
	drop := -1
	for i := 0; i < len(code); i++ {
		t.at[i] = len(t.out)
		if !t.facts[i].seen {
			continue // nothing leads here, and the verifier would object
		}
		c := code[i]
		if c.Code&7 == filter.ClsRET && c.K == 0 && drop < 0 {
			drop = len(t.out)
		}
		n, err := t.insn(i)
		if err != nil {
			return nil, fmt.Errorf("instruction %d: %w", i, err)
		}
		i += n - 1
	}
	if drop < 0 {
		for _, f := range t.fix {
			if f.to < 0 {
				drop = len(t.out)
				t.verdict(false)
				break
			}
		}
	}
	for _, f := range t.fix {
		to := drop
		if f.to >= 0 {
			to = t.at[f.to]
		}
		d := to - f.slot - 1
		if d > math.MaxInt16 {
			return nil, fmt.Errorf("a jump of %d slots: eBPF's end at %d", d, math.MaxInt16)
		}
		t.out[f.slot].Off = int16(d)
	}
	return t.out, nil
}

// look finds where A is live and where ways meet.
func (t *translator) look() {
	for i := len(t.in) - 1; i >= 0; i-- {
		c := t.in[i]
		after := t.reads(i + 1)
		if c.Code&7 == filter.ClsJMP {
			if c.Code&0xf0 == filter.JumpA {
				after = t.reads(i + 1 + int(c.K))
				t.joins[i+1+int(c.K)] = true
			} else {
				after = t.reads(i+1+c.Jt) || t.reads(i+1+c.Jf)
				t.joins[i+1+c.Jt], t.joins[i+1+c.Jf] = true, true
			}
		}
		t.live[i] = after
	}
}

// reads says whether the code from instruction i on reads A before it is loaded.
func (t *translator) reads(i int) bool {
	if i >= len(t.in) {
		return false
	}
	switch c := t.in[i]; c.Code & 7 {
	case filter.ClsLD:
		return false
	case filter.ClsRET:
		return c.Code&0x18 == 0x10
	case filter.ClsST, filter.ClsALU:
		return true
	case filter.ClsMISC:
		return c.Code&0x80 == filter.Tax
	case filter.ClsJMP:
		return c.Code&0xf0 != filter.JumpA || t.live[i]
	}
	return t.live[i]
}

func (t *translator) put(in ebpf.Insn) { t.out = append(t.out, in) }

func (t *translator) load(size, dst, src uint8, off int16) {
	t.put(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | size, Dst: dst, Src: src, Off: off})
}

func (t *translator) alu(class, op, dst uint8, imm int32) {
	t.put(ebpf.Insn{Op: class | op | ebpf.SrcK, Dst: dst, Imm: imm})
}

func (t *translator) alux(class, op, dst, src uint8) {
	t.put(ebpf.Insn{Op: class | op | ebpf.SrcX, Dst: dst, Src: src})
}

// jump leads to an instruction, -1 to where packets are dropped.
func (t *translator) jump(in ebpf.Insn, to int) {
	t.fix = append(t.fix, fixup{len(t.out), to})
	t.put(in)
}

func (t *translator) verdict(pass bool) {
	v := int32(1) // XDP_DROP
	if pass {
		v = 2 // XDP_PASS
	}
	t.alu(ebpf.ClassALU64, ebpf.ALUMov, regA, v)
	t.put(ebpf.Insn{Op: ebpf.OpExit})
}

// insn writes the instruction at i, and those it takes in one with it, and says
// how many that were.
func (t *translator) insn(i int) (int, error) {
	c := t.in[i]
	f := t.facts[i]
	n := 1
	switch c.Code & 7 {
	case filter.ClsRET:
		if c.Code&0x18 == 0x10 {
			return 0, fmt.Errorf("a computed verdict")
		}
		t.verdict(c.K != 0)
		return 1, nil
	case filter.ClsLD:
		var err error
		if n, err = t.ld(i, &f); err != nil {
			return 0, err
		}
		if n == 0 { // no packet has such a byte
			t.jump(ebpf.Insn{Op: ebpf.OpJA}, -1)
			return 1, nil
		}
		if n < 0 { // with the branch behind it
			return -n, nil
		}
	case filter.ClsLDX:
		if c.Code&0xe0 == filter.ModeMSH && c.K >= math.MaxInt16 {
			t.jump(ebpf.Insn{Op: ebpf.OpJA}, -1)
			return 1, nil
		}
		if err := t.ldx(c, &f); err != nil {
			return 0, err
		}
	case filter.ClsST:
		t.put(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeW, Dst: 10, Src: regA, Off: cell(c.K)})
	case filter.ClsSTX:
		t.put(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeW, Dst: 10, Src: regX, Off: cell(c.K)})
	case filter.ClsALU:
		t.compute(c)
	case filter.ClsMISC:
		if c.Code&0x80 == filter.Tax {
			t.alux(ebpf.ClassALU, ebpf.ALUMov, regX, regA)
			f.ihl, f.behind = false, 0
		} else {
			t.alux(ebpf.ClassALU, ebpf.ALUMov, regA, regX)
		}
	case filter.ClsJMP:
		t.branch(i, c, f, c.K)
		return 1, nil
	}
	t.facts[i+n].meet(f)
	return n, nil
}

// cell is where a word of scratch memory stands on the stack.
func cell(k uint32) int16 { return -4 * int16(k+1) }

// maxCells is how many fit.
const maxCells = 128

var sizes = map[uint16]struct {
	code  uint8
	bytes uint32
}{filter.SizeB: {ebpf.SizeB, 1}, filter.SizeH: {ebpf.SizeH, 2}, filter.SizeW: {ebpf.SizeW, 4}}

// ld writes a load of A. A negative count is of one that took in the comparison
// behind it, 0 of a load from where no packet reaches.
func (t *translator) ld(i int, f *facts) (int, error) {
	c := t.in[i]
	size := sizes[c.Code&0x18]
	switch mode := c.Code & 0xe0; {
	case c.Code == filter.LoadParam:
		t.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: regT, Src: ebpf.PseudoMapValue})
		t.put(ebpf.Insn{Imm: int32(4 * c.K)})
		t.load(ebpf.SizeW, regA, regT, 0)
		return 1, nil
	case mode == filter.ModeIMM:
		t.alu(ebpf.ClassALU, ebpf.ALUMov, regA, int32(c.K))
		return 1, nil
	case mode == filter.ModeMEM:
		t.load(ebpf.SizeW, regA, 10, cell(c.K))
		return 1, nil
	case mode == filter.ModeLEN:
		t.alux(ebpf.ClassALU64, ebpf.ALUMov, regA, regEnd)
		t.alux(ebpf.ClassALU64, ebpf.ALUSub, regA, regData)
		return 1, nil
	case size.bytes == 0:
		return 0, fmt.Errorf("no code %#x", c.Code)
	case uint64(c.K)+uint64(size.bytes) > maxOffset:
		return 0, nil
	case mode == filter.ModeABS:
		t.absolute(size.code, size.bytes, c.K, f)
	case mode == filter.ModeIND:
		t.indirect(size.code, size.bytes, c.K, f)
	default:
		return 0, fmt.Errorf("no code %#x", c.Code)
	}
	if size.bytes == 1 {
		return 1, nil
	}
	if n := t.fused(i, size.bytes, *f); n > 0 {
		return -n, nil
	}
	t.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | ebpf.SrcX, Dst: regA, Imm: int32(8 * size.bytes)}) // be
	return 1, nil
}

// absolute loads from a fixed place.
func (t *translator) absolute(code uint8, n, k uint32, f *facts) {
	if f.length < k+n {
		t.alux(ebpf.ClassALU64, ebpf.ALUMov, regT, regData)
		t.alu(ebpf.ClassALU64, ebpf.ALUAdd, regT, int32(k+n))
		t.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: regT, Src: regEnd}, -1)
		f.length = k + n
	}
	if k <= math.MaxInt16 {
		t.load(code, regA, regData, int16(k))
		return
	}
	t.alux(ebpf.ClassALU64, ebpf.ALUMov, regT, regData)
	t.alu(ebpf.ClassALU64, ebpf.ALUAdd, regT, int32(k))
	t.load(code, regA, regT, 0)
}

// indirect loads from X + k.
func (t *translator) indirect(code uint8, n, k uint32, f *facts) {
	const mostX = 60 // an IPv4 header's length
	switch {
	case f.ihl && k+n+mostX <= math.MaxInt16:
		if f.behind < k+n {
			t.alux(ebpf.ClassALU64, ebpf.ALUMov, regT, regAtX)
			t.alu(ebpf.ClassALU64, ebpf.ALUAdd, regT, int32(k+n))
			t.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: regT, Src: regEnd}, -1)
			f.behind = k + n
		}
		t.load(code, regA, regAtX, int16(k))
	default:
		t.alux(ebpf.ClassALU, ebpf.ALUMov, regT, regX)
		t.alu(ebpf.ClassALU64, ebpf.ALUAdd, regT, int32(k))
		t.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcK, Dst: regT, Imm: int32(maxOffset - n)}, -1)
		t.alux(ebpf.ClassALU64, ebpf.ALUAdd, regT, regData)
		t.alux(ebpf.ClassALU64, ebpf.ALUMov, regU, regT)
		t.alu(ebpf.ClassALU64, ebpf.ALUAdd, regU, int32(n))
		t.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: regU, Src: regEnd}, -1)
		t.load(code, regA, regT, 0)
	}
}

// fused writes what follows a load where that only asks whether the field is
// equal to a constant, perhaps under a mask, or has some bit of it: then the
// constant is turned round in place of the field.
func (t *translator) fused(i int, size uint32, f facts) int {
	swap := func(k uint32) uint32 { return bits.ReverseBytes32(k) >> (32 - 8*size) }
	j, mask := i+1, uint32(0)
	if j < len(t.in) && !t.joins[j] && t.in[j].Code == filter.ClsALU|filter.OpAnd {
		mask = t.in[j].K
		j++
	}
	if j >= len(t.in) || t.joins[j] || t.live[j] {
		return 0
	}
	if c := t.in[j].Code; c != filter.ClsJMP|filter.JumpEQ && c != filter.ClsJMP|filter.JumpSET {
		return 0
	}
	k := t.in[j].K
	if size == 2 && (k > 0xffff || mask > 0xffff) {
		return 0
	}
	if mask != 0 {
		t.alu(ebpf.ClassALU, ebpf.ALUAnd, regA, int32(swap(mask)))
	}
	t.at[j] = len(t.out)
	t.branch(j, t.in[j], f, swap(k))
	return j - i + 1
}

// ldx writes a load of X.
func (t *translator) ldx(c filter.Insn, f *facts) error {
	f.ihl, f.behind = false, 0
	switch c.Code & 0xe0 {
	case filter.ModeIMM:
		t.alu(ebpf.ClassALU, ebpf.ALUMov, regX, int32(c.K))
	case filter.ModeMEM:
		t.load(ebpf.SizeW, regX, 10, cell(c.K))
	case filter.ModeMSH:
		// A is left alone.
		if f.length < c.K+1 {
			t.alux(ebpf.ClassALU64, ebpf.ALUMov, regT, regData)
			t.alu(ebpf.ClassALU64, ebpf.ALUAdd, regT, int32(c.K+1))
			t.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGT | ebpf.SrcX, Dst: regT, Src: regEnd}, -1)
			f.length = c.K + 1
		}
		t.load(ebpf.SizeB, regX, regData, int16(c.K))
		t.alu(ebpf.ClassALU, ebpf.ALUAnd, regX, 0xf)
		t.alu(ebpf.ClassALU, ebpf.ALULsh, regX, 2)
		t.alux(ebpf.ClassALU64, ebpf.ALUMov, regAtX, regData)
		t.alux(ebpf.ClassALU64, ebpf.ALUAdd, regAtX, regX)
		f.ihl = true
	default:
		return fmt.Errorf("no code %#x", c.Code)
	}
	return nil
}

// compute writes arithmetic, for which both have the same codes.
func (t *translator) compute(c filter.Insn) {
	op := uint8(c.Code & 0xf0)
	switch {
	case op == ebpf.ALUNeg:
		t.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUNeg, Dst: regA})
	case c.Code&filter.SrcX == 0:
		t.alu(ebpf.ClassALU, op, regA, int32(c.K))
	case op == ebpf.ALUDiv || op == ebpf.ALUMod:
		t.jump(ebpf.Insn{Op: ebpf.ClassJMP32 | ebpf.JmpEQ | ebpf.SrcK, Dst: regX}, -1)
		t.alux(ebpf.ClassALU, op, regA, regX)
	case op == ebpf.ALULsh || op == ebpf.ALURsh:
		// Past 31 bits nothing is left; eBPF would count them modulo 32.
		t.put(ebpf.Insn{Op: ebpf.ClassJMP32 | ebpf.JmpLT | ebpf.SrcK, Dst: regX, Off: 2, Imm: 32})
		t.alu(ebpf.ClassALU, ebpf.ALUMov, regA, 0)
		t.put(ebpf.Insn{Op: ebpf.OpJA, Off: 1})
		t.alux(ebpf.ClassALU, op, regA, regX)
	default:
		t.alux(ebpf.ClassALU, op, regA, regX)
	}
}

// branch writes a jump of instruction i, with constant k.
func (t *translator) branch(i int, c filter.Insn, f facts, k uint32) {
	op := uint8(c.Code & 0xf0)
	if op == filter.JumpA {
		t.facts[i+1+int(c.K)].meet(f)
		if c.K > 0 {
			t.jump(ebpf.Insn{Op: ebpf.OpJA}, i+1+int(c.K))
		}
		return
	}
	t.facts[i+1+c.Jt].meet(f)
	t.facts[i+1+c.Jf].meet(f)
	in := ebpf.Insn{Op: ebpf.ClassJMP32 | op | ebpf.SrcK, Dst: regA, Imm: int32(k)}
	if c.Code&filter.SrcX != 0 {
		in = ebpf.Insn{Op: ebpf.ClassJMP32 | op | ebpf.SrcX, Dst: regA, Src: regX}
	}
	not, can := in.Inverted()
	switch {
	case c.Jt == c.Jf:
		if c.Jt > 0 {
			t.jump(ebpf.Insn{Op: ebpf.OpJA}, i+1+c.Jt)
		}
	case c.Jt == 0 && can:
		t.jump(not, i+1+c.Jf)
	default:
		t.jump(in, i+1+c.Jt)
		if c.Jf > 0 {
			t.jump(ebpf.Insn{Op: ebpf.OpJA}, i+1+c.Jf)
		}
	}
}
