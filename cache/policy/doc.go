// Package policy holds eviction policies over dense ids, one a file, behind one
// interface; their registry; and the bounds no policy can beat.
//
// Every policy can be driven in two ways, which give the same hits:
//
//   - step by step (Policy: Access, Insert, Remove), as a device does, where an
//     insert may come later than the miss, or never, and ids become invalid;
//   - over a whole stream (Run, RunSized), at a few nanoseconds a request.
//
// Ids are dense, so nothing is hashed. Three data structures carry most of the
// policies: a history, for those with a single queue in order of use; lanes, for
// those with several queues and ghosts; and a ring, for clocks. None has linked
// nodes: a hit writes at most the end of an array and one word of its own.
//
// Where a policy exists in several forms that miss differently, each has a name
// of its own. 2q and arc are as published, and count as libCacheSim's do;
// hashicorp/golang-lru's are golang-2q and golang-arc, which are references: they
// are never ranked, since golang-arc may hold one entry more than it is given.
// lirs counts as its author's program does. lirs-libcachesim, slru, lfuda,
// s3-fifo and s3-fifo-v0 are libCacheSim's, to the request, as are fifo, lru,
// clock, sieve, lfu, gdsf and belady, of which there is one form only. Tests
// hold them to these programs' counts. Three slips of libCacheSim are not
// followed: its random is biased, its lirs counts hits of entries it has evicted
// (budgets below 200), and with budgets too small for its shares its s3-fifo and
// 2q take nothing in.
//
// # Adding a policy
//
//  1. A file with the type, its constructor func(Config) Policy, and where it
//     is described.
//  2. A line in registry, saying what it does on a slot budget.
//  3. Nothing else: the suite runs over the registry.
//  4. If it must be fast: a Run method, where it gains 1.3 over the steps
//     (BenchmarkRunner). The suite holds it to the steps.
package policy
