// Package vliw lays straight-line traces out for a very long instruction word
// core.
package vliw
