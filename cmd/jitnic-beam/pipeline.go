package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"jitnic/host/study/cell"
	"jitnic/host/study/result"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/textio"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
)

func init() {
	register.DoFn4x1[context.Context, string, func(string, string), func(string), error](&makeCell{})
	register.DoFn5x1[context.Context, string, func(*string) bool, func(string), func(string), error](&rowsOf{})
	register.Emitter1[string]()
	register.Emitter2[string, string]()
	register.Iter1[string]()
	beam.RegisterType(reflect.TypeFor[makeCell]())
	beam.RegisterType(reflect.TypeFor[rowsOf]())
}

// build makes the pipeline: cells, reshuffled so that workers share them, are made;
// the cells of one run, which are several where it is split, come together and give
// their rows: rows.csv and failed.txt, unsorted.
func build(s beam.Scope, p *cell.Plan, store, out string) error {
	var elements []string
	for _, c := range p.Cells {
		b, err := json.Marshal(c)
		if err != nil {
			return err
		}
		elements = append(elements, string(b))
	}
	exclude, err := json.Marshal(p.Study.Exclude)
	if err != nil {
		return err
	}
	cells := beam.Reshuffle(s.Scope("spread"), beam.CreateList(s.Scope("cells"), elements))
	made, failed := beam.ParDo2(s.Scope("run"), &makeCell{Store: store}, cells)
	runs := beam.GroupByKey(s.Scope("runs"), made)
	rows, refused := beam.ParDo2(s.Scope("collect"), &rowsOf{Store: store, Exclude: exclude}, runs)
	textio.Write(s.Scope("rows"), join(out, "rows.csv"), beam.Flatten(s, beam.CreateList(s, []string{header()}), rows))
	// A file is written where there is something to write; a line of its own makes
	// one where nothing failed.
	textio.Write(s.Scope("failed"), join(out, "failed.txt"), beam.Flatten(s, beam.CreateList(s, []string{"# cells that failed: program, capture, mode, why"}), failed, refused))
	return nil
}

// makeCell makes a cell, and gives it on under what its run is called; of one that
// failed, too, why.
type makeCell struct {
	Store string
}

var (
	counters = struct{ ran, found, failed, points, rows beam.Counter }{
		beam.NewCounter("study", "run"), beam.NewCounter("study", "found"), beam.NewCounter("study", "failed"),
		beam.NewCounter("study", "points"), beam.NewCounter("study", "rows"),
	}
	// slots bound the cells that are made side by side in a process: a runner may
	// hand out as many bundles as it likes.
	slots = sync.OnceValue(func() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) })
)

// ProcessElement makes one cell.
func (m *makeCell) ProcessElement(ctx context.Context, element string, made func(string, string), failed func(string)) error {
	slots() <- struct{}{}
	defer func() { <-slots() }()
	var c cell.Cell
	if err := json.Unmarshal([]byte(element), &c); err != nil {
		return err
	}
	f := &files{ctx: ctx}
	defer f.Close()
	w := &run.Worker{Store: &store{ctx, m.Store}, Files: f}
	defer w.Close()
	d, err := w.Do(ctx, &c, 1)
	if err != nil {
		return err // of the store: the runner tries again
	}
	switch {
	case len(d.Failed) > 0:
		counters.failed.Inc(ctx, 1)
		failed(lineOfFailure(&c, strings.Join(d.Failed, "; ")))
	case d.Found:
		counters.found.Inc(ctx, 1)
	}
	if d.Ran {
		counters.ran.Inc(ctx, 1)
	}
	counters.points.Inc(ctx, int64(d.Points))
	if d.Facts != nil {
		made(c.Whole(), element)
	}
	return nil
}

func lineOfFailure(c *cell.Cell, why string) string {
	return fmt.Sprintf("%s, %s, %s, %s", c.Program, c.Capture, c.Mode, why)
}

// rowsOf gives the rows of the cells of a run as lines of CSV, and what is refused.
type rowsOf struct {
	Store   string
	Exclude []byte // the study's, as rows are taken out by device too
}

// ProcessElement takes the cells of one run.
func (m *rowsOf) ProcessElement(ctx context.Context, whole string, elements func(*string) bool, row, failed func(string)) error {
	var study spec.Study
	if err := json.Unmarshal(m.Exclude, &study.Exclude); err != nil {
		return err
	}
	var cells []*cell.Cell
	for e := ""; elements(&e); {
		c := &cell.Cell{}
		if err := json.Unmarshal([]byte(e), c); err != nil {
			return err
		}
		cells = append(cells, c)
	}
	w := &run.Worker{Store: &store{ctx, m.Store}}
	refused, err := w.Apart(cells)
	if err != nil {
		return err
	}
	for _, c := range cells {
		if why := refused[whole]; why != "" {
			counters.failed.Inc(ctx, 1)
			failed(lineOfFailure(c, why))
			continue
		}
		if err := rowsOfCell(ctx, w, &cell.Plan{Study: &study}, c, row); err != nil {
			return err
		}
	}
	return nil
}

func rowsOfCell(ctx context.Context, w *run.Worker, p *cell.Plan, c *cell.Cell, row func(string)) error {
	facts, err := w.Facts(c)
	if err != nil || facts == nil {
		return err
	}
	points, err := w.Points(c)
	if err != nil {
		return err
	}
	var figures []*run.Figures
	for i := range c.Devices {
		x, err := w.Figures(c, &c.Devices[i])
		if err != nil {
			return err
		}
		figures = append(figures, x)
	}
	rows := result.CellRows(p, c, facts, points, figures)
	for i := range rows {
		line, err := lineOf(result.Record(&rows[i]))
		if err != nil {
			return err
		}
		row(line)
	}
	counters.rows.Inc(ctx, int64(len(rows)))
	return nil
}

// lineOf is a line of CSV without its end.
func lineOf(record []string) (string, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(record); err != nil {
		return "", err
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n"), w.Error()
}

// header names the columns.
func header() string {
	var names []string
	for _, c := range result.Columns() {
		names = append(names, c.Name)
	}
	return strings.Join(names, ",")
}
