// Package maps holds every map type an XDP program uses behind one interface,
// [Map], with the semantics of the kernel's.
//
// A [Spec] is the blueprint, as an object file states it; [New] realises it in
// an arena of flat memory. Values (and, for hashes, their keys) lie in the
// arena at addresses that stay the same for as long as the element lives, so
// that the interpreter, traces and native code read them in place. Everything
// else is dense integers in flat slices: an element is a number.
//
//	Lookup ─→ hash of the key ─→ slot: hash, element ─→ arena: key │ value
//
// What is not an array or a hash of bytes meets a second, small interface as
// well: [PerCPU], [Programs], [OfMaps], [Redirects], [Queue], [Ring],
// [Events]. [Notifier] and [Owner] tell who wrote which key, for version
// guards; [Clone], [Copy] and [Equal] take and compare whole states, for
// oracles.
//
// What an operation returns, and in which order its arguments are refused, is
// the kernel's (kernel/bpf of Linux 6.18), held by tests that run the same
// random operations on both. LRU eviction is the kernel's too: see lru.go.
package maps
