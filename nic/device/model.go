package device

import (
	"fmt"
	"slices"

	"jitnic/cache"
	"jitnic/nic/profile"
)

// The things that may happen next, in the order in which those of the same
// time happen: what is further down the way of a packet comes first, so that a
// place is free for who comes at the moment it is left, and an install that
// ends at a moment is in for the packet looked up at that moment.
const (
	evInstalled = iota // the install channel is through with a trace
	evCompiled         // a compiler is
	evSearched         // a hot trace has been searched
	evBack             // a packet has come back from the host
	evCore             // a core is through with a packet
	evUp               // a packet has reached its core's ring
	evUnit             // a unit is through with a packet
	evMatched          // the oldest packet in the matcher leaves it
	evTake             // the matcher takes the next packet and looks it up
	evArrive           // a packet is fully received
	events      = iota
)

// What has a length over time.
const (
	gIngress = iota // waiting for the matcher
	gMatcher        // in the matcher
	gUnitQ          // matched, waiting for a unit
	gUnits          // in units
	gUp             // on the way to a core: waiting for the link, on it, and under way
	gCoreQ          // in the cores' rings
	gCores          // on cores
	gBack           // on the way back
	gHeld           // waiting for an earlier packet of the flow
	gEgress         // being sent on the port
	gCompileQ
	gCompilers
	gSearchQ  // hot traces that no compiler works on
	gSearches // and those that one does
	gInstallQ
	gInstall
	gauges = iota
)

// ending is how a packet ends.
type ending uint8

const (
	pending ending = iota
	verdictDrop
	toWire
	toStack
	lost // counted already, or nothing to leave
)

// slot is a packet in the device.
type slot struct {
	arrival int64
	since   int64 // when it came to where it is
	seq     uint32
	pkt     uint32
	next    int32 // of its flow, in the order of arrival; or the next free slot
	core    uint16
	fails   uint8 // of a path that is cut: the part that isn't in, 0: the first, or all are
	onNIC   bool  // a hit
	lost    bool  // leaves the matcher to nowhere
	end     ending
}

// timed is a packet and when it gets somewhere.
type timed struct {
	t int64
	s uint32
}

// job is an install that has begun, of a trace. gen tells it from a later one:
// an invalidation makes it stale.
type job struct {
	path, gen uint32
	better    bool // of tier 2
	swap      bool // in the place of the trace that is installed: gen is tiered.gen
}

// core is one of the host.
type core struct {
	ring ring[uint32]
	used uint64 // places of the ring taken: by packets in it, and on their way
	out  uint64 // of the transmit ring, which is as long
	busy bool
	work int64 // ps, of packets after the warm-up
}

type model struct {
	in     *Input
	nic    *profile.NIC
	host   *profile.Host
	opt    Options
	memory profile.MemoryModel
	clock  clock
	trace  *cache.TraceCache

	// Times in ps.
	match, exec     []int64   // by path
	fail            [][]int64 // by path and part: what a unit takes until it is known that this one isn't in
	wire            []int64   // on the port, by bytes
	toHost          []int64   // on PCIe, by bytes: the packet and its descriptors
	toHostBytes     []uint64
	interval, stall int64
	sending         int64 // on the port, at least
	pass, driver    int64
	upWay, read     int64 // latencies
	installGap      int64
	request, data   crossing
	message         crossing
	install         []crossing // by trace

	// The load.
	src         *source
	seq         uint32 // of the packet that arrives next
	pkt         uint32
	first       int // the pkt that came first
	round       int64
	count, warm uint32
	invalid     int    // Invalidations not yet made, of the round looked up now
	invalidBase uint64 // seq of the first packet of that round
	arriving    int64

	next  [events]int64
	slots []slot
	begun [][]job // by slot: what its packet is to be recorded for
	free  int32

	ingress    ring[uint32]
	pipe       ring[timed]
	lastTake   int64
	stallUntil int64
	blocked    bool
	unitQ      ring[uint32]
	units      timers
	line       [3]line // PCIe up and down, and the port
	upRing     ring[timed]
	backRing   ring[timed]
	cores      []core
	coreTimers timers

	traces                     []Path
	gen                        []uint32 // by trace: of its latest install
	made                       []bool   // by trace: the host has it
	pay                        []Pay    // by trace
	compileQ                   ring[job]
	compileSince, installSince ring[int64] // when those waiting came
	freeJobs                   []uint32
	compilers                  timers
	jobs                       []job // of those timers
	jobSeq                     uint32
	tier                       []tiered // by trace
	less                       []int64  // by trace: what the one that is in is shorter than Exec, in ps
	betterPay                  []Pay    // by trace, of tier 2
	searches                   []search
	searchedTo                 int64 // until when their time has been counted
	installQ                   ring[job]
	installing                 bool
	installJob                 job
	lastInstall                int64

	valid []uint8 // by entry: copies, bit 0 on the NIC, bit 1 on the host
	uses  []uses  // by packet

	flows      []flowLink
	highest    []uint32 // by flow and exit: one more than the latest packet that left
	log        []exit
	anyReorder bool

	// Counts.
	g        [gauges]gauge
	wait     [gauges]sum
	served   [gauges]uint64
	matching int64     // ps in which the matcher could not take another packet
	passed   [2]uint64 // packets, bytes that have passed their last queue's door
	offered  [2]uint64
	sum      tally
	lat      [2]histogram // miss, hit
	lostTime sum          // ps that lost packets were in the device
	inside   int64        // slots taken
	middle   int64        // backlog at the middle of the packets counted
	final    int64        // and at the last arrival
	res      Result
	begin    shot
	last     shot
	end      shot
}

