// Package ir is the form in which the optimiser holds a program: a list of
// instructions with jumps by index, so that one may be changed, dropped or put
// in without a look at the others. It says what a program costs, and has what
// an edit needs.
package ir
