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
}

// candidate is the code being searched; its length stays.
type candidate struct {
	code []ir.Inst
	w    *window
}

func (c *candidate) set(ch *change, i int, in ir.Inst) {
	ch.at[ch.n], ch.old[ch.n] = i, c.code[i]
	ch.n++
	c.code[i] = in
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
		c.code[ch.at[k]] = ch.old[k]
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
