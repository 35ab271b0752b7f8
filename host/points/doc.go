// Package points says what registers hold: a number and its bounds, or an address
// and of what: context, packet, stack, a map, a value of it, and at which offset.
//
// [Program.Step] and [Branch] are what one instruction makes of [Facts], as the
// kernel's verifier sees it (kernel/bpf/verifier.c), whose refusals they name;
// [JoinFacts] is what holds where ways meet. Of a program that no verifier has seen
// (Unseen) they say only what is certain, and [Program.InBounds] what of its memory.
//
// [Flow] follows a program that the verifier has accepted and notes which memory
// each instruction touches ([Access]), calls by their helpers' rows
// ([EffectOf]); [Conflict] says which accesses must keep their order. A [State] is
// what holds where a block begins. An address that was moved by a number still
// points to the same thing.
package points
