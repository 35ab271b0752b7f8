// Package pathcond gives recorded runs their weakest path condition and their
// straight-line trace, by executing them symbolically.
//
// A [Compiler] takes a recording of the interpreter and walks it with terms in
// place of values: registers, stack, packet and map values are bit-vector terms
// over the initial packet, latched inputs and maps. Addresses are the
// interpreter's own, so pointers need no types. Each choice the run made
// (a branch, a helper's outcome, two map operations meeting in one entry)
// becomes a predicate, unless those before it imply it ([Facts]). [Env] answers
// for what a condition reads.
//
// A path may be cut into segments ([Cut]), each with the condition and the trace of
// a path of its own. One that begins at a cut asks what is live there: the registers
// that were handed over in stack memory, the stack, the packet and the maps as they
// are by then.
//
// Two rooms stand on this one and don't know each other: pathcond/text prints
// conditions in header-field words and reads them back, pathcond/tree holds the
// conditions of many paths, so that matching a packet is one walk.
package pathcond
