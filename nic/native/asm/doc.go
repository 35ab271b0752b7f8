// Package asm writes machine code for the compilers of nic/native: one small
// [Backend] interface, an implementation for amd64 and one for arm64. Both can
// be made on every machine, so that each is tested everywhere.
//
// A compiler sees fifteen registers: R0 to R10 for BPF's, T0 and T1 for its own
// short use, Base with the address of the flat memory and Ctx with that of the
// block of memory that the code works on. Operations have BPF's meaning, so
// that what differs between machines (division by zero, shift counts, upper
// halves) is the backend's affair alone. T0 and T1 hold a value only up to the
// next operation that says it uses them.
//
// Nothing that comes from a program is trusted: sizes and conditions are
// checked by type, displacements and constants of any value can be encoded,
// and code too long for the machine's branches is an error, not a wrong jump.
package asm
