// Package vm is the one concrete semantics of eBPF in this repository: an
// interpreter for the whole instruction set, v1 to v4, the helpers XDP programs
// call, and the [State] a packet runs in. Traces, optimised code and native
// code are all compared with it, and it is compared with the running kernel;
// so it is written to be read, a family of instructions to a file:
//
//	decode.go  which slot is which instruction, and what lddw loads
//	alu.go     arithmetic, as a function of two numbers
//	jump.go    conditional jumps, likewise
//	atomic.go  read-modify-write of a memory word
//	access.go  which addresses a program may touch, and how
//	call.go    calls, callbacks, tail calls, frames
//	interp.go  the loop
//	helper*.go the helper table, and what helpers do
//
// A [State] holds everything a packet can touch, in one flat [mem.Arena]: the
// packet buffer in the shape BPF_PROG_TEST_RUN gives it, the stack, the
// context, the values of all maps. BPF addresses are offsets into the arena.
// Time, random draws, CPU and queue are latched by [State.Begin]: whatever runs
// the packet, and however often it asks, the answers are the same. Helpers are
// functions on a State, so an engine of another kind calls the very same ones.
//
//	             ┌ Begin: copy packet, latch inputs
//	Input ─→ State ─→ Interp, or another engine, with the helpers ─→ End ─→ Output
//	             └ Maps, Mem, packet, stack, context
//
// Every access is checked. What a verified program can't do ends the run as a
// [Fault] that names program, instruction and address; nothing panics. A
// helper or kernel function that isn't there faults only when it is reached;
// [Refusal] says why it isn't.
//
// Two things happen beside a packet's run, the same whatever ran it: timers that
// have expired call back before the next packet ([Interp.RunTimers]), and
// programs of devmaps' and cpumaps' entries get what was redirected to them
// after the verdict ([Interp.Deliver]).
package vm
