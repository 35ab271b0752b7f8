// Package fit says what of a workload fits a device: which packets can be
// offloaded, what keeps the others out, and what lifting it would gain.
//
// A packet can't be offloaded because its path is no trace (the abort reason),
// because the path's trace or condition needs what the device lacks (a helper, a
// type of map, writes to map values, an instruction), or because traces and
// maps are too big. [Check] finds each such blocker with its places in the
// program, and counts the packets it blocks, those that it alone blocks, and the
// order in which lifting blockers pays most.
//
// Maps are placed as a device driver would: those of the hottest packets first,
// until limit.map.entries or limit.map.memory is used up. The store of traces is
// a cache, so limit.slots blocks nothing but an entry that exceeds it alone;
// the report says what share of the packets it holds at once. What a matcher can
// hold is nic/match's question.
package fit
