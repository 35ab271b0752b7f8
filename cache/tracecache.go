package cache

import (
	"fmt"

	"jitnic/cache/policy"
)

// Config is what a TraceCache is made from. The zero value of every field but
// Policy and the budget is the plainest choice.
type Config struct {
	Policy    string // a name of policy.Names
	Admission string // see NewAdmission; "" is "always"

	// The budget: one of the two, the other 0.
	Entries uint64 // each entry counts 1, whatever its size
	Slots   uint64 // each entry counts its size

	// HotThreshold is the number of the request of an id, counted from 1, that
	// first tries to install it. 0 is 1.
	HotThreshold uint32
	// InstallDelay is how many packets an install takes: begun at packet n, the
	// id hits from packet n+1+InstallDelay on.
	InstallDelay uint64
	// InstallTime is how long an install takes at least, in nanoseconds of the
	// clock given to At; an install is done when both delays are over.
	InstallTime int64
	// TTL is how long an entry is good for after its install, in nanoseconds of
	// the clock given to At; 0: for ever. One that is found to be older is taken
	// out and misses as invalidated; until then it keeps its room.
	TTL int64
	// External: an install that began is in flight until Finish or Abandon is
	// called for its id, or an invalidation stops it; InstallDelay and
	// InstallTime must then be 0. So a model of the device decides when it ends.
	External bool
	// Tier2, where set, has traces that hit often made better; Due must be called.
	Tier2 *Tier2

	Seed   uint64   // for policies and admissions that draw
	IDs    int      // how many ids to expect; a hint
	Events bool     // keep what Events returns
	Keys   []uint64 // see policy.Config.Keys
}

// EventKind says what happened to an id.
type EventKind uint8

const (
	Began     EventKind = iota // its install began (compiling, proving, installing)
	Put                        // it is in: it hits from the next packet on
	Refused                    // the policy did not take it
	Evicted                    // it is out, room was needed
	Dropped                    // it is out, it was invalidated
	Canceled                   // its install was stopped, it was invalidated
	Abandoned                  // its install was given up; a later request may begin it again
	Swapped                    // a better trace has taken the place of the one that is in
)

var eventNames = [...]string{"began", "put", "refused", "evicted", "dropped", "canceled", "abandoned", "swapped"}

func (k EventKind) String() string { return eventNames[k] }

// An Event is one change of a TraceCache.
type Event struct {
	Kind EventKind
	ID   uint32
}

// Stats counts what a TraceCache did.
type Stats struct {
	Packets     uint64 // Request and Uncacheable calls
	Outcome     Counts
	Began       uint64 // installs begun: traces compiled
	Installed   uint64 // installs done and taken by the policy
	Refused     uint64 // installs done and not taken by the policy
	Evicted     uint64 // entries that left because room was needed
	Invalidated uint64 // entries that left because they were invalidated
	Canceled    uint64 // installs stopped because of an invalidation
	NotAdmitted uint64 // hot requests that the admission turned away
	Abandoned   uint64 // installs given up (Config.External)
	Resized     uint64 // entries whose size became another while they were in

	// With Config.Tier2.
	Hot     uint64 // ids that were
	Swapped uint64 // better traces that were ready within the run
	Waited  uint64 // packets from hot to swapped, together
}

// TraceCache is the state machine between requests and an eviction policy.
// The order of calls for a packet is At (where time counts), then Request or
// Uncacheable, then an Invalidate for each id the packet's writes make stale.
type TraceCache struct {
	cfg    Config
	policy policy.Policy
	late   policy.LateEvictor // the policy, where its hits may evict
	admit  Admission
	noting bool // the admission wants to be told of hits
	sized  bool

	id     []idState
	flight flight
	price  []price // of installs in flight, by id, where External
	tier2  *tier2  // nil without Config.Tier2
	born   []int64 // when each id was installed last, where entries have a TTL
	now    int64
	stats  Stats
	events []Event
	buf    []uint32
}

// price is what the call that began an install gave.
type price struct{ size, cost uint32 }

// idState is what is known of an id beside the policy: 8 bytes.
type idState struct {
	heat  uint32 // requests that missed, saturating
	state uint8
}

const (
	stSeen     = 1 << iota // requested before
	stWasIn                // was installed at least once
	stStale                // last left (or was stopped) by invalidation
	stInFlight             // install begun, not done
)