// line[port] is the port; up and down are PCIe.
const port = 2

// shot is the state of what is counted over time at one moment.
type shot struct {
	t        int64
	g        [gauges]gauge
	wait     [gauges]sum
	served   [gauges]uint64
	q        [3]gauge
	busy     [3]int64
	matching int64
	passed   [2]uint64
	tally    tally
}

// Run offers the packets to the device, lets it work until nothing is left, and
// tells what happened. The same arguments give the same result.
func Run(in *Input, nic *profile.NIC, host *profile.Host, load Load, opt Options) (*Result, error) {
	m, err := newModel(in, nic, host, load, opt)
	if err != nil {
		return nil, err
	}
	if err := m.run(); err != nil {
		return nil, err
	}
	return m.result(), nil
}

func newModel(in *Input, nic *profile.NIC, host *profile.Host, load Load, opt Options) (*model, error) {
	if err := in.Check(); err != nil {
		return nil, err
	}
	if err := checkProfiles(nic, host); err != nil {
		return nil, err
	}
	src, err := newSource(load, len(in.Packets))
	if err != nil {
		return nil, err
	}
	if opt.Mode > NICOnly {
		return nil, fmt.Errorf("mode %d is not known", opt.Mode)
	}
	count := load.Packets
	if count == 0 {
		count = len(in.Packets)
	}
	if len(in.Packets) == 0 {
		count = 0
	}
	if opt.Warm < 0 || opt.Warm > 0 && opt.Warm >= count {
		return nil, fmt.Errorf("a warm-up of %d packets of %d leaves none", opt.Warm, count)
	}
	if opt.Settle < 0 || opt.Settle > 1000 {
		return nil, fmt.Errorf("settling by %d passes: from 0 to 1000 are possible", opt.Settle)
	}
	m := &model{
		in: in, nic: nic, host: host, opt: opt, memory: nic.Memory, clock: newClock(nic.Clock),
		src: src, count: uint32(count), warm: uint32(opt.Warm),
		free: -1, lastTake: -1 << 62, lastInstall: -1 << 62,
		cores:  make([]core, host.Cores),
		traces: in.Traces(),
		log:    make([]exit, 0, min(count, 1<<22)),
	}
	m.gen, m.made, m.pay = make([]uint32, len(m.traces)), make([]bool, len(m.traces)), make([]Pay, len(m.traces))
	m.tier, m.less = make([]tiered, len(m.traces)), make([]int64, len(m.traces))
	for i := range m.pay {
		m.pay[i] = Pay{First: -1, After: -1}
	}
	if in.Hot > 0 {
		m.betterPay = slices.Clone(m.pay)
	}
	m.prices()
	for i := range m.next {
		m.next[i] = never
	}
	m.res.Groups = make([]Group, max(opt.Groups, 0))
	if opt.Mode == HostOnly {
		m.memory = profile.MemShared // all maps are with the only one who uses them
	}
	if opt.Mode == Both {
		if m.trace, err = newCache(opt.Cache, nic, len(m.traces)); err != nil {
			return nil, err
		}
		m.settle(opt.Settle)
	}
	flows := uint32(0)
	for i := range in.Packets {
		flows = max(flows, in.Packets[i].Flow+1)
	}
	if uint64(flows) >= 1<<31 {
		return nil, fmt.Errorf("%d flows: too many", flows)
	}
	m.highest = make([]uint32, 2*int(flows))
	if opt.Ordered {
		m.flows = make([]flowLink, flows)
		for i := range m.flows {
			m.flows[i] = flowLink{-1, -1}
		}
	}
	if len(in.Accesses) > 0 {
		m.uses = make([]uses, len(in.Packets))
		for i := range in.Packets {
			p := &in.Packets[i]
			for _, a := range in.Accesses[p.First : p.First+uint32(p.N)] {
				if a.Write {
					m.uses[i].writes++
				} else {
					m.uses[i].reads++
				}
			}
		}
	}
	if m.memory == profile.MemReplicated {
		m.valid = make([]uint8, in.Entries)
		for i := range m.valid {
			m.valid[i] = 2
		}
	}
	if count > 0 {
		m.start(load.First)
		m.arriving = src.next(true, load.First, 0, 0)
		m.next[evArrive] = m.arriving
	}
	return m, nil
}

// start lets a packet of the input come first: the invalidations before it have
// been.
func (m *model) start(first int) {
	m.first, m.pkt = first, uint32(first)
	for m.invalid < len(m.in.Invalidations) && m.in.Invalidations[m.invalid].At < uint64(first) {
		m.invalid++
	}
	m.invalidBase = -uint64(first) // added to an At that isn't below it
}

