package nic

import (
	"fmt"

	"jitnic/cache"
	"jitnic/host/vm"
	"jitnic/trace"
)

// Path is the number of a path: dense, from 0, in the order of discovery.
// NoPath is that of a packet whose path can't be a trace.
type Path = int32

// NoPath stands for no path. Numbers from Untraceable up are of paths that are
// known and can't be traces: a matcher may tell them apart for the host.
const (
	NoPath      = Path(-1)
	Untraceable = Path(1) << 30
)

// Matcher says which path's condition the packet that has begun satisfies, or
// NoPath. It writes nothing. pathcond's guard tree (tree.Tree) is one.
type Matcher interface {
	Match() Path
}

// Batcher is a Matcher that goes from packet to packet by itself.
type Batcher interface {
	Matcher
	// Batch runs packets of in, from the first on, each of which satisfies the
	// condition of a path that has code bound on the Batcher's State, counts each
	// in hits by its path, and tells what became of them. hits has a place for
	// every such path. It stops where it likes: nothing of the packet after the
	// last was changed. A Batcher may be made such (Batch.Hosted) that it also runs
	// packets of known paths that have no code bound, as the host runs them; these it
	// doesn't count. after is called for each packet in which something was
	// left to Go, once it has ended with a verdict and while the State is as it left
	// it; false ends the batch. An error is a fault of jitnic's own.
	Batch(in []vm.Input, hits []uint64, after After) (Batch, error)
	// Runs says whether packets of a path ran as its own code in the last batch.
	Runs(p Path) bool
}

// After is told of a packet of a batch that the State, and what is beside it, may
// have been changed by in other ways than code changes them.
type After func(verdict uint32) (goOn bool)

// Batch is what became of packets that all hit, or ran on the host.
type Batch struct {
	Paths    []uint32        // of each, in order; good until the next call
	Outcomes []cache.Outcome // likewise; nil: all hit
	Hosted   bool            // some ran as the host runs them
	Fault    error           // the last did, and ended in it
	Verdicts Verdicts        // of all that after wasn't called for
	Stopped  bool            // by after, which was called for the last
	More     bool            // nothing ended it but its length: the next packet may hit, too
}

// Verdicts counts packets by verdict: XDP_ABORTED to XDP_REDIRECT.
type Verdicts [vm.XDPRedirect + 1]uint64

// SlowPath is the host as the NIC sees it.
type SlowPath interface {
	// Run processes a packet wholly on the host. path is what the matcher
	// said, or NoPath. It returns the packet's path, which may be new, or
	// NoPath and the reason where the path can't be a trace.
	Run(in *vm.Input, out *vm.Output, path Path) (Path, *trace.Abort)
	// Trace is asked for when the install of a path begins: its code, made
	// ready by the host's compiler.
	Trace(path Path) (*trace.Trace, error)
	// Price is the size of a path's entry in slots (trace and condition, in
	// instructions) and the cost of a miss, in any unit.
	Price(path Path) (slots, cost uint32)
}

// Engine makes the code of traces ready to run, on the State it was made for.
type Engine interface {
	// Bind is called when the trace of a path is put into trace memory. It
	// refuses what is no straight-line code, with the slot and the cause.
	Bind(p Path, t *trace.Trace) (Code, error)
}

// Code is a trace in trace memory.
type Code interface {
	// Run executes the trace on the packet that has begun on the State, whose
	// condition holds, and returns register 0. It allocates nothing. An error
	// is a fault of jitnic's own.
	Run() (r0 uint64, err error)
	// Free is called when the trace leaves trace memory; it never runs again.
	Free()
}

