package fastpathcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/kernel/pair"
	"jitnic/host/run/fastpath"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/pcaps"
)

// Report is what --json writes.
type Report struct {
	Program      string   `json:"program"`
	Entry        string   `json:"entry"`
	Captures     []string `json:"captures"`
	Packets      uint64   `json:"packets"`
	Paths        int      `json:"paths"`            // distinct ones that have a trace
	Entries      int      `json:"entries"`          // asked for
	CacheHits    uint64   `json:"cache_hits"`       // of a trace cache of that size, lru, in the same run
	Leaves       int      `json:"leaves"`           // traces in the fast path
	Taken        uint64   `json:"taken"`            // packets on paths that have a leaf
	Instructions int      `json:"instructions"`     // slots of the fast path
	Tree         int      `json:"tree"`             // of these, slots outside of traces
	Depth        int      `json:"depth"`            // predicates on the longest way
	Original     int      `json:"original"`         // slots of the original
	Joined       bool     `json:"joined,omitempty"` // which stands in the same program
	Assumed      int      `json:"assumed"`          // predicates taken for granted, with --frozen
	Shrunk       []string `json:"shrunk,omitempty"` // what the verifier refused, in turn
	Rows         []Row    `json:"rows"`             // hottest first
	Kernel       Kernel   `json:"kernel"`
	VM           uint64   `json:"vm"`                   // packets compared in the VM
	VMDiffers    string   `json:"vm_differs,omitempty"` // the first difference there
	Notes        []string `json:"notes,omitempty"`
	// Superopt is what the optimiser did to the traces, with --superopt.
	Superopt *replay.Optimised `json:"superopt,omitempty"`
	Times    *Times            `json:"times,omitempty"`
	Live     *Live             `json:"live,omitempty"`
	Flower   *Flower           `json:"flower,omitempty"`
	Out      string            `json:"out,omitempty"`
	Bytes    int               `json:"bytes,omitempty"` // of the object

	notes []pcaps.Note
	live  *fastpath.Live
}

// Flower is what a NIC that offloads flower rules could take.
type Flower struct {
	Rules   int    `json:"rules"`   // those that hand packets to software too
	Paths   int    `json:"paths"`   // of the chosen ones, that have a rule
	Packets uint64 `json:"packets"` // of the captures, that a rule decides
	Edited  uint64 `json:"edited"`  // of these, that it changes
	// NotPlain are packets that the parser hands to software, with --parser plain.
	NotPlain uint64 `json:"not_plain,omitempty"`
	// Long are packets that a rule leaves to software, since the program finds them in pieces.
	Long uint64 `json:"long,omitempty"`
	// NoRun are packets left out, since no program runs on them: shorter than an
	// Ethernet header, or longer than all fragments hold.
	NoRun   uint64            `json:"no_run,omitempty"`
	Assumed int               `json:"assumed"` // predicates taken for granted, with --frozen
	Counts  int               `json:"counts"`  // numbers in maps that rules' own statistics stand for
	Differs string            `json:"differs,omitempty"`
	Refused []Refused         `json:"refused"`
	Carried *fastpath.Carried `json:"carried,omitempty"`
}

// Refused is a path without a rule.
type Refused struct {
	Path    int32  `json:"path"`
	Packets uint64 `json:"packets"`
	Why     string `json:"why"` // what it asks that flower can't, or what it does
}

func newFlower(o *fastpath.Offload, p *fastpath.Plan) *Flower {
	out := &Flower{Rules: len(o.Rules.List), Paths: o.Paths, Packets: o.Packets, Edited: o.Edited, NotPlain: o.NotPlain, Long: o.Long, NoRun: o.NoRun, Assumed: o.Rules.Assumed, Differs: o.Differs, Refused: []Refused{}}
	counted := map[uint64]bool{}
	for _, x := range o.Rules.List {
		for _, c := range x.Counts {
			counted[c.Addr] = true
		}
	}
	out.Counts = len(counted)
	for _, r := range o.Rules.Refused {
		x := Refused{Path: r.Path, Why: r.Why}
		for _, y := range p.Paths {
			if y.ID == r.Path {
				x.Packets = y.Packets
			}
		}
		out.Refused = append(out.Refused, x)
	}
	slices.SortStableFunc(out.Refused, func(a, b Refused) int { return cmp.Compare(b.Packets, a.Packets) })
	return out
}

