// Package run makes the cells of a study.
//
// A [Worker] makes one: the program runs once and its stream of path numbers is
// kept (ADDRESS.paths, with its facts in ADDRESS.facts), the points that the stream
// doesn't have yet are run over it (ADDRESS.points), and so are devices
// (HASH.device). What is in the store is not made again. [Run] has workers make all
// cells of a plan, the longest first; a cell that fails is one line
// (ADDRESS.failed), and the rest goes on.
package run
