// Package trace is what the host JIT makes of one run of a program: the
// straight-line code of the path it took.
//
// The interpreter (host/vm) records a run, pathcond turns the recording into a
// [Trace] and the condition under which the path is taken. What can't be a
// trace ends in an [Abort] with one of the [Reasons]; a [Blacklist] keeps
// hopeless paths from being tried on each packet.
package trace
