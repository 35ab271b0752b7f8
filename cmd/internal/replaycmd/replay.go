// Package replaycmd is the verb `jitnic replay`: an XDP program and captures
// in, a hit-rate report out.
package replaycmd

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"

	"jitnic/cache"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/diff"
	"jitnic/host/run/explain"
	"jitnic/host/run/jit"
	"jitnic/host/run/offload"
	"jitnic/host/run/replay"
	"jitnic/nic"
	"jitnic/nic/workload"
	"jitnic/pathcond/text"
	"jitnic/pcaps"
	"jitnic/trace"

	"github.com/spf13/cobra"
)

// Report is what --json writes.
type Report struct {
	Program  string            `json:"program"`
	Entry    string            `json:"entry"`
	Captures []string          `json:"captures"`
	Seed     uint64            `json:"seed"`
	Policy   string            `json:"policy"`
	Entries  uint64            `json:"entries,omitempty"`
	Slots    uint64            `json:"slots,omitempty"`
	Mode     string            `json:"mode"` // generic or specialised
	Packets  uint64            `json:"packets"`
	Hits     uint64            `json:"hits"`
	HitRatio float64           `json:"hit_ratio"`
	Misses   map[string]uint64 `json:"misses"`
	Paths    int               `json:"paths"`
	Traces   Traces            `json:"traces"`
	Aborts   map[string]uint64 `json:"aborts"`
	// AbortSites say where, the place with the most packets first.
	AbortSites []AbortSite       `json:"abort_sites,omitempty"`
	Verdicts   map[string]uint64 `json:"verdicts"`
	// EntryPrograms are what programs of devmaps' and cpumaps' entries said, by
	// program and verdict: runs, one for each target of a broadcast.
	EntryPrograms map[string]map[string]uint64 `json:"entry_programs,omitempty"`
	Check         *Check                       `json:"check,omitempty"`
	Capture       Capture                      `json:"capture"`
	Faults        uint64                       `json:"faults"`
	// FirstFault is what most of them met: program, instruction, cause.
	FirstFault string `json:"first_fault,omitempty"`
	// NoConnections is set where the program looks connections up and no --ct says
	// which there are: each look-up fails with ENOENT.
	NoConnections bool `json:"no_connections,omitempty"`
	// NotRun says of which packets this is no result, and why.
	NotRun  *workload.NotRun `json:"not_run,omitempty"`
	Refused uint64           `json:"refused"`
	Partial bool             `json:"partial,omitempty"`
	Modes   []Mode           `json:"modes,omitempty"`

	Superopt *replay.Optimised `json:"superopt,omitempty"`

	Predicated *Predicated       `json:"predicated,omitempty"` // what became of branches, with --predicate and --merge
	Segments   *session.Segments `json:"segments,omitempty"`   // where paths were cut, with --segments
	// Remedies are all ways to make traces, with --modes.
	Remedies []replay.Side `json:"remedies,omitempty"`
}

// Predicated says what became of branches with --predicate and --merge, each time a
// path was recorded.
type Predicated struct {
	Joined int            `json:"joined"` // became selects
	Merged int            `json:"merged"` // had ways that came together in one state, and left nothing in the trace
	Left   map[string]int `json:"left"`   // stayed branches whose sides come together nearby, by reason
}

// AbortSite is a place that paths can't be a trace past: a reason of trace, the
// instruction (its slot), and which helper or the like, where that says more.
type AbortSite struct {
	Reason  string `json:"reason"`
	Program string `json:"program"`
	Insn    int    `json:"insn"`
	Detail  string `json:"detail,omitempty"`
	Packets uint64 `json:"packets"`
	Where   string `json:"where"`            // source line, else function and instruction
	Source  string `json:"source,omitempty"` // the line's text
}

