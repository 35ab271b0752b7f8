package profile

// A NIC is a device, parameter by parameter. The tag of a field is its key in
// a profile file, its unit, what it is, what zero means where that isn't a
// number, and the values it may have. Times on the device are in cycles of its
// clock; what has no clock (PCIe, install channel) is in nanoseconds.
type NIC struct {
	Name  string `key:"name" doc:"name in reports"`
	Title string `key:"title" doc:"one line: what the device is"`

	Clock uint64 `key:"clock" unit:"kHz" range:"1000..100000000" doc:"of matcher and executors"` // 156250 is 156.25 MHz

	// The wire.
	Link         uint64 `key:"link.rate" unit:"Mbit/s" zero:"unlimited" doc:"of the port, each direction"`
	LinkOverhead uint64 `key:"link.overhead" unit:"B/packet" range:"0..256" doc:"preamble, gap and FCS beside the captured bytes"`
	IngressQueue uint64 `key:"ingress.queue" unit:"packets" range:"0..16777216" doc:"packets that may wait for the matcher"`
	EgressQueue  uint64 `key:"egress.queue" unit:"packets" range:"0..16777216" doc:"packets that may wait for the port"`

	EgressInterval uint64 `key:"egress.interval" unit:"cycles/packet" default:"0" doc:"the device sends a packet this often at most, however short; 0: as the port can"`

	// The matcher: which installed condition holds.
	Matcher         MatcherKind `key:"matcher.kind" unit:"name" names:"linear|tree|tss|tcam" doc:"how conditions are matched"`
	MatcherLanes    uint64      `key:"matcher.lanes" unit:"lanes" range:"1..1048576" doc:"conditions (linear) or masks (tss) tried at once"`
	MatcherBase     uint64      `key:"matcher.base" unit:"cycles" doc:"parse and dispatch, whatever is matched"`
	MatcherStep     uint64      `key:"matcher.step" unit:"cycles/step" doc:"a round of lanes (linear), a node (tree), a round of masks (tss), the search (tcam)"`
	MatcherLookup   uint64      `key:"matcher.lookup" unit:"cycles/look-up" doc:"added for each map look-up that a condition needs"`
	MatcherInterval uint64      `key:"matcher.interval" unit:"cycles/packet" doc:"a pipelined matcher takes a packet this often; 0: one packet at a time"`
	MatcherCapacity uint64      `key:"matcher.capacity" unit:"entries" zero:"unlimited" doc:"conditions (linear), nodes (tree), masked entries (tss), TCAM entries (tcam)"`
	MatcherWidth    uint64      `key:"matcher.width" unit:"bit" zero:"unlimited" doc:"of a TCAM entry or TSS key"`
	MatcherRange    uint64      `key:"matcher.range" unit:"bool" doc:"the TCAM encodes ranges itself"`
	MatcherTables   uint64      `key:"matcher.tables" unit:"tables" zero:"unlimited" default:"unlimited" doc:"one behind the other, each with a matcher of its own, for paths that are cut into segments"`
	MatcherNext     uint64      `key:"matcher.next" unit:"cycles" default:"0" doc:"from a unit to the table behind its segment and back, in place of matcher.base"`

	// The executor: straight-line traces.
	Executor   ExecutorKind `key:"exec.kind" unit:"name" names:"scalar|vliw" doc:"how traces are executed"`
	Units      uint64       `key:"exec.units" unit:"packets" range:"1..65536" doc:"packets executed at once"`
	UnitQueue  uint64       `key:"exec.queue" unit:"packets" range:"0..16777216" doc:"matched packets that may wait for a unit; then the matcher stalls"`
	Lanes      uint64       `key:"exec.lanes" unit:"insns/cycle" range:"1..64" doc:"of a VLIW"`
	Dispatch   uint64       `key:"exec.dispatch" unit:"cycles" doc:"start and end of a trace"`
	LatALU     uint64       `key:"exec.alu" unit:"cycles" doc:"an ALU instruction"`
	LatMul     uint64       `key:"exec.mul" unit:"cycles" doc:"a multiplication"`
	LatDiv     uint64       `key:"exec.div" unit:"cycles" doc:"a division or remainder"`
	LatPacket  uint64       `key:"exec.packet" unit:"cycles" doc:"a load of packet, context or stack"`
	LatStore   uint64       `key:"exec.store" unit:"cycles" doc:"a store"`
	LatMapMem  uint64       `key:"exec.mapmem" unit:"cycles" doc:"a load of a map value already found"`
	LatAtomic  uint64       `key:"exec.atomic" unit:"cycles" doc:"an atomic on a map value"`
	LatHelper  uint64       `key:"exec.helper" unit:"cycles" doc:"a helper call that isn't one of map.*"`
	Helpers    uint64       `key:"exec.helpers" unit:"calls/cycle" range:"1..64" doc:"helper calls begun in a cycle"`
	MemPorts   uint64       `key:"exec.memports" unit:"accesses/cycle" range:"1..64" doc:"loads and stores of packet and stack"`
	MapPorts   uint64       `key:"exec.mapports" unit:"accesses/cycle" range:"1..64" doc:"loads, stores and atomics of map values"`
	LatArray   uint64       `key:"map.array" unit:"cycles" doc:"a look-up in an array"`
	LatHash    uint64       `key:"map.hash" unit:"cycles" doc:"a look-up in a hash map"`
	LatLRU     uint64       `key:"map.lru" unit:"cycles" doc:"a look-up in an LRU hash map"`
	LatLPM     uint64       `key:"map.lpm" unit:"cycles" doc:"a look-up in a longest-prefix trie"`
	LatUpdate  uint64       `key:"map.update" unit:"cycles" doc:"an update or delete, beside the look-up"`
	Memory     MemoryModel  `key:"memory.model" unit:"name" names:"nic|host|shared|replicated" doc:"where the maps are"`
	RunProgram uint64       `key:"exec.program" unit:"bool" doc:"can also run whole programs with branches"`
	Extended   uint64       `key:"exec.extended" unit:"bool" doc:"hXDP's instruction set: three operands, 6-byte accesses, exit with a constant, branches in parallel; bounds and zeroing by hardware"`
	Drain      uint64       `key:"exec.drain" unit:"cycles" default:"0" doc:"an exit with r0, from its row until it is seen; one with a constant (exec.extended) is seen at once"`
	LatHeld    uint64       `key:"exec.held" unit:"cycles/store" default:"0" doc:"a store that is held back until a packet's last segment has hit: to note it, and to take it back"`
	CrossLane  uint64       `key:"exec.crosslane" unit:"cycles" range:"0..1024" doc:"added before another lane can use a result; a VLIW that forwards within a lane has 1"`

	// PCIe.
	PCIeRead      uint64 `key:"pcie.read" unit:"ns" doc:"a DMA read of 64 B, request to data"`
	PCIeWriteRead uint64 `key:"pcie.writeread" unit:"ns" doc:"a write of 64 B and a read of it; the write is posted, so its one way is the difference to pcie.read"`
	PCIeNUMA      uint64 `key:"pcie.numa" unit:"ns" doc:"added where the memory is on the other socket"`
	PCIeRate      uint64 `key:"pcie.rate" unit:"Mbit/s" zero:"unlimited" doc:"of one direction, after line coding"`
	PCIeTLP       uint64 `key:"pcie.tlp" unit:"B/TLP" range:"0..256" doc:"header, framing and LCRC of a packet of the link"`
	PCIePayload   uint64 `key:"pcie.payload" unit:"B/TLP" range:"16..4096" doc:"payload of a packet of the link, at most"`
	PCIeDesc      uint64 `key:"pcie.descriptor" unit:"B/packet" range:"0..4096" doc:"descriptors moved for a packet"`
	Doorbell      uint64 `key:"pcie.doorbell" unit:"ns" doc:"packet in host memory to the core seeing it"`

	// Installs.
	InstallBase  uint64 `key:"install.base" unit:"ns" doc:"one install on the channel, whatever its size"`
	InstallSlot  uint64 `key:"install.slot" unit:"ns/slot" doc:"and for each slot of trace and condition"`
	InstallStall uint64 `key:"install.stall" unit:"cycles" doc:"the matcher takes no packet while a rule goes in"`
	InstallRate  uint64 `key:"install.rate" unit:"1/s" zero:"unlimited" doc:"installs in a second, at most; unlimited: what base and slot give"`
	InstallQueue uint64 `key:"install.queue" unit:"installs" range:"0..16777216" doc:"compiled traces that may wait for the channel"`

	// What fits.
	Slots       uint64   `key:"limit.slots" unit:"slots" zero:"unlimited" doc:"all traces and conditions together"`
	TraceSlots  uint64   `key:"limit.trace" unit:"slots" zero:"unlimited" doc:"one trace"`
	Held        uint64   `key:"limit.held" unit:"B" zero:"unlimited" default:"unlimited" doc:"stores to packet and maps held back for one packet until its last segment has hit"`
	Entries     uint64   `key:"limit.entries" unit:"traces" zero:"unlimited" doc:"traces installed at once"`
	MapEntries  uint64   `key:"limit.map.entries" unit:"entries" zero:"unlimited" doc:"max_entries of all maps together"`
	MapEntry    uint64   `key:"limit.map.entry" unit:"B" zero:"unlimited" doc:"key and value of one entry, each rounded up to 8 B"`
	MapMemory   uint64   `key:"limit.map.memory" unit:"B" zero:"unlimited" doc:"of all maps"`
	MapTypes    []string `key:"limit.map.types" unit:"names" empty:"all" doc:"map types, by the kernel's name without BPF_MAP_TYPE_"`
	HelperNames []string `key:"limit.helpers" unit:"names" empty:"all" doc:"helpers, by the kernel's name without bpf_"`
	MapWrites   string   `key:"limit.map.writes" unit:"name" names:"any|atomic|none" doc:"of values by traces; atomic: only atomic adds"`
	NoInsns     []string `key:"limit.refused" unit:"classes" empty:"none" doc:"instruction classes refused"` // see InsnClasses

	From Origins // where each parameter's value comes from, by key
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

// The values of NIC.MapWrites.
const (
	WritesAny    = "any"
	WritesAtomic = "atomic" // only atomic adds
	WritesNone   = "none"
)

// The instruction classes that NIC.NoInsns can refuse. Only what real devices
// are known to refuse, or to emulate slowly, has a class.
const (
	InsnDiv         = "div"          // division
	InsnMod         = "mod"          // remainder
	InsnSDiv        = "sdiv"         // signed division and remainder (cpu=v4)
	InsnDivVar      = "div-var"      // division or remainder by a register
	InsnMul64       = "mul64"        // 64-bit multiplication
	InsnLE          = "le"           // conversion to little endian, also where it does nothing but cut
	InsnSext        = "sext"         // sign-extending moves and loads (cpu=v4)
	InsnBswap       = "bswap"        // unconditional byte swap (cpu=v4)
	InsnMapValue    = "map-value"    // the address of a byte in a map's value as a constant: global variables
	InsnAtomic      = "atomic"       // any atomic
	InsnAtomicOther = "atomic-other" // any atomic but add without fetch
)

// InsnClasses are the names that limit.refused takes.
var InsnClasses = []string{InsnDiv, InsnMod, InsnSDiv, InsnDivVar, InsnMul64, InsnLE, InsnSext, InsnBswap, InsnMapValue, InsnAtomic, InsnAtomicOther}
