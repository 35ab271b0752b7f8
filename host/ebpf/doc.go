// Package ebpf is the instruction set: decode, encode, check, print and parse.
//
// [Insn] is one slot of code as the kernel counts them. [Printer] writes code in
// the notation of clang and the verifier's log, [Parser] reads it back to the
// same bits. Neither knows what a map or a packet is: maps have an index, and
// whoever prints may give it a name.
//
// [Validate] says in the verifier's words what is wrong with an encoding: it
// accepts exactly what the kernel accepts before it follows any path, which a
// test over a grid of encodings holds. What doesn't depend on values is here as well:
// [Next], [Callee], [Reachable] and [Blocks] follow control, [Insn.Reads] and
// [Insn.Writes] say which registers an instruction touches.
//
// What a program calls is here too: [Helpers] and [Kfuncs] are tables of rows
// that say what a function takes, gives back, reads and writes, when it
// succeeds and when it fails. No other package writes down such a fact, or a
// helper's number.
package ebpf