// abortSites adds up the dead paths of a place.
func abortSites(rt *jit.Runtime) []AbortSite {
	sum := map[trace.Abort]uint64{}
	for _, d := range rt.Dead() {
		sum[*d.Abort] += d.Packets
	}
	out := make([]AbortSite, 0, len(sum))
	for a, n := range sum {
		at := explain.AbortPlace(rt, &a)
		out = append(out, AbortSite{a.Reason.String(), a.Program, a.Insn, a.Detail, n, at.Where, at.Source})
	}
	slices.SortFunc(out, func(a, b AbortSite) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Program, b.Program),
			a.Insn-b.Insn, strings.Compare(a.Detail, b.Detail))
	})
	return out
}

// sitesShown is how many places the text names for each reason.
const sitesShown = 3

// Traces counts what became of traces.
type Traces struct {
	Compiled    uint64 `json:"compiled"`
	Installed   uint64 `json:"installed"`
	Evicted     uint64 `json:"evicted"`
	Invalidated uint64 `json:"invalidated"`
	Concretised int    `json:"concretised"` // predicates that fix a variable offset
	Length      Length `json:"length"`      // mean instructions, weighted by path
}

// Length is the mean length of the traces, in instructions.
type Length struct {
	Path      float64 `json:"path"`      // executed, jumps included
	Straight  float64 `json:"straight"`  // without jumps
	Trace     float64 `json:"trace"`     // after dead-code elimination
	Optimised float64 `json:"optimised"` // as installed
	Condition float64 `json:"condition"` // predicates
}

// Check is the oracle's answer.
type Check struct {
	Packets    uint64 `json:"packets"`
	Mismatches uint64 `json:"mismatches"`
}

// Command is `jitnic replay`.
func Command() *cobra.Command {
	var in replay.Input
	var ca replay.Cache
	var op replay.Optimiser
	var dev offload.Device
	var check, modes bool
	var out report.Outputs
	var dump string
	c := &cobra.Command{
		Use:   "replay --program FILE.o --capture FILE.pcap",
		Short: "Replay captures through a program and its simulated NIC trace cache",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			out.Other = []report.Output{{Flag: "--dump-maps", Path: dump}}
			if err := out.Check(c, args); err != nil {
				return err
			}
			if err := op.Open(c.Context()); err != nil {
				return err
			}
			var sum *replay.Optimised
			change := func(o *jit.Options) {
				o.Check = check
				sum = op.Install(c.Context(), o, in.Seed)
			}
			s, err := replay.Open(c.Context(), in, ca, change)
			if err != nil {
				return err
			}
			defer s.Close()
			// A difference from the oracle and a damaged capture end the run,
			// and the report says what was seen until then.
			var by outcomes
			var each func(replay.Several) error
			if len(s.Source.Files()) > 1 {
				each = by.count
			}
			ended := s.Follow(c.Context(), each)
			var m *jit.Mismatch
			var damaged *pcaps.CaptureError
			switch {
			case errors.As(ended, &m):
				evidence(c.ErrOrStderr(), s, m)
			case errors.As(ended, &damaged) && s.Runtime.Packets > 0:
			case ended != nil:
				return ended
			}
			if err := op.Keep(); err != nil {
				return err
			}
			r := Summarise(s, &ca)
			r.Capture = newCapture(s.Source, by)
			r.Superopt = sum
			if err := sum.Settle(s.Runtime); err != nil {
				return err
			}
			if check {
				r.Check = &Check{Packets: s.Runtime.Checked}
				if m != nil {
					r.Check.Mismatches = 1 // the run ends at the first
				}
			}
			r.Partial = r.Partial || ended != nil
			if modes && !r.Partial {
				o, err := otherMode(c.Context(), in, ca, change)
				if err != nil {
					return err
				}
				r.Modes = []Mode{modeOf(r, s), o}
				ways := replay.Ways(ca.Remedies)
				if r.Remedies, err = replay.SideBySide(c.Context(), in, ca.Policy, ways); err != nil {
					return err
				}
				if err := dev.Sides(c.Context(), in, ca.Policy, ways, r.Remedies); err != nil {
					return err
				}
				r.Partial = c.Context().Err() != nil
			}
			out.Other[0].Write = s.DumpMaps
			if err := out.Write(c.OutOrStdout(), r.document()); err != nil {
				return err
			}
			if ended != nil {
				return ended
			}
			if s.Partial {
				return fmt.Errorf("interrupted after %d packets", r.Packets)
			}
			if r.Partial {
				return errors.New("interrupted: ways to make traces are missing")
			}
			return r.NotRun.Err()
		},
	}
	session.InputFlags(&in, c)
	session.CacheFlags(&ca, c)
	session.OptimiserFlags(&op, c)
	c.Flags().BoolVar(&check, "check", false, "run the interpreter beside every packet and stop at the first difference")
	c.Flags().BoolVar(&modes, "modes", false, "replay in every way to make traces as well, generic, merged, predicated, segmented and specialised, and set them side by side")
	session.DeviceFlags(&dev, c)
	out.Flags(c, "report")
	c.Flags().StringVar(&dump, "dump-maps", "", "write the maps after the replay as JSON to `FILE` (- for stdout)")
	return c
}

