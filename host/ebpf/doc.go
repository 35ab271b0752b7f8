// Package ebpf is the instruction set: decode, encode, print and parse.
//
// [Insn] is one slot of code as the kernel counts them. [Printer] writes code in
// the notation of clang and the verifier's log, [Parser] reads it back to the
// same bits. Neither knows what a map or a packet is: maps have an index, and
// whoever prints may give it a name.
package ebpf
