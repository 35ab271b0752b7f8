// Package pathcond gives recorded runs their weakest path condition and their
// straight-line trace, by executing them symbolically.
//
// A [Compiler] takes a recording of the interpreter and walks it with terms in
// place of values: registers, stack, packet and map values are bit-vector terms
// over the initial packet, latched inputs and maps. Addresses are the
// interpreter's own, so pointers need no types. Each choice the run made
// (a branch, a helper's outcome, two map operations meeting in one entry)
// becomes a predicate, unless those before it imply it. A [Tree] holds the
// conditions of many paths; matching a packet is one walk.
//
// Conditions have a text form in header-field words, printed by
// [Compiler.Format], read by [Compiler.Parse], each predicate that follows from
// others dropped by [Compiler.Minimal]:
//
//	layout ip@14 tcp@(u64((u32(ip.vihl) << 2) & 0x3c) + 14)
//	let flows_1 = map flows[ip.src, ip.dst, tcp.sport, tcp.dport]
//	eth.type == 0x0800
//	ip.proto == 6
//	pkt.len >= tcp.start + 20
//	flows_1 present
//	flows_1.state == 2
package pathcond
