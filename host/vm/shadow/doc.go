// Package shadow follows a recorded run of the VM and tells which bytes the
// kernel need not have equal: it carries a mark beside every byte of registers
// and memory.
//
//	*(u32 *)(r10 -8) = 1           stack 504..507: written, 508..511: nobody's
//	map_update_elem(m, k, r10-8)   m[k] bytes 4..7: nobody's
//	r1 = *(u32 *)(ctx +0)          r1: an address in the packet
//	if r1 == r2 goto …             both such addresses: their order is equal
//
// What carries a mark may be moved, stored and passed on. Where the path comes
// to depend on it, by a branch, a key, a length or a verdict, nothing that
// follows can be compared, and [Shadow.Why] says so.
//
// The marks are taken from the instructions that ran and from what host/ebpf
// says of helpers, never from the bytes the VM wrote: a VM that forgets a store
// is still found out, because the store has run and its bytes carry no mark.
package shadow
