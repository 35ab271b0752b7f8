// Package match says what it costs to match a program's path conditions on real
// matchers, and which of them a given matcher can hold at all.
//
// An [Analyser] judges conditions. It sees each term of a predicate as wires from
// bits of the packet: swapping, cutting, joining, shifting and masking only move
// wires, so a comparison of what is wired is one of the packet's own bits. Each
// predicate falls into a [Class]: masked equality, its complement, a range of one
// number, a table of at most 16 bits, and what ternary entries can't say: a
// relation of fields, a latched input, map state. Predicates that share bits are
// covered together, with the least prefixes where the set is one of prefixes; a
// condition's entries are the product over its parts.
//
// Four matchers are priced from that, with a profile's figures:
//
//   - linear: conditions in parallel lanes, a round of lanes a step;
//   - guard tree: a node a step ([tree.Tree.Walks]);
//   - tuple-space search: a hash table for each mask of the masked-equality
//     parts, a round of lanes of masks a step; candidates found are checked for
//     the rest, so that it holds any condition;
//   - TCAM: one step, but of conditions that are nothing but entries. An
//     inequality costs an entry for each bit, or a single one that denies before
//     those that permit; ranges cost prefixes, unless the device encodes them.
//
// The key is the packet as it lies on the wire. With [Options].Parser a parser
// stands before it, which finds fields behind headers of variable length and
// compares lengths, each comparison a bit: without one, a single check such as
// `pkt.len >= ip.len + 14` keeps a condition out of any TCAM.
//
// A ternary memory (in the tests) and the tables of [TSS] are also built, entry by entry, and tested against the guard
// tree on captures and random programs: the counts are those of tables that
// answer right.
//
// Assumed, for want of a device's own figures: memory of a predicate is 8 bits of
// operation, 16 of offset, mask and value, or 64 for each operation it computes;
// of a TCAM entry two bits for each of the key, and 32 for its action; of a hash
// table only the entries in use.
package match
