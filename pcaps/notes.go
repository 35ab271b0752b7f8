package pcaps

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// A Note is a line of a report: something a reader of its figures must know of
// the captures.
type Note struct {
	Name  string
	Count uint64 // of packets; 0 where the note is of none
	Text  string
}

// Notes says what was done to packets, and which are missing.
func (c *Counters) Notes() []Note {
	var out []Note
	note := func(name string, n uint64, text string) {
		if n > 0 {
			out = append(out, Note{name, n, text})
		}
	}
	note("truncated", c.Truncated-c.Padded, "judged on fewer bytes than the wire had: programs that check lengths answer differently (--pad-cut fills up)")
	note("oversized", c.Oversized, c.oversized())
	note("padded", c.Padded, "captured shorter than they were on the wire, and filled up with zeros")
	for _, link := range slices.Sorted(maps.Keys(c.Framed)) {
		note("framed", c.Framed[link], "of link type "+link+": an Ethernet header was put in front; its 14 bytes count in lengths, not in wire time")
	}
	note("check bytes", c.Checked, "captured with their frame check sequence, which no XDP program sees: taken off")
	note("untagged", c.Untagged, "had their outer VLAN tag taken off, and told as metadata")
	note("filtered", c.Filtered, "not matched by the filter, left out")
	for _, link := range slices.Sorted(maps.Keys(c.Skipped)) {
		note("skipped", c.Skipped[link], "link type "+link)
	}
	return out
}

// jumbo is the longest frame in common use: 9216 bytes of payload, two VLAN tags.
const jumbo = 9216 + etherLen + 8

// oversized says what frames longer than Linear are likely to be.
func (c *Counters) oversized() string {
	what := "captured with TSO/GRO on? (`ethtool -K`)"
	if c.Largest <= jumbo {
		what = "jumbo frames, or captured with TSO/GRO on? (`ethtool -K`)"
	}
	return fmt.Sprintf("longer than the %d bytes a program finds in one piece, the longest %d: %s", Linear, c.Largest, what)
}

// Notes says what a reader of a run's figures must know of its captures.
func (s *Source) Notes() []Note {
	c := s.Counters()
	return append(c.Notes(), gaps(s.Captures())...)
}

// gaps says, for each capture but the first with packets, how the packets'
// clock goes on from the capture before.
func gaps(captures []Capture) []Note {
	var out []Note
	before := ""
	for _, c := range captures {
		if c.Packets == 0 {
			continue
		}
		if before != "" {
			out = append(out, Note{Name: "clock", Text: c.gap(before)})
		}
		before = c.Name
	}
	return out
}

// called is what a capture is named in a sentence: of an absolute path the last
// part, as where a file stands says nothing of it.
func called(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Base(name)
	}
	return name
}

func (c *Capture) gap(before string) string {
	name, before := called(c.Name), called(before)
	gap := time.Duration(c.Gap)
	if c.Gap < 0 {
		return fmt.Sprintf("%s begins %v before %s ends: its clock is moved to follow", name, -gap, before)
	}
	return fmt.Sprintf("%s begins %v after %s ends", name, gap, before)
}
