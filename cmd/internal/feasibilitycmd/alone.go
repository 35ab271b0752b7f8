package feasibilitycmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/run/offload"
	"jitnic/nic/fit"
	"jitnic/nic/profile"

	"github.com/spf13/pflag"
)

// AloneReport is the JSON report of feasibility without a capture.
type AloneReport struct {
	*offload.Alone
}

// ofPackets are the flags that say something of packets, which there are none of
// without a capture.
var ofPackets = []string{"rate", "arrivals", "packets", "ordered", "remote", "compare-designs", "quick", "policy", "admission", "entries", "slots", "hot", "superopt",
	"filter", "limit", "loop", "linktype", "pad-cut", "strip-vlan", "host"}

// aloneFlags refuses them.
func aloneFlags(given *pflag.FlagSet) error {
	for _, name := range ofPackets {
		if given.Changed(name) {
			return fmt.Errorf("--%s: it is about packets, and there is no --capture", name)
		}
	}
	return nil
}

// alone tells what can be said of the program alone.
func (o *options) alone(ctx context.Context, stdout io.Writer) error {
	nics, _, err := o.devices()
	if err != nil {
		return err
	}
	a, err := offload.Judge(ctx, o.in, o.how, nics...)
	if err != nil {
		return err
	}
	r := &AloneReport{a}
	to := o.to
	to.Name = "program.json"
	if err := to.Write(stdout, r.document(nics)); err != nil {
		return err
	}
	if a.Ended == "interrupted" {
		return fmt.Errorf("interrupted: paths are missing")
	}
	return nil
}

func (r *AloneReport) document(nics []*profile.NIC) *report.Document {
	d := &report.Document{Verb: "feasibility program", Title: r.Program + " alone", About: "what devices take of the program, whatever its packets", Data: r, Wrap: textWidth}
	var facts report.Facts
	facts.Addf("program", "%s: %s, %s that can't be one", r.Program, plural(r.Paths, "path", "paths"), plural(r.NotTrace, "way", "ways"))
	facts.Addf("found", "by changing packets as the paths' conditions say, from the frames of sample:lab: %s tried; ended %s. Maps are as they are at the start, so what only other entries lead to is not among the paths", report.Count(uint64(r.Tries)), r.Ended)
	if len(r.Devices) > 0 && r.Longest >= 0 {
		f := r.Devices[0].Fit
		facts.Addf("longest trace", "path %d, %d instructions", r.Longest, f.Paths[r.Longest].Insns)
		facts.Addf("longest condition", "path %d, %d predicates", r.Widest, f.Paths[r.Widest].Preds)
	}
	t := &report.Table{ID: "devices", Title: "Devices", Open: true, Left: 2, Head: []string{"device", "all fits", "paths that fit", "of all", "held at once", "blockers", "slots of all", "the device has", "map memory", "the device has"},
		PageNote: "Each path counts once, however many packets take it. Held at once: by limit.slots and limit.entries. Blockers in instructions that no path found executes count too."}
	for i := range r.Devices {
		x := &r.Devices[i]
		all := "no"
		if x.All() {
			all = "yes"
		}
		var need fit.Cover
		if n := len(x.Fit.Coverage); n > 0 {
			need = x.Fit.Coverage[n-1]
		}
		t.Add(x.NIC, all, report.Count(x.Fit.Offloadable), share(x.Fit.Offloadable, x.Fit.Packets), x.Fit.Held(), fmt.Sprint(len(x.Fit.Blockers)),
			report.Count(need.Slots), limit(x.Fit.Limits.Slots), bytesText(need.MapMemory), memoryLimit(x.Fit.Limits.MapMemory))
	}
	d.Add(report.Section{ID: "program", Title: "Does the program fit?", Blocks: []report.Block{{Facts: facts}, {Apart: true, Table: t}}})
	for i := range r.Devices {
		x := &r.Devices[i]
		if b := aloneBlockers(x); len(b.Rows) > 0 {
			d.Add(report.Section{ID: "blockers-" + x.NIC, Title: x.NIC, Blocks: []report.Block{{Apart: true, Table: b}}})
		}
	}
	d.Add(report.Section{ID: "longest", Title: "The longest trace and condition", Blocks: []report.Block{
		{Only: report.OnPage, Title: fmt.Sprintf("Trace of path %d", r.Longest), Pre: strings.TrimSpace(r.Trace)}, {Only: report.OnPage, Title: fmt.Sprintf("Condition of path %d", r.Widest), Pre: strings.TrimSpace(r.Cond)}}})
	return d
}

// memoryLimit is one of a device's memory; 0 is none.
func memoryLimit(n uint64) string {
	if n == 0 {
		return "none"
	}
	return bytesText(n)
}

// aloneBlockers is what keeps paths out.
func aloneBlockers(x *offload.Taken) *report.Table {
	t := &report.Table{ID: "blockers-" + x.NIC, Title: x.NIC + ": what keeps paths out", Open: true, Left: 3, Head: []string{"blocker", "limit", "where", "paths blocked", "of all", "gained by lifting it alone"}}
	for i := range x.Fit.Blockers {
		b := &x.Fit.Blockers[i]
		blocked := report.Count(b.Blocks)
		if b.Blocks == 0 && i >= len(x.Fit.Blockers)-x.Whole {
			blocked = "on none found"
		}
		t.Add(b.Title(), b.Limit, places(b, 2), blocked, share(b.Blocks, x.Fit.Packets), report.Count(b.Alone))
	}
	return t
}
