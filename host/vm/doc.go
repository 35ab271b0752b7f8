// Package vm is the one concrete semantics of eBPF in this repository: an
// interpreter for the whole instruction set, the helpers of XDP programs, and
// the [State] a packet runs in.
package vm
