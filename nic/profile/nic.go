package profile

// A NIC is a device, parameter by parameter. The tag of a field is its key in
// a profile file and its unit. Times on the device are in cycles of its clock;
// what has no clock (PCIe, install channel) is in nanoseconds.
type NIC struct {
	Name  string `key:"name"`
	Title string `key:"title"` // one line: what the device is

	Clock uint64 `key:"clock" unit:"kHz"` // 156250 is 156.25 MHz

	// The wire.
	Link         uint64 `key:"link.rate" unit:"Mbit/s"`
	LinkOverhead uint64 `key:"link.overhead" unit:"B/packet"` // preamble, gap and FCS beside the captured bytes
	IngressQueue uint64 `key:"ingress.queue" unit:"packets"`
	EgressQueue  uint64 `key:"egress.queue" unit:"packets"`

	// The matcher: which installed condition holds.
	Matcher         MatcherKind `key:"matcher.kind" unit:"name"`              // linear, tree, tss, tcam
	MatcherLanes    uint64      `key:"matcher.lanes" unit:"lanes"`            // conditions (linear) or masks (tss) tried at once
	MatcherBase     uint64      `key:"matcher.base" unit:"cycles"`            // parse and dispatch, whatever is matched
	MatcherStep     uint64      `key:"matcher.step" unit:"cycles/step"`       // a step: a round of lanes (linear), a node (tree), a round of masks (tss), the search (tcam)
	MatcherLookup   uint64      `key:"matcher.lookup" unit:"cycles/look-up"`  // added for each map look-up that a condition needs
	MatcherInterval uint64      `key:"matcher.interval" unit:"cycles/packet"` // a pipelined matcher takes a packet this often; 0: one packet at a time
	MatcherCapacity uint64      `key:"matcher.capacity" unit:"entries"`       // conditions (linear), nodes (tree), masked entries (tss), TCAM entries (tcam)
	MatcherWidth    uint64      `key:"matcher.width" unit:"bit"`              // of a TCAM entry or TSS key; 0: any
	MatcherRange    uint64      `key:"matcher.range" unit:"bool"`             // 1: the TCAM encodes ranges itself

	// The executor: straight-line traces.
	Executor   ExecutorKind `key:"exec.kind" unit:"name"`         // scalar, vliw
	Units      uint64       `key:"exec.units" unit:"packets"`     // packets executed at once
	UnitQueue  uint64       `key:"exec.queue" unit:"packets"`     // matched packets that may wait for a unit; then the matcher stalls
	Lanes      uint64       `key:"exec.lanes" unit:"insns/cycle"` // of a VLIW
	Dispatch   uint64       `key:"exec.dispatch" unit:"cycles"`   // start and end of a trace
	LatALU     uint64       `key:"exec.alu" unit:"cycles"`
	LatMul     uint64       `key:"exec.mul" unit:"cycles"`
	LatDiv     uint64       `key:"exec.div" unit:"cycles"`
	LatPacket  uint64       `key:"exec.packet" unit:"cycles"` // a load of packet, context or stack
	LatStore   uint64       `key:"exec.store" unit:"cycles"`
	LatMapMem  uint64       `key:"exec.mapmem" unit:"cycles"` // a load of a map value already found
	LatAtomic  uint64       `key:"exec.atomic" unit:"cycles"`
	LatHelper  uint64       `key:"exec.helper" unit:"cycles"` // any other helper call
	Helpers    uint64       `key:"exec.helpers" unit:"calls/cycle"`
	MemPorts   uint64       `key:"exec.memports" unit:"accesses/cycle"` // loads and stores of packet and stack
	MapPorts   uint64       `key:"exec.mapports" unit:"accesses/cycle"` // loads, stores and atomics of map values
	LatArray   uint64       `key:"map.array" unit:"cycles"`             // look-ups by type of map
	LatHash    uint64       `key:"map.hash" unit:"cycles"`
	LatLRU     uint64       `key:"map.lru" unit:"cycles"`
	LatLPM     uint64       `key:"map.lpm" unit:"cycles"`
	LatUpdate  uint64       `key:"map.update" unit:"cycles"` // update and delete, beside the look-up
	Memory     MemoryModel  `key:"memory.model" unit:"name"` // nic, host, shared, replicated
	RunProgram uint64       `key:"exec.program" unit:"bool"` // 1: can also run whole programs with branches (hXDP)

	// PCIe.
	PCIeRead      uint64 `key:"pcie.read" unit:"ns"`       // a DMA read of 64 B, request to data
	PCIeWriteRead uint64 `key:"pcie.writeread" unit:"ns"`  // a write of 64 B and a read of it: the write is posted, so its one way is the difference to pcie.read
	PCIeNUMA      uint64 `key:"pcie.numa" unit:"ns"`       // added where the memory is on the other socket
	PCIeRate      uint64 `key:"pcie.rate" unit:"Mbit/s"`   // of one direction, after line coding
	PCIeTLP       uint64 `key:"pcie.tlp" unit:"B/TLP"`     // header, framing, LCRC of a packet of the link
	PCIePayload   uint64 `key:"pcie.payload" unit:"B/TLP"` // at most
	PCIeDesc      uint64 `key:"pcie.descriptor" unit:"B/packet"`
	Doorbell      uint64 `key:"pcie.doorbell" unit:"ns"` // packet in host memory to the core seeing it

	// Installs.
	InstallBase  uint64 `key:"install.base" unit:"ns"`        // one install on the channel, whatever its size
	InstallSlot  uint64 `key:"install.slot" unit:"ns/slot"`   // and for each slot of trace and condition
	InstallStall uint64 `key:"install.stall" unit:"cycles"`   // the matcher takes no packet while a rule goes in
	InstallRate  uint64 `key:"install.rate" unit:"1/s"`       // at most; 0: what base and slot give
	InstallQueue uint64 `key:"install.queue" unit:"installs"` // compiled traces that may wait for the channel

	// What fits.
	Slots       uint64   `key:"limit.slots" unit:"slots"`                // all traces and conditions together; 0: no limit (likewise below)
	TraceSlots  uint64   `key:"limit.trace" unit:"slots"`                // one trace
	Entries     uint64   `key:"limit.entries" unit:"traces"`             // installed at once
	MapEntries  uint64   `key:"limit.map.entries" unit:"entries"`        // Σ max_entries of all maps
	MapEntry    uint64   `key:"limit.map.entry" unit:"B"`                // key and value of one entry
	MapMemory   uint64   `key:"limit.map.memory" unit:"B"`               // of all maps
	MapTypes    []string `key:"limit.map.types" unit:"names"`            // by the kernel's name without BPF_MAP_TYPE_; empty: all
	HelperNames []string `key:"limit.helpers" unit:"names"`              // without bpf_; empty: all
	MapWrites   string   `key:"limit.map.writes" unit:"any|atomic|none"` // of values by traces; atomic: only atomic adds
	NoInsns     []string `key:"limit.refused" unit:"classes"`            // instruction classes refused: div, mod, atomic, atomic-fetch, mul64 …
}

// MatcherKind names how conditions are matched.
type MatcherKind string

// The matchers.
const (
	MatchLinear MatcherKind = "linear" // all conditions, a lane each
	MatchTree   MatcherKind = "tree"   // the guard tree, a node a step
	MatchTSS    MatcherKind = "tss"    // tuple-space search: a hash table a mask
	MatchTCAM   MatcherKind = "tcam"   // ternary memory
)

// ExecutorKind names how traces are executed.
type ExecutorKind string

// The executors.
const (
	ExecScalar ExecutorKind = "scalar" // one instruction a cycle
	ExecVLIW   ExecutorKind = "vliw"   // bundles made by nic/vliw
)

// MemoryModel says where the maps are (DESIGN.md).
type MemoryModel string

// The memory models.
const (
	MemNIC        MemoryModel = "nic"        // on the NIC: the host reaches across PCIe
	MemHost       MemoryModel = "host"       // on the host: a trace pays PCIe for each access
	MemShared     MemoryModel = "shared"     // ideal coherent memory
	MemReplicated MemoryModel = "replicated" // copies on both sides, version guards, invalidation messages
)
