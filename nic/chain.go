package nic

import (
	"jitnic/cache"
	"jitnic/host/vm"
	"jitnic/trace"
)

// A path may be cut into segments, each a trace with its condition in a table of
// its own. A packet's way is then a chain: the first table says which segment the
// packet begins with, the segment's trace runs and says which table goes on, and so
// on to the segment that ends in a verdict. What the traces before the last one
// write is held back until the last has hit; where any segment isn't in, it is taken
// back, and the packet runs wholly on the host.
//
// Which segments a packet has doesn't depend on what is in: the chain is followed
// through segments that are known and not in, too, and only then is the cache asked
// for each in turn. A packet's outcome is that of its first segment that isn't in.

// Holder is an Engine whose traces' stores can be taken back.
type Holder interface {
	Engine
	// BindHeld is Bind for a segment that isn't its path's last: what its stores
	// overwrite is noted in h.
	BindHeld(p Path, t *trace.Trace, h *Held) (Code, error)
}

// Table is one of the tables that segments stand in: what finds a packet's segment
// there, and what runs it.
type Table struct {
	Match Matcher
	Exec  Holder
}

// Chain is a SlowPath whose paths are cut into segments.
type Chain interface {
	SlowPath
	// Rest processes a packet wholly on the host whose first segments are known,
	// and gives all of its segments, appended to these, or why it has none. path is
	// what the matcher of the table behind known said.
	Rest(in *vm.Input, out *vm.Output, known []Path, path Path) ([]Path, *trace.Abort)
	// Next is the table behind a segment; 0: it ends in a verdict.
	Next(path Path) int
}

// chain is what a NIC with several tables has beside it.
type chain struct {
	tables []Table
	slow   Chain
	held   *Held
	code   []Code // by path: of every segment that a packet came through
	ways   []Path // of the packet at hand
	each   []cache.Outcome

	outcomes cache.Counts
	buffer   int
}

// Segment gives the NIC a table for each place at which paths are cut, the first
// that of their beginning.
func (n *NIC) Segment(tables []Table, slow Chain) {
	n.chain = &chain{tables: tables, slow: slow, held: NewHeld(n.S)}
	n.batch = nil
}

// Outcomes counts packets by outcome; with segments the cache itself counts
// requests, one for each segment of a packet.
func (n *NIC) Outcomes() cache.Counts {
	if n.chain == nil {
		return n.Cache.Stats().Outcome
	}
	return n.chain.outcomes
}

// Buffer is the most that was held back for one packet, in bytes of packet and
// map values: what a device needs to hold until the last segment hits.
func (n *NIC) Buffer() int {
	if n.chain == nil {
		return 0
	}
	return n.chain.buffer
}

// through is Process for a NIC with segments, once the packet has begun: it follows
// the tables.
func (n *NIC) through(in *vm.Input, out *vm.Output) (Result, error) {
	c := n.chain
	c.ways = c.ways[:0]
	c.held.Begin()
	var last Code
	for t := 0; ; {
		if n.Watch != nil {
			n.Watch(t)
		}
		p := NoPath
		if n.Frags || n.S.Frags == 0 {
			p = c.tables[t].Match.Match()
		}
		if p < 0 || p >= Untraceable {
			c.held.Back()
			ways, why := c.slow.Rest(in, out, c.ways, p)
			if why != nil {
				return c.count(Result{Outcome: n.Cache.Uncacheable(), Path: NoPath, Abort: why}), nil
			}
			c.ways = ways
			return n.request(), nil
		}
		c.ways = append(c.ways, p)
		next := c.slow.Next(p)
		code, err := n.segment(p, t, next == 0)
		if err != nil {
			return Result{}, err
		}
		if next == 0 {
			last = code
			break
		}
		if _, err := code.Run(); err != nil {
			return Result{}, err
		}
		t = next
	}
	res := n.request()
	if res.Outcome != cache.Hit {
		c.held.Back()
		n.slow.Run(in, out, res.Path)
		return res, nil
	}
	c.buffer = max(c.buffer, c.held.Commit())
	r0, err := last.Run()
	if err != nil {
		return res, err
	}
	n.S.End(uint32(r0), out)
	return res, nil
}

// request asks the cache for each segment of the packet.
func (n *NIC) request() Result {
	c := n.chain
	res := Result{Outcome: cache.Hit, Path: NoPath}
	c.each = c.each[:0]
	for _, p := range c.ways {
		n.grow(p)
		if n.Cache.Hit(uint32(p)) {
			n.Hits[p]++
			c.each = append(c.each, cache.Hit)
			if res.Outcome == cache.Hit {
				res.Path = p
			}
			continue
		}
		slots, cost := n.slow.Price(p)
		out := n.Cache.Miss(uint32(p), slots, cost)
		c.each = append(c.each, out)
		if res.Outcome == cache.Hit {
			res.Outcome, res.Path = out, p
		}
	}
	n.Cache.Events() // segments' code is kept by the chain
	res.Segments, res.Each = c.ways, c.each
	return c.count(res)
}

func (c *chain) count(res Result) Result {
	c.outcomes[res.Outcome]++
	return res
}

// segment is the code of a segment of a table, made when a packet first comes
// through it. last says that it ends in a verdict.
func (n *NIC) segment(p Path, table int, last bool) (Code, error) {
	c := n.chain
	for int(p) >= len(c.code) {
		c.code = append(c.code, nil)
	}
	if c.code[p] == nil {
		t, err := n.slow.Trace(p)
		if err != nil {
			return nil, err
		}
		if exec := c.tables[table].Exec; last {
			c.code[p], err = exec.Bind(p, t)
		} else {
			c.code[p], err = exec.BindHeld(p, t, c.held)
		}
		if err != nil {
			return nil, err
		}
	}
	return c.code[p], nil
}

// Forget drops the code of a segment whose number another trace gets.
func (n *NIC) Forget(p Path) {
	if c := n.chain; c != nil && int(p) < len(c.code) && c.code[p] != nil {
		c.code[p].Free()
		c.code[p] = nil
	}
}

// Ways are the segments of the packet at hand as far as they were followed.
func (n *NIC) Ways() []Path {
	if n.chain == nil {
		return nil
	}
	return n.chain.ways
}
