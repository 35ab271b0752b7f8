package feasibilitycmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/offload"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/feasibility"
)

// BesideReport is the JSON report of several programs on one device.
type BesideReport struct {
	Capture  string                  `json:"capture"`
	Packets  uint64                  `json:"packets"` // of the capture
	Arrivals string                  `json:"arrivals"`
	Devices  []*feasibility.Together `json:"devices"`
	// Unoptimised says by program what the optimiser failed at.
	Unoptimised []string `json:"unoptimised,omitempty"`
}

// beside is --programs: they share one device.
func (o *options) beside(ctx context.Context, stdout io.Writer) error {
	if _, err := (load.Wire{Frame: 1000, Line: 1}).Rates(o.rate); err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	nics, host, err := o.devices()
	if err != nil {
		return err
	}
	var runs []*offload.Run
	defer func() {
		for _, r := range runs {
			r.Close()
		}
	}()
	for _, p := range o.programs {
		in := o.in
		in.Program = p
		r, err := offload.Observe(ctx, in, offload.Options{Remedies: o.how, Optimiser: &o.opt, Packets: o.packets}, nics...)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		runs = append(runs, r)
		if r.Session.Partial {
			return fmt.Errorf("interrupted")
		}
	}
	b := &BesideReport{Capture: strings.Join(report.Names(o.in.Captures), ", "), Packets: uint64(len(runs[0].Workload.Packets)), Arrivals: o.arrivals}
	for i, r := range runs {
		if text := r.Superopt.Faulty(); text != "" {
			b.Unoptimised = append(b.Unoptimised, o.programs[i]+": "+text)
		}
	}
	for _, n := range nics {
		rates, err := feasibility.Wire(runs[0].Workload, n).Rates(o.rate)
		if err != nil {
			return fmt.Errorf("--rate, on %s: %w", n.Name, err)
		}
		fo := o.studyOptions()
		fo.Rate, fo.Arrivals = rates[len(rates)-1], device.Arrivals(o.arrivals)
		t, err := offload.Beside(ctx, runs, n, host, fo)
		if err != nil {
			return err
		}
		b.Devices = append(b.Devices, t)
	}
	to := o.to
	to.Name = "programs.json"
	return to.Write(stdout, b.document())
}

func (b *BesideReport) document() *report.Document {
	var names []string
	for _, m := range b.Devices[0].Programs {
		names = append(names, m.Program)
	}
	d := &report.Document{Verb: "feasibility programs", Title: strings.Join(names, ", ") + " on one device", About: "what several programs on one device do to each other", Data: b, Wrap: textWidth}
	var facts report.Facts
	facts.Addf("programs", "%s: each on a port of its own with the capture's packets, the ports in turn; they share cache, matcher, units, PCIe, host cores and memory for maps, which are placed in this order", strings.Join(names, ", "))
	facts.Addf("capture", "%s: %s packets", b.Capture, report.Count(b.Packets))
	for _, text := range b.Unoptimised {
		facts.Add("superopt failed", text)
	}
	d.Add(report.Section{ID: "programs", Title: "Programs", Blocks: []report.Block{{Facts: facts}}})
	hitsOf := &report.Table{ID: "hits", Title: "Hit ratios together (with the device to itself)", Open: true, Left: 1, Head: []string{"program"}}
	for _, t := range b.Devices {
		hitsOf.Head = append(hitsOf.Head, t.NIC)
	}
	for i, name := range names {
		row := []string{name}
		for _, t := range b.Devices {
			m := &t.Programs[i]
			row = append(row, percent(m.Hits)+" ("+percent(m.HitsOwn)+")")
		}
		hitsOf.Rows = append(hitsOf.Rows, row)
	}
	d.Add(report.Section{ID: "devices", Title: "Devices", Blocks: []report.Block{{Apart: true, Table: hitsOf}}})
	for _, t := range b.Devices {
		title := fmt.Sprintf("%s at %s, all ports together", t.NIC, pps(float64(t.Rate)))
		if t.Point.BeyondWire {
			title += beyondWire + " (beyond the wire: the link brings in " + pps(float64(t.LineRate)) + ")"
		}
		tb := &report.Table{ID: "on-" + t.NIC, Title: title, Open: true, Left: 1,
			Head: []string{"program", "paths", "fits", "alone", "slots", "maps", "map memory", "hits", "alone", "loss", "alone", "mean", "alone", "blocked by"}, TextCols: []int{0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13},
			Note: "alone: with the device to itself, at its share of the rate. " + t.Budget + "."}
		for i := range t.Programs {
			m := &t.Programs[i]
			why := m.Blocked
			if why == "" {
				why = none
			}
			tb.Add(m.Program, fmt.Sprint(m.Paths), percent(m.Share), percent(m.ShareOwn), report.Count(m.Slots), report.Count(m.MapCount), bytesText(m.MapBytes),
				percent(m.Hits), percent(m.HitsOwn), percent(m.Loss), percent(m.LossOwn), latency(m.Mean), latency(m.MeanOwn), why)
		}
		var sum report.Facts
		sum.Addf("together", "%s, loss %s, mean %s, %s host cores needed; the host alone: loss %s, mean %s, %s cores", pps(t.Point.Throughput), percent(t.Point.Loss), latency(t.Point.Mean),
			digits(t.Point.CoresNeeded), percent(t.Alone.Loss), latency(t.Alone.Mean), digits(t.Alone.CoresNeeded))
		d.Add(report.Section{ID: "on-" + t.NIC, Title: t.NIC, Blocks: []report.Block{{Apart: true, Table: tb}, {Facts: sum}}})
	}
	return d
}
