package pair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"jitnic/host/diff"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// Pair is one program of an object and of what was made of it.
type Pair struct {
	Old, New *loader.Object
	Name     string // of the program in both
}

// Feed is the input of one run.
type Feed struct {
	Packet  []byte
	Context kernel.Context
	Inputs  kernel.Inputs
}

// Options say how two programs are compared.
type Options struct {
	// Runs is how many are compared (0: 1,000), fewer of a program whose loops would
	// take more instructions than a bound.
	Runs int
	Seed uint64
	// Ways are tried in turn until the kernel takes the original; nil: what the
	// program is and, of a tracing program, a raw tracepoint program before
	// that, since only those can be run.
	Ways []kernel.Way
	// Time has both timed, in turns, where they are equal.
	Time bool
	// Made is the name of the program in New, where it is another; New may have
	// more maps then.
	Made string
	// Next, where set, gives the inputs in place of random ones, until io.EOF, and
	// Fill what the maps hold before.
	Next func(f *Feed) error
	Fill func(ms *kernel.Maps) error
	// Ran, where set, is shown the maps of New's program after the runs.
	Ran func(ms *kernel.Maps)
}

// Compare asks the kernel. Cancelled by ctx it says so as NotChecked.
func Compare(ctx context.Context, p Pair, opt Options) (o Outcome) {
	if err := kernel.Available(); err != nil {
		return Outcome{Reason: firstLine(err)}
	}
	cpu, err := kernel.CPU()
	if err != nil {
		return Outcome{Reason: firstLine(err)}
	}
	if opt.Runs == 0 {
		opt.Runs = 1000
	}
	err = kernel.Isolated(cpu, func() error {
		o = compare(ctx, p, opt)
		return nil
	})
	if err != nil {
		return Outcome{Reason: firstLine(err)}
	}
	return o
}

// side is one of the two in the kernel.
type side struct {
	maps *kernel.Maps
	prog *kernel.Prog
}

func (s *side) close() {
	if s == nil {
		return
	}
	if s.prog != nil {
		s.prog.Close()
	}
	if s.maps != nil {
		s.maps.Close()
	}
}

func compare(ctx context.Context, p Pair, opt Options) Outcome {
	old, new := p.Old.Named(p.Name), p.New.Named(p.Name)
	if opt.Made != "" {
		new = p.New.Named(opt.Made)
	}
	switch {
	case old == nil:
		return Outcome{Reason: fmt.Sprintf("no program %q in the original", p.Name)}
	case new == nil:
		return Outcome{Status: ResultRefused, Differences: 1, Reason: fmt.Sprintf("program %q is gone", p.Name)}
	}
	absent := map[string]bool{} // tail-called programs the kernel refuses in the original
	lenient := func(name string, _ error) bool { absent[name] = true; return true }
	strict := func(name string, _ error) bool { return absent[name] }
	a, how, err := loadOriginal(ctx, p.Old, old, opt, lenient)
	defer a.close()
	if ctx.Err() != nil {
		return Outcome{Reason: ctx.Err().Error()}
	} else if err != nil {
		return Outcome{Status: OriginalRefused, Reason: reason(err)}
	}
	how.Missing = strict
	control, err := load(p.Old, old, how)
	defer control.close()
	if ctx.Err() != nil {
		return Outcome{Reason: ctx.Err().Error()}
	} else if err != nil {
		return Outcome{Status: OriginalRefused, Reason: reason(err)}
	}
	b, err := load(p.New, new, how)
	defer b.close()
	if ctx.Err() != nil {
		return Outcome{Reason: ctx.Err().Error()}
	} else if err != nil {
		return Outcome{Status: ResultRefused, Differences: 1, Reason: reason(err)}
	}
	if a.maps.Len() != b.maps.Len() && (opt.Made == "" || a.maps.Len() > b.maps.Len()) {
		return Outcome{Status: ResultRefused, Differences: 1, Reason: fmt.Sprintf("%d maps, the original has %d", b.maps.Len(), a.maps.Len())}
	}
	o := Outcome{Loaded: true, As: how.As.String()}
	rng := rand.New(rand.NewPCG(opt.Seed, 9))
	if opt.Fill == nil {
		fill(rng, a.maps, control.maps, b.maps)
	} else {
		for _, s := range []*side{a, control, b} {
			if err := opt.Fill(s.maps); err != nil {
				return Outcome{Reason: firstLine(err)}
			}
		}
	}
	if typ := how.As.Type; !runnable[typ] && typ != cilium.RawTracepoint {
		o.Reason = fmt.Sprintf("both are loaded, but the kernel has no test run for %v programs", typ)
		return o
	}
	var found differences
	w := &work{}
	if opt.Next == nil {
		w = newWork(p.Old, old, opt.Seed)
	}
	defer w.close()
	opt.Runs, err = runs(ctx, &o, a, control, b, rng, opt, w, &found)
	if err == nil {
		err = compareMaps(ctx, &o, a.maps, control.maps, b.maps, &found)
		if opt.Ran != nil {
			opt.Ran(b.maps)
		}
	}
	if o.Differences > 0 && err == nil && opt.Next == nil {
		err = found.again(ctx, &o, a, opt, func() (*side, error) { return load(p.Old, old, how) })
	}
	switch {
	case o.Unsteady > 0 && o.Differences <= o.Unsteady:
		// By chance the originals may have agreed where the result differs: an
		// address on the kernel's stack is one of 64 places.
		o.Reason = fmt.Sprintf("both are loaded, but the original itself does another thing the second time in %d of %d runs", o.Unsteady, o.Unsteady+o.Runs)
		o.Differences = 0
	case o.Differences > 0:
		o.Status = Different
	case err != nil:
		o.Reason = "both are loaded, but not run to the end: " + firstLine(err)
	case o.Runs == 0:
		o.Reason = "both are loaded, but no run could be compared"
	default:
		o.Status = Equal
		if opt.Time && how.As.Type != cilium.RawTracepoint {
			o.Time, _ = timed(ctx, a.prog, b.prog, opt.Seed, o.Bounded) // no figure is no verdict
		}
	}
	return o
}

