package search

import (
	"math/bits"
	"slices"

	"jitnic/superopt/internal/rewrite"
)

// costsMore says whether n instructions cost as much as base, or more, whichever they are.
func costsMore(o *rewrite.Gate, n int, base float64) bool {
	return o.Additive && float64(n)*o.Least >= base
}

// hopeless says whether no code is cheaper than the window and passes its tests.
func (w *window) hopeless(o *rewrite.Gate) bool {
	return costsMore(o, w.atLeast(), windowCost(o, w)(w.code))
}

// atLeast is how many instructions any code has that passes the window's tests: each
// live register that a test changes is written by one of its own, and a store writes
// eight bytes at most.
func (w *window) atLeast() int {
	var regs uint16
	need := map[uint16]bool{}
	for _, t := range w.tests {
		for m := w.liveRegs; m != 0; m &= m - 1 {
			if r := bits.TrailingZeros16(m); t.in[r] != t.out[r] {
				regs |= 1 << r
			}
		}
		for _, b := range t.want {
			if t.mem[b.at] != b.v && w.deadByte[b.at>>6]>>(b.at&63)&1 == 0 {
				need[b.at] = true
			}
		}
	}
	at := make([]uint16, 0, len(need))
	for a := range need {
		at = append(at, a)
	}
	slices.Sort(at)
	n := bits.OnesCount16(regs)
	end := 0
	for _, a := range at {
		if int(a) >= end {
			n++
			end = int(a) + 8
		}
	}
	return n
}
