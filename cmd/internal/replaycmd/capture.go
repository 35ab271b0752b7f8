package replaycmd

import (
	"fmt"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/host/run/replay"
	"jitnic/pcaps"
)

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
	First   uint64  `json:"first"`   // number of its first packet among all, which begin with 1; 0: it has none
	Seconds float64 `json:"seconds"` // from its first packet to its last, on the packets' clock
	Gap     float64 `json:"gap"`     // recorded seconds since the capture before; negative: it is older, and follows at once

	Hits     uint64            `json:"hits"`
	HitRatio float64           `json:"hit_ratio"`
	Misses   map[string]uint64 `json:"misses"` // by class, as in the total
}

// outcomes counts what became of the packets of each capture, where there are several.
type outcomes [][cache.Outcomes]uint64

func (o *outcomes) count(r replay.Several) error {
	for rest := r.Packets; len(rest) > 0; {
		file, n := rest[0].File, 1
		for n < len(rest) && rest[n].File == file {
			n++
		}
		for len(*o) <= file {
			*o = append(*o, [cache.Outcomes]uint64{})
		}
		(*o)[file][r.Outcome] += uint64(n)
		rest = rest[n:]
	}
	return nil
}

// filesTable is the captures side by side, where there are several.
func (c *Capture) filesTable() *report.Table {
	t := &report.Table{ID: "captures", Title: "By capture, misses in % of its packets", Left: 1, Open: true, Head: []string{"capture", "from packet", "packets", "seconds", "hits", "hits %"},
		Note: "One cache over all of them, in this order: a capture begins with what the one before has left installed."}
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		t.Head = append(t.Head, o.String())
	}
	for i := range c.Files {
		f := &c.Files[i]
		row := []string{report.Name(f.Name), report.Count(f.First), report.Count(f.Packets), fmt.Sprintf("%.3f", f.Seconds), report.Count(f.Hits), fmt.Sprintf("%.2f", 100*f.HitRatio)}
		for o := cache.Cold; int(o) < cache.Outcomes; o++ {
			row = append(row, fmt.Sprintf("%.2f", 100*float64(f.Misses[o.String()])/float64(max(f.Packets, 1))))
		}
		t.Add(row...)
	}
	return t
}

func newCapture(src *pcaps.Source, by outcomes) Capture {
	k := src.Counters()
	c := Capture{Truncated: k.Truncated, Padded: k.Padded, Filtered: k.Filtered, Skipped: k.Skipped, Framed: k.Framed,
		Checked: k.Checked, Untagged: k.Untagged, notes: src.Notes()}
	caps := src.Captures()
	if len(caps) < 2 {
		return c
	}
	for i, f := range caps {
		x := File{Name: report.Name(f.Name), Packets: f.Packets, Bytes: f.Bytes, First: f.Index + 1,
			Seconds: float64(f.KLast-f.KFirst) / 1e9, Gap: float64(f.Gap) / 1e9, Misses: map[string]uint64{}}
		if f.Packets == 0 {
			x.First = 0 // it has none
		}
		if i < len(by) {
			x.Hits = by[i][cache.Hit]
			for o := cache.Cold; int(o) < cache.Outcomes; o++ {
				x.Misses[o.String()] = by[i][o]
			}
			x.HitRatio = float64(x.Hits) / float64(max(f.Packets, 1))
		}
		c.Files = append(c.Files, x)
	}
	return c
}
