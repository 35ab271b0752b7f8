package studycmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"jitnic/cmd/internal/report"
	"jitnic/host/study"
	"jitnic/host/study/result"
	"jitnic/host/study/spec"

	"github.com/spf13/cobra"
)

func reportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "report RESULTS",
		Short: "Make the page of a study's results, and its figures as SVG and PDF with the numbers behind each",
		Long: `Reads the tables of a study's results and writes beside them report.html, which opens
offline, and figures/ with each figure as SVG, PDF and CSV. Prints what the page
begins with.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			in, err := load(dir)
			if err != nil {
				return err
			}
			d := in.document()
			figures, err := d.Figures()
			if err != nil {
				return err
			}
			if err := report.WriteDir(filepath.Join(dir, d.FigureDir), figures); err != nil {
				return err
			}
			if err := report.WriteFile(filepath.Join(dir, "report.html"), c.OutOrStdout(), d.Page); err != nil {
				return err
			}
			if q := c.Flags().Lookup("quiet"); q != nil && q.Value.String() == "true" {
				return nil
			}
			if err := d.Text(c.OutOrStdout()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "\nwritten to %s: report.html, and %s with %d figures as SVG, PDF and CSV\n", dir, filepath.Join(dir, d.FigureDir), len(figures)/3)
			return err
		},
	}
	return c
}

// results are a study's tables.
type results struct {
	dir   string
	study *spec.Study
	rows  []result.Row
	cells []study.CellRow
	ranks []result.Rank
	pairs []result.Pair

	windows []result.Window
}

func load(dir string) (*results, error) {
	r := &results{dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, "study.yaml"))
	if err != nil {
		return nil, fmt.Errorf("%w: is it the folder of a study's results?", err)
	}
	if r.study, err = spec.Parse(filepath.Join(dir, "study.yaml"), dir, text); err != nil {
		return nil, err
	}
	if r.rows, err = result.Read(filepath.Join(dir, "rows.parquet")); err != nil {
		return nil, err
	}
	if r.cells, err = result.ReadTable[study.CellRow](filepath.Join(dir, "cells.csv")); err != nil {
		return nil, err
	}
	if r.ranks, err = result.ReadTable[result.Rank](filepath.Join(dir, "ranking.csv")); err != nil {
		return nil, err
	}
	if r.pairs, err = result.ReadTable[result.Pair](filepath.Join(dir, "pairs.csv")); err != nil {
		return nil, err
	}
	r.windows, err = result.ReadTable[result.Window](filepath.Join(dir, "windows.csv"))
	if errors.Is(err, os.ErrNotExist) { // of an earlier version, which had none
		err = nil
	}
	return r, err
}
