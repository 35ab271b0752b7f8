package tracescmd

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/ebpf"
	"jitnic/host/run/explain"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic/native"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/vliw"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
	"jitnic/pcaps"
	"jitnic/trace"

	"github.com/spf13/cobra"
)

// Report is what --json writes.
type Report struct {
	Program  string   `json:"program"`
	Entry    string   `json:"entry"`
	Captures []string `json:"captures"`
	Seed     uint64   `json:"seed"`
	Mode     string   `json:"mode"` // generic or specialised
	Packets  uint64   `json:"packets"`
	Paths    int      `json:"paths"` // all of them, whatever --limit-traces says
	Traces   []Trace  `json:"traces"`
	Dead     []Dead   `json:"dead"`
	// Groups, with --by, are all paths that have traces, in groups; each is in one.
	Groups  []Group `json:"groups,omitempty"`
	By      string  `json:"by,omitempty"` // what paths are grouped by
	Partial bool    `json:"partial,omitempty"`
	// NotRun says of which packets this is no result, and why.
	NotRun *workload.NotRun `json:"not_run,omitempty"`
	// Superopt is what the optimiser did to the traces, with --superopt.
	Superopt *replay.Optimised `json:"superopt,omitempty"`

	notes []pcaps.Note // on the captures
}

// Trace is one path that has a trace. Lengths are in instructions.
type Trace struct {
	Number    int      `json:"number"`
	Hits      uint64   `json:"hits"`
	Packets   uint64   `json:"packets"`         // of the path, misses included
	Share     float64  `json:"share"`           // of all packets
	First     uint64   `json:"first"`           // number of the packet that showed the path; the first packet is 1
	Frame     uint64   `json:"frame,omitempty"` // its number in the capture file, where that is another or there are several
	File      string   `json:"file,omitempty"`  // that capture
	Raw       int      `json:"raw"`             // instructions the path executed
	Straight  int      `json:"straight"`
	Length    int      `json:"length"`    // after dead-code elimination
	Optimised int      `json:"optimised"` // as installed
	Whole     int      `json:"predicates"`
	Table     int      `json:"table,omitempty"` // with --segments: the table it stands in
	From      string   `json:"from,omitempty"`  // where that begins
	Next      int      `json:"next,omitempty"`  // the table behind it; 0: it ends in a verdict
	Condition []string `json:"condition"`
	Code      []string `json:"code"`
	// Misses are the path's, by class; those that never happened are left out.
	Misses map[string]uint64 `json:"misses"`
	// ConditionAt are the places of Condition's lines: source lines, else function
	// and instruction; empty where a line is no predicate.
	ConditionAt []string `json:"condition_at"`
	// CodeAt are likewise those of Code; left out where the trace was rewritten.
	CodeAt []string `json:"code_at,omitempty"`
	// With --schedule: the trace on that device's executor, a cycle a line.
	Cycles   int      `json:"cycles,omitempty"`
	IPC      float64  `json:"ipc,omitempty"`
	Schedule []string `json:"schedule,omitempty"`
	// With --asm: the trace's machine code, BPF before what was made of it.
	Asm []string `json:"asm,omitempty"`
}

// Dead is one path that can't be a trace; the condition goes as far as the
// path could be followed.
type Dead struct {
	Number    int      `json:"number"`
	Packets   uint64   `json:"packets"`
	Share     float64  `json:"share"`
	Reason    string   `json:"reason"`
	Program   string   `json:"program"`
	Insn      int      `json:"insn"`
	Detail    string   `json:"detail,omitempty"`
	Error     string   `json:"error"`
	Where     string   `json:"where"`            // source line, else function and instruction
	Source    string   `json:"source,omitempty"` // the line's text
	Condition []string `json:"condition"`
	// ConditionAt are the places of Condition's lines, as for traces.
	ConditionAt []string `json:"condition_at"`
}

