package jit

import (
	"errors"
	"fmt"
	maps0 "maps"
	"slices"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/pathcond/tree"
	"jitnic/trace"

	"github.com/cilium/ebpf"
)

// Options say how a Runtime is made.
type Options struct {
	VM    vm.Options
	Cache cache.Config
	// Check runs the interpreter beside every packet, on a state of its own.
	Check bool
	// Specialise makes traces that fold what they read from maps no program
	// writes, under version guards.
	Specialise bool
	// Optimise, where set, is given each trace before it is first installed,
	// with its condition; it returns the trace to install.
	Optimise func(p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error)
	// Prepare, where set, is called with each state the runtime makes, before
	// the first packet: to fill maps.
	Prepare func(s *vm.State) error
	// Record has every run recorded (Runtime.Recording), whether its path is
	// known or not; nothing is ever installed then, as a hit leaves no recording.
	Record bool
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
	Tree  *tree.Tree

	opt  Options
	it   *vm.Interp
	rec  vm.Recording
	info []*PathInfo // by path number
	dead []*DeadPath // paths that can't be traces, by number
	bl   trace.Blacklist

	oracle  *vm.State
	oracleI *vm.Interp
	checker *diff.Checker
	want    vm.Output

	named [5]uint64 // packets by verdict
	other map[uint32]uint64

	deps         map[int][]nic.Path    // version counter -> paths that depend on it
	heirs        map[uint64][]nic.Path // way to a changed entry (pathcond.Path.Ways) -> numbers of the paths it ended
	plain        map[int][]nic.Path    // version counter -> paths made while it was barred
	stale        []int                 // counters that have changed since the last invalidation
	abort        *trace.Abort          // why the packet last processed without a path has none
	deadHit      nic.Path              // number of the dead path the packet matched, or -1
	during       bool                  // what a packet wrote is being taken in
	onInvalidate []func(p nic.Path, during bool)
	overlap      error
	overlapping  []pathcond.Pred

	Packets   uint64
	Checked   uint64
	Aborts    map[trace.Reason]uint64 // packets whose path can't be a trace, by reason
	Short     uint64                  // packets refused: too short or too long, as the kernel refuses them
	Faults    uint64                  // packets on which the program faulted
	Recorded  uint64                  // runs recorded
	Collision uint64                  // conditions that overlapped: a bug if ever above 0
}

// PathInfo is what is known of one path.
type PathInfo struct {
	Path    *pathcond.Path
	Trace   *trace.Trace // what is installed: optimised, if there is an optimiser
	Before  int          // instructions before optimisation
	Packets uint64
	Misses  uint64
	First   uint64 // packet number of its discovery
	ready   bool
	slots   uint32 // instructions and predicates
	gone    bool   // its condition can never hold again
}

// DeadPath is a path that can't be a trace.
type DeadPath struct {
	Abort   *trace.Abort
	Path    *pathcond.Path
	Packets uint64
}

// deadBase is where the numbers of paths that can't be traces begin in the
// tree.
const deadBase = nic.Path(1) << 30

