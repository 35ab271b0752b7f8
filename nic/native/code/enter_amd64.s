#include "textflag.h"

// func enter(code uintptr, ctx unsafe.Pointer, base uintptr)
//
// The frame makes the assembler save and restore BP. R14, which holds g, and
// X15 are set again by the wrapper through which Go calls this. What
// generated code uses of the stack (see StackBytes) lies below: the linker's
// check of NOSPLIT chains keeps 800 bytes for this frame and what it calls.
TEXT ·enter(SB), NOSPLIT, $16-24
	MOVQ code+0(FP), AX
	MOVQ ctx+8(FP), R14
	MOVQ base+16(FP), R11
	CALL AX
	RET
