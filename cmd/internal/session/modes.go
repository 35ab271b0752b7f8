package session

import (
	"errors"
	"fmt"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/offload"
	"jitnic/host/run/replay"
	"jitnic/nic/profile"

	"github.com/spf13/cobra"
)

// ModesSection sets modes side by side, and says which suits the program.
func ModesSection(modes []replay.Side) report.Section {
	s := report.Section{ID: "remedies", Title: "Ways to make traces, side by side"}
	if len(modes) == 0 {
		return s
	}
	t := &report.Table{ID: "remedies", Left: 24, Open: true, Head: []string{"mode", "paths", "cold"}}
	for _, p := range modes[0].Sizes {
		t.Head = append(t.Head, fmt.Sprintf("hits %% at %d", p.Entries))
	}
	t.Head = append(t.Head, fmt.Sprintf("at %d slots", modes[0].Equal.Slots), "slots", "insns/packet", "predicates", "installs/s")
	for _, m := range modes {
		row := []string{m.Mode, report.Count(uint64(m.Paths)), report.Count(m.Cold)}
		for _, p := range append(m.Sizes, m.Equal) {
			row = append(row, fmt.Sprintf("%.2f", 100*p.HitRatio))
		}
		t.Add(append(row, fmt.Sprintf("%.1f", m.Slots), fmt.Sprintf("%.1f", m.Executed), fmt.Sprintf("%.1f", m.Condition), fmt.Sprintf("%.1f", m.Installs))...)
	}
	s.Blocks = []report.Block{{Apart: true, Title: "Ways to make traces", Table: t}}
	var f report.Facts
	f.Add("which", replay.Which(modes))
	if on := onDevice(modes); on != nil {
		s.Blocks = append(s.Blocks, report.Block{Apart: true, Title: "On the device", Table: on})
		f.Add("on the device", replay.OnDevice(modes))
	}
	s.Blocks = append(s.Blocks, report.Block{Apart: true, Facts: f})
	return s
}

// onDevice is what the device's model makes of the modes; nil: nobody asked.
func onDevice(modes []replay.Side) *report.Table {
	d := modes[0].Device
	if d == nil {
		return nil
	}
	t := &report.Table{ID: "remedies-device", Left: 24, Open: true, Head: []string{"mode", "hits %", "latency ns", "p99", "loss %", "installs/s", "loss-free Mpps", "kept from more by"}, Right: 1,
		Note: fmt.Sprintf("The model of %s with 64 entries beside the host, %s packets a second offered: latency, loss and installs at that rate; loss-free is the highest rate without loss (RFC 2544).", d.NIC, report.Count(d.Rate))}
	for _, m := range modes {
		switch d := m.Device; {
		case d == nil: // interrupted
		case d.Missing != "":
			t.Add(m.Mode, "-", "-", "-", "-", "-", "-", d.Missing)
		default:
			t.Add(m.Mode, fmt.Sprintf("%.2f", 100*d.HitRatio), fmt.Sprintf("%.0f", d.Mean), fmt.Sprintf("%.0f", d.P99), fmt.Sprintf("%.2f", 100*d.Loss), fmt.Sprintf("%.0f", d.Installs),
				fmt.Sprintf("%.2f", float64(d.LossFree)/1e6), d.Bound)
		}
	}
	return t
}

// DeviceFlags adds the flags of the device that --modes tries ways to make traces on.
func DeviceFlags(d *offload.Device, c *cobra.Command) {
	c.Flags().StringVar(&d.NIC, "nic", "", "with --modes: latency and the highest rate without loss on this device's model as well: a built-in profile ("+strings.Join(profile.Names(), ", ")+"), or a `FILE`")
	c.Flags().StringVar(&d.Rate, "rate", "10Mpps", "with --modes and --nic: offered load, as `RATE` of 10Mpps, 40Gbps or line")
	before(c, func() error {
		if modes := c.Flags().Lookup("modes"); d.NIC != "" && modes.Value.String() != "true" {
			return errors.New("--nic: goes with --modes")
		}
		return d.Open()
	})
}
