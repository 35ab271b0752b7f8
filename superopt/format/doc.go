// Package format reads and writes the files K2's users have: .k2 lists of
// opcodes, .bpf kernel macros and .insns images with their .maps and .desc.
// Each is written back as it came: parse and write without a change gives the
// same bytes.
//
// A [File] holds slots, maps and enough of the text to write it again.
// [File.Write] takes new slots, and for each the old slot it came from.
package format
