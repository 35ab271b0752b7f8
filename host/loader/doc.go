// Package loader turns object files into linked programs.
//
// An object goes through four steps. [openImage] takes the ELF file apart in
// memory and mends what old compilers left out: symbols without type and size,
// map definitions that are too short, programs that stand in .text. cilium/ebpf
// then reads it: relocations, BTF, maps, data sections. The linker lays every
// function a program reaches behind one another, entry first, and replaces
// names by numbers: calls by distances in slots, maps by their index in
// [Object.Maps]. CO-RE relocations and kernel configuration are answered from
// the running kernel, or from what [Options] gives.
//
// What can't be linked (a kernel function, a kernel variable) is no error: it
// stands in [Program.Unsupported], and packets that don't reach it still run.
package loader
