package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"jitnic/host/run/replay"
	"jitnic/host/study/cell"
	"jitnic/host/study/store"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"
)

// A Worker makes cells. Several goroutines may use one.
type Worker struct {
	Store   store.Store
	Files   cell.Files
	Scratch string // folder for captures that generators make; "": the system's
	// Whole is how many requests of a stream are held in memory at once; 0: 3 Mi.
	// Longer ones are read block by block.
	Whole uint64

	mu        sync.Mutex
	generated map[string]*made
	scratch   string
}

// made is a capture that a generator made, or is making.
type made struct {
	once sync.Once
	path string
	err  error
}

// wholeRequests take about 80 MB, and a worker stays below 200 MB with what else it
// holds (BenchmarkMemory in host/study).
const wholeRequests = 3 << 20

func (w *Worker) whole() uint64 {
	if w.Whole > 0 {
		return w.Whole
	}
	return wholeRequests
}

// Close removes what was made for the time of the work.
func (w *Worker) Close() {
	if w.scratch != "" {
		os.RemoveAll(w.scratch)
	}
}

// local is a cell's input with paths of this machine.
func (w *Worker) local(ctx context.Context, c *cell.Cell) (replay.Input, error) {
	in := c.Input
	in.Captures, in.Maps = slices.Clone(in.Captures), slices.Clone(in.Maps)
	if in.Maps == nil && len(c.Input.Maps) > 0 {
		in.Maps = []string{}
	}
	if c.Gen != nil {
		path, err := w.generate(ctx, c.Gen)
		if err != nil {
			return in, err
		}
		in.Captures = []string{path}
		return in, w.localise(&in, false)
	}
	return in, w.localise(&in, true)
}

func (w *Worker) localise(in *replay.Input, captures bool) error {
	each := []*string{&in.Program, &in.FIB, &in.BTF}
	if captures {
		for i := range in.Captures {
			each = append(each, &in.Captures[i])
		}
	}
	for _, p := range each {
		if *p == "" || strings.HasPrefix(*p, "sample:") || strings.HasPrefix(*p, "filter:") {
			continue
		}
		local, err := w.Files.Local(*p)
		if err != nil {
			return err
		}
		*p = local
	}
	for i, m := range in.Maps {
		name, file, of := strings.Cut(m, "=")
		if !of {
			name, file = "", m
		}
		local, err := w.Files.Local(file)
		if err != nil {
			return err
		}
		if of {
			local = name + "=" + local
		}
		in.Maps[i] = local
	}
	return nil
}

// generate makes a generator's capture once for all cells that ask for it.
func (w *Worker) generate(ctx context.Context, s *gen.Spec) (string, error) {
	key := cell.Hash(s)
	w.mu.Lock()
	if w.generated == nil {
		w.generated = map[string]*made{}
	}
	if w.scratch == "" {
		dir, err := os.MkdirTemp(w.Scratch, "jitnic-study-")
		if err != nil {
			w.mu.Unlock()
			return "", &store.Failure{Err: err}
		}
		w.scratch = dir
	}
	m := w.generated[key]
	if m == nil {
		m = &made{path: filepath.Join(w.scratch, key[:16]+".pcapng")}
		w.generated[key] = m
	}
	w.mu.Unlock()
	m.once.Do(func() {
		g, err := gen.New(*s)
		if err != nil {
			m.err = err
			return
		}
		out, err := pcaps.Create(m.path)
		if err != nil {
			m.err = &store.Failure{Err: err}
			return
		}
		if err := g.Write(ctx, out); err != nil {
			out.Abort()
			m.err = err
			return
		}
		m.err = out.Close()
	})
	return m.path, m.err
}

// Done is what became of a cell.
type Done struct {
	Cell    *cell.Cell
	Facts   *Facts   // nil: its paths could not be made
	Ran     bool     // the program was run for its paths
	Points  int      // made now
	Devices int      // made now
	Found   bool     // all of it was in the store
	Failed  []string // a line each
}

// Do makes all of a cell that the store doesn't have. Err is of the store, or of
// the context; what fails in the cell itself is in Done, and in the store.
func (w *Worker) Do(ctx context.Context, c *cell.Cell, threads int) (*Done, error) {
	d := &Done{Cell: c}
	unlock, err := w.Store.Lock(c.Address)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := w.do(ctx, c, threads, d); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if isStore(err) {
			return nil, err
		}
		d.Failed = append(d.Failed, err.Error())
	}
	for i, f := range d.Failed {
		d.Failed[i] = plain(c, f)
	}
	d.Found = !d.Ran && d.Points == 0 && d.Devices == 0 && len(d.Failed) == 0
	name := c.Key() + ".failed"
	if len(d.Failed) == 0 {
		if d.Found {
			return d, nil
		}
		return d, w.Store.Remove(name)
	}
	return d, w.Store.Write(name, func(out io.Writer) error {
		_, err := fmt.Fprintln(out, strings.Join(d.Failed, "\n"))
		return err
	})
}

// do is Do within the lock. A fault of jitnic's own in one cell is that cell's
// failure, and not the end of a study of thousands.
func (w *Worker) do(ctx context.Context, c *cell.Cell, threads int, d *Done) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal fault: %v%s", r, faultAt())
		}
	}()
	if c.Fail != "" {
		return errors.New(c.Fail)
	}
	f, err := w.Facts(c)
	if err != nil {
		return err
	}
	if f == nil {
		if f, err = w.paths(ctx, c); err != nil {
			return err
		}
		d.Ran = true
	}
	d.Facts = f
	made, failed, err := w.points(ctx, c, f, threads)
	if err != nil && !isStore(err) && ctx.Err() == nil && !d.Ran {
		// The stream is damaged: a crash left it half written. Make it again.
		if f, err = w.paths(ctx, c); err != nil {
			return err
		}
		d.Ran, d.Facts = true, f
		made, failed, err = w.points(ctx, c, f, threads)
	}
	d.Points, d.Failed = made, failed
	if err != nil {
		return err
	}
	made, failed, err = w.devices(ctx, c)
	d.Devices, d.Failed = made, append(d.Failed, failed...)
	return err
}

// faultAt is where the panic that is being recovered from began, within jitnic.
func faultAt() string {
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	fault := false
	for {
		f, more := frames.Next()
		if fault && strings.HasPrefix(f.Function, "jitnic/") {
			return fmt.Sprintf(" (%s:%d)", filepath.Base(f.File), f.Line)
		}
		fault = fault || f.Function == "runtime.gopanic"
		if !more {
			return ""
		}
	}
}

// plain is an error in one line, without the folders of this machine.
func plain(c *cell.Cell, line string) string {
	for _, p := range append([]string{c.Input.Program, c.Input.FIB}, append(slices.Clone(c.Input.Captures), c.Input.Maps...)...) {
		if dir := filepath.Dir(p); p != "" && dir != "." && !strings.HasPrefix(p, "sample:") && !strings.HasPrefix(p, "filter:") {
			line = strings.ReplaceAll(line, dir+string(filepath.Separator), "")
		}
	}
	return strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
