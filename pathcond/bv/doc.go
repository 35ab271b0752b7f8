// Package bv holds bit-vector terms: expressions of 1 to 64 bits over named
// inputs and functions, hash-consed and simplified as they are built.
//
// A [Builder] makes terms. Each node carries what is known of it whatever the
// inputs (bounds, bits that are 0), and simplification leans on that. What it
// does are named rules in tables ([Rules]), each with its equation beside it:
// tests hold every rule to its equation and prove the equation for all values. An
// [Evaluator] computes terms in an environment that answers for inputs and
// functions. The package knows neither packets nor eBPF: pathcond gives the
// inputs and functions their meaning.
package bv
