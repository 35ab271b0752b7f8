package filtercmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/run/filterbench"
	"jitnic/pcaps"

	"github.com/spf13/cobra"
)

// The talk's overheads, ns an event, without JIT and with it, over 200,000 and over
// 400,000 events (Tracing Summit 2014; assumed to be of the longer filter).
var talk = []struct {
	events     int
	plain, jit float64
}{{200000, 75, 32}, {400000, 83, 25}}

// Bench is what --json writes.
type Bench struct {
	Captures []string             `json:"captures"`
	Packets  int                  `json:"packets"` // that events are taken from, in turn
	Results  []filterbench.Result `json:"results"`
	Live     []filterbench.Live   `json:"live,omitempty"`
	NotLive  string               `json:"not_live,omitempty"` // why there are no live events
}

// benchFlags are those of the verb.
type benchFlags struct {
	captures []string
	params   []string
	events   []int
	limit    int
	live     bool
	to       report.Outputs
}

func benchCommand() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench [EXPR...]",
		Short: "Measure what filters cost an event, by what runs them",
		Long: fmt.Sprintf(`Bench runs filters over events, packets of captures in turn, on each engine: Go, eBPF
interpreted, our machine code, the kernel's JIT by test run. The overhead is what an
event takes more than where every event is taken. Without EXPR a short and a longer
filter are measured, %q and %q, which in Go are functions
written out; another EXPR is matched in Go as --filter matches. With --param a filter is
measured with its parameters folded in and with them in its .data. --live runs the
filters of a talk of 2014 on live tracepoints of the kernel.`, filterbench.Short, filterbench.Long),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.to.Check(c, args); err != nil {
				return err
			}
			b, err := f.run(c.Context(), args)
			if err != nil {
				return flagged(err)
			}
			return f.to.Write(c.OutOrStdout(), b.document())
		},
	}
	f.to.Name = "bench.json"
	fs := c.Flags()
	fs.StringArrayVarP(&f.captures, "capture", "c", []string{"sample:lab"}, "capture `FILE` that events are packets of, or sample:NAME; may be repeated")
	paramFlags(c, &f.params)
	fs.IntSliceVar(&f.events, "events", []int{200000, 400000}, "numbers of events")
	fs.IntVar(&f.limit, "limit", 4096, "packets that are taken in turn, at most `N`")
	fs.BoolVar(&f.live, "live", false, "the talk's filters on live tracepoints too")
	fs.StringVarP(&f.to.Dir, "out", "o", "", "`FOLDER` for report.html, rows.csv, bench.json and the density plots")
	f.to.Flags(c, "report")
	return c
}

func (f *benchFlags) run(ctx context.Context, exprs []string) (*Bench, error) {
	if len(exprs) == 0 {
		exprs = []string{filterbench.Short, filterbench.Long}
	}
	for _, n := range f.events {
		if n < filterbench.Block {
			return nil, fmt.Errorf("--events %d: want %d or more", n, filterbench.Block)
		}
	}
	var cases []filterbench.Case
	for _, e := range exprs {
		var mine []string // parameters of this expression
		for _, p := range f.params {
			if name, _, _ := strings.Cut(p, "="); strings.Contains(e, "$"+name) {
				mine = append(mine, p)
			}
		}
		forms := []string{""}
		if len(mine) > 0 {
			forms = []string{"folded", "generic"}
		}
		for _, form := range forms {
			x, err := xdpfilter.New("filter:"+e, e, xdpfilter.Options{Params: mine, Generic: form == "generic"})
			if err != nil {
				return nil, err
			}
			if len(x.Words) > 0 && form != "generic" {
				return nil, fmt.Errorf("filter %q: give its parameters values (--param)", e)
			}
			cases = append(cases, filterbench.Case{Filter: x, Form: form})
		}
	}
	b := &Bench{}
	packets, err := b.read(ctx, f)
	if err != nil {
		return nil, err
	}
	if b.Results, err = filterbench.Run(ctx, packets, cases, f.events); err != nil {
		return nil, err
	}
	if f.live {
		if b.Live, err = filterbench.Tracepoints(ctx, f.events[0]); err != nil {
			if errors.Is(err, context.Canceled) {
				return nil, err
			}
			b.NotLive = err.Error()
		}
	}
	return b, nil
}

// read takes the packets that events are.
func (b *Bench) read(ctx context.Context, f *benchFlags) ([][]byte, error) {
	src, err := pcaps.Open(ctx, pcaps.Options{Paths: f.captures, Limit: uint64(max(f.limit, 0))})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var out [][]byte
	var p pcaps.Packet
	for {
		if err := src.Next(&p); err == io.EOF {
			b.Captures, b.Packets = report.Names(src.Files()), len(out)
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, bytes.Clone(p.Data))
	}
}

