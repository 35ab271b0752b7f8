//go:build !linux

package pcaps

import "io"

// mapping is a capture file in the address space: on Linux alone.
type mapping struct{ b []byte }

func mapFile(io.Reader) *mapping     { return nil }
func (m *mapping) near(from, to int) {}
func (m *mapping) has(uintptr) bool  { return false }
func (m *mapping) close()            {}