// Group are paths that have something in common.
type Group struct {
	Name    string            `json:"name"`
	Paths   int               `json:"paths"`
	Packets uint64            `json:"packets"`
	Hits    uint64            `json:"hits"`
	Misses  map[string]uint64 `json:"misses"`  // by class; those that never happened are left out
	Numbers []int             `json:"numbers"` // of the paths
}

// Command is `jitnic traces`.
func Command() *cobra.Command {
	var in replay.Input
	var ca replay.Cache
	var out report.Outputs
	var dotFile string
	var limit int
	var by string
	var whole, asm bool
	var opt replay.Optimiser
	var device string
	c := &cobra.Command{
		Use:   "traces --program FILE.o --capture FILE.pcap",
		Short: "Print the traces of a replay: hits, condition in header-field words, code, lengths",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return fmt.Errorf("--limit-traces %d: want 0 or more", limit)
			}
			if by != "" && !slices.Contains(explain.Groups(), by) {
				return fmt.Errorf("--by %s: want %s", by, strings.Join(explain.Groups(), ", "))
			}
			out.Other = []report.Output{{Flag: "--dot", Path: dotFile}}
			err := out.Check(c, args)
			if err != nil {
				return err
			}
			var nic *profile.NIC
			if device != "" {
				if nic, err = profile.Load(device); err != nil {
					return fmt.Errorf("--schedule: %w", err)
				}
			}
			if err := opt.Open(c.Context()); err != nil {
				return err
			}
			var sum *replay.Optimised
			s, err := replay.Open(c.Context(), in, ca, func(o *jit.Options) { sum = opt.Install(c.Context(), o, in.Seed) })
			if err != nil {
				return err
			}
			defer s.Close()
			var classes misses
			if err := s.Follow(c.Context(), classes.count); err != nil {
				return err
			}
			if err := opt.Keep(); err != nil {
				return err
			}
			if c.Context().Err() != nil && limit == 0 {
				limit = interrupted
			}
			r := Summarise(s, ca.Remedies, classes, whole, limit)
			r.Superopt = sum
			if err := sum.Settle(s.Runtime); err != nil {
				return err
			}
			if by != "" {
				r.group(s, classes, by)
			}
			if nic != nil {
				if err := r.schedule(s, nic); err != nil {
					return err
				}
			}
			if asm {
				if err := r.asm(s); err != nil {
					return err
				}
			}
			out.Other = []report.Output{{Flag: "--dot", Path: dotFile, Write: func(w io.Writer) error { return dot(w, s) }}}
			if err := out.Write(c.OutOrStdout(), r.document()); err != nil {
				return err
			}
			if s.Partial {
				return fmt.Errorf("interrupted after %d packets", r.Packets)
			}
			return r.NotRun.Err()
		},
	}
	session.InputFlags(&in, c)
	session.CacheFlags(&ca, c)
	session.OptimiserFlags(&opt, c)
	c.Flags().BoolVar(&asm, "asm", false, "show each trace's machine code, BPF before what was made of it")
	c.Flags().StringVar(&device, "schedule", "", "show each trace as the executor of this device runs it, cycle by cycle: "+strings.Join(profile.Names(), ", ")+", or a profile `FILE`")
	out.Flags(c, "traces")
	c.Flags().StringVar(&dotFile, "dot", "", "write the guard tree for graphviz to `FILE` (- for stdout)")
	c.Flags().IntVar(&limit, "limit-traces", 0, "only the `N` traces with the most hits, and as many dead paths; 0: all")
	c.Flags().StringVar(&by, "by", "", "group paths by `WHAT`: "+strings.Join(explain.Groups(), ", "))
	c.Flags().BoolVar(&whole, "whole", false, "conditions as recorded, with the predicates that follow from others")
	return c
}

// interrupted is how many traces are shown after an interrupt, which is to be
// answered within a second.
const interrupted = 100

