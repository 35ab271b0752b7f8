// Package cache is the cache laboratory: what a bounded cache of traces hits
// under every eviction policy that matters, at every size.
//
// It knows nothing of traces, packets or programs. It sees ids (dense numbers
// in the order of first use), their sizes in slots, and what a miss costs; so
// it serves any cache.
//
// # One state machine
//
// A TraceCache is what stands between a stream of requests and an eviction
// policy: a request of an id that is not in makes the id hotter; when it is hot
// enough, and admitted, its install begins; some packets later the install is
// done, which may evict others; and at any moment an id may be invalidated.
// The NIC drives a TraceCache packet by packet, and the laboratory drives the
// same TraceCache over a recorded stream: so a replay and a comparison count
// the same, request for request.
//
// Each request has exactly one Outcome, so the counts add up to the packets
// offered.
//
// # A study
//
// Simulate is one cache on one stream. A Grid is every policy with every
// admission at every size, run in parallel, with the same result on any number
// of cores; lru at all sizes is one pass. Its Study ranks the caches at each
// size against the bound, and says by bootstrap over windows of time whether a
// lead would survive another capture. A Siege mixes attacks into the stream and
// recommends the cache that loses least. Describe tells what the stream itself
// is like.
//
// The bounds: belady takes in every miss and is the optimum of caches that do;
// belady-bypass binds every cache and admission at unit size; pfoo-l binds with
// sizes too; infinite and preinstalled bind whatever the budget. All treat an
// id that was invalidated as another id from then on.
//
// # Where things are
//
// The policies are in cache/policy, one a file; request streams, their files
// and generators in cache/stream; miss-ratio curves and what else a stream
// tells in cache/curve.
package cache