// NIC is the device: a trace cache in front of the slow path.
type NIC struct {
	S     *vm.State
	Cache *cache.TraceCache
	// Frags has packets with frags matched as others are; else they go to the
	// host. Their traces touch the frags by helpers alone.
	Frags bool

	match    Matcher
	batch    Batcher         // nil where the matcher is none
	outcomes []cache.Outcome // of a batch
	slow     SlowPath
	exec     Engine
	code     []Code // by path; nil where not installed
	chain    *chain // nil where paths aren't cut

	// Hosts says that batches go on with packets that miss: their Batcher runs them as
	// the slow path would.
	Hosts bool

	// Watch, where set, sees each table of segments that a packet comes to before the
	// table is asked, the state as the segments before it leave it.
	Watch func(table int)

	// Hits counts hits by path; Batched are those that went by many at a time.
	Hits    []uint64
	Batched uint64
}

// New puts a device on a state. cfg is that of its trace cache; exec runs the
// traces in it.
func New(s *vm.State, cfg cache.Config, m Matcher, slow SlowPath, exec Engine) (*NIC, error) {
	cfg.Events = true
	tc, err := cache.NewTraceCache(cfg)
	if err != nil {
		return nil, err
	}
	n := &NIC{S: s, Cache: tc, match: m, slow: slow, exec: exec}
	n.batch, _ = m.(Batcher)
	return n, nil
}

// Result is what became of one packet in the trace cache.
type Result struct {
	Outcome cache.Outcome
	Path    Path         // or NoPath; of several segments the first that isn't in, or the last
	Abort   *trace.Abort // why there is none; nil also where the packet was refused before it ran
	// Segments are a packet's segments, where paths are cut, and Each is what became
	// of each one's request; good until the next packet.
	Segments []Path
	Each     []cache.Outcome
}

// Process takes one packet through the device: wholly here on a hit, wholly on
// the host otherwise. out is what became of it; err is a fault of jitnic's
// own, never of the program. A hit allocates nothing.
func (n *NIC) Process(in *vm.Input, out *vm.Output) (Result, error) {
	n.Cache.At(int64(in.TimeNS))
	if err := n.S.Begin(in); err != nil {
		*out = vm.Output{Err: err}
		res := Result{Outcome: n.Cache.Uncacheable(), Path: NoPath}
		if n.chain != nil {
			n.chain.count(res)
		}
		return res, nil
	}
	if n.chain != nil {
		return n.through(in, out)
	}
	p := NoPath
	if n.Frags || n.S.Frags == 0 {
		p = n.match.Match()
	}
	if p < 0 || p >= Untraceable {
		p, why := n.slow.Run(in, out, p)
		if p == NoPath {
			return Result{Outcome: n.Cache.Uncacheable(), Path: NoPath, Abort: why}, nil
		}
		slots, cost := n.slow.Price(p)
		res := Result{Outcome: n.Cache.Request(uint32(p), slots, cost), Path: p}
		return res, n.follow()
	}
	res := Result{Outcome: cache.Hit, Path: p}
	if !n.Cache.Hit(uint32(p)) {
		slots, cost := n.slow.Price(p)
		res.Outcome = n.Cache.Miss(uint32(p), slots, cost)
		// Installs that ended with this packet's arrival count for the next.
		if err := n.follow(); err != nil {
			return res, err
		}
		n.slow.Run(in, out, p)
		return res, nil
	}
	if int(p) >= len(n.code) || n.code[p] == nil {
		if err := n.installed(p); err != nil {
			return res, err
		}
	}
	r0, err := n.code[p].Run()
	if err != nil {
		return res, err
	}
	n.S.End(uint32(r0), out)
	n.Hits[p]++
	return res, nil
}

