// Package exec is the trace executor in Go: it decides for every instruction of a
// trace what can be decided before a packet comes, and runs what is left in one
// loop. It works on the trace alone: no interpreter, no program.
package exec
