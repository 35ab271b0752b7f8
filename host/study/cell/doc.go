// Package cell makes the cells of a study: each is one run of a program over a
// capture, with all that is asked of its paths.
//
// [Resolve] reads what the file names (globs, objects, hashes) and lists the cells
// in the order of the file. Everything that a cell's paths depend on is its
// [Identity], and the hash of that its address: equal addresses are equal streams
// of path numbers, on any machine and in any study. Policies, sizes and devices are
// no part of it, as paths don't depend on them.
package cell