// Summarise makes the report of a session that has run: the limit traces with
// the most hits (0: all). whole keeps predicates that follow from others.
func Summarise(s *replay.Session, how jit.Remedies, classes misses, whole bool, limit int) *Report {
	rt := s.Runtime
	r := &Report{
		Program: report.Name(s.In.Program), Entry: s.Entry.Name, Captures: report.Names(s.Source.Files()), Seed: s.In.Seed, Mode: how.String(),
		Packets: rt.Packets, Paths: len(rt.Paths()) + len(rt.Dead()), Traces: []Trace{}, Dead: []Dead{}, Partial: s.Partial, NotRun: s.NotRun(), notes: s.Source.Notes(),
	}
	hits := func(i int) uint64 {
		if i < len(rt.NIC.Hits) {
			return rt.NIC.Hits[i]
		}
		return 0
	}
	paths, dead := rt.Paths(), rt.Dead()
	order := ranked(len(paths), limit, func(i, j int) bool {
		if a, b := hits(i), hits(j); a != b {
			return a > b
		}
		return paths[i].Packets > paths[j].Packets
	})
	mapName := names(s)
	condition := func(cond []pathcond.Pred) (words, at []string) {
		if !whole {
			cond = text.Minimal(rt.Comp.B, cond)
		}
		if len(cond) == 0 {
			return []string{}, []string{}
		}
		words = lines(text.Format(rt.Comp, cond))
		at = make([]string, len(words))
		for i, p := range cond { // layout and lets stand before them
			at[len(at)-len(cond)+i] = s.Obj.Programs[p.Prog].Place(int(p.PC))
		}
		return words, at
	}
	for _, i := range order {
		p := paths[i]
		r.Traces = append(r.Traces, Trace{
			Number: i, Hits: hits(i), Packets: p.Packets, Share: share(p.Packets, rt.Packets), First: p.First + 1, Frame: p.Frame, File: report.Name(p.File),
			Raw: p.Path.Trace.Raw, Straight: p.Path.Trace.Straight, Length: p.Path.Trace.Len(), Optimised: p.Trace.Len(),
			Whole: len(p.Path.Cond), Code: lines(trace.Format(p.Trace, mapName))[1:], Misses: classes.of(i), CodeAt: codeAt(s.Obj, p.Trace),
		})
		t := &r.Traces[len(r.Traces)-1]
		t.Condition, t.ConditionAt = condition(p.Path.Cond)
		t.Table, t.Next = p.Path.Table, p.Path.Next
		if t.Table > 0 {
			t.From = s.Cuts.Places[t.Table-1]
		}
	}
	for _, i := range ranked(len(dead), limit, func(i, j int) bool { return dead[i].Packets > dead[j].Packets }) {
		d := dead[i]
		at := explain.AbortPlace(rt, d.Abort)
		words, places := condition(d.Path.Cond)
		r.Dead = append(r.Dead, Dead{
			Number: i, Packets: d.Packets, Share: share(d.Packets, rt.Packets), Reason: d.Abort.Reason.String(),
			Program: d.Abort.Program, Insn: d.Abort.Insn, Detail: d.Abort.Detail, Error: d.Abort.Error(),
			Condition: words, ConditionAt: places, Where: at.Where, Source: at.Source,
		})
	}
	return r
}

// names gives maps their names.
func names(s *replay.Session) func(i int) string {
	all := s.Runtime.S.Maps
	return func(i int) string {
		if i < 0 || i >= len(all) {
			return ""
		}
		return all[i].Spec().Name
	}
}

// schedule adds each trace's schedule on a device's executor.
func (r *Report) schedule(s *replay.Session, n *profile.NIC) error {
	m := price.Machine(s.Runtime.Comp, n)
	for i := range r.Traces {
		t := &r.Traces[i]
		x, err := vliw.New(s.Runtime.Paths()[t.Number].Trace, m)
		if err != nil {
			return fmt.Errorf("trace %d: %w", t.Number, err)
		}
		t.Cycles, t.IPC, t.Schedule = x.Cycles, x.IPC(), lines(x.Format(names(s)))
	}
	return nil
}

