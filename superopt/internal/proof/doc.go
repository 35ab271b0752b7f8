// Package proof decides whether two fragments of a program do the same.
//
// Both are followed symbolically (symbolic.go), what leaves them is compared
// (prove.go), and the difference is put to normal forms, then concrete tests,
// then the cache of verdicts, then Z3. A trace is proved along its trail
// (trail.go): window by window, after all it did so far, under what its
// condition says of the same inputs (condition.go).
package proof
