// Package code is executable memory of our own and the way into it and back,
// without cgo.
//
// A [Memory] reserves a span of address space once and hands out pieces of it
// as [Block]s. Where the system allows it, the span is a file in memory that is mapped
// to be executed and nowhere to be written, and a block comes into it by pwrite(2):
// no page is ever writable. Elsewhere a block is written while its pages are writable
// and not executable, and then made executable and not writable; no page is ever
// both. Freed blocks become traps, or lose their pages. What is in use is counted,
// and bounded by the size of the span.
//
// [Enter] calls a block. What it runs under is narrow:
//
//   - It runs on the goroutine's stack, in a frame that never grows the stack:
//     at most [StackBytes] below the trampoline's own, return addresses
//     included, which the linker's check of NOSPLIT chains leaves room for.
//   - It can't be preempted, so it must come back soon, and while it runs a
//     stop of the world waits. A signal may arrive at any instruction: Go's
//     handler runs on the signal stack, finds that the program counter is in
//     no module's text and so neither preempts nor unwinds; the profiler books
//     the sample as runtime._ExternalCode, with the goroutine's labels.
//   - It gets one pointer, to a block of memory of the caller's that isn't on
//     any stack, and keeps no Go pointer in memory.
//   - It never faults: whoever generates code checks every access, since Go
//     turns a fault outside its text into the end of the process.
//
// On amd64 all registers but SP are free (R14, which holds g, is set again by
// the wrapper behind every assembly function; signal handlers take g from
// thread-local storage). On arm64 R18 (the platform's), R28 (g, which the
// signal handler relies on) and SP must be left alone.
package code
