// Package mem is the flat memory that packets, stacks and map values live in.
//
// An [Arena] is one reserved span of bytes. A BPF address is an offset into
// it, so a checked access is a slice expression, a value keeps its address for
// as long as its map lives, and generated code can later read values in place.
// Address 0 is never handed out: it is BPF's NULL. Between any two regions
// lies a guard that belongs to nobody, so that an access a little past a
// region's end is found out and not taken for its neighbour's.
package mem
