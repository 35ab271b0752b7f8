package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"jitnic/cache"
	"jitnic/host/conntrack"
	"jitnic/host/fib"
	"jitnic/host/loader"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/mapfile"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/native/code"
	"jitnic/pcaps"
	"jitnic/superopt/format"

	cebpf "github.com/cilium/ebpf"
)

// Session is a program, its maps and a runtime, ready for the captures.
type Session struct {
	In      Input
	Obj     *loader.Object
	Entry   *loader.Program
	Runtime *jit.Runtime
	Source  *pcaps.Source
	// Cuts are where paths are cut into segments; nil: they aren't to be.
	Cuts *Cuts
	// Requests, of a recorded stream of segments, says how many each packet made;
	// nil: one.
	Requests []uint8
	// Before, where not nil, sees what each packet of Run is fed as before it is
	// run, the maps as the packet will find them.
	Before func(in *vm.Input) error

	maps    *mapfile.File // nil: maps are empty at first
	plans   []*mapfile.Plan
	started bool
	first   uint64
	// Partial is set when the run was interrupted, or a capture was damaged.
	Partial bool
	Elapsed time.Duration
}

// LoadProgram loads the object that Input.Program names, or makes that of an
// expression, and a sample's own map file where there is one.
func LoadProgram(in *Input) (*loader.Object, *loader.Program, *mapfile.File, error) {
	opt := loader.Options{BTF: in.BTF, Inner: in.Inner}
	var obj *loader.Object
	var mf *mapfile.File
	entry := in.Entry
	expr, isFilter := strings.CutPrefix(in.Program, xdpfilter.Prefix)
	if len(in.Params) > 0 && !isFilter {
		return nil, nil, nil, setting("param", in.Params[0], fmt.Errorf("goes with a program that is an expression, %sEXPR", xdpfilter.Prefix))
	}
	if len(in.Inner) > 0 && (isFilter || isText(in.Program)) {
		return nil, nil, nil, setting("inner", in.Inner[0], fmt.Errorf("goes with an object file"))
	}
	if isFilter {
		var err error
		if obj, err = xdpfilter.Load(in.Program, expr, xdpfilter.Options{Params: in.Params}); err != nil {
			return nil, nil, nil, setting("program", "", err)
		}
	} else if name, ok := strings.CutPrefix(in.Program, "sample:"); ok {
		s, err := programs.Get(name)
		if err != nil {
			return nil, nil, nil, err
		}
		if obj, err = loader.LoadBytes(in.Program, s.Object, opt); err != nil {
			return nil, nil, nil, err
		}
		if entry == "" {
			entry = s.Entry
		}
		if in.Maps == nil && len(s.Maps) > 0 {
			if mf, err = mapfile.Read(in.Program+" maps", strings.NewReader(string(s.Maps))); err != nil {
				return nil, nil, nil, err
			}
		}
	} else if isText(in.Program) {
		f, err := format.Read(in.Program)
		if err != nil {
			return nil, nil, nil, err
		}
		if obj, err = loader.FromCode(in.Program, f.Slots, f.Maps); err != nil {
			return nil, nil, nil, err
		}
	} else {
		var err error
		if obj, err = loader.Load(in.Program, opt); err != nil {
			return nil, nil, nil, err
		}
	}
	if in.Maps != nil {
		var err error
		if mf, err = mapfile.Load(in.Maps...); err != nil {
			return nil, nil, nil, err
		}
	}
	e, err := obj.Entry(entry)
	if err != nil {
		return nil, nil, nil, err
	}
	if e.Type != cebpf.XDP && e.Type != cebpf.UnspecifiedProgram {
		return nil, nil, nil, setting("entry", e.Name, fmt.Errorf("is a program of type %v: only XDP programs are run", e.Type))
	}
	return obj, e, mf, nil
}

// isText says whether the name is that of a program in one of K2's forms.
func isText(name string) bool {
	switch filepath.Ext(name) {
	case ".k2", ".bpf", ".insns":
		return true
	}
	return false
}