// Batch takes packets of in, from the first on, for as long as each is a hit and
// nothing but hits happens: what became of them is what Process would have said
// of one after the other, and so is all that is counted.
func (n *NIC) Batch(in []vm.Input, after After) (Batch, error) {
	if n.batch == nil {
		return Batch{}, nil
	}
	quiet := n.Cache.Quiet(len(in), func(k int) int64 { return int64(in[k].TimeNS) })
	if n.Hosts {
		n.grow(0)
	} else {
		in = in[:quiet]
	}
	if len(in) == 0 {
		return Batch{}, nil
	}
	if err := n.follow(); err != nil {
		return Batch{}, err
	}
	b, err := n.batch.Batch(in, n.Hits, after)
	if err != nil || len(b.Paths) == 0 {
		return Batch{}, err
	}
	n.Batched += uint64(len(b.Paths))
	if b.Hosted || len(b.Paths) > quiet {
		return b, n.account(in, &b)
	}
	n.Cache.At(int64(in[len(b.Paths)-1].TimeNS))
	if p, ok := n.Cache.Hits(b.Paths); !ok {
		return Batch{}, fmt.Errorf("trace cache: path %d has run and is not in", p)
	}
	return b, nil
}

// account asks the cache for each packet of a batch that went on with misses. Whether
// one was in doesn't show in what became of it, so that is found out now.
func (n *NIC) account(in []vm.Input, b *Batch) error {
	n.outcomes = n.outcomes[:0]
	for _, p := range b.Paths {
		out := cache.Hit
		if !n.batch.Runs(Path(p)) {
			out = cache.Cold // by the host
		}
		n.outcomes = append(n.outcomes, out)
	}
	b.Outcomes = n.outcomes
	for k, p := range b.Paths {
		ran := n.outcomes[k] == cache.Hit
		n.Cache.At(int64(in[k].TimeNS))
		hit := n.Cache.Hit(p)
		switch n.grow(Path(p)); { // its own code has counted what ran there
		case hit && !ran:
			n.Hits[p]++
		case ran && !hit:
			n.Hits[p]--
		}
		if !hit {
			slots, cost := n.slow.Price(Path(p))
			n.outcomes[k] = n.Cache.Miss(p, slots, cost)
			continue
		}
		n.outcomes[k] = cache.Hit
		if n.code[p] == nil {
			if err := n.installed(Path(p)); err != nil {
				return err
			}
		}
	}
	return n.follow()
}

// installed makes sure that the code of a path that hits is in trace memory: its
// install has just ended, or the policy takes it for there without one (a bound
// that has everything installed before the first packet).
func (n *NIC) installed(p Path) error {
	if err := n.follow(); err != nil {
		return err
	}
	n.grow(p)
	if n.code[p] == nil {
		return n.bind(p)
	}
	return nil
}

// grow makes room for a path's code.
func (n *NIC) grow(p Path) {
	for int(p) >= len(n.code) {
		n.code = append(n.code, nil)
		n.Hits = append(n.Hits, 0)
	}
}

// follow makes the trace memory what the cache says: code for what was put in,
// none for what went out.
func (n *NIC) follow() error {
	for _, e := range n.Cache.Events() {
		n.grow(Path(e.ID))
		switch e.Kind {
		case cache.Put:
			if err := n.bind(Path(e.ID)); err != nil {
				return err
			}
		case cache.Evicted, cache.Dropped:
			if x := n.code[e.ID]; x != nil {
				x.Free()
			}
			n.code[e.ID] = nil
		case cache.Swapped:
			if x := n.code[e.ID]; x != nil {
				x.Free()
				if err := n.bind(Path(e.ID)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Due makes the swaps of better traces for worse that are ready before the next
// packet (cache.Config.Tier2).
func (n *NIC) Due() error {
	n.Cache.Due()
	if n.chain != nil {
		n.Cache.Events() // segments' code is kept by the chain, which forgets what is swapped
		return nil
	}
	return n.follow()
}

func (n *NIC) bind(p Path) error {
	t, err := n.slow.Trace(p)
	if err != nil {
		return err
	}
	n.code[p], err = n.exec.Bind(p, t)
	return err
}

// Invalidate takes a path's trace out because a map entry it depends on has
// changed.
func (n *NIC) Invalidate(p Path) error {
	if n.Cache.Invalidate(uint32(p)) && n.chain == nil {
		return n.follow()
	}
	return nil
}
