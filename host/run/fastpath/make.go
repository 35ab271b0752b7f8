package fastpath

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"jitnic/cache"
	"jitnic/host/kernel"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/nic/fastpath"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	cilium "github.com/cilium/ebpf"
)

// Options say what a fast path is made of.
type Options struct {
	Entries  int  // the trace cache it stands for: so many traces, the hottest
	Exactly  bool // no more traces than that, though a cache that changes hits more
	Counters bool // one for each leaf
	Frozen   bool // specialised traces, versions taken for granted
	Join     bool // the original's code in the same program, in place of a tail call to it
	Superopt *replay.Optimiser
	// Rules keeps what paths do, for Plan.Flower.
	Rules bool
	// NoKernel keeps the kernel out of it: what its verifier thinks stays open.
	NoKernel bool
}

// Plan is a fast path with the run it was made of.
type Plan struct {
	Session *replay.Session
	Built   *fastpath.Built
	Paths   []Path // chosen, hottest first
	Hits    uint64 // what a trace cache of that size hit in the run
	Packets uint64
	Taken   uint64 // packets of the run on paths that have a leaf
	Shrunk  []string
	Checked bool // the kernel has loaded it
	full    bool // the verifier takes no more
	Super   *replay.Optimised
	opt     Options
	all     []Path // every path that has a trace, hottest first
	improve func(id int32) (*trace.Trace, error)
}

// Path is one chosen path.
type Path struct {
	ID      int32
	Packets uint64
	Before  int // instructions of the trace, and of what is run
	After   int
	Why     string // it has no leaf
	trace   *trace.Trace
	plain   *trace.Trace
}

