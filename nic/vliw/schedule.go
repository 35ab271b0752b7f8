package vliw

import (
	"jitnic/host/ebpf"
	"jitnic/trace"
)

// Schedule is straight-line code laid out for a Machine.
type Schedule struct {
	Machine *Machine
	Ops     []Op
	// Bundles holds indexes into Ops, cycle by cycle in program order; a cycle
	// in which nothing can start is an empty bundle.
	Bundles [][]int32
	// Lane of each op and latency of its result, in cycles.
	Lane    []uint8
	Latency []int32
	Stop    []int32 // by op: cycles that all lanes stand still after it

	Source   int // instructions of eBPF
	Insns    int // instructions of the core: less than Source where some were fused
	Cycles   int // bundles, and what calls and the exit take beyond them
	Critical int // cycles of the longest chain of dependences
	Bound    int // cycles no schedule can beat: Critical, or what lanes and ports need
	Renamed  int // values that got another register
}

// IPC is the static number of instructions per cycle as the hXDP paper counts it
// (table 3): instructions of eBPF over bundles, empty ones included.
func (s *Schedule) IPC() float64 { return float64(s.Source) / float64(max(len(s.Bundles), 1)) }

// Packed is the number of instructions of the core a bundle has, two that were
// fused counted as one.
func (s *Schedule) Packed() float64 { return float64(s.Insns) / float64(max(len(s.Bundles), 1)) }

// Scheduler keeps the buffers of scheduling, so that [Scheduler.Cost]
// allocates nothing once they have grown. Not safe for concurrent use.
type Scheduler struct {
	m    *Machine
	ops  []Op
	g    graph
	list lister
	fu   fuser
	ren  renamer
}

// NewScheduler schedules for m.
func NewScheduler(m *Machine) *Scheduler { return &Scheduler{m: m} }

// New schedules a trace for m. What memory its accesses touch is worked out
// from the code, and from Meta where the trace has it.
func New(t *trace.Trace, m *Machine) (*Schedule, error) {
	return NewScheduler(m).Schedule(t)
}

// Schedule is [New] with the buffers of s.
func (s *Scheduler) Schedule(t *trace.Trace) (*Schedule, error) {
	ops, err := opsOf(t.Code, s.ops)
	if err != nil {
		return nil, err
	}
	s.ops = ops
	if err := straight(ops); err != nil {
		return nil, err
	}
	meta := t.Meta
	if len(meta) != len(t.Code) {
		meta = nil
	}
	out := &Schedule{Machine: s.m, Source: len(ops)}
	cycles := s.plan(meta, true)
	out.Renamed = s.ren.renamed
	out.Ops = append([]Op(nil), s.ops...)
	out.Insns, out.Cycles = len(s.ops), int(cycles)
	critical, lower := s.g.bound()
	out.Critical, out.Bound = int(critical), int(lower)
	out.Bundles = bundles(&s.g, cycles)
	out.Lane = lanesOf(&s.g)
	out.Latency, out.Stop = make([]int32, len(s.g.nodes)), make([]int32, len(s.g.nodes))
	for i := range s.g.nodes {
		out.Latency[i], out.Stop[i] = s.g.nodes[i].lat, s.g.nodes[i].stop
	}
	out.Cycles += s.beyond()
	return out, nil
}

// beyond is what the run takes beyond its bundles: calls that stop all lanes, and
// an exit that isn't seen at once.
func (s *Scheduler) beyond() int {
	sum := int32(0)
	for i := range s.g.nodes {
		sum += s.g.nodes[i].stop
	}
	if n := len(s.ops); n > 0 && s.ops[n-1].isExit() && s.ops[n-1].Form != ExitImm {
		sum += int32(s.m.Drain)
	}
	return int(sum)
}

// plan fuses, renames and schedules s.ops and returns the cycles.
func (s *Scheduler) plan(meta []trace.Meta, straight bool) int32 {
	s.ren.renamed = 0
	if straight {
		s.ops = s.fu.run(s.m, s.ops, 0)
		if s.m.Rename {
			s.ren.run(s.ops, nil, 0)
		}
	}
	s.g.flow.Enter(s.m.maps)
	s.g.enter = [11]uint8{}
	s.g.build(s.m, s.ops, meta, nil)
	s.g.heights()
	return s.list.run(&s.g)
}

// Cost is the cycles of a piece of code without jumps. Code with jumps is
// priced as if it ran from its first slot to its last, a branch ending a
// bundle. Without an exit at its end it lasts until all results are there. Code
// that isn't eBPF costs its length. It allocates nothing once its buffers have
// grown.
func (s *Scheduler) Cost(code []ebpf.Insn) int {
	ops, err := opsOf(code, s.ops)
	if err != nil {
		return len(code)
	}
	s.ops = ops
	branches := 0
	for i := range ops {
		if ops[i].isBranch() {
			branches++
		}
	}
	straight := branches == 0 || branches == 1 && ops[len(ops)-1].isExit()
	cycles := s.plan(nil, straight)
	if n := len(s.ops); n == 0 || !s.ops[n-1].isExit() {
		for i := range s.g.nodes {
			cycles = max(cycles, s.g.nodes[i].issue+s.g.nodes[i].lat)
		}
	}
	return int(cycles) + s.beyond()
}

// Cost is [Scheduler.Cost] as a function of its own, for a single caller.
func Cost(m *Machine) func(code []ebpf.Insn) int { return NewScheduler(m).Cost }

// Cycles is how long a trace takes on m, from the first bundle to the exit; 0
// for what isn't a trace.
func Cycles(t *trace.Trace, m *Machine) uint32 {
	s, err := New(t, m)
	if err != nil {
		return 0
	}
	return uint32(s.Cycles)
}

// ScalarCycles is how long a trace takes on a core that starts one instruction
// a cycle in program order and waits for operands: the VLIW of one lane without
// a scheduler.
func ScalarCycles(t *trace.Trace, m *Machine) uint32 {
	s := NewScheduler(m)
	ops, err := opsOf(t.Code, nil)
	if err != nil || straight(ops) != nil {
		return 0
	}
	meta := t.Meta
	if len(meta) != len(t.Code) {
		meta = nil
	}
	s.ops = ops
	s.g.flow.Enter(m.maps)
	s.g.build(m, s.ops, meta, nil)
	cycle := int32(-1)
	for i := range s.g.nodes {
		n := &s.g.nodes[i]
		cycle = max(cycle+1, n.early)
		for e := n.edge; e >= 0; e = s.g.edges[e].next {
			to := &s.g.nodes[s.g.edges[e].to]
			to.early = max(to.early, cycle+s.g.edges[e].lat)
		}
	}
	return uint32(cycle + 1)
}
