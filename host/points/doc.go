// Package points says what registers point to: context, packet, stack, a map,
// a value of it, and at which offset from what.
//
// [Flow] follows a program instruction by instruction and notes which memory
// each touches ([Access]), calls by their helpers' rows ([EffectOf]); [Conflict]
// says which accesses must keep their order. A [State] is what holds where ways
// meet. It takes programs that the verifier has accepted: an address that was
// moved by a number still points to the same thing.
package points
