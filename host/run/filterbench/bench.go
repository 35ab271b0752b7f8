package filterbench

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/vm"
	"jitnic/nic/native"
)

// Block is how many events are timed together.
const Block = 64

// runsOfPacket is how often the kernel runs a packet in a test run, so that what
// calling it takes is little beside it: it counts as so many events.
const runsOfPacket = 1000

// runsFor is that of so many events: there are to be blocks enough.
func runsFor(events int) int { return min(max(events/64, 1), runsOfPacket) }

// Engine is one way to run a filter over events.
type Engine struct {
	Name string
	// prepare makes the engine ready for a filter; nil is none, which takes
	// everything.
	prepare func(f *xdpfilter.Filter) (*runner, error)
}

// runner runs one filter. Either one tells whether an event matches, and many, where
// there is a faster way, how many of several do; or repeat has an event run again and
// again and gives the mean of a run.
type runner struct {
	one    func(data []byte) bool
	many   func(data [][]byte) (matched int)
	repeat func(data []byte, n uint32) (float64, error)
	close  func()
}

// Engines are all of them, in the order they are shown.
func Engines() []Engine {
	return []Engine{
		{"Go", inGo},
		{"eBPF interpreted", func(f *xdpfilter.Filter) (*runner, error) { return machine(f, native.Go) }},
		{"eBPF native", func(f *xdpfilter.Filter) (*runner, error) { return machine(f, native.Native) }},
		{"kernel's JIT", inKernel},
	}
}

// Hard are filters written out as functions, by their expression.
var Hard = map[string]func(d []byte) bool{
	Short: func(d []byte) bool { return len(d) >= 14 && d[12] == 8 && d[13] == 0 },
	Long: func(d []byte) bool {
		if len(d) < 24 || d[12] != 8 || d[13] != 0 || d[23] != 6 || len(d) <= 100 {
			return false
		}
		return true
	},
}

// Short and Long are the filters that stand for the talk's: one comparison, and
// protocol and length besides.
const (
	Short = "ip"
	Long  = "ip proto 6 and greater 101"
)

// inGo is a function where there is one, else the filter's own matcher.
func inGo(f *xdpfilter.Filter) (*runner, error) {
	r := &runner{close: func() {}}
	switch {
	case f == nil:
		r.one = func([]byte) bool { return true }
	case Hard[f.Expr] != nil:
		r.one = Hard[f.Expr]
	case len(f.Words) > 0:
		r.one = func(d []byte) bool { return f.Program.MatchWith(d, uint32(len(d)), f.Words) }
	default:
		r.one = func(d []byte) bool { return f.Program.Match(d, uint32(len(d))) }
	}
	return r, nil
}

// everything is a filter that takes every packet.
func everything() *loader.Object {
	o, err := xdpfilter.Load("none", "greater 0", xdpfilter.Options{})
	if err != nil {
		panic(err) // an expression of ours
	}
	return o
}

func objectOf(f *xdpfilter.Filter) *loader.Object {
	if f == nil {
		return everything()
	}
	return f.Object
}

// machine is the VM, with machine code or without.
func machine(f *xdpfilter.Filter, c native.Choice) (*runner, error) {
	obj := objectOf(f)
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		return nil, err
	}
	it, err := vm.NewInterp(s, obj, obj.Programs[0])
	if err != nil {
		s.Close()
		return nil, err
	}
	r := &runner{close: func() { s.Close() }}
	mem, err := c.Memory()
	if err != nil {
		s.Close()
		return nil, err
	}
	if mem != nil {
		e, err := native.NewEngine(s, obj, mem)
		if err != nil {
			s.Close()
			return nil, err
		}
		it.Engine = e
		r.close = func() { e.Close(); mem.Close(); s.Close() }
	}
	var in vm.Input
	var out vm.Output
	r.one = func(d []byte) bool {
		in.Data = d
		it.Run(&in, &out)
		return out.Verdict == vm.XDPPass
	}
	ins, verdicts := make([]vm.Input, Block), make([]uint32, Block)
	r.many = func(data [][]byte) (matched int) {
		for i, d := range data {
			ins[i].Data = d
		}
		for done := 0; done < len(data); done++ { // behind one that faults
			n, _ := it.Verdicts(ins[done:len(data)], verdicts[done:])
			for _, v := range verdicts[done : done+n] {
				if v == vm.XDPPass {
					matched++
				}
			}
			done += n
		}
		return matched
	}
	return r, nil
}