// NewTraceCache makes an empty one. It errs on names that are not known and on
// a budget that is not exactly one of entries and slots.
func NewTraceCache(cfg Config) (*TraceCache, error) {
	pc := policy.Config{Seed: cfg.Seed, IDs: cfg.IDs, Keys: cfg.Keys}
	switch {
	case cfg.Entries > 0 && cfg.Slots > 0:
		return nil, fmt.Errorf("cache: budget of %d entries and of %d slots: only one can hold", cfg.Entries, cfg.Slots)
	case cfg.Entries > 0:
		pc.Capacity = cfg.Entries
	case cfg.Slots > 0:
		pc.Capacity, pc.Sized = cfg.Slots, true
	default:
		return nil, fmt.Errorf("cache: no budget: entries or slots are needed")
	}
	if cfg.External && (cfg.InstallDelay != 0 || cfg.InstallTime != 0) {
		return nil, fmt.Errorf("cache: installs that end by call can't have a delay or a time of their own")
	}
	if cfg.HotThreshold == 0 {
		cfg.HotThreshold = 1
	}
	p, err := policy.New(cfg.Policy, pc)
	if err != nil {
		return nil, err
	}
	a, err := NewAdmission(cfg.Admission, cfg.Seed, pc.Capacity)
	if err != nil {
		return nil, err
	}
	c := &TraceCache{
		cfg: cfg, policy: p, admit: a, sized: pc.Sized,
		id: make([]idState, cfg.IDs), tier2: newTier2(cfg.Tier2, cfg.IDs),
	}
	c.late, _ = p.(policy.LateEvictor)
	_, free := a.(always)
	c.noting = !free
	return c, nil
}

// At sets the clock, in nanoseconds; it must not run backwards. It is needed
// only with InstallTime.
func (c *TraceCache) At(ns int64) { c.now = ns }

// Request is one cacheable packet that asks for id. size is in slots, cost is
// what a miss of the id costs in any unit; both may change from call to call
// and those of the call that begins the install count. A size of 0 is 1.
func (c *TraceCache) Request(id, size, cost uint32) Outcome {
	if c.Hit(id) {
		return Hit
	}
	return c.Miss(id, size, cost)
}

// Hit is Request for as long as id is in; where it isn't, Miss has to follow, so
// that size and cost needn't be known of what hits.
func (c *TraceCache) Hit(id uint32) bool {
	c.begin()
	if int(id) >= len(c.id) {
		c.grow(id)
	}
	if c.cfg.TTL > 0 && int(id) < len(c.born) && c.now-c.born[id] >= c.cfg.TTL && c.policy.Contains(id) {
		c.takeOut(id)
	}
	if !c.policy.Access(id) {
		return false
	}
	c.id[id].state |= stSeen
	c.stats.Outcome[Hit]++
	if c.tier2 != nil {
		c.tier2.hit(id)
	}
	if c.noting {
		c.admit.Note(id, true)
	}
	if c.late != nil {
		c.buf = c.late.Late(c.buf[:0])
		c.evicted(c.buf, noID)
	}
	return true
}

// Miss is the rest of a request that is no Hit.
func (c *TraceCache) Miss(id, size, cost uint32) Outcome {
	s := &c.id[id]
	seen := s.state
	s.state |= stSeen
	c.admit.Note(id, false)
	if s.heat != ^uint32(0) {
		s.heat++
	}
	var out Outcome
	switch {
	case seen&stInFlight != 0:
		c.stats.Outcome[InFlight]++
		return InFlight
	case seen&stStale != 0:
		out = Invalidated
	case seen&stWasIn != 0:
		out = Capacity
	case seen&stSeen != 0:
		out = NotHot
	default:
		out = Cold
	}
	c.stats.Outcome[out]++
	if s.heat < c.cfg.HotThreshold {
		return out
	}
	size = max(c.tier2.size(id, size), 1)
	if !c.sized {
		size = 1
	}
	if !c.admit.Admit(id, size, cost, s.heat) {
		c.stats.NotAdmitted++
		return out
	}
	c.stats.Began++
	c.event(Began, id)
	if c.cfg.External {
		s.state |= stInFlight
		if int(id) >= len(c.price) {
			c.price = append(c.price, make([]price, len(c.id)-len(c.price))...)
		}
		c.price[id] = price{size, cost}
		return out
	}
	if c.cfg.InstallDelay == 0 && c.cfg.InstallTime == 0 {
		c.install(id, size, cost)
		return out
	}
	s.state |= stInFlight
	c.flight.push(pending{
		id: id, size: size, cost: cost,
		packet: c.stats.Packets + c.cfg.InstallDelay, time: c.now + c.cfg.InstallTime,
	})
	return out
}

