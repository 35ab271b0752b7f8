// Package progen makes random XDP programs that the kernel's verifier accepts,
// with maps, map contents and packets to go with them, for property tests:
// conditions sound, weakest and disjoint, the interpreter equal to the kernel,
// optimised code equal to what it came from.
package progen