// loadOriginal loads the original in the first way the kernel takes, and says
// how. Where zeroing the stacks is what is too much, they stay as they are.
func loadOriginal(ctx context.Context, obj *loader.Object, p *loader.Program, opt Options, missing func(string, error) bool) (*side, kernel.Options, error) {
	var first error
	for _, w := range ways(p, opt) {
		for _, wipe := range []bool{true, false} {
			how := kernel.Options{Context: ctx, As: &w, Wipe: wipe, Latch: true, Missing: missing}
			s, err := load(obj, p, how)
			if err == nil || err == ctx.Err() {
				return s, how, err
			}
			if first == nil || !wipe && first != nil && w == ways(p, opt)[0] {
				first = err
			}
		}
	}
	return nil, kernel.Options{}, first
}

// ways are how a program may be loaded, best first.
func ways(p *loader.Program, opt Options) []kernel.Way {
	if opt.Ways != nil {
		return opt.Ways
	}
	var out []kernel.Way
	typ, attach := p.Type, p.AttachType
	if typ == cilium.UnspecifiedProgram {
		typ = cilium.XDP
	}
	if flat[typ] {
		out = append(out, kernel.Way{Type: cilium.RawTracepoint})
	}
	if typ == cilium.XDP && attach != 0 { // a test run refuses programs of map entries
		out = append(out, kernel.Way{Type: typ})
	}
	return append(out, kernel.Way{Type: typ, Attach: attach, To: p.AttachTo, Flags: p.LoadFlags})
}

