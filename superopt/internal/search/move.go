package search

import (
	"math/rand/v2"

	"jitnic/superopt/internal/ir"
)

// A move changes a candidate in place and says what it changed; undo puts it
// back. Moves are one file each, listed here.
type move struct {
	name   string
	weight int
	apply  func(c *candidate, rng *rand.Rand) change
}

// change is what a move did: up to two places and what stood there. n is 0
// where the move had nothing to do.
type change struct {
	n   int
	at  [2]int
	old [2]ir.Inst
	was [2]uint64 // their hashes
}

// candidate is the code being searched; its length stays.
type candidate struct {
	code []ir.Inst
	w    *window
	each []uint64 // hashes of the instructions in their places
	hash uint64   // of the code: all of them in one
}

// load makes the candidate a copy of code.
func (c *candidate) load(code []ir.Inst) {
	c.code = append(c.code[:0], code...)
	c.each, c.hash = c.each[:0], 0
	for i := range code {
		c.each = append(c.each, hashInst(&code[i], i))
		c.hash ^= c.each[i]
	}
}

func (c *candidate) set(ch *change, i int, in ir.Inst) {
	ch.at[ch.n], ch.old[ch.n], ch.was[ch.n] = i, c.code[i], c.each[i]
	ch.n++
	c.code[i] = in
	h := hashInst(&in, i)
	c.hash ^= c.each[i] ^ h
	c.each[i] = h
}

// same says whether the change left everything as it was.
func (ch *change) same(code []ir.Inst) bool {
	for k := 0; k < ch.n; k++ {
		if code[ch.at[k]] != ch.old[k] {
			return false
		}
	}
	return true
}

// undo reverses a change.
func (c *candidate) undo(ch *change) {
	for k := ch.n - 1; k >= 0; k-- {
		i := ch.at[k]
		c.code[i] = ch.old[k]
		c.hash ^= c.each[i] ^ ch.was[k]
		c.each[i] = ch.was[k]
	}
}

// moves with their weights: of a hundred proposals, how many are of each kind
// (K2's best parameter set, its Table 8, has about these).
var moves = []move{
	{"operand", 30, moveOperand},
	{"instruction", 25, moveInstruction},
	{"nop", 20, moveNop},
	{"contiguous", 10, moveContiguous},
	{"width", 10, moveWidth},
	{"swap", 5, moveSwap},
}

func hashInst(in *ir.Inst, at int) uint64 {
	h := uint64(in.Op) | uint64(in.Dst)<<8 | uint64(in.Src)<<12 | uint64(uint16(in.Off))<<16 | uint64(uint32(in.Imm))<<32
	h = (h ^ uint64(uint32(in.Hi))<<20 ^ uint64(at+1)*0xd6e8feb86659fd93) * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>29
}
