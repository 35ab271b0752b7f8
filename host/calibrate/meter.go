package calibrate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"jitnic/host/kernel"
)

// A meter times programs in the kernel.
type meter struct {
	ctx    context.Context
	rounds int           // of a series, without warming up
	round  time.Duration // one program's share of a round
	packet []byte        // what they run on
	// fine times whole calls by our own clock: the kernel gives a run's time in
	// whole nanoseconds. What a call takes itself is the same for all jobs.
	fine bool
}

// warm are the rounds at the beginning of a series whose times are thrown away:
// they warm caches, branch predictors and the clock up.
const warm = 2

// A job is one program of a series.
type job struct {
	prog   *kernel.Prog
	packet []byte // nil: the meter's
	runs   uint32 // of the program in a round; 0: as many as fill meter.round
	before func() error
	after  func() error
	warm   bool // run it before it is timed, half as long, in every round
}

// series runs jobs in turn, round after round, and returns for each of them
// the time of one run in ns, by round. Every other round goes backwards, so that
// a drift of the clock or of the load is the same for all.
func (m *meter) series(jobs ...job) ([][]float64, error) {
	const warm = 2
	runs := make([]uint32, len(jobs))
	out := make([][]float64, len(jobs))
	once := func(i int) (float64, error) {
		j := &jobs[i]
		packet := j.packet
		if packet == nil {
			packet = m.packet
		}
		if j.before != nil {
			if err := j.before(); err != nil {
				return 0, err
			}
		}
		begin := time.Now()
		d, err := j.prog.Bench(packet, runs[i])
		t := float64(d.Nanoseconds())
		if m.fine {
			t = float64(time.Since(begin).Nanoseconds()) / float64(runs[i])
		}
		if err == nil && j.after != nil {
			err = j.after()
		}
		return t, err
	}
	for i := range jobs {
		if kept, err := jobs[i].prog.Keep(); err == nil { // it takes longer without
			defer kept.Close()
		}
	}
	for r := range warm + m.rounds {
		if err := m.ctx.Err(); err != nil {
			return nil, err
		}
		for k := range jobs {
			i := k
			if r%2 == 1 {
				i = len(jobs) - 1 - k
			}
			if runs[i] == 0 {
				if runs[i] = jobs[i].runs; runs[i] == 0 {
					runs[i] = 64
					t, err := once(i)
					if err != nil {
						return nil, err
					}
					runs[i] = uint32(min(max(float64(m.round.Nanoseconds())/max(t, 1), 1), 1e6))
				}
			}
			if jobs[i].warm {
				if _, err := jobs[i].prog.Bench(m.packet, max(1, runs[i]/2)); err != nil {
					return nil, err
				}
			}
			t, err := once(i)
			if err != nil {
				return nil, err
			}
			if r >= warm {
				out[i] = append(out[i], t)
			}
		}
	}
	return out, nil
}

// A Figure is one measured number.
type Figure struct {
	Group   string `json:"group"`             // what kind of figure: floor, live, insn, packet, call, helper, atomic, type, map, change, output, user, program, compile
	Name    string `json:"name"`              // what was done
	Map     string `json:"map,omitempty"`     // type of map
	Entries int    `json:"entries,omitempty"` // of the map, all present
	Keys    string `json:"keys,omitempty"`    // how keys were drawn: uniform, zipf
	Bytes   int    `json:"bytes,omitempty"`   // of packet

	// Value is the estimate, in Unit: the difference of the lower quartiles
	// with and without the operation.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Median, Q1 and Q3 are of the differences, round by round.
	Median float64 `json:"median"`
	Q1     float64 `json:"q1"`
	Q3     float64 `json:"q3"`
	Rounds int     `json:"rounds"`
	Ops    int     `json:"ops"` // operations in one run of the program
	Note   string  `json:"note,omitempty"`
	// Parts, of a whole program, is what its parts add up to by the figures of
	// their own.
	Parts float64 `json:"parts,omitempty"`
}

// IQR is the distance of the quartiles.
func (f *Figure) IQR() float64 { return f.Q3 - f.Q1 }

// difference estimates what ops operations cost from the times of runs with
// and without them; without is nil where nothing is to be taken off.
//
// Why lower quartiles: whatever else the machine does only ever adds time, so
// the low end of both distributions is the nearest to an undisturbed run. Not
// the minimum: it is one lucky round and falls with their number. The median
// of the differences stands beside it; on a quiet machine both agree.
func difference(with, without []float64, ops int) Figure {
	n := len(with)
	d := make([]float64, n)
	base := 0.0
	for i := range d {
		d[i] = with[i] / float64(ops)
		if without != nil {
			d[i] -= without[i] / float64(ops)
		}
	}
	if without != nil {
		base = quantile(without, 0.25)
	}
	return Figure{
		Value: round3((quantile(with, 0.25) - base) / float64(ops)), Unit: "ns",
		Median: round3(quantile(d, 0.5)), Q1: round3(quantile(d, 0.25)), Q3: round3(quantile(d, 0.75)),
		Rounds: n, Ops: ops,
	}
}

// half adds half a nanosecond to the time of a run, which BPF_PROG_TEST_RUN
// gives as a whole number of them, cut off. In differences it cancels.
func (f Figure) half() Figure {
	for _, x := range []*float64{&f.Value, &f.Median, &f.Q1, &f.Q3} {
		*x = round3(*x + 0.5)
	}
	return f
}

func round3(x float64) float64 { return math.Round(x*1e3) / 1e3 }

// quantile is the q-quantile of xs, linear between neighbours (R's type 7).
func quantile(xs []float64, q float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 == len(s) {
		return s[i]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// check runs a program once and demands its verdict, so that what is timed is
// known to do what it should.
func check(p *kernel.Prog, packet []byte, want uint32) error {
	r, err := p.Run(packet, kernel.Context{})
	if err != nil {
		return err
	}
	if r.Verdict != want {
		return fmt.Errorf("program %q: returns %d, want %d", p.Name, r.Verdict, want)
	}
	return nil
}
