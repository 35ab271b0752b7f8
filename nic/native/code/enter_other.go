//go:build !linux || (!amd64 && !arm64)

package code

import "unsafe"

// Supported says whether this machine can run generated code.
const Supported = false

// Enter is never called where there is no backend.
func Enter(addr uintptr, ctx unsafe.Pointer, base uintptr) {
	panic("native code: no backend for " + arch)
}
