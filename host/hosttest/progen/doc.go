// Package progen makes random XDP programs that the kernel's verifier accepts,
// with maps, map contents and packets to go with them, for property tests:
// conditions sound, weakest and disjoint; the interpreter equal to the kernel;
// optimised code equal to what it came from.
//
// A program grows statement by statement from a table of productions
// (statements), each of which knows when it may stand. What makes nearly all
// of them acceptable is the state carried along: which registers and stack
// bytes may be read, what kind of pointer is where, how many bytes behind a
// packet pointer were checked. It is a cautious copy of the verifier's own: at
// joins only what holds on both paths is kept, in a loop only what every round
// leaves alone.
//
// Random programs are only as good as the packets they see. While it grows,
// the program notes what would make packets part ways: constants that bytes of
// the packet are compared with, lengths that are checked, packet bytes that
// become map keys. Packets sets those bytes to the constants and one beside
// them, lengths likewise, keys to what the maps hold about half of the time.
// Mutate changes one such thing in a given packet.
//
// Everything follows from the seed: a failing case is named by one number, and
// Case.String prints it whole.
//
// A case that makes a test fail is mostly far longer than it need be: Shrink
// takes instructions and map contents away as long as the test still fails.
//
// What isn't made: spin locks and kernel functions, which need more BTF than a
// random program has; FIB lookups, whose answers depend on the machine; LRU
// eviction, which depends on the number of CPUs; loops by may_goto.
package progen
