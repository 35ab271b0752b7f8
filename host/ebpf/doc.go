// Package ebpf is the instruction set: decode, encode, print and parse.
package ebpf
