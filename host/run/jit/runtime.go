package jit

import (
	"context"
	"math"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
	"jitnic/trace"
)

// Options say how a Runtime is made.
type Options struct {
	VM    vm.Options
	Cache cache.Config // "" and 0: lru of 64 traces
	// Engine is the name of what runs traces (Engines); "": the default.
	Engine string
	// Check runs the interpreter beside every packet, on a state of its own.
	Check bool
	// Remedies say what is done so that there are fewer paths, or shorter traces.
	Remedies
	// Cuts are the slots of the entry program at which paths are cut into segments
	// (pathcond.Compiler.Candidates); none: whole paths.
	Cuts []int
	// Optimise, where set, is given each trace before it is first installed,
	// with its condition; it returns the trace to install.
	Optimise func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error)
	// Tier2, where set, is given traces again when they have become hot.
	Tier2 *Tier2
	// SizeInstalled has an entry take the slots of the trace that is installed; else
	// it takes those of the trace as it was recorded, whatever Optimise makes of it.
	SizeInstalled bool
	// Prepare, where set, is called with each state the runtime makes, before
	// the first packet: to fill maps.
	Prepare func(s *vm.State) error
	// Record has every run recorded (Runtime.Recording), whether its path is
	// known or not; nothing is ever installed then, as a hit leaves no recording.
	Record bool
	// Beside, where set and nothing is specialised, is another way in which the paths
	// are made too, to know which of them would be one (Runtime.Beside).
	Beside *Remedies
	// Learnt, where set, is shown the recording that a whole path was made of, when it
	// has got its number.
	Learnt func(path nic.Path, rec *vm.Recording)
	// MaxTrace and MaxGuards bound a trace (0: the defaults of pathcond).
	MaxTrace, MaxGuards int
}

// Runtime runs a program's packets through the NIC model. Not safe for
// concurrent use.
type Runtime struct {
	Obj   *loader.Object
	Entry *loader.Program
	S     *vm.State
	NIC   *nic.NIC
	Comp  *pathcond.Compiler
	Tree  *tree.Tree // of several tables the first
	Counters

	opt    Options
	parts  *parts
	it     *vm.Interp
	rec    vm.Recording
	oracle *oracle // nil without Options.Check

	trees     []*tree.Tree    // by table
	info      []*PathInfo     // by path number
	dead      []*DeadPath     // paths that can't be traces, by number
	blacklist trace.Blacklist // of dead paths
	spec      *specialisation // nil without Options.Specialise
	prof      *profile        // nil without Options.Auto
	overlap   overlap
	beside    *beside // nil without Options.Beside

	out         vm.Output // of Run's packets
	one         [1]uint32 // and the path of one
	after       nic.After // left
	wait, alone int       // packets to be taken one by one: at the next short run of hits, and now

	onInvalidate []func(p nic.Path, during bool)
}

// UsualCache is a cache with what it is where nothing else was said.
func UsualCache(c cache.Config) cache.Config {
	if c.Policy == "" {
		c.Policy = "lru"
	}
	if c.Entries == 0 && c.Slots == 0 {
		c.Entries = 64
	}
	return c
}

// New makes a runtime for a program of an object.
func New(obj *loader.Object, entry *loader.Program, opt Options) (*Runtime, error) {
	engine, err := engineOf(opt.Engine)
	if err != nil {
		return nil, err
	}
	if opt.specialises() {
		opt.VM.Track = true
	}
	opt.Cache = UsualCache(opt.Cache)
	if opt.Record {
		opt.Cache.HotThreshold = ^uint32(0)
	}
	r := &Runtime{Obj: obj, Entry: entry, opt: opt,
		Counters: Counters{Aborts: map[trace.Reason]uint64{}, other: map[uint32]uint64{}, causes: map[cause]*Cause{}}}
	if r.S, r.it, err = r.machine(); err != nil {
		return nil, err
	}
	r.Comp = pathcond.NewCompiler(r.S, obj)
	r.Comp.Predicate, r.Comp.Merge = opt.Predicate, opt.Merge
	if opt.MaxTrace > 0 {
		r.Comp.MaxTrace = opt.MaxTrace
	}
	if opt.MaxGuards > 0 {
		r.Comp.MaxGuards = opt.MaxGuards
	}
	if opt.specialises() {
		r.spec = newSpecialisation(r.S, r.Comp.Versions, r)
		r.Comp.Specialise = true
		r.Comp.Barred = func(counter int) bool { return r.spec.isBarred(counter, r.Packets) }
	}
	if opt.Beside != nil && !opt.specialises() {
		r.beside = newBeside(r, *opt.Beside)
	}
	r.Tree = tree.New(r.Comp.B, &pathcond.Env{S: r.S, Versions: r.Comp.Versions})
	r.trees = []*tree.Tree{r.Tree}
	if r.parts, err = engine.make(r.S, obj, r.Tree, opt.Check); err != nil {
		return nil, err
	}
	r.it.Engine = r.parts.program
	if opt.Auto {
		r.spec.barred.MinPenalty, r.spec.barred.MaxPenalty = autoPenalty, 1<<20
		r.prof = newProfile(r)
		r.Comp.Heavy = r.prof.keys
		r.parts.first.Match = &sampler{r.parts.first.Match, r.prof}
	}
	opt.Tier2.install(&opt.Cache, r)
	if r.NIC, err = nic.New(r.S, opt.Cache, r.parts.first.Match, (*slowPath)(r), r.parts.first.Exec); err != nil {
		return nil, err
	}
	r.NIC.Frags = entry.XDPFrags
	// Whether a packet hits shows in nothing but counts, unless something is decided by
	// it before the next.
	if r.parts.host != nil && r.spec == nil && r.prof == nil && opt.Tier2 == nil && len(opt.Cuts) == 0 && !opt.Record && !opt.Check {
		r.NIC.Hosts = r.parts.host(r.it)
	}
	if len(opt.Cuts) > 0 {
		if err := r.segmented(); err != nil {
			return nil, err
		}
	}
	r.after = r.left
	if opt.Check {
		o := &oracle{}
		if o.s, o.it, err = r.machine(); err != nil {
			return nil, err
		}
		o.check = diff.NewChecker(o.s, r.S, 0)
		r.oracle = o
	}
	return r, nil
}

