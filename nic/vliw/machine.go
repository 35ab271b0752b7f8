package vliw

import (
	"jitnic/host/maps"
	"jitnic/nic/profile"

	cebpf "github.com/cilium/ebpf"
)

// Machine is the shape of an in-order VLIW core: how many instructions of each
// kind start in a cycle, and after how many cycles a result can be read. Counts
// of 0 mean as many as there are lanes; latencies of 0 mean 1.
//
// A core is exact: no interlocks. Code that reads a result too early reads the
// old value, so the scheduler, not the core, keeps the order.
type Machine struct {
	Name string

	Lanes    int // instructions per cycle
	Helpers  int // helper calls begun per cycle
	MemPorts int // loads and stores of packet and stack per cycle
	MapPorts int // loads, stores and atomics of map values per cycle
	Branches int // branches per cycle; the first taken in program order wins

	// Latencies in cycles, from issue to the first cycle that can use the
	// result. A store's is that of a later load of the same bytes.
	ALU, Mul, Div int // Div also of mod
	Load          int // of packet, context and stack
	MapLoad       int // of a map value already found
	Store, Atomic int
	Array         int // look-ups by type of map
	Hash          int // also of maps whose type isn't known
	LRU, LPM      int
	Update        int // of update and delete, beside the look-up
	Helper        int // any other

	// CrossLane is for how many cycles longer a result can be read in its own
	// lane only: a core that forwards results within lanes but not across.
	CrossLane int

	// What the instruction set has beyond eBPF, and what the hardware makes
	// superfluous (hXDP, OSDI 2020, section 3). All off in the zero value.
	ThreeOperand bool // a mov and the operation on its result are one instruction
	SixBytes     bool // loads and stores of 6 bytes: a MAC address at once
	ExitImm      bool // exit takes its verdict as a constant
	NoBounds     bool // whole programs: the packet memory checks bounds, branches that do so go
	NoZeroing    bool // whole programs: the stack is zero at the start, stores of zero there go

	// LateCalls has a call take its arguments up a cycle after it is issued, from
	// whatever lane: what makes them may stand in the call's own bundle.
	LateCalls bool
	// StopCalls has a call stop all lanes until it is done: its latency is no
	// bundle of the schedule, but the run takes as much longer.
	StopCalls bool
	// Drain is for how long an exit with r0 goes on beyond its bundle: one with a
	// constant is seen when it is fetched.
	Drain int

	Rename    bool // rename registers before scheduling
	Speculate bool // whole programs: harmless instructions may go above the branch before them

	Copies int // whole programs: instructions that a chain may copy of blocks that other ways lead to as well

	maps []*maps.Spec
}

// MachineOf is the core that a profile describes.
func MachineOf(n *profile.NIC) *Machine {
	m := &Machine{
		Name: n.Name, Lanes: int(n.Lanes), Helpers: int(n.Helpers), MemPorts: int(n.MemPorts), MapPorts: int(n.MapPorts), Branches: 1,
		ALU: int(n.LatALU), Mul: int(n.LatMul), Div: int(n.LatDiv), Load: int(n.LatPacket), MapLoad: int(n.LatMapMem),
		Store: int(n.LatStore), Atomic: int(n.LatAtomic), Array: int(n.LatArray), Hash: int(n.LatHash), LRU: int(n.LatLRU),
		LPM: int(n.LatLPM), Update: int(n.LatUpdate), Helper: int(n.LatHelper), CrossLane: int(n.CrossLane),
		Drain: int(n.Drain),
	}
	if n.Extended == 1 {
		return m.Extended()
	}
	return m
}

// HXDP is Sephirot, hXDP's core, as far as scheduling sees it: 4 lanes, every
// instruction one cycle, one helper call a cycle and another cycle until it is
// done, and what [Machine.Extended] adds (Brunella et al., "hXDP: Efficient
// Software Packet Processing on FPGA NICs", OSDI 2020, sections 3 and 4).
// Instructions that depend on each other back to back must be on one lane
// (LANE_FORWARD_CONSTRAINT in parallelizer/optimizer_core.py of
// axbryd/hXDP-Artifacts). What else it takes is in the profile: [MachineOf] has
// it.
func HXDP() *Machine {
	m := (&Machine{Name: "hxdp", Lanes: 4, Helpers: 1, CrossLane: 1, Array: 2, Hash: 2, LRU: 2, LPM: 2, Helper: 2}).Extended()
	m.Drain = 4
	return m
}

// Extended is the machine with hXDP's extensions of eBPF and its compiler's
// means: three operands, loads and stores of 6 bytes, exit with a constant, bounds
// and zeroing left to the hardware (OSDI 2020, sections 3.1 and 3.2), renaming
// (3.4), a branch in each lane. Code isn't moved between blocks: their compiler
// has that off (CODE_MOVEMENT in optimizer_core.py). A jump to an exit and what
// sets its verdict becomes these, as exits take their verdict along (3.2).
//
// A call has its arguments made in its own row (the programs they compiled,
// testbed_scripts/2_datapath_programming/SPH_roms: "call 1" beside "r2 += -24"):
// they are wires out of the register file. Until it is done the program counter
// stands (PMP_control_unit, state STOP, in Sephirot's VHDL), and its result then
// is in all lanes (hf_result, exe_stage_complete).
func (m *Machine) Extended() *Machine {
	c := *m
	c.Branches, c.Copies = c.Lanes, 2
	c.ThreeOperand, c.SixBytes, c.ExitImm, c.NoBounds, c.NoZeroing, c.Rename, c.LateCalls, c.StopCalls = true, true, true, true, true, true, true, true
	return &c
}

// Plain is the machine with nothing beyond eBPF: no fusions, nothing left out,
// no renaming, nothing moved between blocks or copied, one branch a cycle.
func (m *Machine) Plain() *Machine {
	c := *m
	c.Branches, c.Copies = 1, 0
	c.ThreeOperand, c.SixBytes, c.ExitImm, c.NoBounds, c.NoZeroing, c.Rename, c.Speculate = false, false, false, false, false, false, false
	return &c
}

// For is the machine for code whose maps these are, by index: their types give
// the latency of look-ups, their sizes what a call reads.
func (m *Machine) For(specs []*maps.Spec) *Machine {
	c := *m
	c.maps = specs
	return &c
}

func (m *Machine) spec(i int32) *maps.Spec {
	if i < 0 || int(i) >= len(m.maps) {
		return nil
	}
	return m.maps[i]
}

// lookup is the latency of finding a key in map i.
func (m *Machine) lookup(i int32) int {
	s := m.spec(i)
	if s == nil {
		return m.Hash
	}
	switch s.Type {
	case cebpf.Array, cebpf.PerCPUArray, cebpf.ArrayOfMaps, cebpf.ProgramArray:
		return m.Array
	case cebpf.LRUHash, cebpf.LRUCPUHash:
		return m.LRU
	case cebpf.LPMTrie:
		return m.LPM
	}
	return m.Hash
}

// limits are the counts with 0 replaced.
func (m *Machine) limits() (lanes int, per [resources]int) {
	lanes = min(max(m.Lanes, 1), 64)
	for r, n := range [resources]int{resNone: lanes, resMem: m.MemPorts, resMap: m.MapPorts, resCall: m.Helpers, resBranch: m.Branches} {
		if n <= 0 {
			n = lanes
		}
		per[r] = n
	}
	return lanes, per
}

// resource is what an instruction needs beside a lane.
type resource uint8

const (
	resNone resource = iota
	resMem
	resMap
	resCall
	resBranch
	resources
)
