// Package samplescmd is the verb `jitnic samples`: what the binary carries.
package samplescmd

import (
	"fmt"
	"text/tabwriter"

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
	var jsonFile string
	c := &cobra.Command{
		Use:   "samples",
		Short: "List the sample programs and captures the binary carries",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var l List
			for _, p := range programs.All() {
				l.Programs = append(l.Programs, Item{Name: "sample:" + p.Name, Description: p.Description, Bytes: len(p.Object)})
			}
			for _, s := range samples.List {
				l.Captures = append(l.Captures, Item{Name: "sample:" + s.Name, Description: s.Description, Packets: s.Packets})
			}
			if jsonFile != "" {
				if err := report.WriteJSON(jsonFile, c.OutOrStdout(), l); err != nil || jsonFile == "-" {
					return err
				}
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "programs (--program)\tbytes\twhat it does")
			for _, p := range l.Programs {
				fmt.Fprintf(w, "  %s\t%d\t%s\n", p.Name, p.Bytes, p.Description)
			}
			fmt.Fprintln(w, "captures (--capture)\tpackets\twhat it holds")
			for _, s := range l.Captures {
				fmt.Fprintf(w, "  %s\t%d\t%s\n", s.Name, s.Packets, s.Description)
			}
			return w.Flush()
		},
	}
	c.Flags().StringVar(&jsonFile, "json", "", "write the list as JSON to `FILE` (- for stdout)")
	return c
}
