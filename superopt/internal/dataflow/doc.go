// Package dataflow says what is known before each instruction of a program and
// what is live after it, and what the kernel's verifier would refuse there.
package dataflow