// Summarise makes the report of a session that has run.
func Summarise(s *replay.Session, ca *replay.Cache) *Report {
	rt := s.Runtime
	st, packets := rt.NIC.Cache.Stats(), rt.NIC.Outcomes()
	r := &Report{
		Program: report.Name(s.In.Program), Entry: s.Entry.Name, Captures: report.Names(s.Source.Files()), Seed: s.In.Seed,
		Policy: ca.Policy, Entries: ca.Entries, Slots: ca.Slots, Mode: ca.Remedies.String(),
		Packets: rt.Packets, Hits: packets[cache.Hit],
		Misses: map[string]uint64{}, Paths: len(rt.Paths()) + len(rt.Dead()),
		Traces: Traces{Compiled: st.Began, Installed: st.Installed, Evicted: st.Evicted, Invalidated: st.Invalidated},
		Aborts: map[string]uint64{}, Verdicts: map[string]uint64{}, Faults: rt.Faults, NotRun: s.NotRun(), Refused: rt.Short, Partial: s.Partial,
		NoConnections: s.Obj.Conn != nil && s.In.CT == "",
	}
	if ca.Entries == 0 && ca.Slots == 0 {
		r.Entries = 64
	}
	if r.Packets > 0 {
		r.HitRatio = float64(r.Hits) / float64(r.Packets)
	}
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		r.Misses[o.String()] = packets[o]
	}
	for reason, n := range rt.Aborts {
		r.Aborts[reason.String()] = n
	}
	if rt.Short > 0 {
		r.Aborts["refused"] = rt.Short
	}
	r.AbortSites = abortSites(rt)
	for v, n := range rt.Verdicts() {
		name, _, _ := strings.Cut(diff.VerdictName(v), " (")
		r.Verdicts[name] = n
	}
	for d, n := range rt.Delivered {
		if r.EntryPrograms == nil {
			r.EntryPrograms = map[string]map[string]uint64{}
		}
		of := r.EntryPrograms[d.Program]
		if of == nil {
			of = map[string]uint64{}
			r.EntryPrograms[d.Program] = of
		}
		name, _, _ := strings.Cut(diff.VerdictName(d.Verdict), " (")
		if d.Fault {
			name = "fault"
		}
		of[name] += n
	}
	if rt.Checked > 0 {
		r.Check = &Check{Packets: rt.Checked}
	}
	if r.NotRun != nil {
		r.FirstFault = r.NotRun.Causes[0].Cause
	}
	if ca.Predicate > 0 || ca.Merge {
		r.Predicated = &Predicated{Joined: rt.Comp.Regions.Joined, Merged: rt.Comp.Regions.Merged, Left: rt.Comp.Regions.Left}
	}
	r.Segments = session.SegmentsOf(s)
	l := &r.Traces.Length
	if n := float64(len(rt.Paths())); n > 0 {
		for _, p := range rt.Paths() { // whole numbers, so the sums are exact
			r.Traces.Concretised += p.Path.Concretised
			l.Path += float64(p.Path.Trace.Raw)
			l.Straight += float64(p.Path.Trace.Straight)
			l.Trace += float64(p.Before)
			l.Optimised += float64(p.Trace.Len())
			l.Condition += float64(len(p.Path.Cond))
		}
		for _, f := range []*float64{&l.Path, &l.Straight, &l.Trace, &l.Optimised, &l.Condition} {
			*f /= n
		}
	}
	return r
}