func inKernel(f *xdpfilter.Filter) (*runner, error) {
	if err := kernel.Available(); err != nil {
		return nil, err
	}
	obj := objectOf(f)
	k, err := kernel.Load(obj, obj.Programs[0], kernel.Options{})
	if err != nil {
		return nil, err
	}
	kept, err := k.Keep()
	r := &runner{close: func() { k.Maps.Close(); k.Close() }}
	if err == nil {
		r.close = func() { kept.Close(); k.Maps.Close(); k.Close() }
	}
	r.one = func(d []byte) bool {
		res, err := k.Run(d, kernel.Context{})
		return err == nil && res.Verdict == vm.XDPPass
	}
	r.repeat = func(d []byte, n uint32) (float64, error) {
		// By our own clock: the kernel's account is in whole nanoseconds. What a
		// call takes besides is the same where every event is taken.
		begin := time.Now()
		_, err := k.Bench(d, n)
		return float64(time.Since(begin).Nanoseconds()) / float64(n), err
	}
	return r, nil
}

// Result is one engine on one filter over so many events.
type Result struct {
	Engine   string    `json:"engine"`
	Expr     string    `json:"expr"`
	Form     string    `json:"form"` // of parameters: folded, generic; "": there are none
	Slots    int       `json:"slots"`
	Events   int       `json:"events"`
	Matched  int       `json:"matched"`
	Median   float64   `json:"median_ns"`   // ns an event
	None     float64   `json:"none_ns"`     // the same engine's, where every event is taken
	Overhead float64   `json:"overhead_ns"` // the difference
	Q1       float64   `json:"q1_ns"`
	Q3       float64   `json:"q3_ns"`
	Skipped  string    `json:"skipped,omitempty"`
	Blocks   []float64 `json:"-"` // ns an event, by block
}

// Case is a filter to be measured.
type Case struct {
	Filter *xdpfilter.Filter
	Form   string
}

// Run measures every filter on every engine over numbers of events; packets are
// taken in turn. Where an engine isn't to be had, its results say why. Filters are
// held to each other: an engine that matches another number of events is an error.
func Run(ctx context.Context, packets [][]byte, cases []Case, events []int) ([]Result, error) {
	var usable [][]byte
	for _, p := range packets {
		if len(p) >= 14 && len(p) <= vm.MaxLinear {
			usable = append(usable, p)
		}
	}
	if len(usable) == 0 {
		return nil, fmt.Errorf("no packet of 14 to %d bytes", vm.MaxLinear)
	}
	cpu, err := kernel.CPU()
	if err != nil {
		return nil, err
	}
	var out []Result
	err = kernel.Isolated(cpu, func() error {
		for _, n := range events {
			for _, e := range Engines() {
				rs, err := e.measure(ctx, cases, usable, n)
				if err != nil {
					return fmt.Errorf("%s: %w", e.Name, err)
				}
				out = append(out, rs...)
			}
		}
		return nil
	})
	return out, err
}

// rounds is in how many turns filters are measured beside each other, so that what
// else the machine does falls on all of them.
const rounds = 16