// Make replays the captures and builds a fast path of the hottest paths. The
// caller closes the plan.
func Make(ctx context.Context, in replay.Input, opt Options) (*Plan, error) {
	if opt.Entries < 1 {
		return nil, fmt.Errorf("%d traces: want 1 or more", opt.Entries)
	}
	s, err := replay.Open(ctx, in, replay.Cache{Policy: "lru", Entries: uint64(opt.Entries), Remedies: jit.Remedies{Specialise: opt.Frozen}}, nil)
	if err != nil {
		return nil, err
	}
	s.Runtime.Comp.Effects = opt.Rules
	p := &Plan{Session: s, opt: opt}
	if err := p.make(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return p, nil
}

// Close gives back what the plan holds.
func (p *Plan) Close() { p.Session.Close() }

func (p *Plan) make(ctx context.Context) error {
	s := p.Session
	if s.Entry.XDPFrags {
		return fmt.Errorf("program %q takes packets in fragments (xdp.frags): conditions know their linear part alone", s.Entry.Name)
	}
	if err := s.Run(ctx, nil); err != nil {
		return err
	}
	if s.Partial {
		return errors.New("interrupted before the captures' end")
	}
	p.Packets = s.Runtime.Packets
	p.Hits = s.Runtime.NIC.Cache.Stats().Outcome[cache.Hit]
	p.rank()
	if len(p.all) == 0 {
		return errors.New("no path of the captures can be a trace")
	}
	if err := p.optimiser(ctx); err != nil {
		return err
	}
	for n := min(p.opt.Entries, len(p.all)); ; n = min(n+max(n/4, 1), len(p.all)) {
		if err := p.choose(n); err != nil {
			return err
		}
		if err := p.build(ctx); err != nil {
			return err
		}
		// A cache follows the traffic, a program doesn't: it may need more.
		if p.opt.Exactly || n == len(p.all) || p.Taken+p.Packets/100 >= p.Hits || p.full {
			break
		}
	}
	return p.opt.Superopt.Keep()
}

// rank orders the paths by their packets.
func (p *Plan) rank() {
	for id, i := range p.Session.Runtime.Paths() {
		if i.Packets > 0 && i.Path.Trace != nil {
			p.all = append(p.all, Path{ID: int32(id), Packets: i.Packets, Before: i.Path.Trace.Len(), After: i.Path.Trace.Len(),
				trace: i.Path.Trace, plain: i.Path.Trace})
		}
	}
	slices.SortStableFunc(p.all, func(a, b Path) int { return cmp.Compare(b.Packets, a.Packets) })
}

// choose takes the n hottest, those that were taken before as they are.
func (p *Plan) choose(n int) error {
	for i := len(p.Paths); i < n; i++ {
		x := p.all[i]
		if p.improve != nil {
			t, err := p.improve(x.ID)
			if err != nil {
				return err
			}
			x.trace, x.After = t, t.Len()
		}
		p.Paths = append(p.Paths, x)
	}
	return nil
}

// optimiser makes superoptimizing ready, where it is asked for.
func (p *Plan) optimiser(ctx context.Context) error {
	if p.opt.Superopt == nil || !p.opt.Superopt.On {
		return nil
	}
	if err := p.opt.Superopt.Open(ctx); err != nil {
		return err
	}
	var h jit.Options
	p.Super = p.opt.Superopt.Install(ctx, &h, p.Session.In.Seed)
	p.improve = func(id int32) (*trace.Trace, error) {
		r := p.Session.Runtime
		return h.Optimise(r.Paths()[id].Path, r.Comp)
	}
	return nil
}

// build writes the object, until the kernel takes it.
func (p *Plan) build(ctx context.Context) error {
	var check error
	if !p.opt.NoKernel {
		check = kernel.Available()
	}
	for {
		if err := ctx.Err(); err != nil { // the verifier is asked once for each trace it refuses
			return err
		}
		if err := p.once(p.opt.Counters); errors.Is(err, fastpath.ErrTooLong) {
			p.coldest(err.Error())
			continue
		} else if err != nil {
			return err
		}
		if len(p.Built.Leaves) == 0 {
			return fmt.Errorf("no trace can stand in the kernel: %s", p.why())
		}
		if p.opt.NoKernel || check != nil {
			break
		}
		err := loads(ctx, p.Built)
		if err == nil {
			p.Checked = true
			break
		}
		if err := p.shrink(err); err != nil {
			return err
		}
	}
	p.Taken = 0
	for _, l := range p.Built.Leaves {
		for i := range p.Paths {
			if p.Paths[i].ID == l.ID {
				p.Taken += p.Paths[i].Packets
			}
		}
	}
	return nil
}

// once builds of the paths that are still in.
func (p *Plan) once(counters bool) (err error) {
	p.Built, err = p.object(counters)
	if err != nil {
		return err
	}
	for _, o := range p.Built.Out {
		p.path(o.ID).Why = o.Why
	}
	return nil
}

// object builds with counters or without.
func (p *Plan) object(counters bool) (*fastpath.Built, error) {
	r := p.Session.Runtime
	var leaves []fastpath.Leaf
	for _, x := range p.Paths {
		if x.Why == "" {
			leaves = append(leaves, fastpath.Leaf{ID: x.ID, Path: r.Paths()[x.ID].Path, Trace: x.trace, Packets: x.Packets})
		}
	}
	return fastpath.Build(p.Session.Obj, p.Session.Entry, r.Comp, leaves, fastpath.Options{Counters: counters, Frozen: p.opt.Frozen, Join: p.opt.Join})
}

func (p *Plan) path(id int32) *Path {
	return &p.Paths[slices.IndexFunc(p.Paths, func(x Path) bool { return x.ID == id })]
}

// why says why paths stayed out, the first of them.
func (p *Plan) why() string {
	for _, x := range p.Paths {
		if x.Why != "" {
			return x.Why
		}
	}
	return "no path was chosen"
}

// loads asks the kernel's verifier.
func loads(ctx context.Context, b *fastpath.Built) error {
	prog, err := kernel.Load(b.Object, b.Program, kernel.Options{Context: ctx, Missing: func(string, error) bool { return false }})
	if err != nil {
		return err
	}
	ms := prog.Maps
	prog.Close()
	return ms.Close()
}

// verified is an instruction in the verifier's log.
var verified = regexp.MustCompile(`^(\d+): \(`)

// shrink takes one trace out, or puts the plain one in the place of an optimised
// one, where the verifier refuses it.
func (p *Plan) shrink(err error) error {
	var refused *kernel.LoadError
	if !errors.As(err, &refused) || refused.Program != p.Built.Program.Name {
		return err // the original itself
	}
	said := kernel.Said(refused.Err)
	var v *cilium.VerifierError
	if errors.As(refused.Err, &v) {
		for i := len(v.Log) - 1; i >= 0; i-- {
			m := verified.FindStringSubmatch(v.Log[i])
			if m == nil {
				continue
			}
			slot, _ := strconv.Atoi(m[1])
			id, ok := p.Built.At(slot)
			if !ok {
				break
			}
			x := p.path(id)
			if x.trace != x.plain {
				x.trace, x.After = x.plain, x.Before
				p.Shrunk = append(p.Shrunk, fmt.Sprintf("path %d: its superoptimized trace: %s; the plain one is tried", id, said))
				return nil
			}
			x.Why = "the verifier: " + said
			p.Shrunk = append(p.Shrunk, fmt.Sprintf("path %d left out: %s", id, said))
			return nil
		}
	}
	// What stands in the tree, or the program as a whole: the coldest go.
	if !p.coldest(said) {
		return err
	}
	return nil
}

// coldest takes the coldest traces out, an eighth of those that are in; false:
// there was none.
func (p *Plan) coldest(why string) bool {
	in := 0
	for i := range p.Paths {
		in += int(bv.Bit(p.Paths[i].Why == ""))
	}
	n := max(in/8, 1)
	if in == 0 {
		return false
	}
	p.full = true
	first := int32(-1)
	for i, left := len(p.Paths)-1, n; i >= 0 && left > 0; i-- {
		if x := &p.Paths[i]; x.Why == "" {
			x.Why, first = "of the whole: "+why, x.ID
			left--
		}
	}
	if n == 1 {
		p.Shrunk = append(p.Shrunk, fmt.Sprintf("path %d, the coldest, left out: %s", first, why))
	} else {
		p.Shrunk = append(p.Shrunk, fmt.Sprintf("%d paths, the coldest, left out: %s", n, why))
	}
	return true
}

// Bare is the fast path without counters.
func (p *Plan) Bare() (*fastpath.Built, error) { return p.object(false) }

// Joined says whether original and fast path are one program.
func (p *Plan) Joined() bool { return p.opt.Join }

// Entries is how many traces were asked for.
func (p *Plan) Entries() int { return p.opt.Entries }