// document tells the replay.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "replay", Title: r.Entry + " on " + strings.Join(r.Captures, ", "), About: "what a trace cache on the NIC would hit", Data: r,
		Footer: "Every number is also in the JSON.", Records: []report.Records{r.records()}}
	if r.Partial {
		d.Partial = "What stands here is whole for the packets until then."
	}
	d.Add(report.Section{ID: "replay", Title: "The replay", Blocks: []report.Block{{Facts: r.facts()}}})
	d.Add(report.Section{ID: "captures", Title: "Captures", Blocks: []report.Block{{Apart: true, Table: r.Capture.filesTable()}}})
	d.Add(report.Section{ID: "modes", Title: "Generic and specialised traces", Blocks: []report.Block{{Apart: true, Title: "Side by side", Table: modesTable(r.Modes)}}})
	d.Add(session.ModesSection(r.Remedies))
	return d
}

// records are the report in a row.
func (r *Report) records() report.Records {
	out := report.Records{Name: "rows.csv", Rows: []any{r}, Columns: report.Columns("program", "entry", "captures", "seed", "policy", "entries", "slots", "mode", "packets", "hits", "hit_ratio")}
	out.Columns = append(out.Columns, session.MissColumns()...)
	out.Columns = append(out.Columns, report.Columns("paths")...)
	for _, n := range []string{"compiled", "installed", "evicted", "invalidated"} {
		out.Columns = append(out.Columns, report.Column{Name: "traces_" + n, Key: "traces." + n})
	}
	return out
}

