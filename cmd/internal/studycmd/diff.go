package studycmd

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/study/result"

	"github.com/spf13/cobra"
)

func diffCommand() *cobra.Command {
	var least float64
	var all bool
	c := &cobra.Command{
		Use:   "diff RESULTS-A RESULTS-B",
		Short: "What differs between the rows of two studies' results",
		Args:  cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var rows [2][]result.Row
			for i, dir := range args {
				var err error
				if rows[i], err = result.Read(filepath.Join(dir, "rows.parquet")); err != nil {
					return err
				}
			}
			return differences(rows[0], rows[1], args, least, all).Text(c.OutOrStdout())
		},
	}
	c.Flags().Float64Var(&least, "least", 0, "leave out miss ratios that differ by no more than this `SHARE`")
	c.Flags().BoolVar(&all, "all", false, "show every row that differs, not the first 40")
	return c
}

// coordinates are what a row is told by: all before its counts.
func coordinates(r *result.Row) string {
	dev := ""
	if r.Device != nil {
		dev = fmt.Sprintf("%s\x00%s\x00%d\x00%d", *r.Device, *r.Host, *r.Rate, *r.Tier)
	}
	return strings.Join([]string{r.Program, r.Entry, r.Maps, r.FIB, r.Filter, r.Capture, r.Mode, cmp.Or(r.Segments, "none"), fmt.Sprint(r.Queues), r.Split, fmt.Sprint(r.Part), fmt.Sprint(r.Seed),
		r.Policy, r.Admission, fmt.Sprint(r.Entries), fmt.Sprint(r.Slots), fmt.Sprint(r.Hot), fmt.Sprint(r.InstallDelay), dev}, "\x00")
}

func differences(a, b []result.Row, dirs []string, least float64, all bool) *report.Document {
	of := map[string]*result.Row{}
	for i := range b {
		of[coordinates(&b[i])] = &b[i]
	}
	t := &report.Table{ID: "rows", Title: "Rows that differ", Head: []string{"program", "capture", "mode", "policy", "size", "device", "miss ratio, first", "second", "second less first", "pays, first", "second"}, Left: 6, Right: 2}
	both, same, differ, inputs := 0, 0, 0, 0
	var sum, most float64
	for i := range a {
		x := &a[i]
		y := of[coordinates(x)]
		if y == nil {
			continue
		}
		delete(of, coordinates(x))
		both++
		if x.ProgramSHA256 != y.ProgramSHA256 || x.CaptureSHA256 != y.CaptureSHA256 {
			inputs++
		}
		d := y.MissRatio - x.MissRatio
		paid := func(r *result.Row) string {
			if r.Pays == nil {
				return ""
			}
			return *r.Pays
		}
		if math.Abs(d) <= least && x.Misses == y.Misses && paid(x) == paid(y) || math.Abs(d) <= least && least > 0 && paid(x) == paid(y) {
			same++
			continue
		}
		differ++
		sum += d
		most = max(most, math.Abs(d))
		device := ""
		if x.Device != nil {
			device = *x.Device
		}
		t.Add(x.Program, x.Capture, made(x.Mode, x.Segments), result.CacheName(x.Policy, x.Admission), size(x.Entries, x.Slots), device,
			fmt.Sprintf("%.4f", x.MissRatio), fmt.Sprintf("%.4f", y.MissRatio), fmt.Sprintf("%+.4f", d), paid(x), paid(y))
	}
	var f report.Facts
	f.Add("rows", fmt.Sprintf("%d in %s, %d in %s", len(a), dirs[0], len(b), dirs[1]))
	f.Add("in both", both)
	f.Add("  alike", same)
	f.Add("  differ", differ)
	if inputs > 0 {
		f.Add("  of other inputs", inputs, "the program or the capture has another hash")
	}
	f.Add("only in the first", len(a)-both)
	f.Add("only in the second", len(b)-both)
	if differ > 0 {
		f.Add("mean difference", fmt.Sprintf("%+.4f", sum/float64(differ)), "of the miss ratio, second less first, of those that differ")
		f.Add("largest", fmt.Sprintf("%.4f", most))
	}
	if !all && len(t.Rows) > 40 {
		t.TextNote = fmt.Sprintf("%d more: --all shows them", len(t.Rows)-40)
		t = t.First(40)
	}
	d := &report.Document{Verb: "study diff", Title: strings.Join(dirs, " and ")}
	d.Add(report.Section{ID: "diff", Title: "Difference", Blocks: []report.Block{{Facts: f}, {Table: t, Apart: true}}})
	return d
}

// size is a budget in words.
func size(entries, slots uint64) string {
	if slots > 0 {
		return fmt.Sprintf("%d slots", slots)
	}
	return fmt.Sprint(entries)
}
