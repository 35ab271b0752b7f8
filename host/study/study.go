// Package study runs a study from its file to its table: it is what the verb does,
// for Go programs.
//
//	s, err := spec.Read("study.yaml")
//	out, err := study.Run(ctx, s, study.Options{Out: "results"})
//
// The file is read by host/study/spec, its cells made by host/study/cell, run by
// host/study/run into host/study/store, and put into a table by host/study/result.
package study

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/host/study/cell"
	"jitnic/host/study/result"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"
	"jitnic/host/study/store"
	"jitnic/pcaps/outfile"
)

// Options say where a study goes and how it is run.
type Options struct {
	Out   string // folder of the results
	Cells string // folder of the store; "": cells in Out
	Only  string // beginning of a cell's address: no other is run; results are not written
	Again bool   // with Only: it is made anew
	Text  []byte // of the study's file, kept beside the results
	run.Options
}

// An Outcome is what became of a run.
type Outcome struct {
	Plan *cell.Plan
	*run.Summary
	Rows    int
	Refused int // cells that gave paths and have no rows: parts that can't stand apart
	Elapsed time.Duration
}

// Plan lists a study's cells, with the sums of large files that the store in dir
// remembers; "": without.
func Plan(ctx context.Context, s *spec.Study, dir string) (*cell.Plan, error) {
	k := known(dir)
	p, err := cell.Resolve(ctx, s, k.folder())
	if err == nil {
		err = k.save()
	}
	return p, err
}

// Run makes the cells of a study that its store doesn't have, and the results of
// all. A second run goes on where the first ended.
func Run(ctx context.Context, s *spec.Study, opt Options) (*Outcome, error) {
	begin := time.Now()
	if opt.Cells == "" {
		opt.Cells = filepath.Join(opt.Out, "cells")
	}
	st, err := store.OpenFolder(opt.Cells)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opt.Out, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w", opt.Out, outfile.Cause(err))
	}
	p, err := Plan(ctx, s, opt.Cells)
	if err != nil {
		return nil, err
	}
	if opt.Only != "" {
		if err := only(p, st, &opt); err != nil {
			return nil, err
		}
	}
	w := &run.Worker{Store: st, Files: cell.Folder{}}
	defer w.Close()
	l, err := openLog(filepath.Join(opt.Out, "log.jsonl"))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	tell := opt.Tell
	opt.Tell = func(d *run.Done, took time.Duration) {
		l.cell(d, took)
		if tell != nil {
			tell(d, took)
		}
	}
	sum, err := run.Run(ctx, p, w, opt.Options)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Plan: p, Summary: sum}
	if sum.Partial || opt.Only != "" {
		out.Elapsed = time.Since(begin)
		return out, l.err
	}
	var made *Made
	if made, err = Results(p, w, opt.Out, opt.Text); err == nil {
		out.Rows, out.Refused = made.Rows, made.Refused
		out.Failed += made.Refused
	}
	out.Elapsed = time.Since(begin)
	if err == nil {
		err = l.err
	}
	return out, err
}

