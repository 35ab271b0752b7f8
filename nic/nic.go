package nic

import (
	"jitnic/cache"
	"jitnic/host/vm"
	"jitnic/trace"
)

// Path is the number of a path: dense, from 0, in the order of discovery.
// NoPath is that of a packet whose path can't be a trace.
type Path = int32

// NoPath stands for no path.
const NoPath = Path(-1)

// Matcher says which path's condition the packet that has begun satisfies, or
// NoPath. It writes nothing. tree.Tree is one.
type Matcher interface {
	Match() Path
}

// SlowPath is the host as the NIC sees it.
type SlowPath interface {
	// Run processes a packet wholly on the host. path is what the matcher
	// said, or NoPath. It returns the packet's path, which may be new, or
	// NoPath where the path can't be a trace.
	Run(in *vm.Input, out *vm.Output, path Path) Path
	// Trace is asked for when the install of a path begins: its code, made
	// ready by the host's compiler.
	Trace(path Path) (*trace.Trace, error)
	// Price is the size of a path's entry in slots (trace and condition, in
	// instructions) and the cost of a miss, in any unit.
	Price(path Path) (slots, cost uint32)
}

// NIC is the device: a trace cache in front of the slow path.
type NIC struct {
	S     *vm.State
	Cache *cache.TraceCache

	match Matcher
	slow  SlowPath
	exec  *Executor
	code  []*Executable // by path; nil where not installed

	// LastPath is the path of the packet processed last.
	LastPath Path
	// Hits counts hits by path.
	Hits []uint64
}

// New puts a device on a state. cfg is that of its trace cache.
func New(s *vm.State, cfg cache.Config, m Matcher, slow SlowPath) (*NIC, error) {
	cfg.Events = true
	tc, err := cache.NewTraceCache(cfg)
	if err != nil {
		return nil, err
	}
	return &NIC{S: s, Cache: tc, match: m, slow: slow, exec: NewExecutor(s)}, nil
}

// Process takes one packet through the device: wholly here on a hit, wholly on
// the host otherwise. out is what became of it; err is a fault of jitnic's
// own, never of the program. A hit allocates nothing.
func (n *NIC) Process(in *vm.Input, out *vm.Output) (cache.Outcome, error) {
	n.Cache.At(int64(in.TimeNS))
	if err := n.S.Begin(in); err != nil {
		n.LastPath = NoPath
		*out = vm.Output{Err: err}
		return n.Cache.Uncacheable(), nil
	}
	p := NoPath
	if n.S.Frags == 0 {
		p = n.match.Match()
	}
	n.LastPath = p
	if p == NoPath {
		p = n.slow.Run(in, out, p)
		n.LastPath = p
		if p == NoPath {
			return n.Cache.Uncacheable(), nil
		}
		slots, cost := n.slow.Price(p)
		o := n.Cache.Request(uint32(p), slots, cost)
		return o, n.follow()
	}
	slots, cost := n.slow.Price(p)
	o := n.Cache.Request(uint32(p), slots, cost)
	if o != cache.Hit {
		// Installs that ended with this packet's arrival count for the next.
		if err := n.follow(); err != nil {
			return o, err
		}
		n.LastPath = n.slow.Run(in, out, p)
		return o, nil
	}
	x := n.code[p]
	if x == nil {
		if err := n.follow(); err != nil {
			return o, err
		}
		x = n.code[p]
	}
	r0, err := n.exec.Run(x)
	if err != nil {
		return o, err
	}
	n.S.End(uint32(r0), out)
	n.Hits[p]++
	return o, nil
}

// follow makes the trace memory what the cache says: code for what was put in,
// none for what went out.
func (n *NIC) follow() error {
	for _, e := range n.Cache.Events() {
		for int(e.ID) >= len(n.code) {
			n.code = append(n.code, nil)
			n.Hits = append(n.Hits, 0)
		}
		switch e.Kind {
		case cache.Put:
			if err := n.bind(Path(e.ID)); err != nil {
				return err
			}
		case cache.Evicted, cache.Dropped:
			n.code[e.ID] = nil
		}
	}
	return nil
}

func (n *NIC) bind(p Path) error {
	t, err := n.slow.Trace(p)
	if err != nil {
		return err
	}
	n.code[p], err = Bind(t, n.S)
	return err
}

// Invalidate takes a path's trace out because a map entry it depends on has
// changed.
func (n *NIC) Invalidate(p Path) error {
	if n.Cache.Invalidate(uint32(p)) {
		return n.follow()
	}
	return nil
}
