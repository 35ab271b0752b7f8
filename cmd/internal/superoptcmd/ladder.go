package superoptcmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/programs"
	"jitnic/host/run/replay"
	"jitnic/superopt"
	"jitnic/superopt/ladder"

	"github.com/spf13/cobra"
)

// Ladder is what ladder --json writes.
type Ladder struct {
	Cost    string        `json:"cost"`
	Seed    uint64        `json:"seed"`
	Rungs   []*ladder.Row `json:"rungs"`
	Traces  []*TraceRow   `json:"traces,omitempty"`
	Partial bool          `json:"partial,omitempty"`

	nic *replay.NICCost
}

// TraceRow is one trace of a sample program. Lengths are in slots.
type TraceRow struct {
	Program string `json:"program"`
	Path    int    `json:"path"`
	Packets uint64 `json:"packets"`
	Raw     int    `json:"raw"` // instructions the path executed
	Before  int    `json:"before"`
	// After: with the path condition as a precondition, and without it.
	After   int     `json:"after"`
	Without int     `json:"without_condition"`
	LatFrom float64 `json:"latency_before_ns"`
	LatTo   float64 `json:"latency_after_ns"`
	CycFrom int     `json:"cycles_before,omitempty"` // on the device of --cost nic
	CycTo   int     `json:"cycles_after,omitempty"`
	Seconds float64 `json:"seconds"` // of both
	Proved  int     `json:"proved"`
	Refuted int     `json:"refuted"`
	Unknown int     `json:"unknown"`
	Whole   string  `json:"whole_program"`
	Err     string  `json:"error,omitempty"`
}

func ladderCommand() *cobra.Command {
	var f flags
	var captures []string
	var samples string
	var traces int
	c := &cobra.Command{
		Use:   "ladder",
		Short: "Climb the benchmark ladder: from 3 -> 2 to whole traces of the sample programs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			if err := f.to.Check(c, args); err != nil {
				return err
			}
			if traces < 0 {
				return fmt.Errorf("--traces %d: want 0 or more", traces)
			}
			rungs, err := ladder.Rungs()
			if err != nil {
				return err
			}
			r := &Ladder{Cost: f.cost, Seed: f.seed, nic: f.nic}
			news := status(c.ErrOrStderr())
			r.Rungs, err = ladder.Run(c.Context(), rungs, opt, func(row *ladder.Row) { news(row.Name) })
			if err == nil && traces > 0 {
				var names []string
				if names, err = sampleNames(samples); err != nil {
					return err
				}
				for _, n := range names {
					if err = r.traces(c.Context(), n, captures, traces, opt, c.ErrOrStderr(), news); err != nil {
						break
					}
				}
			}
			news("")
			r.Partial = err != nil
			return f.finish(c, opt, err, r.document, func() string { return fmt.Sprintf("%d rungs and %d traces", len(r.Rungs), len(r.Traces)) })
		},
	}
	f.add(c, "count")
	c.Flags().IntVar(&traces, "traces", 3, "traces of each sample program, those of the most packets; 0: none")
	c.Flags().StringVar(&samples, "samples", "", "sample programs, as `NAME,…`; empty: all")
	c.Flags().StringSliceVarP(&captures, "capture", "c", []string{"sample:web", "sample:dns"}, "captures that show the paths")
	return c
}

func sampleNames(list string) ([]string, error) {
	var all []string
	for _, s := range programs.All() {
		all = append(all, s.Name)
	}
	if list == "" {
		return all, nil
	}
	names := strings.Split(list, ",")
	for _, n := range names {
		if !slices.Contains(all, n) {
			return nil, fmt.Errorf("--samples %s: not one of %s", n, strings.Join(all, ", "))
		}
	}
	return names, nil
}