// asm adds each trace's machine code.
func (r *Report) asm(s *replay.Session) error {
	for i := range r.Traces {
		t := &r.Traces[i]
		var b strings.Builder
		err := native.List(&b, s.Runtime.S, s.Runtime.Paths()[t.Number].Trace, s.Runtime.Tables()[t.Table].Lookups(int32(t.Number)), s.Runtime.Paths()[t.Number].Path.Next != 0, ebpf.Printer{MapName: names(s)})
		if err != nil {
			return fmt.Errorf("trace %d: %w", t.Number, err)
		}
		t.Asm = lines(b.String())
	}
	return nil
}

// ranked lists the first limit (0: all) of n things, the smaller number first
// among equals.
func ranked(n, limit int, before func(i, j int) bool) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	sort.SliceStable(out, func(a, b int) bool { return before(out[a], out[b]) })
	if limit > 0 && limit < n {
		out = out[:limit]
	}
	return out
}

func lines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }

func share(n, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}

// document tells the traces, the code of each as lines.
func (r *Report) document() *report.Document {
	d := &report.Document{Verb: "traces", Title: r.Entry + " on " + strings.Join(r.Captures, " "), About: "the traces of a replay: hits, condition and code", Data: r,
		Footer: "All of it is also in the JSON.", Records: []report.Records{r.records()}}
	if r.Partial {
		d.Partial = "What stands here is of the packets until then."
	}
	var f report.Facts
	f.Add("program", r.Program, r.Entry)
	f.Add("captures", strings.Join(r.Captures, " "))
	f.Add("packets", report.Count(r.Packets))
	f = append(f, session.NotRun(r.NotRun, r.Packets)...)
	f.Notes(r.notes)
	f.Add("paths", report.Count(uint64(r.Paths)), r.Mode)
	f = append(f, session.Superopt(r.Superopt)...)
	f.Add("seed", r.Seed)
	d.Add(report.Section{ID: "run", Title: "The replay", Blocks: []report.Block{{Facts: f}}})
	d.Add(report.Section{ID: "groups", Title: "By " + r.By, Blocks: []report.Block{{Apart: true, Table: r.groupTable()}}})
	var blocks []report.Block
	for i := range r.Traces {
		blocks = append(blocks, r.Traces[i].block(r.Packets))
	}
	d.Add(report.Section{ID: "traces", Title: "Traces", Blocks: blocks})
	blocks = nil
	for i := range r.Dead {
		blocks = append(blocks, r.Dead[i].block(r.Packets))
	}
	d.Add(report.Section{ID: "dead", Title: "Paths that can't be traces", Blocks: blocks})
	if n := r.Paths - len(r.Traces) - len(r.Dead); n > 0 {
		d.Add(report.Section{ID: "more", Title: "More", Blocks: []report.Block{{Apart: true, Pre: fmt.Sprintf("%s more paths not shown (--limit-traces)", report.Count(uint64(n)))}}})
	}
	return d
}

// records are a row for each trace.
func (r *Report) records() report.Records {
	out := report.Records{Name: "rows.csv", Columns: report.Columns("number", "hits", "packets", "share", "first", "raw", "straight", "length", "optimised", "predicates", "cycles", "ipc")}
	out.Columns = append(out.Columns, session.MissColumns()...)
	for i := range r.Traces {
		out.Rows = append(out.Rows, &r.Traces[i])
	}
	return out
}

// indent writes lines below their title.
func indent(b *strings.Builder, title string, ls []string) {
	fmt.Fprintf(b, "  %s\n", title)
	for _, l := range ls {
		fmt.Fprintf(b, "    %s\n", l)
	}
}

