// Package object reads eBPF object files for the optimiser and writes them
// back as drop-in replacements.
//
// Only what code is made of changes: the code sections, the relocations that
// point into them, the symbols in them, and the function, line and CO-RE
// records of .BTF.ext. Every other section keeps its bytes. An object written
// without a change is the same file, byte for byte.
package object