// traces replays the captures through a sample and optimises the traces of the
// limit paths that most packets took.
func (r *Ladder) traces(ctx context.Context, name string, captures []string, limit int, opt *superopt.Options, stderr io.Writer, news func(string)) error {
	in := replay.Input{Program: "sample:" + name, Captures: captures, Seed: opt.Seed}
	s, err := replay.Open(ctx, in, replay.Cache{}, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Run(ctx, nil); err != nil {
		return err
	}
	paths := s.Runtime.Paths()
	order := make([]int, len(paths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(paths[b].Packets) - int(paths[a].Packets) })
	for _, i := range order[:min(limit, len(order))] {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p := paths[i]
		news(fmt.Sprintf("%s, path %d", name, i))
		row := &TraceRow{Program: name, Path: i, Packets: p.Packets, Raw: p.Path.Trace.Raw}
		r.Traces = append(r.Traces, row)
		o := *opt
		if r.Cost != "latency" && r.Cost != "nic" {
			o.Cost = "" // what OptimizeTrace takes for traces: no atomics
		}
		_, res, err := superopt.OptimizeTrace(ctx, p.Path, s.Runtime.Comp, &o, false)
		if err != nil {
			row.Err = err.Error()
			continue
		}
		o = *opt
		if r.Cost != "latency" && r.Cost != "nic" {
			o.Cost = ""
		}
		_, bare, err := superopt.OptimizeTrace(ctx, p.Path, s.Runtime.Comp, &o, true)
		if err != nil {
			row.Err = err.Error()
			continue
		}
		row.Before, row.After, row.Without = res.Before, res.After, bare.After
		row.LatFrom, row.LatTo, row.Seconds = res.LatBefore, res.LatAfter, res.Seconds+bare.Seconds
		if r.nic != nil {
			row.CycFrom, row.CycTo = r.nic.Cycles(res.Original), r.nic.Cycles(res.Prog)
		}
		row.Proved, row.Refuted, row.Unknown, row.Whole = res.Proved, res.Refuted, res.Unknown, res.Whole.String()
	}
	return nil
}

// document tells the rungs and the traces.
func (r *Ladder) document() *report.Document {
	d := &report.Document{Verb: "superopt ladder", Title: "The ladder", About: "from toys to whole traces, with and without the path condition", Data: r}
	if r.Partial {
		d.Partial = "Rows are missing; those here are whole."
	}
	d.Add(report.Section{ID: "rungs", Title: "Rungs", Blocks: []report.Block{{Title: "Programs by difficulty", Table: r.rungTable()}}})
	d.Add(report.Section{ID: "traces", Title: "Traces", Blocks: []report.Block{{Apart: true, Title: "Traces of the samples", Table: r.traceTable()}}})
	rows := report.Records{Name: "rows.csv", Columns: report.Columns("name", "before", "after", "want", "latency_before_ns", "latency_after_ns", "seconds", "proved", "refuted", "unknown", "whole_program")}
	for _, g := range r.Rungs {
		rows.Rows = append(rows.Rows, g)
	}
	d.Records = []report.Records{rows}
	return d
}

func (r *Ladder) rungTable() *report.Table {
	t := &report.Table{ID: "rungs", Open: true, Left: 11, Head: []string{"rung", "before", "after", "want", "ns before", "after", "seconds", "proved", "refuted", "unknown", "whole program"}}
	for _, g := range r.Rungs {
		want := "-"
		if g.Want > 0 {
			want = fmt.Sprint(g.Want)
			if !g.Reached() {
				want += " (missed)"
			}
		}
		t.Add(g.Name, fmt.Sprint(g.Before), fmt.Sprint(g.After), want, fmt.Sprintf("%.1f", g.LatBefore), fmt.Sprintf("%.1f", g.LatAfter), fmt.Sprintf("%.2f", g.Seconds), fmt.Sprint(g.Proved), fmt.Sprint(g.Refuted), fmt.Sprint(g.Unknown), brief(g.Whole.String()))
	}
	return t
}

func (r *Ladder) traceTable() *report.Table {
	t := &report.Table{ID: "traces", Open: true, Left: 16, Head: []string{"trace of", "path", "packets", "executed", "before", "after", "without condition", "ns before", "after", "cycles before", "after", "seconds", "proved", "refuted", "unknown", "whole trace"}}
	if len(r.Traces) == 0 {
		return t
	}
	var before, after, without int
	for _, x := range r.Traces {
		head := []string{x.Program, fmt.Sprint(x.Path), fmt.Sprint(x.Packets), fmt.Sprint(x.Raw)}
		if x.Err != "" {
			t.Add(append(head, x.Err)...)
			continue
		}
		before, after, without = before+x.Before, after+x.After, without+x.Without
		t.Add(append(head, fmt.Sprint(x.Before), fmt.Sprint(x.After), fmt.Sprint(x.Without), fmt.Sprintf("%.1f", x.LatFrom), fmt.Sprintf("%.1f", x.LatTo), cycles(x.CycFrom), cycles(x.CycTo),
			fmt.Sprintf("%.2f", x.Seconds), fmt.Sprint(x.Proved), fmt.Sprint(x.Refuted), fmt.Sprint(x.Unknown), brief(x.Whole))...)
	}
	t.Add("all", "", "", "", fmt.Sprint(before), fmt.Sprint(after), fmt.Sprint(without))
	return t
}

// cycles is a number where there is one.
func cycles(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// brief is a verdict's first word.
func brief(verdict string) string {
	word, _, _ := strings.Cut(verdict, ":")
	return word
}