// New makes a runtime for a program of an object.
func New(obj *loader.Object, entry *loader.Program, opt Options) (*Runtime, error) {
	if opt.Specialise {
		opt.VM.Track = true
	}
	if opt.Cache.Policy == "" {
		opt.Cache.Policy = "lru"
	}
	if opt.Cache.Entries == 0 && opt.Cache.Slots == 0 {
		opt.Cache.Entries = 64
	}
	if opt.Record {
		opt.Cache.HotThreshold = ^uint32(0)
	}
	r := &Runtime{Obj: obj, Entry: entry, opt: opt, other: map[uint32]uint64{}, Aborts: map[trace.Reason]uint64{},
		deps: map[int][]nic.Path{}, heirs: map[uint64][]nic.Path{}, plain: map[int][]nic.Path{}}
	var err error
	if r.S, r.it, err = r.machine(); err != nil {
		return nil, err
	}
	r.Comp = pathcond.NewCompiler(r.S, obj)
	r.Comp.Specialise = opt.Specialise
	r.Comp.Barred = r.barred
	if opt.MaxTrace > 0 {
		r.Comp.MaxTrace = opt.MaxTrace
	}
	if opt.MaxGuards > 0 {
		r.Comp.MaxGuards = opt.MaxGuards
	}
	r.Tree = tree.New(r.Comp.B, &pathcond.Env{S: r.S, Versions: r.Comp.Versions})
	if r.NIC, err = nic.New(r.S, opt.Cache, (*matcher)(r), (*slowPath)(r)); err != nil {
		return nil, err
	}
	if opt.Check {
		if r.oracle, r.oracleI, err = r.machine(); err != nil {
			return nil, err
		}
		r.checker = diff.NewChecker(r.oracle, r.S, 0)
	}
	if opt.Specialise {
		r.watch()
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
	r.S.Close()
	if r.oracle != nil {
		r.oracle.Close()
	}
}

// States are the machines that control-plane updates must reach: the runtime's
// own and the oracle's.
func (r *Runtime) States() []*vm.State {
	if r.oracle == nil {
		return []*vm.State{r.S}
	}
	return []*vm.State{r.S, r.oracle}
}

// Mismatch is a packet on which the NIC model and the oracle differ: a bug of
// jitnic.
type Mismatch struct {
	Packet  uint64
	Data    []byte
	Outcome cache.Outcome
	Path    nic.Path
	Diff    *diff.Difference
}

func (m *Mismatch) Error() string {
	return fmt.Sprintf("packet %d: %v: path %d: differs from the interpreter: %v", m.Packet, m.Outcome, m.Path, m.Diff)
}

// Process takes one packet. With Check, a difference from the oracle is
// returned as a *Mismatch.
func (r *Runtime) Process(in *vm.Input, out *vm.Output) (cache.Outcome, error) {
	outcome, err := r.NIC.Process(in, out)
	if err != nil {
		return outcome, err
	}
	r.Packets++
	if p := r.NIC.LastPath; p >= 0 {
		i := r.info[p]
		i.Packets++
		if outcome != cache.Hit {
			i.Misses++
		}
	}
	switch {
	case out.Err == nil:
		r.verdict(out.Verdict)
	case errors.Is(out.Err, vm.ErrShort) || errors.Is(out.Err, vm.ErrLong):
		r.Short++
	default:
		r.Faults++
		r.verdict(out.Verdict)
	}
	if r.opt.Specialise {
		r.during = true
		err := r.noteWrites() // the packet's own changes
		r.during = false
		if err != nil {
			return outcome, err
		}
	}
	if r.oracle != nil {
		r.oracleI.Run(in, &r.want)
		r.Checked++
		if d := r.checker.Packet(&r.want, out); d != nil {
			return outcome, &Mismatch{Packet: in.Packet, Data: append([]byte(nil), in.Data...), Outcome: outcome, Path: r.NIC.LastPath, Diff: d}
		}
	}
	return outcome, nil
}

// verdict counts one; the five named ones without a map access.
func (r *Runtime) verdict(v uint32) {
	if v < uint32(len(r.named)) {
		r.named[v]++
		return
	}
	r.other[v]++
}

// Verdicts counts the packets by raw verdict.
func (r *Runtime) Verdicts() map[uint32]uint64 {
	out := maps0.Clone(r.other)
	for v, n := range r.named {
		if n > 0 {
			out[uint32(v)] = n
		}
	}
	return out
}

// CheckAll compares all maps with the oracle's.
func (r *Runtime) CheckAll() error {
	if r.checker == nil {
		return nil
	}
	if d := r.checker.All(); d != nil {
		return &Mismatch{Packet: r.Packets, Diff: d, Path: nic.NoPath}
	}
	return nil
}

// Paths gives what is known of each path, by number.
func (r *Runtime) Paths() []*PathInfo { return r.info }

// Dead gives the paths that can't be traces.
func (r *Runtime) Dead() []*DeadPath { return r.dead }

// Recording is the run recorded last: with Options.Record that of the packet
// processed last, unless it was refused before it ran.
func (r *Runtime) Recording() *vm.Recording { return &r.rec }

// LastAbort is why the packet last processed without a path has none.
func (r *Runtime) LastAbort() *trace.Abort { return r.abort }

// OnInvalidate has f told of every path whose condition can never hold again
// because a map entry changed: during is true where a packet being processed
// changed it, false where the control plane did.
func (r *Runtime) OnInvalidate(f func(p nic.Path, during bool)) {
	r.onInvalidate = append(r.onInvalidate, f)
}

// Optimises says whether traces are optimised before they are installed.
func (r *Runtime) Optimises() bool { return r.opt.Optimise != nil }

// matcher is the tree, with the paths that can't be traces taken for none.
type matcher Runtime

func (m *matcher) Match() nic.Path {
	p := m.Tree.Match()
	if p >= deadBase {
		m.deadHit = p - deadBase
		return nic.NoPath
	}
	m.deadHit = -1
	return p
}

// slowPath is the host as the NIC sees it.
type slowPath Runtime

func (h *slowPath) Run(in *vm.Input, out *vm.Output, path nic.Path) nic.Path {
	r := (*Runtime)(h)
	if path != nic.NoPath {
		r.run(in, out)
		return path
	}
	if r.S.Frags > 0 {
		r.run(in, out)
		r.aborted(&trace.Abort{Reason: trace.ReasonFragments, Program: r.Entry.Name})
		return nic.NoPath
	}
	if d := r.deadHit; d >= 0 {
		if r.bl.Barred(uint64(d), r.Packets) {
			r.run(in, out)
			r.dead[d].Packets++
			r.aborted(r.dead[d].Abort)
			return nic.NoPath
		}
		// The penalty is over: try it again as if it were new.
		r.Tree.Remove(r.dead[d].Path, deadBase+d)
	}
	r.Comp.Before()
	r.it.RunRecorded(in, out, &r.rec)
	r.Recorded++
	return r.learn(in, out)
}

// run interprets a packet whose path is known; recorded where each is.
func (r *Runtime) run(in *vm.Input, out *vm.Output) {
	if r.opt.Record {
		r.it.RunRecorded(in, out, &r.rec)
		return
	}
	r.it.Run(in, out)
}

// aborted counts a packet whose path can't be a trace.
func (r *Runtime) aborted(a *trace.Abort) {
	r.Aborts[a.Reason]++
	r.abort = a
}

// learn makes a path of the run just recorded.
func (r *Runtime) learn(in *vm.Input, out *vm.Output) nic.Path {
	p := r.Comp.Compile(&r.rec, len(in.Data), out.Err)
	for flipped := r.Comp.Flipped(); len(flipped) > 0; flipped = r.Comp.Flipped() {
		for _, m := range flipped {
			r.unspecialise(m)
		}
		p = r.Comp.Compile(&r.rec, len(in.Data), out.Err)
	}
	if p.Abort == nil {
		id, way := r.number(p)
		if err := r.Tree.Insert(p, id); err != nil {
			p.Abort = &trace.Abort{Reason: trace.ReasonInternal, Program: r.Entry.Name, Detail: err.Error()}
			r.noteOverlap(err, p)
			r.aborted(p.Abort)
			return nic.NoPath
		}
		info := &PathInfo{Path: p, Trace: p.Trace, Before: p.Trace.Len(), First: in.Packet,
			slots: uint32(p.Trace.Len() + len(p.Cond))}
		if int(id) == len(r.info) {
			r.info = append(r.info, info)
		} else {
			r.inherit(id, way, info)
		}
		for _, w := range p.Watched {
			r.deps[w] = append(r.deps[w], id)
		}
		for _, w := range p.Plain {
			r.plain[w] = append(r.plain[w], id)
		}
		return id
	}
	r.aborted(p.Abort)
	d := r.deadHit
	if d < 0 {
		d = nic.Path(len(r.dead))
		r.dead = append(r.dead, &DeadPath{})
	}
	r.dead[d].Abort, r.dead[d].Path = p.Abort, p
	r.dead[d].Packets++
	r.bl.Fail(uint64(d), r.Packets)
	if err := r.Tree.Insert(p, deadBase+d); err != nil {
		r.noteOverlap(err, p)
	}
	return nic.NoPath
}

// number is a new path's number. A path that takes the way of one that a
// changed map entry ended takes its number too, so that the device sees one
// path whose trace was invalidated, not an old and a new one.
func (r *Runtime) number(p *pathcond.Path) (id nic.Path, way uint64) {
	for _, way := range p.Ways {
		if ids := r.heirs[way]; len(ids) > 0 {
			return ids[0], way
		}
	}
	return nic.Path(len(r.info)), 0
}

// inherit puts a path in the place of the one that had its number before.
func (r *Runtime) inherit(id nic.Path, way uint64, info *PathInfo) {
	old := r.info[id]
	info.Packets, info.Misses, info.First = old.Packets, old.Misses, old.First
	is := func(p nic.Path) bool { return p == id }
	for _, w := range old.Path.Watched {
		r.deps[w] = slices.DeleteFunc(r.deps[w], is)
	}
	for _, w := range old.Path.Plain {
		r.plain[w] = slices.DeleteFunc(r.plain[w], is)
	}
	r.info[id] = info
	if r.heirs[way] = r.heirs[way][1:]; len(r.heirs[way]) == 0 {
		delete(r.heirs, way)
	}
}

// unspecialise takes out every path that a key of map m specialises.
func (r *Runtime) unspecialise(m int) {
	for _, w := range r.Comp.Versions.WatchedOf(m) {
		r.drop(r.deps[w])
		r.drop(r.plain[w])
		delete(r.deps, w)
		delete(r.plain, w)
	}
	r.dropDead(func(w int) bool {
		i, _ := r.Comp.Versions.Key(w)
		return i == m
	})
}

// dropDead takes the paths that can't be traces out of the tree where they
// depend on such a version counter.
func (r *Runtime) dropDead(of func(w int) bool) {
	if !r.opt.Specialise {
		return
	}
	for i, d := range r.dead {
		if d.Path != nil && (slices.ContainsFunc(d.Path.Watched, of) || slices.ContainsFunc(d.Path.Plain, of)) {
			r.Tree.Remove(d.Path, deadBase+nic.Path(i))
			d.Path = nil
		}
	}
}

// noteOverlap keeps the evidence of the first condition that overlaps another.
func (r *Runtime) noteOverlap(err error, p *pathcond.Path) {
	if r.Collision == 0 {
		r.overlap, r.overlapping = err, p.Cond
	}
	r.Collision++
}

// Trace gives the code to install for a path.
func (h *slowPath) Trace(path nic.Path) (*trace.Trace, error) { return (*Runtime)(h).Trace(path) }

// Trace is the code to install for a path, optimised the first time it is asked
// for.
func (r *Runtime) Trace(path nic.Path) (*trace.Trace, error) {
	i := r.info[path]
	if !i.ready {
		i.ready = true
		if r.opt.Optimise != nil {
			t, err := r.opt.Optimise(i.Path, r.Comp)
			if err != nil {
				return nil, err
			}
			i.Trace = t
		}
	}
	return i.Trace, nil
}

// Price is the entry's size in slots: the trace's instructions and one for
// each predicate; a miss costs what the interpreter would execute.
func (h *slowPath) Price(path nic.Path) (slots, cost uint32) { return (*Runtime)(h).Price(path) }

// Price is the size of a path's entry in slots and what a miss of it costs, in
// interpreted instructions.
func (r *Runtime) Price(path nic.Path) (slots, cost uint32) {
	i := r.info[path]
	return i.slots, uint32(i.Path.Trace.Raw)
}

// watch listens to changes of maps that helpers or the control plane make.
func (r *Runtime) watch() {
	for i, m := range r.S.Maps {
		n, ok := m.(maps.Notifier)
		if !ok {
			continue
		}
		n.OnWrite(func(key []byte) { r.wrote(i, key) })
	}
}

// wrote bumps the versions a write to a map key touches.
func (r *Runtime) wrote(m int, key []byte) {
	v := r.Comp.Versions
	if !v.Watching(m) {
		return
	}
	if r.S.Maps[m].Spec().Type == ebpf.LPMTrie {
		// A prefix answers for all keys below it: everything is stale.
		for _, w := range v.WatchedOf(m) {
			v.Counter[w]++
			r.stale = append(r.stale, w)
		}
		return
	}
	if w := v.Wrote(m, key); w >= 0 {
		r.stale = append(r.stale, w)
	}
}

// noteWrites turns the packet's stores through value pointers into version
// changes, and invalidates the traces that depend on what has changed.
func (r *Runtime) noteWrites() error {
	for _, w := range r.S.Writes {
		if r.S.WriteKey(w) != nil || w.Size == 0 {
			continue // helpers notify by themselves
		}
		m := int(w.Map)
		if !r.Comp.Versions.Watching(m) {
			continue
		}
		if o, ok := r.S.Maps[m].(maps.Owner); ok {
			if key := o.KeyOf(w.Addr); key != nil {
				r.wrote(m, key)
			}
		}
	}
	return r.invalidate()
}

// invalidate drops the traces whose entries have changed. Their conditions can
// never hold again, as versions only grow, so they leave the tree as well.
func (r *Runtime) invalidate() error {
	if len(r.stale) > 0 {
		r.dropDead(func(w int) bool { return slices.Contains(r.stale, w) })
	}
	for _, w := range r.stale {
		if len(r.deps[w]) == 0 {
			continue
		}
		r.bl.Fail(versionKey(w), r.Packets)
		for _, p := range r.deps[w] {
			if i := r.info[p]; !i.gone {
				way := i.Path.Ways[slices.Index(i.Path.Watched, w)]
				r.heirs[way] = append(r.heirs[way], p)
			}
		}
		if err := r.drop(r.deps[w]); err != nil {
			return err
		}
		delete(r.deps, w)
	}
	r.stale = r.stale[:0]
	return nil
}

// drop takes paths out of the tree and the device. An error is a trace that
// can't be bound, which an invalidation never asks for.
func (r *Runtime) drop(paths []nic.Path) error {
	for _, p := range paths {
		i := r.info[p]
		if i.gone {
			continue
		}
		i.gone = true
		for _, f := range r.onInvalidate {
			f(p, r.during)
		}
		r.Tree.Remove(i.Path, p)
		if err := r.NIC.Invalidate(p); err != nil {
			return err
		}
	}
	return nil
}

// versionKey is a version counter's number in the blacklist.
func versionKey(w int) uint64 { return 1<<32 | uint64(w) }

// barred says whether the entry behind a version counter has changed so often
// of late that folding it isn't worth a trace. Once its penalty is over, the
// paths made meanwhile make way for specialised ones.
func (r *Runtime) barred(w int) bool {
	if r.bl.Barred(versionKey(w), r.Packets) {
		return true
	}
	if ps := r.plain[w]; len(ps) > 0 {
		r.dropDead(func(v int) bool { return v == w })
		delete(r.plain, w)
		if err := r.drop(ps); err != nil {
			return true
		}
	}
	return false
}

// ControlPlane must be called after maps of S were changed from outside.
func (r *Runtime) ControlPlane() error {
	if r.opt.Specialise {
		return r.invalidate()
	}
	return nil
}
