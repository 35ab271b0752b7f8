package superoptcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"jitnic/cmd/internal/report"
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
		RunE: func(c *cobra.Command, _ []string) error {
			opt, err := f.options()
			if err != nil {
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
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			r.Partial = err != nil
			if err := keep(opt); err != nil {
				return pathError(f.rules, err)
			}
			out := report.Outputs{Files: []report.Output{{Path: f.json, Write: report.JSON(r)}}, Text: r.Text}
			if err := out.Write(c.OutOrStdout()); err != nil {
				return err
			}
			if r.Partial {
				return fmt.Errorf("interrupted after %d rows", len(r.Rows)+len(r.Ablation))
			}
			return nil
		},
	}
	f.add(c)
	fs := c.Flags()
	fs.StringSliceVar(&dirs, "dir", nil, "folders with inputs that come before the kernel's samples")
	fs.StringVar(&only, "only", "", "only these benchmarks, as `NAME,…`")
	fs.BoolVar(&ablate, "ablate", false, "switch the four accelerations of a proof off, one after another")
	fs.BoolVar(&kernel, "kernel", false, "load and compare each result in the running kernel")
	fs.BoolVar(&build, "build", true, "compile the kernel's samples; =false: only what --dir has")
	return c
}

// Text prints the table.
func (r *Bench) Text(w io.Writer) error {
	if r.Skipped != "" {
		fmt.Fprintf(w, "skipped: %s\n", r.Skipped)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	num := func(n int) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprint(n)
	}
	if r.Ablation != nil {
		fmt.Fprintf(t, "program\tsetting\tbefore\tafter\tseconds\tproved\trefuted\tunknown\tby solver\n")
		for _, x := range r.Ablation {
			if x.Skipped != "" {
				fmt.Fprintf(t, "%s\tskipped: %s\n", x.Name, x.Skipped)
				continue
			}
			g := x.Result
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.2f\t%d\t%d\t%d\t%d\n", x.Name, x.Setting, g.Before, g.After, g.Seconds, g.Proved, g.Refuted, g.Unknown, g.ByZ3)
		}
		return t.Flush()
	}
	fmt.Fprintf(t, "program\tbefore\tafter\tseconds\tto best\tK2 before\tK2 after\tK2 seconds\t\tns before\tafter\tproposals/s\tproved\trefuted\tunknown\twhole\tkernel\tsource\n")
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
		k := "-"
		if g.Kernel != nil {
			switch {
			case g.Kernel.Differences > 0:
				k = "DIFFERS: " + firstLine(g.Kernel.Reason)
			case g.Kernel.Loaded:
				k = fmt.Sprintf("loaded, %d runs", g.Kernel.Runs)
			default:
				k = firstLine(g.Kernel.Reason)
			}
			if len(k) > 40 {
				k = k[:40] + "…"
			}
		}
		k2s := "-"
		if x.K2Second > 0 {
			k2s = fmt.Sprintf("%g", x.K2Second)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t%.2f\t%s\t%s\t%s\t%s\t%.1f\t%.1f\t%.0f\t%d\t%d\t%d\t%s\t%s\t%s\n", x.Name, g.Before, g.After, g.Seconds, g.SecondsBest,
			num(x.K2Before), num(x.K2After), k2s, word, g.LatBefore, g.LatAfter, g.PerSecond, g.Proved, g.Refuted, g.Unknown, brief(g.Whole), k, filepath.Base(x.Source))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(skipped) > 0 {
		fmt.Fprintf(w, "skipped, as no source of them is here (--dir): %s\n", strings.Join(skipped, ", "))
	}
	_, err := fmt.Fprintf(w, "%d of %d comparable programs at K2's count or below; %.1f seconds in all\n", reached, same, seconds)
	return err
}
