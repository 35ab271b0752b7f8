package replaycmd

import "jitnic/pcaps"

// Capture counts what the reader did with the files.
type Capture struct {
	Truncated uint64            `json:"truncated"` // captured shorter than on the wire
	Padded    uint64            `json:"padded,omitempty"`
	Filtered  uint64            `json:"filtered"`
	Skipped   map[string]uint64 `json:"skipped,omitempty"`
	Framed    map[string]uint64 `json:"framed,omitempty"` // behind an Ethernet header put in front, by link type
	Checked   uint64            `json:"check_bytes,omitempty"`
	Untagged  uint64            `json:"untagged,omitempty"`
	Files     []File            `json:"files,omitempty"` // where there are several

	notes []pcaps.Note
}

// File is one capture of several.
type File struct {
	Name    string  `json:"name"`
	Packets uint64  `json:"packets"`
	Bytes   uint64  `json:"bytes"`
	First   uint64  `json:"first"`   // 0-based number of its first packet among all
	Seconds float64 `json:"seconds"` // from its first packet to its last, on the packets' clock
	Gap     float64 `json:"gap"`     // recorded seconds since the capture before; negative: it is older, and follows at once
}

func newCapture(src *pcaps.Source) Capture {
	k := src.Counters()
	c := Capture{Truncated: k.Truncated, Padded: k.Padded, Filtered: k.Filtered, Skipped: k.Skipped, Framed: k.Framed,
		Checked: k.Checked, Untagged: k.Untagged, notes: src.Notes()}
	caps := src.Captures()
	if len(caps) < 2 {
		return c
	}
	for _, f := range caps {
		c.Files = append(c.Files, File{Name: f.Name, Packets: f.Packets, Bytes: f.Bytes, First: f.Index,
			Seconds: float64(f.KLast-f.KFirst) / 1e9, Gap: float64(f.Gap) / 1e9})
	}
	return c
}