func (b *Bench) document() *report.Document {
	var f report.Facts
	for _, c := range b.Captures {
		f.Add("capture", c)
	}
	f.Add("packets", report.Count(uint64(b.Packets)), "taken in turn as events")
	t := &report.Table{ID: "overhead", Title: "Overhead, ns an event", Open: true, Left: 3, Right: 1, Head: []string{"filter", "", "engine", "slots", "events", "matched", "median", "every event taken", "overhead", "talk", ""}}
	num := func(v float64) string { return fmt.Sprintf("%.1f", v) }
	for _, r := range b.Results {
		if r.Skipped != "" {
			t.Add(r.Expr, r.Form, r.Engine, "", report.Count(uint64(r.Events)), "", "", "", "", "", r.Skipped)
			continue
		}
		t.Add(r.Expr, r.Form, r.Engine, fmt.Sprint(r.Slots), report.Count(uint64(r.Events)), report.Count(uint64(r.Matched)), num(r.Median), num(r.None), num(r.Overhead), talked(&r), "")
	}
	t.TextNote = "talk: Tracing Summit 2014, eBPF without JIT and with it, over as many events, on its machine"
	blocks := []report.Block{{Facts: f}, {Apart: true, Table: t}}
	if len(b.Live) > 0 {
		l := &report.Table{ID: "live", Title: "Live tracepoints", Open: true, Left: 2, Head: []string{"event", "filter", "events", "matched", "ns a run", "without a filter", "overhead"}}
		for _, x := range b.Live {
			if x.Skipped != "" {
				l.Add(x.Event, x.Skipped, "", "", "", "", "")
				continue
			}
			l.Add(x.Event, x.Filter, report.Count(x.Events), report.Count(x.Matched), num(x.NS), num(x.None), num(x.NS-x.None))
		}
		blocks = append(blocks, report.Block{Apart: true, Table: l})
	}
	if b.NotLive != "" {
		var n report.Facts
		n.Add("not live", b.NotLive, "the figures above are whole without it")
		blocks = append(blocks, report.Block{Apart: true, Facts: n})
	}
	d := &report.Document{Verb: "filter bench", Title: "Filters on " + strings.Join(b.Captures, ", "), About: "what filters cost an event, by what runs them", Data: b, Footer: "Every number is also in the JSON."}
	d.Add(report.Section{ID: "overhead", Title: "Overhead", Blocks: blocks})
	d.Add(report.Section{ID: "density", Title: "Densities", Blocks: []report.Block{{Charts: b.charts()}}})
	rows := report.Records{Name: "rows.csv", Columns: report.Columns("engine", "expr", "form", "slots", "events", "matched", "median_ns", "none_ns", "overhead_ns", "q1_ns", "q3_ns", "skipped")}
	for i := range b.Results {
		rows.Rows = append(rows.Rows, &b.Results[i])
	}
	d.Records = []report.Records{rows}
	return d
}

// talked is the talk's figure beside a result's.
func talked(r *filterbench.Result) string {
	if filterbench.Hard[r.Expr] == nil {
		return "" // another filter than the talk's
	}
	for _, t := range talk {
		switch {
		case r.Events < t.events*99/100 || r.Events > t.events: // blocks are whole
		case r.Engine == "eBPF interpreted":
			return fmt.Sprint(t.plain)
		case r.Engine == "eBPF native" || r.Engine == "kernel's JIT":
			return fmt.Sprint(t.jit)
		}
	}
	return ""
}

// charts are the densities, one for each filter and number of events.
func (b *Bench) charts() (out report.Charts) {
	for i := range b.Results {
		r := &b.Results[i]
		if len(r.Blocks) == 0 {
			continue
		}
		title := fmt.Sprintf("%s%s: %d events", r.Expr, map[bool]string{true: " (" + r.Form + ")"}[r.Form != ""], r.Events/1000*1000)
		var c *report.Chart
		for _, x := range out {
			if x.Title == title {
				c = x
			}
		}
		if c == nil {
			c = &report.Chart{ID: fmt.Sprintf("density-%d", len(out)+1), Title: title, Heading: title, X: "ns an event", Y: "density (share of blocks by decade)", LogX: 10, FromZero: true}
			out = append(out, c)
		}
		s := report.Series{Name: r.Engine}
		s.X, s.Y = filterbench.Density(r.Blocks, 60)
		c.Series = append(c.Series, s)
	}
	return out
}
