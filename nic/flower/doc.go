// Package flower says paths as rules of the kernel's flower classifier, which
// today's NICs offload: what to match, and to drop, pass or send back.
//
// The conditions of the chosen paths are one decision tree. A question that flower
// can ask ("eth.type == 0x0800", "tcp.dport == 443") becomes a key; since flower can't
// ask for the opposite, what answers no stands below, at a lower priority, and what is
// left of the yes goes to software by a rule of its own (trap). So a rule may be
// narrower than its path, and never takes a packet of another. A path that asks what
// flower can't (a map, a sum, a length beyond the headers), or does more than return
// a verdict, is refused with that question, and its packets go to software.
//
// [Rules.Take] is flower's semantics, after the flow dissector (net/core/flow_dissector.c)
// and net/sched/cls_flower.c, for packets in Go.
package flower
