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
// # Where things are
//
// The policies are in cache/policy, one a file; request streams, their files
// and generators in cache/stream; miss-ratio curves and what else a stream
// tells in cache/curve.
package cache
