// Package samplescmd is the verb `jitnic samples`: what the binary carries.
package samplescmd

import (
	"jitnic/cmd/internal/report"
	"jitnic/host/programs"
	"jitnic/pcaps/samples"

	"github.com/spf13/cobra"
)

// List is what --json writes.
type List struct {
	Programs []Item `json:"programs"`
	Captures []Item `json:"captures"`
}

// Item is one sample; Name is what --program or --capture takes.
type Item struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Bytes       int    `json:"bytes,omitempty"`
	Packets     int    `json:"packets,omitempty"`
}

// Command is `jitnic samples`.
func Command() *cobra.Command {
	var out report.Outputs
	c := &cobra.Command{
		Use:   "samples",
		Short: "List the sample programs and captures the binary carries",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.Check(c, args); err != nil {
				return err
			}
			var l List
			for _, p := range append(programs.All(), programs.Modelled()...) {
				l.Programs = append(l.Programs, Item{Name: "sample:" + p.Name, Description: p.Description, Bytes: len(p.Object)})
			}
			for _, s := range samples.List {
				l.Captures = append(l.Captures, Item{Name: "sample:" + s.Name, Description: s.Description, Packets: s.Packets})
			}
			return out.Write(c.OutOrStdout(), l.document())
		},
	}
	out.Flags(c, "list")
	return c
}

// document lists the samples.
func (l *List) document() *report.Document {
	var f report.Facts
	f.Add("programs (--program)", "bytes", "what it does")
	for _, p := range l.Programs {
		f.Add("  "+p.Name, p.Bytes, p.Description)
	}
	f.Add("captures (--capture)", "packets", "what it holds")
	for _, s := range l.Captures {
		f.Add("  "+s.Name, s.Packets, s.Description)
	}
	d := &report.Document{Verb: "samples", Title: "Samples", About: "what the binary carries", Data: l}
	d.Add(report.Section{ID: "samples", Title: "Samples", Blocks: []report.Block{{Facts: f}}})
	rows := report.Records{Name: "rows.csv", Columns: report.Columns("name", "bytes", "packets", "description")}
	for _, list := range [][]Item{l.Programs, l.Captures} {
		for i := range list {
			rows.Rows = append(rows.Rows, &list[i])
		}
	}
	d.Records = []report.Records{rows}
	return d
}
