// Package objfile writes linked programs as an object file: the way back from
// host/loader, for programs that no compiler made.
//
//	loader.Program, maps.Spec ── Write ──▶ ELF: code, .maps, data, .BTF, .BTF.ext
//	                                       └─ read again by host/loader and compared
//
// libbpf (so bpftool and iproute2) and cilium/ebpf load what comes out. Maps are
// declared in BTF with the types they had; initial entries of program arrays and
// maps of maps stand in .values, so the loader fills them; data sections keep
// their variables. Functions that a program calls stand in .text, each with its
// BTF, as callbacks need. Programs of one section stand one behind the other, in
// the order given: loaders that take the first of a section take the first given.
//
// What linking has resolved stays resolved: CO-RE relocations are gone, and a
// file made on one kernel has that kernel's field offsets.
package objfile