// only leaves the cells whose address begins so.
func only(p *cell.Plan, st *store.Folder, opt *Options) error {
	var in []*cell.Cell
	for _, c := range p.Cells {
		if strings.HasPrefix(c.Address, opt.Only) {
			in = append(in, c)
		}
	}
	if len(in) == 0 {
		return fmt.Errorf("cell %q: the study has none whose address begins so", opt.Only)
	}
	p.Cells = in
	if !opt.Again {
		return nil
	}
	for _, c := range in {
		names := []string{c.Address + ".facts", c.Address + ".paths", c.Address + ".points", c.Key() + ".failed"}
		for i := range c.Devices {
			names = append(names, c.DeviceAddress(&c.Devices[i])+".device")
		}
		for _, n := range names {
			if err := st.Remove(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// A CellRow is a line of cells.csv.
type CellRow struct {
	Cell          string  `json:"cell"`
	Program       string  `json:"program"`
	Entry         string  `json:"entry"`
	Capture       string  `json:"capture"`
	Mode          string  `json:"mode"`
	Segments      string  `json:"segments"` // none, auto, or how many tables there are at most
	Queues        int     `json:"queues"`
	Split         string  `json:"split"`
	Part          int     `json:"part"`
	Seed          uint64  `json:"seed"`
	Status        string  `json:"status"` // done, failed, part (some of it failed), or refused (a part that can't stand apart from the others)
	Packets       uint64  `json:"packets"`
	Paths         int     `json:"paths"`
	Top1          float64 `json:"top1"` // shares of the packets that the most taken paths have
	Top10         float64 `json:"top10"`
	Top20         float64 `json:"top20"`
	Cover90       int     `json:"cover90"` // paths that 90 % of the packets take
	Cover99       int     `json:"cover99"`
	Uncacheable   uint64  `json:"uncacheable"`
	Invalidations uint64  `json:"invalidations"`
	NotRun        uint64  `json:"not_run"`
	Stored        uint64  `json:"stored_bytes"`
	Error         string  `json:"error"`   // of one that is done: what the optimiser of its traces failed at
	Command       string  `json:"command"` // that repeats it
}

// Made is what the tables came to.
type Made struct {
	Rows    int
	Refused int // cells without rows, as parts of their run can't stand apart
}

// Results writes the tables of a study whose cells are in the store: rows.parquet
// and rows.csv, cells.csv, ranking.csv, pairs.csv and windows.csv. They are on the
// disk when it returns.
func Results(p *cell.Plan, w *run.Worker, dir string, text []byte) (*Made, error) {
	made := &Made{}
	refused, err := w.Apart(p.Cells)
	if err != nil {
		return nil, err
	}
	g := result.NewGatherer()
	var cells []CellRow
	err = files(dir, []string{"rows.parquet", "rows.csv"}, func(out []io.Writer) error {
		about, err := json.Marshal(map[string]any{"study": p.Study.Name, "question": p.Study.Question, "semantics": cell.Semantics, "columns": result.Columns()})
		if err != nil {
			return err
		}
		table := result.NewWriter(out[0], out[1], string(about))
		for _, c := range p.Cells {
			row, err := collect(p, w, c, refused[c.Whole()], table, g)
			if err != nil {
				return err
			}
			if row.Status == "refused" {
				made.Refused++
			}
			cells = append(cells, *row)
		}
		made.Rows = table.Rows()
		return table.Close()
	})
	if err != nil {
		return nil, err
	}
	ranks, pairs := g.Conclude()
	if text == nil {
		text = []byte{}
	}
	return made, files(dir, []string{"cells.csv", "ranking.csv", "pairs.csv", "windows.csv", "study.yaml"}, func(out []io.Writer) error {
		return errors.Join(result.WriteTable(out[0], cells), result.WriteTable(out[1], ranks), result.WriteTable(out[2], pairs),
			result.WriteTable(out[3], g.Windows()), write(out[4], text))
	})
}

func write(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// collect adds what the store has of a cell; of one that is refused its facts alone.
func collect(p *cell.Plan, w *run.Worker, c *cell.Cell, refused string, table *result.Writer, g *result.Gatherer) (*CellRow, error) {
	r := &CellRow{Cell: c.Address, Program: c.Program, Entry: c.Entry, Capture: c.Capture, Mode: c.Mode, Segments: jit.SegmentsName(c.Segments), Queues: c.Queues, Split: c.Split, Part: c.Part, Seed: c.Seed,
		Status: "failed", Command: Command(c)}
	lines, err := Failures(w.Store, c)
	if err != nil {
		return nil, err
	}
	r.Error = strings.Join(lines, "; ")
	f, err := w.Facts(c)
	if err != nil || f == nil {
		return r, err
	}
	r.Status = "done"
	if len(lines) > 0 {
		r.Status = "part"
	}
	r.Packets, r.Paths, r.Uncacheable, r.Invalidations, r.NotRun, r.Stored = f.Requests, f.IDs, f.Uncacheable, f.Invalidations, f.NotRun, f.Stored
	r.Top1, r.Top10, r.Top20, r.Cover90, r.Cover99 = f.Top1, f.Top10, f.Top20, f.Cover90, f.Cover99
	if r.Entry == "" {
		r.Entry = f.Entry
	}
	if refused != "" {
		r.Status, r.Error = "refused", strings.Join(append(lines, refused), "; ")
		return r, nil
	}
	points, err := w.Points(c)
	if err != nil {
		return nil, err
	}
	var figures []*run.Figures
	for i := range c.Devices {
		x, err := w.Figures(c, &c.Devices[i])
		if err != nil {
			return nil, err
		}
		figures = append(figures, x)
		if x != nil && x.Unoptimised != "" {
			lines = append(lines, "device "+x.Device+": "+x.Unoptimised)
			r.Error = strings.Join(lines, "; ")
		}
	}
	g.Add(c, f, points)
	return r, table.Write(result.CellRows(p, c, f, points, figures))
}

// Failures are the lines that a cell failed with; none: it didn't.
func Failures(st store.Store, c *cell.Cell) ([]string, error) {
	r, err := st.Open(c.Key() + ".failed")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n"), nil
}

// Command is one that makes a cell again.
func Command(c *cell.Cell) string {
	if c.Gen != nil || c.Split != "none" || c.Fail != "" {
		return fmt.Sprintf("jitnic study run study.yaml --out again --only %s", c.Address[:16])
	}
	line := []string{"jitnic compare --program " + shell(c.Input.Program)}
	add := func(flag, value string) {
		if value != "" {
			line = append(line, "--"+flag+" "+shell(value))
		}
	}
	in := &c.Input
	add("entry", c.Entry)
	for _, f := range in.Captures {
		add("capture", f)
	}
	for _, m := range in.Maps {
		add("maps", m)
	}
	add("fib", in.FIB)
	add("btf", in.BTF)
	add("filter", in.Filter)
	if in.Limit > 0 {
		add("limit", fmt.Sprint(in.Limit))
	}
	if in.Loop > 1 {
		add("loop", fmt.Sprint(in.Loop))
	}
	add("linktype", in.LinkType)
	if in.PadCut {
		line = append(line, "--pad-cut")
	}
	if in.Strip {
		line = append(line, "--strip-vlan")
	}
	if in.Queues > 1 {
		add("queues", fmt.Sprint(in.Queues))
	}
	if c.Seed != 1 {
		add("seed", fmt.Sprint(c.Seed))
	}
	if m, err := replay.ModeOf(c.Mode); err == nil && m.Words != "" {
		line = append(line, m.Words)
	}
	if c.Segments != 0 {
		add("segments", jit.SegmentsName(c.Segments))
	}
	return strings.Join(line, " ")
}

// shell quotes a word where a shell would take it for something else.
func shell(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n'\"\\$`*?[]{}()<>|&;#~!") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// files writes several files of a folder, each whole or not at all, and on the disk
// before it takes its place.
func files(dir string, names []string, fill func(out []io.Writer) error) error {
	var all []*outfile.File
	var out []io.Writer
	fail := func(name string, err error) error {
		return fmt.Errorf("%s: %w", filepath.Join(dir, name), outfile.Cause(err))
	}
	defer func() {
		for _, f := range all {
			f.Abort()
		}
	}()
	for _, n := range names {
		f, err := outfile.Create(filepath.Join(dir, n))
		if err != nil {
			return fail(n, err)
		}
		all, out = append(all, f), append(out, f)
	}
	if err := fill(out); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return fail("", err)
		}
		return err
	}
	for i, f := range all {
		if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
			return fail(names[i], err)
		}
	}
	for i, f := range all {
		if err := f.Close(); err != nil {
			return fail(names[i], err)
		}
	}
	return nil
}

// logFile is what rows must not hold: when, how long, where.
type logFile struct {
	mu  sync.Mutex
	f   *os.File
	err error
}

func openLog(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, outfile.Cause(err))
	}
	return &logFile{f: f}, nil
}

func (l *logFile) Close() { l.f.Close() }

// cell notes one in a line of its own; lines of two runs don't mix.
func (l *logFile) cell(d *run.Done, took time.Duration) {
	host, _ := os.Hostname() // "" says it as well
	x := map[string]any{"at": time.Now().UTC().Format(time.RFC3339), "host": host, "cell": d.Cell.Address, "program": d.Cell.Input.Program, "captures": d.Cell.Input.Captures,
		"mode": d.Cell.Mode, "seconds": took.Seconds(), "ran": d.Ran, "points": d.Points, "devices": d.Devices, "found": d.Found, "failed": d.Failed}
	if d.Facts != nil {
		x["packets"], x["stored"] = d.Facts.Requests, d.Facts.Stored
	}
	b, err := json.Marshal(x)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		_, err = l.f.Write(append(b, '\n'))
	}
	if l.err == nil && err != nil {
		l.err = fmt.Errorf("%s: %w", l.f.Name(), outfile.Cause(err))
	}
}

