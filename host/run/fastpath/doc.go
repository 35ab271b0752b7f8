// Package fastpath makes a fast path of a run, has the kernel take and judge it,
// and measures what it is worth.
//
//	captures ── replay ──▶ hottest paths ── nic/fastpath ──▶ object
//	                                          ▲                │ the verifier refuses a leaf
//	                                          └── fewer ◀──────┘
//	object, original ── BPF_PROG_TEST_RUN, VM ──▶ the same verdicts, bytes, maps, redirects
//
// [Make] chooses and builds; what the kernel's verifier refuses of it goes, a
// trace at a time, and is named. [Plan.Judge] runs original and fast path side by
// side on the captures, in the kernel and in the VM, which alone tells where a
// packet was redirected. [Plan.Times] measures both in turns.
package fastpath
