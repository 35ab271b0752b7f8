// Package flower says paths as rules of the kernel's flower classifier, which
// today's NICs offload: what to match, what to edit, and where the packet goes.
//
// The conditions of the chosen paths are one decision tree. A question that rules
// can ask ("eth.type == 0x0800", "ip.ttl >= 2" as masks) becomes a key; since flower
// can't ask for the opposite, what answers no stands below, at a lower priority, and
// what is left of the yes goes to software by a rule of its own (trap). So a rule may
// be narrower than its path, and never takes a packet of another. A question about
// the protocol alone that has no key is answered for each protocol apart. A path that
// asks what rules can't (a map, a sum, a length beyond the headers) is refused with
// that question, and its packets go to software.
//
// What a path does to the packet is known as terms (pathcond.Effect). Fields that
// get constants, a time to live that counts down, a tag put in front, taken off or
// renumbered, and checksums that stay right are edits; a number in a map that grows
// by a constant or by the packet's length is what a rule's own statistics count.
// Anything else is refused. Edits are tried on random packets that the match takes.
//
// [Rules.Take] and [Rule.Apply] are what rules do, in Go, after the flow dissector
// (net/core/flow_dissector.c), net/sched/cls_flower.c and act_pedit.c, act_csum.c,
// act_vlan.c. What a device's parser checks before is a [Parser]. What no key asks
// for, and the wire or the port must see to, is how long a frame is: see
// [Rules.Take] and [Rules.OnePiece].
package flower
