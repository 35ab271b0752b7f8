// Package filter chooses packets by tcpdump-like expressions.
package filter

import "errors"

// Program is a compiled expression.
type Program struct{}

// Compile compiles an expression.
func Compile(expr string) (*Program, error) {
	return nil, errors.New("filter: under construction")
}

// Match tells whether the packet matches.
func (p *Program) Match(data []byte, wireLen uint32) bool { return true }