// sums are those of large files, so that a study that goes on needn't read them
// again: by path, size and time of change.
type sums struct {
	path  string
	mu    sync.Mutex
	have  map[string]string
	fresh bool
}

// large is from how many bytes on a file's sum is kept.
const large = 16 << 20

func known(dir string) *sums {
	k := &sums{have: map[string]string{}}
	if dir == "" {
		return k
	}
	k.path = filepath.Join(dir, "sums.csv")
	f, err := os.Open(k.path)
	if err != nil {
		return k
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return k
	}
	for _, line := range all {
		if len(line) == 2 {
			k.have[line[0]] = line[1]
		}
	}
	return k
}

func (k *sums) key(path string, st os.FileInfo) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	inode := uint64(0)
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		inode = s.Ino
	}
	return fmt.Sprintf("%s %d %d %d", abs, st.Size(), st.ModTime().UnixNano(), inode)
}

func (k *sums) folder() cell.Folder {
	return cell.Folder{
		Known: func(path string, st os.FileInfo) (string, bool) {
			k.mu.Lock()
			defer k.mu.Unlock()
			sum, ok := k.have[k.key(path, st)]
			return sum, ok
		},
		Learn: func(path string, st os.FileInfo, sum string) {
			// What has just been changed may be changed again without a trace.
			if st.Size() < large || time.Since(st.ModTime()) < 2*time.Second {
				return
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			k.have[k.key(path, st)] = sum
			k.fresh = true
		},
	}
}

func (k *sums) save() error {
	if !k.fresh || k.path == "" {
		return nil
	}
	return files(filepath.Dir(k.path), []string{filepath.Base(k.path)}, func(out []io.Writer) error {
		w := csv.NewWriter(out[0])
		for key, sum := range k.have {
			if err := w.Write([]string{key, sum}); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
}
