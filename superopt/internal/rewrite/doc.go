// Package rewrite is the one gate a change of the program goes through:
// proposed, cheaper, in the windows asked for, not asked before, proved, as
// safe as the program so far (gate.go). What the proof of the whole program is
// against is found and taken back (undo.go).
package rewrite