func (t *Trace) block(packets uint64) report.Block {
	first := vm.Input{Packet: t.First - 1, Frame: t.Frame, File: t.File}
	var b strings.Builder
	fmt.Fprintf(&b, "trace %d: %s hits, %s packets (%s), first seen in %s\n", t.Number, report.Count(t.Hits), report.Count(t.Packets), report.Share(t.Packets, packets), first.Where())
	fmt.Fprintf(&b, "  length: %d executed, %d straight, %d without dead code", t.Raw, t.Straight, t.Length)
	if t.Optimised != t.Length {
		fmt.Fprintf(&b, ", %d optimised", t.Optimised)
	}
	b.WriteByte('\n')
	if t.Table > 0 || t.Next > 0 {
		fmt.Fprintf(&b, "  segment of table %d", t.Table)
		if t.Table > 0 {
			fmt.Fprintf(&b, ", from %s", t.From)
		}
		if t.Next > 0 {
			fmt.Fprintf(&b, ", to table %d", t.Next)
		}
		b.WriteByte('\n')
	}
	if len(t.Misses) > 0 {
		fmt.Fprintf(&b, "  misses: %s\n", missText(t.Misses))
	}
	if len(t.Condition) == 0 {
		indent(&b, "condition: none, every packet takes this path", nil)
	} else {
		indent(&b, "condition:", report.Noted(t.Condition, t.ConditionAt))
	}
	indent(&b, "code:", report.Noted(t.Code, t.CodeAt))
	if t.Schedule != nil {
		indent(&b, fmt.Sprintf("schedule: %d cycles, IPC %.2f", t.Cycles, t.IPC), t.Schedule)
	}
	if t.Asm != nil {
		indent(&b, "machine code:", t.Asm)
	}
	return report.Block{Apart: true, Title: fmt.Sprintf("Trace %d: %s of the packets", t.Number, report.Share(t.Packets, packets)), Pre: b.String()}
}

func (d *Dead) block(packets uint64) report.Block {
	var b strings.Builder
	fmt.Fprintf(&b, "dead path %d: %s packets (%s): %s\n  %s\n  at %s\n", d.Number, report.Count(d.Packets), report.Share(d.Packets, packets), d.Reason, d.Error, strings.TrimSuffix(d.Where+": "+d.Source, ": "))
	if len(d.Condition) > 0 {
		indent(&b, "condition up to there:", report.Noted(d.Condition, d.ConditionAt))
	}
	return report.Block{Apart: true, Title: fmt.Sprintf("Dead path %d: %s", d.Number, d.Reason), Pre: b.String()}
}

// dot writes the guard tree, of several tables one graph after the other; predicates tell their place, leaves number, packets and
// length.
func dot(w io.Writer, s *replay.Session) error {
	rt := s.Runtime
	places := map[bv.Term]string{}
	note := func(cond []pathcond.Pred) {
		for _, p := range cond {
			if _, ok := places[p.Term]; !ok {
				places[p.Term] = "\n" + s.Obj.Programs[p.Prog].Place(int(p.PC))
			}
		}
	}
	for _, p := range rt.Paths() {
		note(p.Path.Cond)
	}
	for _, d := range rt.Dead() {
		if d.Path != nil {
			note(d.Path.Cond)
		}
	}
	words := func(context []pathcond.Pred, p pathcond.Pred) string {
		return text.PredFirst(rt.Comp, context, p) + places[p.Term]
	}
	leaf := func(id int32) string {
		n, dead := jit.Leaf(id)
		if dead {
			d := rt.Dead()[n]
			return fmt.Sprintf("dead path %d\n%d packets\n%s", n, d.Packets, d.Abort.Reason)
		}
		p := rt.Paths()[n]
		return fmt.Sprintf("trace %d\n%d packets\n%d instructions", n, p.Packets, p.Trace.Len())
	}
	for _, t := range rt.Tables() {
		if err := t.Dot(w, words, leaf); err != nil {
			return err
		}
	}
	return nil
}