// Quiet is how many of the next n requests may be noted together by Hits, if all
// of them hit: those before an install ends, and none where a hit may evict
// (policy.LateEvictor), or a swap (Config.Tier2 and a budget in slots), or entries
// expire. at is the clock at the k'th of them.
func (c *TraceCache) Quiet(n int, at func(k int) int64) int {
	if c.late != nil || c.cfg.TTL > 0 || c.tier2 != nil && c.sized {
		return 0
	}
	if c.flight.n == 0 {
		return n
	}
	p := c.flight.first()
	if p.id == noID {
		return 0 // begin takes it away
	}
	k := 0
	if p.packet > c.stats.Packets {
		k = int(min(p.packet-c.stats.Packets, uint64(n)))
	}
	for k < n && p.time > at(k) {
		k++
	}
	return k
}

// Hits is Request for each of ids in turn, all of which must be in and have been
// requested before: Quiet has said that there may be so many. One that isn't in is
// returned with false; what was counted is worth nothing then.
func (c *TraceCache) Hits(ids []uint32) (uint32, bool) {
	if id, ok := policy.Hits(c.policy, ids); !ok {
		return id, false
	}
	if c.noting {
		for _, id := range ids {
			c.admit.Note(id, true)
		}
	}
	if c.tier2 == nil {
		c.stats.Packets += uint64(len(ids))
	} else {
		for _, id := range ids { // when something is hot or ready is told by packets
			c.Due()
			c.stats.Packets++
			c.tier2.hit(id)
		}
	}
	c.stats.Outcome[Hit] += uint64(len(ids))
	return 0, true
}

// Uncacheable is one packet whose path can't be in the cache at all.
func (c *TraceCache) Uncacheable() Outcome {
	c.begin()
	c.stats.Outcome[Uncacheable]++
	return Uncacheable
}

// begin counts a packet and finishes the installs that are over before it.
func (c *TraceCache) begin() {
	for c.flight.n > 0 {
		p := c.flight.first()
		if p.id != noID && (p.packet > c.stats.Packets || p.time > c.now) {
			break
		}
		c.flight.pop()
		if p.id == noID {
			continue
		}
		c.id[p.id].state &^= stInFlight
		c.install(p.id, p.size, p.cost)
	}
	c.stats.Packets++
}

// Finish ends the install of id, which began and was neither stopped nor ended:
// the policy takes it in, or not. It reports whether there was such an install;
// it is for Config.External only.
func (c *TraceCache) Finish(id uint32) bool {
	if !c.cfg.External || !c.InFlight(id) {
		return false
	}
	c.id[id].state &^= stInFlight
	c.install(id, c.price[id].size, c.price[id].cost)
	return true
}

// Abandon gives the install of id up: it is as if it had never begun, and the
// next request may begin it again. It reports whether there was one; it is for
// Config.External only.
func (c *TraceCache) Abandon(id uint32) bool {
	if !c.cfg.External || !c.InFlight(id) {
		return false
	}
	c.id[id].state &^= stInFlight
	c.stats.Abandoned++
	c.event(Abandoned, id)
	return true
}

func (c *TraceCache) install(id, size, cost uint32) {
	c.buf = c.policy.Insert(id, size, cost, c.buf[:0])
	c.evicted(c.buf, id)
	if !c.policy.Contains(id) {
		c.stats.Refused++
		c.event(Refused, id)
		return
	}
	s := &c.id[id]
	s.state = s.state&^stStale | stWasIn
	c.stats.Installed++
	c.event(Put, id)
	if c.cfg.TTL > 0 {
		if int(id) >= len(c.born) {
			c.born = append(c.born, make([]int64, len(c.id)-len(c.born))...)
		}
		c.born[id] = c.now
	}
}

func (c *TraceCache) evicted(ids []uint32, except uint32) {
	for _, v := range ids {
		if v == except {
			continue // taken and let go at once: refused
		}
		c.stats.Evicted++
		c.event(Evicted, v)
	}
}

