// Package search looks for shorter code in windows of a program: by
// enumeration with counterexamples (enumerate.go), and by a stochastic walk
// (search.go) whose moves stand one in a file and whose candidates run on a
// concrete executor (exec.go) before the solver is asked.
package search