// measure runs filters, and the one that takes everything, over n events each.
func (e Engine) measure(ctx context.Context, cases []Case, packets [][]byte, n int) ([]Result, error) {
	jobs := make([]*job, len(cases)+1)
	for i := range jobs {
		var f *xdpfilter.Filter
		if i > 0 {
			f = cases[i-1].Filter
		}
		r, err := e.prepare(f)
		if err != nil && i == 0 {
			return skipped(e, cases, n, err), nil // the engine isn't to be had
		}
		if err != nil {
			return nil, err
		}
		defer r.close()
		jobs[i] = &job{runner: r, packets: packets, each: runsFor(n), res: Result{Engine: e.Name}}
	}
	for k := range rounds {
		for _, j := range jobs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := j.run(n*(k+1)/rounds, k == 0); err != nil {
				return nil, err
			}
		}
	}
	var out []Result
	for i, j := range jobs {
		if len(j.res.Blocks) == 0 {
			return nil, fmt.Errorf("%d events: fewer than one block", n)
		}
		s := slices.Sorted(slices.Values(j.res.Blocks))
		r := &j.res
		r.Q1, r.Median, r.Q3 = s[len(s)/4], s[len(s)/2], s[len(s)*3/4]
		if i == 0 {
			continue
		}
		c := cases[i-1]
		r.Expr, r.Form, r.Slots, r.None = c.Filter.Expr, c.Form, len(c.Filter.Object.Programs[0].Insns), jobs[0].res.Median
		r.Overhead = r.Median - r.None
		each := 1
		if j.repeat != nil {
			each = j.each
		}
		if want := matches(c.Filter, packets, r.Events, each); want != r.Matched {
			return nil, fmt.Errorf("filter %q matches %d of %d events, want %d", c.Filter.Expr, r.Matched, r.Events, want)
		}
		out = append(out, *r)
	}
	return out, nil
}

// job is a filter that is being measured.
type job struct {
	*runner
	packets [][]byte
	at      int // the next packet
	each    int // how often a packet is repeated
	res     Result
}

// run goes on until there were so many events.
func (j *job) run(events int, first bool) error {
	next := func() []byte {
		d := j.packets[j.at]
		if j.at++; j.at == len(j.packets) {
			j.at = 0
		}
		return d
	}
	if first {
		for i := range min(events, 4096) { // warm
			j.one(j.packets[i%len(j.packets)])
		}
	}
	if j.repeat != nil {
		for j.res.Events+j.each <= events {
			d := next()
			t, err := j.repeat(d, uint32(j.each))
			if err != nil {
				return err
			}
			j.res.Blocks = append(j.res.Blocks, t)
			if j.one(d) {
				j.res.Matched += j.each
			}
			j.res.Events += j.each
		}
		return nil
	}
	block := make([][]byte, Block)
	for j.res.Events+Block <= events {
		begin := time.Now()
		if j.many != nil {
			for i := range block {
				block[i] = next()
			}
			j.res.Matched += j.many(block)
		} else {
			for range Block {
				if j.one(next()) {
					j.res.Matched++
				}
			}
		}
		j.res.Blocks = append(j.res.Blocks, float64(time.Since(begin).Nanoseconds())/Block)
		j.res.Events += Block
	}
	return nil
}

func skipped(e Engine, cases []Case, n int, err error) (out []Result) {
	for _, c := range cases {
		out = append(out, Result{Engine: e.Name, Expr: c.Filter.Expr, Form: c.Form, Events: n, Skipped: err.Error()})
	}
	return out
}

// matches is how many of so many events a filter takes, each packet being so many.
func matches(f *xdpfilter.Filter, packets [][]byte, events, each int) int {
	one := func(d []byte) bool {
		if len(f.Words) > 0 {
			return f.Program.MatchWith(d, uint32(len(d)), f.Words)
		}
		return f.Program.Match(d, uint32(len(d)))
	}
	n := 0
	for i := range events / each {
		if one(packets[i%len(packets)]) {
			n += each
		}
	}
	return n
}

// Density is the density of blocks over the decimal logarithm of an event's
// nanoseconds, up to the 99th percentile: middles of bins, in nanoseconds, and the
// share of blocks by decade.
func Density(blocks []float64, bins int) (x, y []float64) {
	s := slices.Sorted(slices.Values(blocks))
	if len(s) == 0 {
		return nil, nil
	}
	bins = min(bins, 4+len(s)/8)
	low, high := math.Log10(max(s[0], 0.01)), math.Log10(max(s[len(s)*99/100], 0.01))
	w := max(high-low, 0.01) / float64(bins)
	x, y = make([]float64, bins), make([]float64, bins)
	for i := range x {
		x[i] = math.Pow(10, low+w*(float64(i)+0.5))
	}
	for _, v := range s {
		if i := int((math.Log10(max(v, 0.01)) - low) / w); i >= 0 && i < bins {
			y[i] += 1 / (float64(len(s)) * w)
		}
	}
	return x, y
}
