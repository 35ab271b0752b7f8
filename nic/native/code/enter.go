//go:build linux && (amd64 || arm64)

package code

import "unsafe"

// Supported says whether this machine can run generated code.
const Supported = true

//go:noescape
func enter(code uintptr, ctx unsafe.Pointer, base uintptr)

// Enter runs the code at addr until it returns. ctx points to memory that isn't
// on a stack and that addr's code knows the layout of; base is a second value
// handed over in a register.
func Enter(addr uintptr, ctx unsafe.Pointer, base uintptr) { enter(addr, ctx, base) }