// newCache makes the trace cache, with the device's budget where none is given.
func newCache(cfg cache.Config, nic *profile.NIC, paths int) (*cache.TraceCache, error) {
	if cfg.InstallDelay != 0 || cfg.InstallTime != 0 {
		return nil, fmt.Errorf("cache: install times are the device's: no others can be given")
	}
	if cfg.Policy == "" {
		cfg.Policy = "lru"
	}
	if cfg.Entries == 0 && cfg.Slots == 0 {
		switch {
		case nic.Slots > 0:
			cfg.Slots = nic.Slots
		case nic.Entries > 0:
			cfg.Entries = nic.Entries
		default:
			cfg.Entries = uint64(max(1, paths))
		}
	}
	cfg.External = true
	cfg.Events = false
	cfg.IDs = paths
	return cache.NewTraceCache(cfg)
}

// prices turns parameters into ps and tables.
func (m *model) prices() {
	n := m.nic
	ns := func(v uint64) int64 { return int64(v) * 1000 }
	for i := range m.in.Paths {
		p := &m.in.Paths[i]
		m.match = append(m.match, m.clock.ps(uint64(p.Match)))
		m.exec = append(m.exec, m.clock.ps(uint64(p.Exec)))
		var fail []int64
		for _, x := range p.Parts {
			fail = append(fail, m.clock.ps(uint64(x.Fail)))
		}
		m.fail = append(m.fail, fail)
	}
	for i := range m.traces {
		m.install = append(m.install, m.newCrossing(onLink(uint64(m.traces[i].Bytes), n)))
	}
	longest := 0
	for i := range m.in.Packets {
		p := &m.in.Packets[i]
		longest = max(longest, int(p.Len), int(p.OutLen))
	}
	m.wire = make([]int64, longest+1)
	m.toHost = make([]int64, longest+1)
	m.toHostBytes = make([]uint64, longest+1)
	for b := range m.wire {
		m.wire[b] = serial(uint64(b)+n.LinkOverhead, n.Link)
		m.toHostBytes[b] = onLink(uint64(b), n) + onLink(n.PCIeDesc, n)
		m.toHost[b] = serial(m.toHostBytes[b], n.PCIeRate)
	}
	m.interval = m.clock.ps(n.MatcherInterval)
	m.sending = m.clock.ps(n.EgressInterval)
	m.stall = m.clock.ps(n.InstallStall)
	m.pass, m.driver = int64(m.host.Pass), int64(m.host.Driver)
	numa := n.PCIeNUMA
	if m.opt.Remote && numa == 0 {
		numa = RemoteNUMA
	}
	m.read = ns(n.PCIeRead + numa)
	m.upWay = ns(n.PCIeWriteRead - n.PCIeRead + numa + n.Doorbell)
	if n.InstallRate > 0 {
		m.installGap = int64((second + n.InstallRate - 1) / n.InstallRate)
	}
	m.request = m.newCrossing(n.PCIeTLP)
	m.data = m.newCrossing(onLink(lineBytes, n))
	m.message = m.newCrossing(onLink(messageBytes, n))
}

// slot takes a free one.
func (m *model) slot() uint32 {
	m.inside++
	if m.free >= 0 {
		s := m.free
		m.free = m.slots[s].next
		m.begun[s] = m.begun[s][:0]
		return uint32(s)
	}
	m.slots, m.begun = append(m.slots, slot{}), append(m.begun, nil)
	return uint32(len(m.slots) - 1)
}

func (m *model) release(s uint32) {
	m.inside--
	m.slots[s].next = m.free
	m.free = int32(s)
}

// backlog is how many packets are in the device at t.
func (m *model) backlog(t int64) int64 {
	l := &m.line[port]
	l.drain(t)
	return m.inside + int64(l.waiting.n)
}

// shoot takes the state at t.
func (m *model) shoot(t int64) shot {
	s := shot{t: t, wait: m.wait, served: m.served, matching: m.matching, passed: m.passed, tally: m.sum}
	if m.trace != nil {
		s.tally.comp.Evicted = m.trace.Stats().Evicted
	}
	for i := range m.g {
		m.g[i].sync(t)
	}
	s.g = m.g
	for i := range m.line {
		l := &m.line[i]
		l.drain(t)
		l.q.sync(t)
		s.q[i], s.busy[i] = l.q, l.busyBy(t)
	}
	// What waits at the port has not passed it yet.
	l := &m.line[port]
	s.passed[0] -= uint64(l.waiting.n)
	for i := range l.waiting.n {
		s.passed[1] -= uint64(l.waiting.at(i).bytes)
	}
	return s
}

// mark begins the counting: the warm-up is over.
func (m *model) mark(t int64) {
	m.begin = m.shoot(t)
	for i := range m.g {
		m.g[i].max = m.g[i].n
	}
	for i := range m.line {
		m.line[i].q.max = m.line[i].q.n
	}
}
