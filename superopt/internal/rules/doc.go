// Package rules has rewrite rules as data: parsed, matched, proved for all
// registers and constants at once (prove.go), learnt from what the search
// finds (learn.go), and kept in a [Store].
package rules