// Open loads and opens everything the settings name. change may adjust the
// runtime's options.
func Open(ctx context.Context, in Input, ca Cache, change func(o *jit.Options)) (*Session, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if ca.Predicate < 0 {
		return nil, setting("predicate", ca.Predicate, errors.New("want 0 or more"))
	}
	if n := ca.Segments; n != jit.SegmentsAuto && n != 0 && (n < 2 || n > jit.MaxTables) {
		return nil, setting("segments", n, fmt.Errorf("want auto, or 2 to %d tables", jit.MaxTables))
	}
	s := &Session{In: in}
	obj, entry, mf, err := LoadProgram(&in)
	if err != nil {
		return nil, err
	}
	s.Obj, s.Entry, s.maps = obj, entry, mf
	o := jit.Options{
		VM:       vm.Options{CPUs: in.Queues, Seed: in.Seed},
		Cache:    ca.Config(in.Seed),
		Remedies: ca.Remedies, Engine: in.Engine,
	}
	if in.FIB != "" {
		t, err := fib.Load(in.FIB)
		if err != nil {
			return nil, err
		}
		o.VM.FIB = t
	}
	if in.CT != "" {
		if o.VM.CT, err = conntrack.Load(in.CT); err != nil {
			return nil, err
		}
	}
	o.Prepare = func(st *vm.State) error {
		p, err := mf.Fill(st, obj)
		if p != nil {
			s.plans = append(s.plans, p)
		}
		return err
	}
	if change != nil {
		change(&o)
	}
	if o.Segments != 0 {
		caches := ca.asked
		if caches == nil {
			caches = []cache.Config{jit.UsualCache(o.Cache)}
		}
		if s.Cuts, err = cuts(ctx, &in, obj, entry, &o, caches); err != nil {
			return nil, err
		}
		o.Cuts = s.Cuts.pcs
		s.plans = s.plans[:0] // those of the state that the packets were judged on
	}
	if s.Source, err = in.source(ctx, true); err != nil {
		return nil, err
	}
	if in.PerfMap {
		if err := code.NameForPerf(); err != nil {
			s.Source.Close()
			return nil, err
		}
	}
	if s.Runtime, err = jit.New(obj, entry, o); err != nil {
		s.Source.Close()
		return nil, err
	}
	if f := s.Runtime.Doomed(); f != nil {
		s.Close()
		return nil, fmt.Errorf("%w: every run comes to it, so no packet can be run", f)
	}
	return s, nil
}

// Machine is a program in the VM, on a state of its own whose maps are as the run
// finds them. The state is closed by the caller.
func (s *Session) Machine(obj *loader.Object, entry *loader.Program) (*vm.Interp, error) {
	o := s.Runtime.S.Opt
	o.Track = false
	st, err := vm.NewState(obj, o)
	if err != nil {
		return nil, err
	}
	var it *vm.Interp
	if _, err = s.maps.Fill(st, obj); err == nil {
		it, err = vm.NewInterp(st, obj, entry)
	}
	if err != nil {
		st.Close()
		return nil, err
	}
	return it, nil
}

// Runtime makes the runtime of a program without packets, its maps filled. It is
// closed by the caller.
func Runtime(in Input, o jit.Options) (*jit.Runtime, *loader.Object, *loader.Program, error) {
	obj, entry, mf, err := LoadProgram(&in)
	if err != nil {
		return nil, nil, nil, err
	}
	o.Prepare = func(s *vm.State) error {
		_, err := mf.Fill(s, obj)
		return err
	}
	r, err := jit.New(obj, entry, o)
	if err != nil {
		return nil, nil, nil, err
	}
	return r, obj, entry, nil
}

// Close gives everything back.
func (s *Session) Close() {
	s.Source.Close()
	s.Runtime.Close()
}

// Packet is one packet with what became of it.
type Packet struct {
	*pcaps.Packet
	In     *vm.Input
	Out    *vm.Output
	Result nic.Result
}

// Several are packets that came one after the other and had the same outcome.
type Several struct {
	Packets []pcaps.Packet
	Paths   []uint32 // of each; uint32(nic.NoPath): none
	Outcome cache.Outcome
}

// batch is how many packets are read and handed to the runtime at once.
// Their descriptions should fit a core's first cache.
const batch = 128

