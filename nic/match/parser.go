package match

import (
	"fmt"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// parser is what stands between packet and key with [Options.Parser]. Its part
// of the key is made of blocks as long as a packet: one for each variable offset
// (its fields lie in it as they do behind that offset), and one for the
// comparisons of lengths, a bit each.
type parser struct {
	blocks map[bv.Term]int32 // variable part of an address to its block
	bases  []bv.Term         // by block; the first is the flags'
	flags  map[bv.Term]int32 // comparison of lengths to its bit in block 0
	checks []bv.Term         // by bit

	// lengths are the loads that count as lengths: those that offsets are
	// computed of and that the packet's length is compared with.
	lengths map[bv.Term]bool
}

const parsedBlock = int32(8 * vm.MaxLinear)

// maxBlocks keeps the numbers of bits in range.
const maxBlocks = 1 << 14

func newParser() parser {
	return parser{blocks: map[bv.Term]int32{}, bases: make([]bv.Term, 1), flags: map[bv.Term]int32{}, lengths: map[bv.Term]bool{}}
}

// parsedField is the first bit of a load at a variable offset.
func (a *Analyser) parsedField(t bv.Term) (int32, bool) {
	if !a.opt.Parser || a.reads(t)&^readsVariable != 0 {
		return 0, false
	}
	base, off := a.b.SplitAdd(a.b.Args(t)[0])
	if off -= a.data; base == 0 || off+uint64(a.b.Width(t)/8) > vm.MaxLinear {
		return 0, false
	}
	k, ok := a.parser.blocks[base]
	if !ok {
		if len(a.parser.bases) == maxBlocks {
			return 0, false
		}
		k = int32(len(a.parser.bases))
		a.parser.blocks[base] = k
		a.parser.bases = append(a.parser.bases, base)
	}
	return keyParsed + k*parsedBlock + 8*int32(off), true
}

// learnLengths notes which loads of a condition are lengths: what offsets are
// computed of, and what a length is compared with.
func (a *Analyser) learnLengths(cond []pathcond.Pred) {
	if !a.opt.Parser {
		return
	}
	seen := map[bv.Term]bool{}
	var compared []bv.Term
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if seen[t] {
			return
		}
		seen[t] = true
		args := a.b.Args(t)
		for _, x := range args {
			walk(x)
		}
		if a.reads(t)&^readsVariable != 0 {
			return
		}
		switch op := a.b.Op(t); {
		case op == bv.OpFun: // a load: nothing else is free of state
			if base, _ := a.b.SplitAdd(args[0]); base != 0 {
				a.eachLoad(base, a.isLength)
			}
		case op == bv.OpULt || op == bv.OpULe:
			compared = append(compared, t)
		}
	}
	for _, p := range cond {
		walk(p.Term)
	}
	for {
		before := len(a.lengths)
		for _, t := range compared {
			if args := a.b.Args(t); a.ofLengths(args[0]) || a.ofLengths(args[1]) {
				a.eachLoad(t, a.isLength)
			}
		}
		if len(a.lengths) == before {
			return
		}
	}
}

// isLength notes a load as a length, but for what a segment has left: that no parser
// before the first table has seen.
func (a *Analyser) isLength(l bv.Term) {
	if at, ok := a.b.IsConst(a.b.Args(l)[0]); !ok || !a.isHanded(at) {
		a.lengths[l] = true
	}
}

// ofLengths says whether t is computed of lengths and nothing else, and of one
// at least.
func (a *Analyser) ofLengths(t bv.Term) bool {
	if a.ofLength(t) {
		return true
	}
	some, all := false, true
	a.eachLoad(t, func(l bv.Term) { some, all = true, all && a.lengths[l] })
	return some && all
}

// ofLength says whether t is the packet's length and perhaps a constant more.
func (a *Analyser) ofLength(t bv.Term) bool {
	for a.b.Op(t) == bv.OpAdd || a.b.Op(t) == bv.OpZExt || a.b.Op(t) == bv.OpExtract {
		t = a.b.Args(t)[0]
	}
	return a.b.Op(t) == bv.OpInput && a.b.K(t) == pathcond.InLen
}

// eachLoad calls f with the loads that t is computed of; not with those that
// their addresses are.
func (a *Analyser) eachLoad(t bv.Term, f func(l bv.Term)) {
	a.b.Walk(t, map[bv.Term]bool{}, func(t bv.Term) bool {
		load := a.b.Op(t) == bv.OpFun
		if load {
			f(t)
		}
		return !load
	})
}

// lengthCheck is the bit of a comparison of lengths.
func (a *Analyser) lengthCheck(t bv.Term) (int32, bool) {
	if op := a.b.Op(t); !a.opt.Parser || op != bv.OpULt && op != bv.OpULe && op != bv.OpSLt && op != bv.OpSLe {
		return 0, false
	}
	if k, ok := a.parser.flags[t]; ok {
		return k, true
	}
	ok := len(a.checks) < int(parsedBlock)
	a.eachLoad(t, func(l bv.Term) { ok = ok && a.lengths[l] })
	if !ok {
		return 0, false
	}
	k := keyParsed + int32(len(a.checks))
	a.parser.flags[t] = k
	a.checks = append(a.checks, t)
	return k, true
}

// load sets the analyser's environment to a packet.
func (a *Analyser) load(p *Packet) {
	e := a.keyEnv()
	copy(e.mem[:vm.MaxLinear], p.Data)
	n := [...]struct {
		at    int32
		width int
		v     uint64
	}{{keyLength, 16, uint64(len(p.Data))}, {keyIfindex, 32, uint64(p.Ifindex)}, {keyQueue, 32, uint64(p.Queue)}, {keyCPU, 32, uint64(p.CPU)}}
	for _, m := range n {
		for i := range m.width {
			e.set(m.at+int32(i), m.v>>(m.width-1-i)&1 == 1)
		}
	}
	a.ev.Reset()
}

// parsedBit is a bit that the parser makes of the packet loaded.
func (a *Analyser) parsedBit(k int32) uint64 {
	k -= keyParsed
	block, at := k/parsedBlock, k%parsedBlock
	if block == 0 {
		return a.ev.Eval(a.checks[at])
	}
	off := a.ev.Eval(a.bases[block]) + uint64(at/8) // the address less the packet's, which is a constant
	if off >= vm.MaxLinear {
		return 0
	}
	return uint64(a.env.mem[off] >> (7 - at%8) & 1)
}

// parsedName names the run of bits that begins at bits[i].
func (a *Analyser) parsedName(bits []int32, i int) (name string, end int) {
	block := (bits[i] - keyParsed) / parsedBlock
	end = i
	for end < len(bits) && (bits[end]-keyParsed)/parsedBlock == block {
		end++
	}
	if block == 0 {
		return "length checks", end
	}
	return fmt.Sprintf("fields behind offset %d", block), end
}