// Invalidate takes id out because what it was made from has changed; an install
// on its way is stopped. It reports whether anything was taken out or stopped.
func (c *TraceCache) Invalidate(id uint32) bool {
	c.tier2.forget(id)
	return c.takeOut(id)
}

// takeOut is Invalidate of an entry whose trace may come again.
func (c *TraceCache) takeOut(id uint32) bool {
	if int(id) >= len(c.id) {
		if !c.policy.Contains(id) { // preinstalled has ids that were never requested
			return false
		}
		c.grow(id)
	}
	s := &c.id[id]
	switch {
	case s.state&stInFlight != 0:
		c.flight.cancel(id)
		s.state = s.state&^stInFlight | stStale
		c.stats.Canceled++
		c.event(Canceled, id)
		return true
	case c.policy.Remove(id):
		s.state |= stStale
		c.stats.Invalidated++
		c.event(Dropped, id)
		return true
	}
	return false
}

// Flush invalidates everything that is in or in flight.
func (c *TraceCache) Flush() {
	for id := range c.id {
		c.Invalidate(uint32(id))
	}
}

// Installed reports whether a request of id would hit now. (An install that
// ends before the next packet is not counted until that packet comes.)
func (c *TraceCache) Installed(id uint32) bool { return c.policy.Contains(id) }

// InFlight reports whether an install of id has begun and is not done.
func (c *TraceCache) InFlight(id uint32) bool {
	return int(id) < len(c.id) && c.id[id].state&stInFlight != 0
}

// Begins reports whether a miss of id now would begin its install, if it is
// admitted.
func (c *TraceCache) Begins(id uint32) bool {
	return !c.InFlight(id) && (c.Heat(id)+1 >= c.cfg.HotThreshold || c.Heat(id) == ^uint32(0))
}

// Sized reports whether the budget is in slots, so that sizes matter.
func (c *TraceCache) Sized() bool { return c.sized }

// Heat is how many requests of id have missed.
func (c *TraceCache) Heat(id uint32) uint32 {
	if int(id) >= len(c.id) {
		return 0
	}
	return c.id[id].heat
}

// Stats is what happened so far.
func (c *TraceCache) Stats() Stats { return c.stats }

// Len is the number of entries in.
func (c *TraceCache) Len() int { return c.policy.Len() }

// Used is how much of the budget is taken, in its unit.
func (c *TraceCache) Used() uint64 { return c.policy.Used() }

// Events returns what happened since the last call, in order, where
// Config.Events is set. The slice is valid until the next call on c.
func (c *TraceCache) Events() []Event {
	e := c.events
	c.events = c.events[:0]
	return e
}

func (c *TraceCache) event(k EventKind, id uint32) {
	if c.cfg.Events {
		c.events = append(c.events, Event{k, id})
	}
}

func (c *TraceCache) grow(id uint32) {
	t := make([]idState, max(int(id)+1, 2*len(c.id), 64))
	copy(t, c.id)
	c.id = t
}

// pending is an install that has begun. It is over before the first packet
// whose predecessors number at least packet and whose time is at least time.
type pending struct {
	id, size, cost uint32
	packet         uint64
	time           int64
}

const noID = ^uint32(0) // a canceled install

// flight is the queue of pending installs, in the order they began, which is
// the order they end in since all take equally long.
type flight struct {
	buf     []pending // a ring, length a power of two
	head, n int
}

func (f *flight) first() *pending { return &f.buf[f.head] }

func (f *flight) pop() {
	f.head = (f.head + 1) & (len(f.buf) - 1)
	f.n--
}

func (f *flight) push(p pending) {
	if f.n == len(f.buf) {
		buf := make([]pending, max(16, 2*len(f.buf)))
		for i := range f.n {
			buf[i] = f.buf[(f.head+i)&(len(f.buf)-1)]
		}
		f.buf, f.head = buf, 0
	}
	f.buf[(f.head+f.n)&(len(f.buf)-1)] = p
	f.n++
}

// resize is told that the trace of id, if it is one of them, is of another size.
func (f *flight) resize(id, size uint32) {
	for i := range f.n {
		if p := &f.buf[(f.head+i)&(len(f.buf)-1)]; p.id == id {
			p.size = size
		}
	}
}

func (f *flight) cancel(id uint32) {
	for i := range f.n {
		if p := &f.buf[(f.head+i)&(len(f.buf)-1)]; p.id == id {
			p.id = noID
			return
		}
	}
}