// machine makes a state and an interpreter on it.
func (r *Runtime) machine() (*vm.State, *vm.Interp, error) {
	s, err := vm.NewState(r.Obj, r.opt.VM)
	if err != nil {
		return nil, nil, err
	}
	if r.opt.Prepare != nil {
		if err := r.opt.Prepare(s); err != nil {
			return nil, nil, err
		}
	}
	it, err := vm.NewInterp(s, r.Obj, r.Entry)
	return s, it, err
}

// Close gives the memory back.
func (r *Runtime) Close() {
	r.parts.close()
	r.S.Close()
	if r.oracle != nil {
		r.oracle.s.Close()
	}
}

// Process takes one packet. With Check, a difference from the oracle is
// returned as a *Mismatch.
func (r *Runtime) Process(in *vm.Input, out *vm.Output) (nic.Result, error) {
	if err := r.timers(in.TimeNS); err != nil {
		return nic.Result{Path: nic.NoPath}, err
	}
	if err := r.opt.Tier2.due(r); err != nil {
		return nic.Result{Path: nic.NoPath}, err
	}
	res, err := r.NIC.Process(in, out)
	if err != nil {
		return res, err
	}
	r.count(out)
	r.deliver(out)
	switch p := res.Path; {
	case len(res.Segments) > 0:
		for i, p := range res.Segments {
			if res.Each[i] != cache.Hit {
				r.info[p].Misses++
			}
		}
	case p >= 0 && res.Outcome != cache.Hit:
		r.info[p].Misses++
	}
	if err := r.changed(); err != nil {
		return res, err
	}
	if r.prof != nil && len(r.prof.due) > 0 {
		if err := r.prof.judge(); err != nil {
			return res, err
		}
	}
	if r.oracle != nil {
		r.Checked++
		if d := r.oracle.packet(in, out); d != nil {
			return res, &Mismatch{Packet: in.Packet, Where: in.Where(), Data: append([]byte(nil), in.Data...), Outcome: res.Outcome, Path: res.Path, Diff: d}
		}
	}
	return res, nil
}

// Each is told what became of packets, the first of which is packet i: their paths
// (uint32(nic.NoPath): none), good during the call, and the outcome, which is the
// same for all.
type Each func(i int, paths []uint32, out cache.Outcome) error

// Run takes packets one after the other, with the same results as Process, and
// tells each (nil: nobody) what became of them. Runs of hits go by in native code,
// so that no output of theirs is to be had. Where ctx ends, it returns its error
// before the next packet that is no hit.
func (r *Runtime) Run(ctx context.Context, in []vm.Input, each Each) error {
	for i := 0; i < len(in); i++ {
		for more := true; more; {
			var n int
			var err error
			if n, more, err = r.hits(in[i:], i, each); err != nil {
				return err
			}
			i += n
			if more && i < len(in) {
				if err := ctx.Err(); err != nil {
					return err
				}
			}
		}
		if i == len(in) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		res, err := r.Process(&in[i], &r.out)
		if err != nil {
			return err
		}
		if each != nil {
			r.one[0] = uint32(res.Path)
			if err := each(i, r.one[:], res.Outcome); err != nil {
				return err
			}
		}
	}
	return nil
}

// shortRun is the mean length of runs of hits below which packets are taken one
// by one for a while.
const shortRun = 2

