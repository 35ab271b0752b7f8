// Package ladder is a benchmark ladder for the optimiser, from easy to hard:
// from three instructions that are two, over the cases K2's artifact explains
// itself with (two 16-bit copies in one of 32 bits, two byte copies in one, a
// store of an immediate, a redundant store to the stack, load-add-store), to
// programs like the kernel's samples.
//
// Each rung says how short it should become. One that doesn't is a rewrite
// that is missing; one that becomes shorter is a rung to tighten.
package ladder