// facts are the report, line by line.
func (r *Report) facts() (f report.Facts) {
	f.Addf("program", "%s (%s)", r.Program, r.Entry)
	f.Add("captures", strings.Join(r.Captures, ", "))
	f.Notes(r.Capture.notes)
	if r.NoConnections {
		f.Add("connections", "none: no --ct says which there are, and bpf_xdp_ct_lookup finds none")
	}
	size := fmt.Sprintf("%d entries", r.Entries)
	if r.Slots > 0 {
		size = fmt.Sprintf("%d slots", r.Slots)
	}
	f.Addf("cache", "%s, %s, %s traces, seed %d", r.Policy, size, r.Mode, r.Seed)
	note := ""
	if r.Partial {
		note = "  (partial: the run ended early)"
	}
	f.Add("packets", report.Count(r.Packets)+note)
	f.Add("hits", report.Count(r.Hits), report.Share(r.Hits, r.Packets))
	f.Add("misses", report.Count(r.Packets-r.Hits), report.Share(r.Packets-r.Hits, r.Packets))
	for o := cache.Cold; int(o) < cache.Outcomes; o++ {
		n := r.Misses[o.String()]
		f.Add("  "+o.String(), report.Count(n), report.Share(n, r.Packets), missText[o])
	}
	f.Add("paths", report.Count(uint64(r.Paths)), "", "distinct paths the packets took")
	f.Add("traces")
	f.Add("  compiled", report.Count(r.Traces.Compiled))
	f.Add("  installed", report.Count(r.Traces.Installed))
	f.Add("  evicted", report.Count(r.Traces.Evicted))
	f.Add("  invalidated", report.Count(r.Traces.Invalidated))
	l := r.Traces.Length
	f.Addf("  mean length", "%.1f executed, %.1f without jumps, %.1f after dead-code elimination, %.1f installed", l.Path, l.Straight, l.Trace, l.Optimised)
	f.Addf("  mean condition", "%.1f predicates; %d in all fix a variable offset", l.Condition, r.Traces.Concretised)
	f = append(f, r.Segments.Facts()...)
	if p := r.Predicated; p != nil {
		f.Addf("predicated", "%d branches of recorded runs became selects, %d had ways that came together in one state; left branches:", p.Joined, p.Merged)
		for _, why := range slices.SortedFunc(maps.Keys(p.Left), func(a, b string) int {
			return cmp.Or(cmp.Compare(p.Left[b], p.Left[a]), strings.Compare(a, b))
		}) {
			f.Add("  left", report.Count(uint64(p.Left[why])), "", why)
		}
	}
	f = append(f, session.Superopt(r.Superopt)...)
	f.Add("aborts")
	names := make([]string, 0, len(r.Aborts))
	for n := range r.Aborts {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		f.Add("  "+n, report.Count(r.Aborts[n]), report.Share(r.Aborts[n], r.Packets), abortText(n))
		shown := 0
		for _, a := range r.AbortSites {
			if shown == sitesShown || a.Reason != n {
				continue
			}
			shown++
			what := fmt.Sprintf("%s (insn %d of %s)", a.Where, a.Insn, a.Program)
			if a.Detail != "" {
				what += ": " + a.Detail
			}
			f.Add("    at", report.Count(a.Packets), report.Share(a.Packets, r.Packets), what)
		}
	}
	if len(names) == 0 {
		f.Add("  none", "0")
	}
	f.Add("verdicts")
	names = names[:0]
	for n := range r.Verdicts {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		f.Add("  "+n, report.Count(r.Verdicts[n]), report.Share(r.Verdicts[n], r.Packets))
	}
	for _, p := range slices.Sorted(maps.Keys(r.EntryPrograms)) {
		f.Addf("entry program", "%s: runs for the entries that packets are redirected to", p)
		for _, v := range slices.Sorted(maps.Keys(r.EntryPrograms[p])) {
			f.Add("  "+v, report.Count(r.EntryPrograms[p][v]))
		}
	}
	if r.Refused > 0 {
		f.Add("  (refused)", report.Count(r.Refused), report.Share(r.Refused, r.Packets), "under 14 bytes, or longer than a packet buffer: no program sees them")
	}
	if r.Faults > 0 {
		f.Add("faults", report.Count(r.Faults), report.Share(r.Faults, r.Packets), "could not be run, so this is no result for them; counted as XDP_ABORTED")
		f = append(f, session.Causes(r.NotRun)...)
	}
	if r.Check != nil {
		f.Addf("check", "%s packets compared with the interpreter, %d mismatches", report.Count(r.Check.Packets), r.Check.Mismatches)
	} else {
		f.Add("check", "off (--check runs the interpreter beside every packet)")
	}
	return f
}

var missText = [cache.Outcomes]string{
	cache.Cold:        "first packet of its path",
	cache.NotHot:      "path seen, but not yet hot or not admitted",
	cache.Capacity:    "trace was evicted before",
	cache.Invalidated: "trace was dropped as a map entry changed",
	cache.InFlight:    "trace was compiling or being installed",
	cache.Uncacheable: "path can't be a trace, see aborts",
}

func abortText(name string) string {
	if name == "refused" {
		return "under 14 bytes, or longer than a packet buffer"
	}
	for _, r := range trace.Reasons() {
		if r.String() == name {
			return r.Explain()
		}
	}
	return ""
}

// evidence prints the evidence of a mismatch: packet, trace and condition.
func evidence(w io.Writer, s *replay.Session, m *jit.Mismatch) {
	fmt.Fprintf(w, "%s (%d bytes):\n%s", m.Where, len(m.Data), hex.Dump(m.Data))
	if m.Path == nic.NoPath || int(m.Path) >= len(s.Runtime.Paths()) {
		return
	}
	p := s.Runtime.Paths()[m.Path]
	fmt.Fprintf(w, "condition of path %d:\n%s", m.Path, text.Format(s.Runtime.Comp, p.Path.Cond))
	fmt.Fprintf(w, "trace of path %d:\n%s", m.Path, trace.Format(p.Trace, func(i int) string { return s.Obj.Maps[i].Name }))
}