// Live is what came of sending the captures' frames through both on devices.
type Live struct {
	Sent     uint64 `json:"sent"`     // frames, to each
	Skipped  uint64 `json:"skipped"`  // longer than the devices take
	Passed   uint64 `json:"passed"`   // by the original, to the stack
	Returned uint64 `json:"returned"` // sent back (XDP_TX)
	Sideways uint64 `json:"sideways"` // redirected out of another device
	Unsteady bool   `json:"unsteady"` // two originals differ from each other
	// Loose are bytes that two originals leave different, by where frames went: not compared.
	Loose   []string `json:"loose,omitempty"`
	Differs string   `json:"differs,omitempty"`
	Leaves  uint64   `json:"leaves"` // frames that a leaf took
	Maps    int      `json:"maps"`   // compared afterwards
	Hosts   *Hosts   `json:"hosts,omitempty"`
}

// Hosts are live clients and servers.
type Hosts struct {
	HTTP       int    `json:"http"`        // transfers that came whole
	HTTPFailed int    `json:"http_failed"` // and those that didn't: the program may drop them, or send them elsewhere
	DNS        int    `json:"dns"`         // questions that were answered
	DNSFailed  int    `json:"dns_failed"`  // and those that weren't
	Pings      int    `json:"pings"`       // echoes that came back
	PingsLost  int    `json:"pings_lost"`  // and those that didn't
	IPv4       uint64 `json:"ipv4"`        // frames of that kind
	IPv6       uint64 `json:"ipv6"`        // likewise
	VLAN       uint64 `json:"vlan"`        // likewise, tagged
	Tunnels    uint64 `json:"tunnels"`     // frames that the program wrapped, which the server got unwrapped
	Kernel     int    `json:"kernel_runs"` // of the recorded frames, compared by test run afterwards
	VM         uint64 `json:"vm"`          // and in the VM
	KernelSaid string `json:"kernel_said,omitempty"`
}

func newLive(l *fastpath.Live) *Live {
	out := &Live{Sent: l.Sent, Skipped: l.Skipped, Passed: l.Passed, Returned: l.Returned, Sideways: l.Sideways, Unsteady: l.Unsteady, Loose: l.Loose, Differs: l.Compared}
	out.Maps = l.Maps.Maps
	if t := l.Talk; t != nil {
		out.Hosts = &Hosts{HTTP: t.HTTP, HTTPFailed: t.NoHTTP, DNS: t.DNS, DNSFailed: t.NoDNS, Pings: t.Pings, PingsLost: t.Lost, IPv4: t.V4, IPv6: t.V6, VLAN: t.VLAN, Tunnels: t.Tunnels,
			Kernel: l.Again.Kernel.Runs, VM: l.Again.VM}
		if l.Again.Kernel.Bad() {
			out.Hosts.KernelSaid = l.Again.Kernel.String()
		}
		for _, said := range []string{l.Again.Differs, out.Hosts.KernelSaid} {
			if out.Differs == "" && said != "" {
				out.Differs = "run again: " + said
			}
		}
	}
	out.Leaves = byLeaves(l.Counters)
	return out
}

// byLeaves is how many packets leaves took, by counters of which the last is what none
// did; 0 where there are no counters.
func byLeaves(counters []uint64) (n uint64) {
	for _, x := range counters[:max(len(counters)-1, 0)] {
		n += x
	}
	return n
}

