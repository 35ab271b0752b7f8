package superoptcmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/superopt"
	"jitnic/superopt/bench"

	"github.com/spf13/cobra"
)

// Bench is what bench --json writes.
type Bench struct {
	Cost     string               `json:"cost"`
	Seed     uint64               `json:"seed"`
	Rows     []*bench.Row         `json:"rows,omitempty"`
	Ablation []*bench.AblationRow `json:"ablation,omitempty"`
	Skipped  string               `json:"skipped,omitempty"` // why the kernel's samples were not built
	Partial  bool                 `json:"partial,omitempty"`
}

func benchCommand() *cobra.Command {
	var f flags
	var dirs []string
	var only string
	var ablate, kernel, build bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Optimise K2's benchmarks and print counts and times beside K2's",
		Long: `Bench compiles the kernel's sample programs with clang from Debian's linux-source
package into a temporary folder, optimises those K2 was measured on, and prints
counts and times beside what K2 published. Later kernels' samples differ from
those K2 compiled: rows are compared only where the count before is the same.
--dir adds folders with other inputs (NAME.insns, .k2, .bpf, or K2's own collection
as it is: superopt-input-bm/input_bm_0108_ab7e41e), which come first.

--ablate switches K2's four accelerations of a proof off, one after another.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			opt, err := f.options()
			if err != nil {
				return err
			}
			if err := f.to.Check(c, args); err != nil {
				return err
			}
			for _, d := range dirs {
				if st, err := os.Stat(d); err != nil {
					return pathError(d, err)
				} else if !st.IsDir() {
					return fmt.Errorf("--dir %s: not a folder", d)
				}
			}
			o := &bench.Options{Opt: *opt, Dirs: dirs, Only: map[string]bool{}}
			if kernel {
				o.Kernel = kernelRuns
			}
			list := bench.K2
			if only != "" {
				for _, n := range strings.Split(only, ",") {
					o.Only[n] = true
				}
				list = nil
				for _, p := range bench.K2 {
					if o.Only[p.Name] {
						list = append(list, p)
						delete(o.Only, p.Name)
					}
				}
				for n := range o.Only {
					return fmt.Errorf("--only %s: no benchmark of that name", n)
				}
			}
			r := &Bench{Cost: f.cost, Seed: f.seed}
			news := status(c.ErrOrStderr())
			if build {
				tmp, err := os.MkdirTemp("", "jitnic-bench-")
				if err != nil {
					return err
				}
				defer os.RemoveAll(tmp)
				news("compiling the kernel's samples")
				if err := bench.Build(c.Context(), tmp); errors.Is(err, bench.ErrMissing) {
					r.Skipped = err.Error()
				} else if err != nil {
					return err
				}
				o.Dirs = append(o.Dirs, tmp)
			}
			o.Done = func(row *bench.Row) { news(row.Name) }
			if ablate {
				r.Ablation, err = bench.Ablate(c.Context(), list, o)
			} else {
				r.Rows, err = bench.Run(c.Context(), list, o)
			}
			news("")
			r.Partial = err != nil
			return f.finish(c, opt, err, r.document, func() string { return fmt.Sprintf("%d rows", len(r.Rows)+len(r.Ablation)) })
		},
	}
	f.add(c, "count")
	fs := c.Flags()
	fs.StringSliceVar(&dirs, "dir", nil, "folders with inputs that come before the kernel's samples")
	fs.StringVar(&only, "only", "", "only these benchmarks, as `NAME,…`")
	fs.BoolVar(&ablate, "ablate", false, "switch the four accelerations of a proof off, one after another")
	fs.BoolVar(&kernel, "kernel", false, "load and compare each result in the running kernel")
	fs.BoolVar(&build, "build", true, "compile the kernel's samples; =false: only what --dir has")
	return c
}

// document tells the rows.
func (r *Bench) document() *report.Document {
	d := &report.Document{Verb: "superopt bench", Title: "K2's benchmarks", About: "counts and times beside what K2 published", Data: r}
	if r.Partial {
		d.Partial = "Rows are missing; those here are whole."
	}
	var blocks []report.Block
	if r.Skipped != "" {
		blocks = append(blocks, report.Block{Pre: "skipped: " + r.Skipped})
	}
	if r.Ablation != nil {
		blocks = append(blocks, report.Block{Title: "What each acceleration of a proof does", Table: r.ablationTable()})
	} else {
		t, said := r.table()
		blocks = append(blocks, report.Block{Title: "Counts before and after", Table: t}, report.Block{Pre: said})
	}
	d.Add(report.Section{ID: "bench", Title: "Benchmarks", Blocks: blocks})
	rows := report.Records{Name: "rows.csv", Columns: report.Columns("name", "skipped", "result.before", "result.after", "k2_before", "k2_after", "comparable")}
	for _, x := range r.Rows {
		rows.Rows = append(rows.Rows, x)
	}
	d.Records = []report.Records{rows}
	return d
}

func (r *Bench) ablationTable() *report.Table {
	t := &report.Table{ID: "ablation", Open: true, Left: 9, Head: []string{"program", "setting", "before", "after", "seconds", "proved", "refuted", "unknown", "by solver"}}
	for _, x := range r.Ablation {
		if x.Skipped != "" {
			t.Add(x.Name, "skipped: "+x.Skipped)
			continue
		}
		g := x.Result
		t.Add(x.Name, x.Setting, fmt.Sprint(g.Before), fmt.Sprint(g.After), fmt.Sprintf("%.2f", g.Seconds), fmt.Sprint(g.Proved), fmt.Sprint(g.Refuted), fmt.Sprint(g.Unknown), fmt.Sprint(g.ByZ3))
	}
	return t
}

// table is the programs that were optimised, and what is said below it.
func (r *Bench) table() (*report.Table, string) {
	t := &report.Table{ID: "bench", Open: true, Left: 18, Head: []string{"program", "before", "after", "seconds", "to best", "K2 before", "K2 after", "K2 seconds", "", "ns before", "after", "proposals/s", "proved", "refuted", "unknown", "whole", "kernel", "source"}}
	num := func(n int) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprint(n)
	}
	var seconds float64
	same, reached := 0, 0
	var skipped []string
	for _, x := range r.Rows {
		if x.Skipped != "" {
			skipped = append(skipped, x.Name)
			continue
		}
		g := x.Result
		seconds += g.Seconds
		word := "other input"
		switch {
		case x.K2Before == 0:
			word = ""
		case x.Comparable && g.After <= x.K2After:
			word, same, reached = "reached", same+1, reached+1
		case x.Comparable:
			word, same = "above", same+1
		}
		k2s := "-"
		if x.K2Second > 0 {
			k2s = fmt.Sprintf("%g", x.K2Second)
		}
		t.Add(x.Name, fmt.Sprint(g.Before), fmt.Sprint(g.After), fmt.Sprintf("%.2f", g.Seconds), fmt.Sprintf("%.2f", g.SecondsBest), num(x.K2Before), num(x.K2After), k2s, word,
			fmt.Sprintf("%.1f", g.LatBefore), fmt.Sprintf("%.1f", g.LatAfter), fmt.Sprintf("%.0f", g.PerSecond), fmt.Sprint(g.Proved), fmt.Sprint(g.Refuted), fmt.Sprint(g.Unknown), brief(g.Whole.String()), judged(g.Kernel), filepath.Base(x.Source))
	}
	said := ""
	if len(skipped) > 0 {
		said = fmt.Sprintf("skipped, as no source of them is here (--dir): %s\n", strings.Join(skipped, ", "))
	}
	return t, said + fmt.Sprintf("%d of %d comparable programs at K2's count or below; %.1f seconds in all\n", reached, same, seconds)
}

// judged is the kernel's answer in a few words.
func judged(k *superopt.Kernel) string {
	s := "-"
	switch {
	case k == nil:
	case k.Differences > 0:
		s = "DIFFERS: " + firstLine(k.Reason)
	case k.Loaded:
		s = fmt.Sprintf("loaded, %d runs", k.Runs)
	default:
		s = firstLine(k.Reason)
	}
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return s
}
