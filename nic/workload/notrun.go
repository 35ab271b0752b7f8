package workload

import (
	"fmt"
)

// NotRun says of which packets the run is no result: the program ended in a fault
// on them, which a program that the kernel's verifier has accepted does only where
// it comes to what isn't supported here.
type NotRun struct {
	Packets uint64  `json:"packets"`
	Share   float64 `json:"share"` // of all packets offered
	Causes  []Cause `json:"causes"`

	All bool `json:"-"` // not one of those that a program saw could be run
}

// Cause is why packets could not be run: program, instruction, what is missing.
type Cause struct {
	Packets uint64 `json:"packets"`
	Cause   string `json:"cause"`
}

// MostNotRun is the share of packets that could not be run above which nothing is
// concluded from the rest.
const MostNotRun = 0.01

// TooMany says that too few packets were run to conclude anything.
func (n *NotRun) TooMany() bool { return n != nil && n.Share > MostNotRun }

// Err is an error where not one packet could be run.
func (n *NotRun) Err() error {
	if n == nil || !n.All {
		return nil
	}
	return fmt.Errorf("none of the %d packets could be run: %s", n.Packets, n.Causes[0].Cause)
}

// String says it in a sentence.
func (n *NotRun) String() string {
	s := fmt.Sprintf("%.2f %% of the packets (%d) could not be run: %s", 100*n.Share, n.Packets, n.Causes[0].Cause)
	if k := len(n.Causes) - 1; k > 0 {
		places := "places"
		if k == 1 {
			places = "place"
		}
		s += fmt.Sprintf(", and at %d other %s", k, places)
	}
	return s
}
