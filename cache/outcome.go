package cache

import "fmt"

// An Outcome is what became of one packet. Every packet has exactly one.
type Outcome uint8

const (
	Hit         Outcome = iota // the id was in
	Cold                       // never requested before
	NotHot                     // requested before, never in: below the threshold, not admitted, or refused by the policy
	Capacity                   // was in, and was evicted since
	Invalidated                // was in or on its way in, and was invalidated since
	InFlight                   // its install has begun and is not done
	Uncacheable                // can't be in at all
	Outcomes    int     = iota // how many outcomes there are
)

var outcomeNames = [Outcomes]string{"hit", "cold", "not_hot", "capacity", "invalidated", "in_flight", "uncacheable"}

// String is the name used in reports.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Counts is a number for each outcome.
type Counts [Outcomes]uint64

// Total is the number of packets offered.
func (c Counts) Total() uint64 {
	var n uint64
	for _, k := range c {
		n += k
	}
	return n
}

// Misses is the number of packets that did not hit.
func (c Counts) Misses() uint64 { return c.Total() - c[Hit] }