// Kernel is what the running kernel says.
type Kernel struct {
	Loaded bool   `json:"loaded"`
	Runs   int    `json:"runs"`     // compared by test run
	Uneven int    `json:"unsteady"` // not compared: the original does another thing the second time
	Maps   int    `json:"maps"`     // compared after the runs
	Taken  uint64 `json:"taken"`    // by leaves, in these runs
	Equal  bool   `json:"equal"`
	Reason string `json:"reason,omitempty"`
}

// Row is one path.
type Row struct {
	Path    int32  `json:"path"`
	Packets uint64 `json:"packets"`
	Counted uint64 `json:"counted"` // by its leaf's counter, in a run from the beginning
	Before  int    `json:"before"`  // instructions of its trace
	After   int    `json:"after"`   // superoptimized
	Slots   int    `json:"slots"`   // of its leaf
	Out     string `json:"out,omitempty"`
	// Nanoseconds a packet, with --times.
	NS     float64 `json:"original_ns,omitempty"`
	Plain  float64 `json:"plain_ns,omitempty"`
	Super  float64 `json:"superopt_ns,omitempty"`
	Timing string  `json:"not_timed,omitempty"`
}

// Times are ns a packet, means over the packets that were timed.
type Times struct {
	Original float64 `json:"original_ns"`
	Plain    float64 `json:"plain_ns"`    // fast path of plain traces
	Super    float64 `json:"superopt_ns"` // of superoptimized ones, 0 without --superopt
	Share    float64 `json:"share"`       // of the packets, that were timed
	Miss     float64 `json:"miss_ns"`     // what the fast path adds to a packet that no leaf takes; 0: none was timed
	Pays     int     `json:"pays"`        // timed paths on which the fast path is the faster one
	Paying   uint64  `json:"paying"`      // and their packets
	rows     []fastpath.Time
}

func newReport(p *fastpath.Plan, v *fastpath.Verdict, missing error) *Report {
	s := p.Session
	r := &Report{
		Program: report.Name(s.In.Program), Entry: s.Entry.Name, Captures: report.Names(s.Source.Files()), notes: s.Source.Notes(),
		Packets: p.Packets, Paths: len(s.Runtime.Paths()), Entries: p.Entries(), CacheHits: p.Hits, Leaves: len(p.Built.Leaves), Taken: p.Taken,
		Instructions: len(p.Built.Program.Insns), Tree: p.Built.Tree, Depth: p.Built.Depth, Original: len(s.Entry.Insns), Joined: p.Joined(), Assumed: p.Built.Assumed,
		Shrunk: p.Shrunk, VM: v.VM, VMDiffers: v.Differs, Notes: v.Notes, Superopt: p.Super,
		Kernel: Kernel{Loaded: p.Checked, Runs: v.Kernel.Runs, Uneven: v.Kernel.Unsteady, Maps: v.Kernel.Maps, Taken: byLeaves(v.InKernel), Equal: v.Kernel.Status == pair.Equal, Reason: v.Kernel.Reason},
	}
	if missing != nil {
		r.Kernel.Reason = missing.Error()
	}
	for _, x := range p.Paths {
		row := Row{Path: x.ID, Packets: x.Packets, Before: x.Before, After: x.After, Out: x.Why}
		for i, l := range p.Built.Leaves {
			if l.ID == x.ID {
				row.Slots, row.Counted = l.End-l.Start, v.Counters[i]
			}
		}
		r.Rows = append(r.Rows, row)
	}
	if v.Kernel.Bad() {
		r.Kernel.Reason = v.Kernel.String()
	}
	return r
}

