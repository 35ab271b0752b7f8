// Package studycmd is the verb `jitnic study`: many programs, captures and settings
// from one file, on all cores, with one table at the end.
package studycmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/study"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"
	"jitnic/pcaps/outfile"

	"github.com/spf13/cobra"
)

// An exit is an error with a code of its own.
type exit struct {
	error
	code int
}

// ExitCode is what the process ends with.
func (e exit) ExitCode() int { return e.code }

// someFailed is the exit code of a study of which cells failed.
const someFailed = 3

// Command is `jitnic study`.
func Command() *cobra.Command {
	c := &cobra.Command{
		Use:   "study",
		Short: "Run programs × captures × settings from one file, on all cores, and put the results into one table",
		Long: `A study is one YAML file: programs, captures, policies, sizes, devices. It runs on
all cores, survives a kill, and ends in a table with a row a point.

` + shippedList(),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error { return c.Help() },
	}
	c.AddCommand(initCommand(), planCommand(), runCommand(), reportCommand(), diffCommand())
	return c
}

// shippedList says which studies the binary carries.
func shippedList() string {
	var b strings.Builder
	b.WriteString("Studies that the binary carries:\n")
	for _, name := range spec.Shipped() {
		s, err := spec.Read("study:" + name)
		if err != nil {
			continue // a test reads them all
		}
		fmt.Fprintf(&b, "  study:%-10s %s\n", name, s.Question)
	}
	return b.String()
}

func initCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write a commented study.yaml for the objects and captures of a folder",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			path := filepath.Join(dir, "study.yaml")
			if _, err := os.Stat(path); err == nil && !force {
				return fmt.Errorf("%s: is there already: --force writes another over it", path)
			}
			programs, captures, err := found(dir)
			if err != nil {
				return err
			}
			if err := outfile.Write(path, func(f *outfile.File) error {
				_, err := f.WriteString(spec.Template(programs, captures))
				return err
			}); err != nil {
				return err
			}
			var f report.Facts
			f.Add("written", path)
			f.Add("programs", len(programs))
			f.Add("captures", len(captures))
			return f.Write(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&force, "force", false, "write over a study.yaml that is there")
	return c
}

// found are the objects and captures of a folder, by name; at most a hundred of
// each, as one would write them.
func found(dir string) (programs, captures []string, err error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range all {
		name := e.Name()
		plain := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"), ".xz")
		switch filepath.Ext(plain) {
		case ".o", ".k2", ".insns":
			programs = append(programs, name)
		case ".pcap", ".pcapng", ".cap":
			captures = append(captures, name)
		}
	}
	const most = 100
	if len(captures) > most {
		captures = []string{"*.pcap*"}
	}
	return programs[:min(len(programs), most)], captures, nil
}

// target is the study that an argument names: a file, study:NAME, or a folder with
// results, whose file is in it.
func target(arg string) (*spec.Study, []byte, error) {
	s, err := spec.Read(arg)
	if err != nil {
		return nil, nil, err
	}
	if name, ok := strings.CutPrefix(arg, "study:"); ok {
		text, err := spec.ShippedText(name)
		return s, text, err
	}
	text, err := os.ReadFile(arg)
	return s, text, err
}

func planCommand() *cobra.Command {
	var jobs int
	c := &cobra.Command{
		Use:   "plan STUDY.yaml",
		Short: "Print a study's cells, and the time and memory they will take, without running",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, _, err := target(args[0])
			if err != nil {
				return err
			}
			p, err := study.Plan(c.Context(), s, "")
			if err != nil {
				return err
			}
			return planned(p, jobs).Text(c.OutOrStdout())
		},
	}
	c.Flags().IntVar(&jobs, "jobs", 0, "cells side by side: `N`; default one a CPU")
	return c
}

