package jit

import (
	"fmt"
	"strconv"
	"strings"
)

// Remedies say how paths become traces: what is done so that a program has
// fewer paths, or shorter traces. Zero is a generic trace for each whole path.
type Remedies struct {
	// Specialise makes traces that fold what they read from maps no program
	// writes, under version guards.
	Specialise bool
	// Auto specialises only where the profile of a look-up's keys says that it
	// pays; it stands in place of Specialise.
	Auto bool
	// Merge makes ways from a branch that come to a place in the same state one path.
	Merge bool
	// Predicate makes a branch data, by selects in the trace, where its sides
	// come together again and have at most so many instructions; 0: no branch.
	Predicate int
	// Segments cuts paths at places of the program, into segments that stand in so
	// many tables at most; SegmentsAuto: into as many as pay; 0: whole paths. Where
	// it is cut is Options.Cuts.
	Segments int
}

// SegmentsAuto leaves the number of tables to what the first packets show.
const SegmentsAuto = -1

// SegmentsName is how Remedies.Segments is written: none, auto, or the number.
func SegmentsName(n int) string {
	switch n {
	case 0:
		return "none"
	case SegmentsAuto:
		return "auto"
	}
	return strconv.Itoa(n)
}

// ParseSegments reads what SegmentsName writes; 0 is none, too.
func ParseSegments(s string) (int, error) {
	switch s {
	case "none":
		return 0, nil
	case "auto":
		return SegmentsAuto, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n != 0 && n < 2 || n > MaxTables {
		return 0, fmt.Errorf("want none, auto, or 2 to %d tables", MaxTables)
	}
	return n, nil
}

// specialises says whether anything may be folded.
func (r Remedies) specialises() bool { return r.Specialise || r.Auto }

// String names them: generic, specialised, …
func (r Remedies) String() string {
	var out []string
	switch {
	case r.Auto:
		out = append(out, "specialised where it pays")
	case r.Specialise:
		out = append(out, "specialised")
	}
	if r.Merge {
		out = append(out, "merged")
	}
	if r.Predicate > 0 {
		out = append(out, fmt.Sprintf("predicated (%d)", r.Predicate))
	}
	switch {
	case r.Segments == SegmentsAuto:
		out = append(out, "segmented")
	case r.Segments > 0:
		out = append(out, fmt.Sprintf("segmented (%d)", r.Segments))
	}
	if len(out) == 0 {
		return "generic"
	}
	return strings.Join(out, ", ")
}