// bad says why the fast path must not be used.
func (r *Report) bad() error {
	switch {
	case r.VMDiffers != "":
		return fmt.Errorf("%s: the fast path differs in the VM: %s", r.Program, r.VMDiffers)
	case r.Kernel.Loaded && !r.Kernel.Equal && strings.Contains(r.Kernel.Reason, "differs"):
		return fmt.Errorf("%s: the fast path differs in the kernel: %s", r.Program, r.Kernel.Reason)
	case r.Flower != nil && r.Flower.Differs != "":
		return fmt.Errorf("%s: a flower rule says another thing than the program: %s", r.Program, r.Flower.Differs)
	case r.Flower != nil && r.Flower.Carried != nil && r.Flower.Carried.Differs != "":
		return fmt.Errorf("%s: rules run by %s do another thing than they say: %s", r.Program, r.Flower.Carried.By, r.Flower.Carried.Differs)
	case r.Live != nil && r.Live.Differs != "" && !r.Live.Unsteady:
		return fmt.Errorf("%s: the fast path differs on live traffic: %s", r.Program, r.Live.Differs)
	case r.Kernel.Loaded && r.Kernel.Runs == 0:
		return errors.New(r.Program + ": no packet could be compared in the kernel: " + r.Kernel.Reason)
	}
	return nil
}

// times measures, and puts the figures in the rows.
func times(ctx context.Context, p *fastpath.Plan) (*Times, error) {
	t, err := p.Times(ctx)
	if err != nil {
		return nil, err
	}
	out := &Times{Original: t.Original, Plain: t.Plain, Super: t.Fast, Share: t.Share, rows: t.Rows}
	for _, x := range t.Rows {
		switch best := x.Plain; {
		case x.Why != "":
		case x.Path < 0:
			out.Miss = x.Plain - x.Original
		default:
			if x.Fast > 0 {
				best = min(best, x.Fast)
			}
			if best < x.Original {
				out.Pays, out.Paying = out.Pays+1, out.Paying+x.Packets
			}
		}
	}
	return out, nil
}

// where says on how many paths the fast path pays, and where most and least.
func (t *Times) where() string {
	n := 0
	var most, least *fastpath.Time
	ratio := func(x *fastpath.Time) float64 { return x.Plain / x.Original }
	for i := range t.rows {
		x := &t.rows[i]
		if x.Why != "" || x.Path < 0 {
			continue
		}
		n++
		if most == nil || ratio(x) < ratio(most) {
			most = x
		}
		if least == nil || ratio(x) > ratio(least) {
			least = x
		}
	}
	if n == 0 {
		return "no path was timed"
	}
	return fmt.Sprintf("on %d of %d timed paths: from %.2f of the original's time on path %d to %.2f on path %d", t.Pays, n, ratio(most), most.Path, ratio(least), least.Path)
}

// timed puts times into the rows of their paths.
func (r *Report) timed() {
	if r.Times == nil {
		return
	}
	for _, t := range r.Times.rows {
		for i := range r.Rows {
			if x := &r.Rows[i]; x.Path == t.Path {
				x.NS, x.Plain, x.Super, x.Timing = t.Original, t.Plain, t.Fast, t.Why
			}
		}
	}
}