// Run feeds every packet to the runtime. each, where not nil, sees every
// packet after it was processed; its arguments are good during the call only.
// An interrupt (ctx) ends the run early without an error: s.Partial is set
// then.
func (s *Session) Run(ctx context.Context, each func(p *Packet) error) error {
	if each == nil {
		return s.Follow(ctx, nil)
	}
	var at Packet
	var out vm.Output
	return s.feed(ctx, func(pkts []pcaps.Packet, ins []vm.Input) error {
		for i := range pkts {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.Before != nil {
				if err := s.Before(&ins[i]); err != nil {
					return err
				}
			}
			res, err := s.Runtime.Process(&ins[i], &out)
			if err != nil {
				return err
			}
			at = Packet{&pkts[i], &ins[i], &out, res}
			if err := each(&at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Follow is Run for those who don't look at what the program made of the packets:
// hits then go by many at a time, and each (nil: nobody) sees them afterwards.
func (s *Session) Follow(ctx context.Context, each func(p Several) error) error {
	return s.feed(ctx, func(pkts []pcaps.Packet, ins []vm.Input) error {
		if each == nil {
			return s.Runtime.Run(ctx, ins, nil)
		}
		return s.Runtime.Run(ctx, ins, func(i int, paths []uint32, out cache.Outcome) error {
			return each(Several{pkts[i : i+len(paths)], paths, out})
		})
	})
}

// feed reads the captures and has the packets between two updates of maps
// processed.
func (s *Session) feed(ctx context.Context, run func(pkts []pcaps.Packet, ins []vm.Input) error) error {
	if tell := s.In.Progress; tell != nil {
		defer func() { tell(s.Runtime.Packets, true) }()
	}
	begin := time.Now()
	defer func() { s.Elapsed = time.Since(begin) }()
	return s.Source.Guarded(func() error { return s.batches(ctx, run) })
}

// batches is feed's loop.
func (s *Session) batches(ctx context.Context, run func(pkts []pcaps.Packet, ins []vm.Input) error) error {
	pkts, ins := make([]pcaps.Packet, batch), make([]vm.Input, batch)
	if s.Runtime.Checks() {
		pkts = pkts[:1] // a run that ends at a difference has read no further
	}
	for {
		n, err := s.Source.Batch(pkts)
		if err != nil {
			if err == io.EOF {
				if err = s.Runtime.CheckAll(ctx); !errors.Is(err, context.Canceled) {
					return err
				}
			}
			if errors.Is(err, context.Canceled) {
				s.Partial = true
				return nil
			}
			// A damaged capture: what was read before it stands.
			s.Partial = s.started
			return err
		}
		if !s.started {
			s.started, s.first = true, pkts[0].KTimeNS
		}
		s.In.inputs(pkts[:n], s.Source.Files(), ins)
		for at := 0; at < n; {
			end, err := s.update(pkts[at:n])
			if err != nil {
				return err
			}
			if k := s.kept(pkts[at:at+end], ins[at:at+end]); k > 0 {
				if err := run(pkts[at:at+k], ins[at:at+k]); err != nil {
					return err
				}
			}
			at += end
		}
		if s.In.Progress != nil && s.Runtime.Packets>>12 != (s.Runtime.Packets-uint64(n))>>12 {
			s.In.Progress(s.Runtime.Packets, false)
		}
	}
}

// kept brings those that are run to the front, in their order, and says how many
// they are.
func (s *Session) kept(pkts []pcaps.Packet, ins []vm.Input) int {
	if s.In.Keep == nil {
		return len(pkts)
	}
	k := 0
	for i := range pkts {
		if s.In.Keep(&pkts[i]) {
			pkts[k], pkts[i] = pkts[i], pkts[k]
			ins[k], ins[i] = ins[i], ins[k]
			k++
		}
	}
	return k
}

// update makes the updates of maps that are due before the first of the packets,
// and says how many come before the next are.
func (s *Session) update(pkts []pcaps.Packet) (int, error) {
	p := &pkts[0]
	for _, plan := range s.plans {
		if plan.Due(p.Index, p.KTimeNS-s.first) {
			if _, err := plan.Apply(p.Index, p.KTimeNS-s.first); err != nil {
				return 0, err
			}
			if err := s.Runtime.ControlPlane(); err != nil {
				return 0, err
			}
		}
	}
	for _, plan := range s.plans {
		if plan.Pending() == 0 {
			continue
		}
		for i := 1; i < len(pkts); i++ {
			if plan.Due(pkts[i].Index, pkts[i].KTimeNS-s.first) {
				pkts = pkts[:i]
			}
		}
	}
	return len(pkts), nil
}

// DumpMaps writes the runtime's maps, in the form that Input.Maps takes.
func (s *Session) DumpMaps(w io.Writer) error {
	return mapfile.Write(w, mapfile.For(s.Runtime.S, s.Obj))
}
