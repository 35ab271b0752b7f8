#include "textflag.h"

// func enter(code uintptr, ctx unsafe.Pointer, base uintptr)
//
// The frame makes the assembler save and restore R29 and R30. Generated code
// leaves R18 and R28 alone; all else is free to a function called from Go's
// ABI0. What
// it uses of the stack (see StackBytes) lies below: the linker's check of
// NOSPLIT chains keeps 800 bytes for this frame and what it calls.
TEXT ·enter(SB), NOSPLIT, $16-24
	MOVD code+0(FP), R9
	MOVD ctx+8(FP), R21
	MOVD base+16(FP), R20
	CALL (R9)
	RET

// func flushLines(addr, end, dline, iline uintptr)
//
// Cleans the data cache to the point of unification line by line, then
// invalidates the instruction cache: Arm ARM, B2.4.4 (the sequence for code
// that was just written).
TEXT ·flushLines(SB), NOSPLIT, $0-32
	MOVD addr+0(FP), R0
	MOVD end+8(FP), R1
	MOVD dline+16(FP), R2
	MOVD iline+24(FP), R3
	SUB  $1, R2, R4
	BIC  R4, R0, R5
clean:
	WORD $0xd50b7b25 // dc cvau, x5
	ADD  R2, R5
	CMP  R1, R5
	BLO  clean
	WORD $0xd5033b9f // dsb ish
	SUB  $1, R3, R4
	BIC  R4, R0, R5
invalidate:
	WORD $0xd50b7525 // ic ivau, x5
	ADD  R3, R5
	CMP  R1, R5
	BLO  invalidate
	WORD $0xd5033b9f // dsb ish
	WORD $0xd5033fdf // isb
	RET

// func cacheType() uint64
TEXT ·cacheType(SB), NOSPLIT, $0-8
	WORD $0xd53b0020 // mrs x0, ctr_el0
	MOVD R0, ret+0(FP)
	RET