func (r *Report) document() *report.Document {
	r.timed()
	var f report.Facts
	f.Add("program", r.Program, r.Entry)
	for _, c := range r.Captures {
		f.Add("capture", c)
	}
	f.Notes(r.notes)
	f = append(f, session.SuperoptFaults(r.Superopt)...)
	f.Add("packets", report.Count(r.Packets))
	f.Add("paths", report.Count(uint64(r.Paths)), "that have a trace")
	f.Add("a trace cache hits", report.Count(r.CacheHits), report.Share(r.CacheHits, r.Packets), fmt.Sprintf("lru of %d", r.Entries))
	f.Add("leaves take", report.Count(r.Taken), report.Share(r.Taken, r.Packets), fmt.Sprintf("%d traces", r.Leaves))
	f.Add("fast path", report.Count(uint64(r.Instructions)), "slots", fmt.Sprintf("%d outside of traces; %d predicates on the longest way; the original %d slots%s", r.Tree, r.Depth, r.Original, map[bool]string{true: ", in the same program"}[r.Joined]))
	if r.Assumed > 0 {
		f.Addf("taken for granted", "%d predicates (--frozen): writes to these maps by other tools aren't seen", r.Assumed)
	}
	for _, s := range r.Shrunk {
		f.Add("verifier", s)
	}
	switch {
	case !r.Kernel.Loaded:
		f.Add("kernel", "not asked: "+r.Kernel.Reason)
	case r.Kernel.Equal:
		f.Add("kernel", report.Count(uint64(r.Kernel.Runs)), "packets and "+fmt.Sprint(r.Kernel.Maps)+" maps equal to the original's by test run; leaves took "+report.Count(r.Kernel.Taken))
	default:
		f.Add("kernel", report.Count(uint64(r.Kernel.Runs)), "packets compared: "+r.Kernel.Reason)
	}
	switch {
	case r.VMDiffers != "":
		f.Add("VM", r.VMDiffers)
	default:
		f.Add("VM", report.Count(r.VM), "packets equal, redirects and all maps too")
	}
	for _, n := range r.Notes {
		f.Add("note", n)
	}
	r.Live.facts(&f)
	r.Flower.facts(&f, r)
	r.Times.facts(&f, r.Packets)
	if r.Out != "" {
		f.Add("object", r.Out, report.Count(uint64(r.Bytes))+" bytes")
	}
	d := &report.Document{Verb: "fastpath", Title: r.Entry + " on " + strings.Join(r.Captures, ", "), About: "a program's hottest paths in the running kernel", Data: r,
		Footer: "Every number is also in the JSON."}
	rows := report.Records{Name: "rows.csv", Columns: report.Columns("path", "packets", "counted", "before", "after", "slots", "out", "original_ns", "plain_ns", "superopt_ns", "not_timed")}
	for i := range r.Rows {
		rows.Rows = append(rows.Rows, &r.Rows[i])
	}
	d.Records = []report.Records{rows}
	d.Add(report.Section{ID: "fastpath", Title: "The fast path", Blocks: []report.Block{{Facts: f}, {Apart: true, Table: r.pathTable()}}})
	return d
}

// facts are what live frames showed.
func (l *Live) facts(f *report.Facts) {
	if l == nil {
		return
	}
	f.Add("live", report.Count(l.Sent), "frames sent to each", fmt.Sprintf("%s passed, %s sent back, %s redirected; leaves took %s", report.Count(l.Passed), report.Count(l.Returned), report.Count(l.Sideways), report.Count(l.Leaves)))
	switch {
	case l.Unsteady:
		f.Add("", "", "nothing can be said: two originals differ from each other")
	case l.Differs == "":
		f.Add("", report.Count(uint64(l.Maps)), "maps equal afterwards; what came out is equal, byte by byte and in order")
	}
	for _, x := range l.Loose {
		f.Add("", "", "not compared, since two originals differ there: "+x)
	}
	if h := l.Hosts; h != nil {
		f.Add("live hosts", report.Count(h.IPv4+h.IPv6), "IP frames", fmt.Sprintf("%s IPv6, %s tagged; %d of %d HTTP transfers, %d of %d questions and %d of %d echoes came through", report.Count(h.IPv6), report.Count(h.VLAN), h.HTTP, h.HTTP+h.HTTPFailed, h.DNS, h.DNS+h.DNSFailed, h.Pings, h.Pings+h.PingsLost))
		if h.Tunnels > 0 {
			f.Add("  tunnels", report.Count(h.Tunnels), "frames that the program wrapped came to the server unwrapped")
		}
		f.Add("  run again", report.Count(uint64(h.Kernel)), "of their frames by test run", report.Count(h.VM)+" in the VM, equal")
	}
	if l.Skipped > 0 {
		f.Add("", report.Count(l.Skipped), "frames not sent: longer than the devices take")
	}
}