func runCommand() *cobra.Command {
	var opt study.Options
	var resume bool
	c := &cobra.Command{
		Use:   "run STUDY.yaml --out RESULTS",
		Short: "Run a study, or go on with one: what its store has is not made again",
		Long: `Runs the cells of a study that its store doesn't have, and writes rows.parquet,
rows.csv, cells.csv, ranking.csv, pairs.csv and windows.csv. A run that was killed goes on where it
was; two runs share the work. A cell that fails is recorded and the rest goes on: the
exit code is 3 then, 1 on an error of the study itself, 130 after an interrupt.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case opt.Out == "":
				return errors.New("--out: name the folder of the results")
			case opt.Jobs < 0:
				return fmt.Errorf("--jobs %d: want 1 or more, or 0 for one a CPU", opt.Jobs)
			case opt.Again && opt.Only == "":
				return errors.New("--again: goes with --only")
			}
			s, text, err := target(args[0])
			if err != nil {
				return err
			}
			opt.Text = text
			if !resume {
				if err := empty(opt.Out); err != nil {
					return err
				}
			}
			step, done := progress(c)
			opt.Tell = step
			out, err := study.Run(c.Context(), s, opt)
			done()
			if err != nil {
				return err
			}
			ran, failed := 0, 0
			if !out.Partial && opt.Only == "" {
				if ran, failed, err = commands(c.Context(), s, opt.Out); err != nil {
					return err
				}
			}
			if err := told(out, opt.Out, ran).Text(c.OutOrStdout()); err != nil {
				return err
			}
			switch {
			case out.Partial || c.Context().Err() != nil:
				return fmt.Errorf("interrupted: what is done is kept, run it again to go on")
			case out.Failed > 0:
				return exit{fmt.Errorf("%d of %d cells failed: see %s", out.Failed, out.Cells, filepath.Join(opt.Out, "cells.csv")), someFailed}
			case failed > 0:
				return exit{fmt.Errorf("%d of %d commands failed: see %s", failed, len(s.Commands), filepath.Join(opt.Out, "commands.csv")), someFailed}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVarP(&opt.Out, "out", "o", "", "`FOLDER` of the results")
	f.StringVar(&opt.Cells, "store", "", "`FOLDER` in which cells are kept, for several studies; default cells in the results")
	f.IntVar(&opt.Jobs, "jobs", 0, "cells side by side: `N`; default one a CPU. Changes no result")
	f.BoolVar(&resume, "resume", true, "go on with what the folder has; --resume=false wants an empty one")
	f.StringVar(&opt.Only, "only", "", "run the cells alone whose address begins with `HASH`; the tables are left as they are")
	f.BoolVar(&opt.Again, "again", false, "make what --only names anew")
	return c
}

// empty says whether a folder holds nothing yet.
func empty(dir string) error {
	all, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(all) > 0 {
		err = errors.New("is not empty, and --resume=false wants to begin anew")
	}
	if err != nil {
		return fmt.Errorf("--out: %s: %w", dir, outfile.Cause(err))
	}
	return nil
}

// progress is a line that counts cells where errors go to a terminal.
func progress(c *cobra.Command) (step func(d *run.Done, took time.Duration), done func()) {
	bar := session.NewBar(c.ErrOrStderr(), "cells")
	if bar == nil {
		return nil, bar.End
	}
	n := int64(0)
	return func(*run.Done, time.Duration) {
		n++
		bar.Step("cells", n, -1)
	}, bar.End
}

// told is what a run says of itself.
func told(out *study.Outcome, dir string, ran int) *report.Document {
	var f report.Facts
	f.Add("cells", report.Count(uint64(out.Cells)))
	f.Add("  run", report.Count(uint64(out.Ran)), "programs run over a capture")
	f.Add("  found", report.Count(uint64(out.Found)), "all of it was in the store")
	f.Add("  failed", report.Count(uint64(out.Failed)))
	if out.Refused > 0 {
		f.Add("    refused", report.Count(uint64(out.Refused)), "parts of runs that can't be split")
	}
	f.Add("points", report.Count(uint64(out.Summary.Points)), "caches run over a stream of paths")
	if out.Devices > 0 {
		f.Add("devices", report.Count(uint64(out.Devices)), "models run")
	}
	if n := len(out.Plan.Study.Commands); n > 0 {
		f.Add("commands", n, fmt.Sprintf("%d run now", ran))
	}
	if out.Rows > 0 {
		f.Add("rows", report.Count(uint64(out.Rows)))
		f.Add("written", dir, "rows.parquet, rows.csv, cells.csv, ranking.csv, pairs.csv, windows.csv")
	}
	d := &report.Document{Verb: "study run", Title: out.Plan.Study.Name}
	d.Add(report.Section{ID: "run", Title: "Run", Blocks: []report.Block{{Facts: f}}})
	return d
}