// load makes maps, fills them with what the file says and loads the program.
func load(obj *loader.Object, p *loader.Program, opt kernel.Options) (*side, error) {
	s := &side{}
	specs := make([]*maps.Spec, len(obj.Maps))
	for i, m := range obj.Maps {
		specs[i] = sized(m)
	}
	var err error
	s.maps, err = kernel.Answered(opt.Context, func() (*kernel.Maps, error) { return kernel.NewMaps(specs) })
	if err != nil {
		return nil, err
	}
	if err = s.maps.Fill(obj, opt); err == nil {
		s.prog, err = kernel.LoadWith(p, s.maps, opt)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// sized is a map's blueprint with a size where the file leaves that to whoever
// loads it, and what K2's files leave out.
func sized(m *maps.Spec) *maps.Spec {
	s := *m
	if s.Max == 0 && s.Type != cilium.RingBuf && s.Type != cilium.PerfEventArray {
		s.Max = 16
	}
	if s.Type == cilium.LPMTrie {
		s.Flags |= maps.FlagNoPrealloc // the kernel makes no other
	}
	return &s
}

// runs runs the original, the original again and the result on the same inputs.
// What the two originals don't agree on, numbers the kernel draws or addresses,
// is no difference of the result's. n is how many runs there were.
func runs(ctx context.Context, o *Outcome, a, control, b *side, rng *rand.Rand, opt Options, w *work, found *differences) (n int, err error) {
	for i := 0; opt.Next != nil || i < opt.Runs; i++ {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if o.Bounded = w.done(); o.Bounded {
			return i, nil
		}
		in := latched(opt.Seed, i)
		var one input
		if opt.Next == nil {
			one = oneRun(a.prog.Type, rng)
			w.run(one, in.TimeNS, i)
		} else {
			var f Feed
			if err := opt.Next(&f); err == io.EOF {
				return i, nil
			} else if err != nil {
				return i, err
			}
			one, in = input{packet: f.Packet, context: f.Context}, f.Inputs
		}
		var out [3]vm.Output
		for k, s := range []*side{a, control, b} {
			if err := s.maps.Latch(in); err != nil {
				return i, err
			}
			var err error
			out[k], err = one.on(s.prog)
			switch {
			case err != nil && k == 0 && o.Runs == 0 && o.Unsteady == 0 && opt.Next == nil:
				return i, err
			case err != nil:
				out[k].Err = err
			}
		}
		switch {
		case out[0].Err != nil && out[1].Err != nil:
		case diff.Outputs(&out[0], &out[1]) != nil:
			o.Unsteady++
		default:
			o.Runs++
			if out[2].Err != nil {
				found.run(o, i, firstLine(out[2].Err), one.packet, &out[0])
			} else if d := diff.Outputs(&out[0], &out[2]); d != nil {
				found.run(o, i, d.Error(), one.packet, &out[0])
			}
		}
	}
	return opt.Runs, nil
}

// latched is what helpers give in a run.
func latched(seed uint64, run int) kernel.Inputs {
	now := 1e9 + uint64(run)*12345
	return kernel.Inputs{TimeNS: now, CoarseNS: vm.Coarse(now), Jiffies: vm.Jiffies(now),
		Draw: func(n uint64) uint32 { return vm.Random(seed, uint64(run), n) }}
}

// input is what one run has: a packet, or a tracing program's arguments.
type input struct {
	packet  []byte
	context kernel.Context
	args    []uint64
}

func oneRun(typ cilium.ProgramType, rng *rand.Rand) input {
	if typ == cilium.RawTracepoint {
		return input{args: arguments(rng)}
	}
	return input{packet: Packet(rng)}
}

func (in input) on(p *kernel.Prog) (vm.Output, error) {
	if in.args != nil {
		v, err := p.RunArgs(in.args)
		return vm.Output{Verdict: v}, err
	}
	r, err := p.Run(in.packet, in.context)
	return output(r), err
}

func output(r kernel.Result) vm.Output {
	return vm.Output{Verdict: r.Verdict, Data: r.Data, Meta: r.Meta}
}

// Maps compares what the maps of the original, of the original again, and of the
// result hold. A map in which the two originals differ isn't compared.
func Maps(ctx context.Context, o *Outcome, a, control, b *kernel.Maps) error {
	return compareMaps(ctx, o, a, control, b, &differences{})
}

func compareMaps(ctx context.Context, o *Outcome, a, control, b *kernel.Maps, found *differences) error {
	for i := range a.Len() {
		if !kernel.Comparable(a.Map(i).Spec) {
			continue
		}
		what, err := kernel.SameEntries(ctx, a.Map(i), b.Map(i))
		if err != nil {
			return err
		}
		if what != "" {
			steady, err := kernel.SameEntries(ctx, a.Map(i), control.Map(i))
			if err != nil {
				return err
			}
			if steady != "" {
				continue
			}
			found.add(o, difference{run: -1, in: i, what: fmt.Sprintf("map %q after the runs: %s", a.Map(i).Spec.Name, what)})
		}
		o.Maps++
	}
	return nil
}

// reason is the verifier's last word, without the program's name before it.
func reason(err error) string {
	var refused *kernel.LoadError
	if errors.As(err, &refused) {
		return firstLine(refused.Err)
	}
	return firstLine(err)
}

func firstLine(err error) string {
	return kernel.Said(err)
}