// facts are what flower's rules take.
func (x *Flower) facts(f *report.Facts, r *Report) {
	if x == nil {
		return
	}
	f.Add("flower rules take", report.Count(x.Packets), report.Share(x.Packets, r.Packets), fmt.Sprintf("%d of %d paths, %d rules; by flower's semantics in Go they say what the program says", x.Paths, len(r.Rows), x.Rules))
	if c := x.Carried; c != nil {
		f.Add("  carried by "+c.By, report.Count(c.Sent), "packets sent through "+report.Count(uint64(c.Rules))+" rules", fmt.Sprintf("%s by rules other than trap; each came out where they say, with these bytes; %s not sent", report.Count(c.Ruled), report.Count(c.Skipped)))
	}
	if x.Edited > 0 {
		f.Add("  change", report.Count(x.Edited), report.Share(x.Edited, r.Packets))
	}
	if x.NotPlain > 0 {
		f.Add("  not plain", report.Count(x.NotPlain), report.Share(x.NotPlain, r.Packets), "to software, by the parser")
	}
	if x.Long > 0 {
		f.Add("  in pieces", report.Count(x.Long), report.Share(x.Long, r.Packets), fmt.Sprintf("to software: longer than %d bytes, of which the program sees no more; the port's MTU must keep them out", vm.MaxLinear))
	}
	if x.NoRun > 0 {
		f.Add("  left out", report.Count(x.NoRun), report.Share(x.NoRun, r.Packets), "no program runs on them: shorter than an Ethernet header, or too long")
	}
	if x.Counts > 0 {
		f.Add("  counted", report.Count(uint64(x.Counts)), "numbers in maps that rules' own statistics stand for")
	}
	if x.Assumed > 0 {
		f.Add("  taken for granted", report.Count(uint64(x.Assumed)), "predicates (--frozen): nobody else writes these maps")
	}
	for _, y := range x.Refused[:min(len(x.Refused), 8)] {
		f.Add("  refused", report.Count(y.Packets), fmt.Sprintf("path %d", y.Path), y.Why)
	}
	if n := len(x.Refused) - 8; n > 0 {
		f.Addf("  refused", "%d more paths", n)
	}
}

// facts are the times the kernel took for a packet.
func (t *Times) facts(f *report.Facts, packets uint64) {
	if t == nil {
		return
	}
	ns := func(name string, v float64) {
		if v > 0 {
			f.Add(name, fmt.Sprintf("%.1f", v), "ns a packet", fmt.Sprintf("%.2f of the original's", v/t.Original))
		}
	}
	ns("original", t.Original)
	ns("fast path", t.Plain)
	ns("with --superopt", t.Super)
	f.Addf("timed", "%.1f %% of the packets: the others' paths don't stay on one packet", 100*t.Share)
	f.Add("it pays", report.Count(t.Paying), report.Share(t.Paying, packets), t.where())
	if t.Miss != 0 {
		f.Addf("a miss adds", "%.1f ns", t.Miss)
	}
}

// pathTable has a row for each path.
func (r *Report) pathTable() *report.Table {
	tab := &report.Table{ID: "paths", Title: "Paths", Open: true, Right: 1, Head: []string{"path", "packets", "counted", "trace", "superopt", "leaf", "original ns", "plain ns", "superopt ns", "left out, not timed"}}
	for _, x := range r.Rows {
		num := func(v float64) string {
			if v == 0 {
				return ""
			}
			return fmt.Sprintf("%.1f", v)
		}
		why := x.Out
		if why == "" {
			why = x.Timing
		}
		tab.Add(fmt.Sprint(x.Path), report.Count(x.Packets), report.Count(x.Counted), fmt.Sprint(x.Before), fmt.Sprint(x.After), fmt.Sprint(x.Slots), num(x.NS), num(x.Plain), num(x.Super), why)
	}
	return tab
}