// hits processes the packets of in that hit, from the first on, until something
// has to be done that isn't a hit, and returns how many, and whether the next may be
// one; i is the first one's number.
func (r *Runtime) hits(in []vm.Input, i int, each Each) (n int, more bool, err error) {
	if r.oracle != nil || r.opt.Record {
		return 0, false, nil
	}
	if r.alone > 0 {
		r.alone--
		return 0, false, nil
	}
	if r.prof != nil {
		n := r.prof.unasked()
		if n == 0 {
			return 0, false, nil
		}
		in = in[:min(n, len(in))]
	}
	if next := r.S.NextTimer(); next != math.MaxUint64 {
		for k := range in {
			if in[k].TimeNS >= next {
				in = in[:k]
				break
			}
		}
	}
	if err := r.opt.Tier2.due(r); err != nil {
		return 0, false, err
	}
	b, err := r.NIC.Batch(in, r.after)
	n = len(b.Paths)
	if n < shortRun {
		r.wait = min(2*r.wait+1, 31)
		r.alone = r.wait
	} else {
		r.wait = 0
	}
	if n == 0 || err != nil {
		return 0, false, err
	}
	for v, k := range b.Verdicts {
		r.named[v] += k
	}
	last := n
	if b.Stopped {
		last--
	}
	if b.Fault != nil {
		r.Faults++
		r.fault(b.Fault)
	}
	if err := r.went(b.Paths[:last], b.Outcomes, i, each); err != nil {
		return 0, false, err
	}
	if b.Stopped {
		// What the last packet has changed is its own, and comes after those before it.
		if r.spec != nil {
			if err := r.spec.invalidate(r.Packets+1, true); err != nil {
				return 0, false, err
			}
		}
		return n, false, r.went(b.Paths[last:], b.Outcomes[min(last, len(b.Outcomes)):], i+last, each)
	}
	return n, b.More, nil
}

// went follows up packets of a batch that changed nothing which the others look at;
// packet i is the first one's number. Without outcomes all have hit.
func (r *Runtime) went(paths []uint32, outcomes []cache.Outcome, i int, each Each) error {
	r.Packets += uint64(len(paths))
	for from := 0; from < len(paths); {
		to, out := len(paths), cache.Hit
		if len(outcomes) > 0 {
			out = outcomes[from]
			for to = from; to < len(paths) && outcomes[to] == out; to++ {
				if out != cache.Hit {
					r.info[paths[to]].Misses++
				}
			}
		}
		if each != nil {
			if err := each(i+from, paths[from:to], out); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// left follows up a hit within a batch that has left something to Go: a batch goes
// on behind it unless it may have changed who hits.
func (r *Runtime) left(verdict uint32) (goOn bool) {
	r.verdict(verdict)
	if verdict == vm.XDPRedirect {
		r.S.End(verdict, &r.out)
		r.deliver(&r.out)
	}
	if r.spec != nil {
		if r.spec.stored(); len(r.spec.changed) > 0 {
			return false
		}
	}
	return r.S.NextTimer() == math.MaxUint64
}

// changed follows up what the packet's own run has changed in maps.
func (r *Runtime) changed() error {
	if r.spec == nil {
		return nil
	}
	r.spec.stored()
	return r.spec.invalidate(r.Packets, true)
}

// timers runs what expires before a packet of time now: a change from outside,
// as the control plane's are.
func (r *Runtime) timers(now uint64) error {
	ran, err := r.it.RunTimers(now)
	if err != nil || ran == 0 || r.spec == nil {
		return err
	}
	r.spec.stored()
	return r.spec.invalidate(r.Packets, false)
}

// ControlPlane must be called after maps of S were changed from outside.
func (r *Runtime) ControlPlane() error {
	if r.spec == nil {
		return nil
	}
	return r.spec.invalidate(r.Packets, false)
}

// Doomed is the fault that every run ends in, whatever packet comes; nil where
// some run may end well.
func (r *Runtime) Doomed() error {
	if f := r.it.Doomed(); f != nil {
		return f
	}
	return nil
}

// Recording is the run recorded last: with Options.Record that of the packet
// processed last, unless it was refused before it ran.
func (r *Runtime) Recording() *vm.Recording { return &r.rec }

// Checks says whether an oracle runs beside every packet.
func (r *Runtime) Checks() bool { return r.oracle != nil }

// Optimises says whether traces are optimised before they are installed.
func (r *Runtime) Optimises() bool { return r.opt.Optimise != nil }

// OnInvalidate has f told of every path whose condition can never hold again
// because a map entry changed: during is true where a packet being processed
// changed it, false where the control plane did.
func (r *Runtime) OnInvalidate(f func(p nic.Path, during bool)) {
	r.onInvalidate = append(r.onInvalidate, f)
}
