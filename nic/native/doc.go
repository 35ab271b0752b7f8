// Package native runs what jitnic otherwise interprets as machine code: whole
// programs, traces and the guard tree. It knows no cache.
//
// A [Matcher] is the guard tree: each predicate a compare and a branch, what it
// needs computed once along the way, look-ups made once and left for the trace;
// many paths that nothing but fields with certain values tell apart are found by
// one look-up of these (exact.go). [Traces] compiles the traces that the device
// puts into trace memory, with [Auto] those that run often: code without
// branches, in which the stack and the packet stand at fixed addresses.
// Both share the [Machine] of their State.
//
// An [Engine] is a vm.Engine: it runs the stretches of a program that are
// arithmetic, jumps, memory accesses and look-ups, and leaves every other
// instruction to the interpreter, which comes back when that one is done. So
// helpers, faults, limits, tail calls and callbacks are the interpreter's own,
// and what the engine does is held to what the interpreter would have done.
// It goes from packet to packet by itself while nothing is left ([Engine.Batch]).
//
// Objects are hostile. What a register points to is worked out beforehand
// (bounds.go); an access that this proves to be in bounds is a plain load or
// store, any other is checked when it runs: in the packet, or in the frame in
// use, or left to the interpreter, which knows all other regions and faults.
// A jump out of the program, into the middle of an instruction or through a
// register goes back to the interpreter, too.
//
// The code of traces, look-ups and programs is read back before it runs
// (readback.go): decoded by other tables than those that wrote it, and carried out
// beside the instructions it stands for. [ErrReadBack] is a fault of jitnic's own.
package native
