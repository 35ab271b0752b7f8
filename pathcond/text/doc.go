// Package text prints path conditions in header-field words and reads them back
// to the same terms.
//
// [Format] prints, [Parse] reads, [Minimal] drops each predicate that follows
// from others. Where headers stand is worked out from the condition itself
// (layout.go), map values are named by their BTF (element.go), and what the
// reader would build otherwise is printed operation by operation:
//
//	layout ip@14 tcp@(u64((u32(ip.vihl) << 2) & 0x3c) + 14)
//	let flows_1 = map flows[ip.src, ip.dst, tcp.sport, tcp.dport]
//	eth.type == 0x0800
//	ip.proto == 6
//	pkt.len >= tcp.start + 20
//	flows_1 present
//	flows_1.state == 2
package text

import "jitnic/pathcond"

// words is the vocabulary of a condition: the maps, programs and counters of
// the compiler it belongs to.
type words struct{ *pathcond.Compiler }
