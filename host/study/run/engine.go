package run

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"jitnic/host/study/cell"
	"jitnic/host/study/store"
)

// Options say how a plan's cells are made. None changes a result.
type Options struct {
	Jobs int // cells side by side; 0: one a CPU
	// Tell, where set, is told of each cell when it is done, one at a time.
	Tell func(d *Done, took time.Duration)
}

// Summary is what became of a plan.
type Summary struct {
	Cells   int // of the plan
	Ran     int // whose program was run now
	Found   int // of which all was in the store
	Failed  int
	Points  int // made now
	Devices int // made now
	Partial bool
	Busy    time.Duration // of all cells together
}

// Run makes all cells of a plan that the store doesn't have, the longest first. A
// cell that another run is at is waited for at the end, and found. The error is of
// the store, such as a full disk; an interrupt ends it without one, and Partial is
// set.
func Run(ctx context.Context, p *cell.Plan, w *Worker, opt Options) (*Summary, error) {
	jobs := opt.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := slices.Clone(p.Cells)
	slices.SortStableFunc(todo, func(a, b *cell.Cell) int {
		switch x, y := Cost(a).Seconds, Cost(b).Seconds; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	q := &queue{todo: todo}
	s := &Summary{Cells: len(p.Cells)}
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	for range min(jobs, len(todo)) {
		wg.Go(func() {
			for {
				c, left := q.next()
				if c == nil {
					return
				}
				if ctx.Err() != nil {
					q.done()
					return
				}
				begin := time.Now()
				d, err := w.Do(ctx, c, max(1, jobs/max(left, 1)))
				took := time.Since(begin)
				if errors.Is(err, store.ErrBusy) {
					q.later(c)
					select {
					case <-ctx.Done():
					case <-time.After(50 * time.Millisecond):
					}
					continue
				}
				q.done()
				mu.Lock()
				switch {
				case err != nil:
					if ctx.Err() == nil && failed == nil {
						failed = err
						cancel()
					}
				default:
					s.add(d, took)
					if opt.Tell != nil {
						opt.Tell(d, took)
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return s, failed
	}
	s.Partial = ctx.Err() != nil
	return s, nil
}

func (s *Summary) add(d *Done, took time.Duration) {
	s.Busy += took
	s.Points += d.Points
	s.Devices += d.Devices
	switch {
	case len(d.Failed) > 0:
		s.Failed++
	case d.Found:
		s.Found++
	}
	if d.Ran {
		s.Ran++
	}
}

// queue hands out cells; those that are busy elsewhere come to its end.
type queue struct {
	mu      sync.Mutex
	todo    []*cell.Cell
	running int
}

// next is a cell, and how many are being made or wait, this one included; nil:
// there are none.
func (q *queue) next() (*cell.Cell, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.todo) == 0 {
		return nil, 0
	}
	c := q.todo[0]
	q.todo = q.todo[1:]
	q.running++
	return c, q.running + len(q.todo)
}

func (q *queue) later(c *cell.Cell) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	q.todo = append(q.todo, c)
}

func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
}

// Costs are what a cell is expected to take.
type Costs struct {
	Seconds float64 // of one core
	Memory  float64 // bytes, beside the program's maps
	Stream  float64 // bytes that are kept
}

// What cells took on the machine this was written on (2 cores, 2.1 GHz), per
// packet or step, as BenchmarkCosts of host/study measures: the constants of the
// scale plan in ARCHITECTURE.md.
const (
	secondsPerPacket  = 1.5e-6 // a program's run, paths numbered and packed
	secondsPerStep    = 19e-9  // a request of one cache
	secondsPerObserve = 13e-6  // a packet of a recorded run
	secondsPerDevice  = 0.25   // a device's models
	bytesPerRequest   = 26     // held while caches run: ids, lengths, labels, misses
	keptPerPacket     = 3      // ids, lengths, times, labels as they are packed
)

// Cost estimates a cell.
func Cost(c *cell.Cell) Costs {
	n := c.Estimated()
	e := Costs{Seconds: n*secondsPerPacket + n*float64(len(c.Points))*secondsPerStep, Memory: 40<<20 + min(n, wholeRequests)*bytesPerRequest, Stream: n * keptPerPacket}
	if len(c.Devices) > 0 {
		e.Seconds += min(n, devicePackets)*secondsPerObserve + float64(len(c.Devices))*secondsPerDevice
		e.Memory += min(n, devicePackets) * 150
	}
	return e
}
