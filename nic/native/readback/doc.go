// Package readback reads machine code back: what nic/native/asm has written is
// decoded by tables of its own and carried out, an instruction at a time, on a
// processor that is a few numbers in memory.
//
//	48 8b 04 0b   Load  8 bytes, r0 = [r3 + r1]
//	0f 84 …       Branch EQ to 118
//
// It knows the instructions that jitnic writes and refuses all others, so a byte
// that was changed is either another instruction, which does another thing, or
// none. Nothing here is shared with the assembler: the register numbers, opcodes
// and condition codes are written down a second time.
package readback
