package workload

import (
	"jitnic/cache/stream"
	"jitnic/pathcond"
	"jitnic/trace"
)

// A Workload is a program's run over a capture, without times: what each packet
// did, whatever device it will be offered to. It is made once (host/run/observe)
// and shared by all device models, which only add times.
type Workload struct {
	Program string // for reports
	Capture string
	Active  int64 // nanoseconds of Time that passed within captures, not between them; 0: all of it

	Packets  []Packet
	Time     []int64  // of the capture, ns since its first packet; not falling
	Accesses []Access // of all packets; Packet.First begins a packet's own
	Paths    []Path   // by path number
	Segments []Path   // of paths that are cut (Path.Parts): what stands in the trace cache in their place, by number; nil: they are whole
	Aborts   []Abort  // why packets with Path None can't be offloaded; Packet.Abort indexes it
	Shapes   []Shape  // the runs' operations, shared by packets that did the same
	Maps     []Map
	Entries  int      // distinct map entries touched: Access.Entry is below it
	EntryMap []uint16 // by entry: its map

	// Invalidations of specialised paths, as in a request stream.
	Invalidations []stream.Invalidation // of Traces

	// NotRun are the packets of which the run is no result; nil: none.
	NotRun *NotRun

	// Keys are the packet's header fields that flow caches use, by packet.
	Keys []FlowKey
	// Effects is by packet a hash of what its run did, the same for runs that do the
	// same to packets of a flow: verdict, redirect, bytes changed, maps written.
	// nil: not known.
	Effects []uint32
	// Mega is by packet a hash of which packet bytes its path consults
	// (Path.Mask) and of their values: what a megaflow would be keyed by; nil where paths are cut.
	Mega []uint64

	Tier int // of the optimiser, that traces are installed at; 0: as recorded
	// Hot is how many hits of a path let tier 2 search its trace; 0: there is no such
	// tier.
	Hot uint64

	// Compiler, where set, prints conditions; the terms of Path.Cond are its.
	Compiler *pathcond.Compiler
}

// None is the path of a packet that can't be offloaded, and the Abort of one
// that can.
const None = int32(-1)

// Packet is one packet. 40 bytes.
type Packet struct {
	Path   int32
	Abort  int32  // index into Aborts where Path is None, else None
	Shape  uint32 // index into Shapes
	Flow   uint32 // dense number of its 5-tuple (both directions apart), else of its addresses
	First  uint32 // its accesses are Accesses[First : First+N]
	N      uint16
	Len    uint16 // bytes, in and
	OutLen uint16 // out
	Queue  uint16 // receive queue by RSS over the workload's queues
	Fate   Fate
	Added  uint8 // bytes of Len that never were on the wire: an Ethernet header put in front
}

// Fate is where a packet goes after the verdict.
type Fate uint8

// The fates. An abort or fault is a drop.
const (
	Drop     Fate = iota
	Tx            // back out of the port
	Redirect      // out of a port, or to another core or socket
	Pass          // to the host's stack
)

var fateNames = [...]string{"drop", "tx", "redirect", "pass"}

func (f Fate) String() string { return fateNames[f] }

// Access is one use of a map entry. A look-up that found nothing is an access
// of the key all the same.
type Access struct {
	Entry uint32 // dense over all maps
	Write bool   // store, atomic, update or delete
}

// Path is one path that can be a trace, or a segment of such paths.
type Path struct {
	Raw       *trace.Trace    // before optimisation
	Trace     *trace.Trace    // what is installed
	Cond      []pathcond.Pred // its weakest condition
	Depth     int             // nodes of the guard tree from the root to its leaf
	Lookups   int             // map look-ups on that walk
	Mask      []uint16        // offsets of the packet bytes the path consults, ascending
	Shape     uint32          // what its runs execute on the host
	Slots     uint32          // of its entry: trace and condition
	Packets   uint64
	First     uint64 // packet that discovered it
	Optimised bool
	Units     uint64 // counted work of its tier of the optimiser; 0: it isn't counted

	Better *trace.Trace // what tier 2 makes of Trace once it is hot; nil: it isn't, or nothing better was found
	Search uint64       // counted work of that; 0: it isn't searched

	// Of a path that is cut Parts are its segments, in order; of what stands above it
	// has Shape, Packets and First alone, and the segments have the rest, but for Mask.
	Parts []Part
	// Table is that of a segment, Held what its stores overwrite where its path goes on.
	Table int
	Held  Held
}

// Abort is a way not to be offloaded.
type Abort struct {
	Reason  trace.Reason
	Program string // where, for reports
	Insn    int
	Detail  string // helper, map or instruction
	Packets uint64
}

// Op is a class of operation a run makes.
type Op uint8

// The operations. Instructions are counted beside them.
const (
	OpArray    Op = iota // array look-up that is a helper call
	OpPerCPU             // per-CPU array look-up
	OpHash               // hash or per-CPU hash look-up
	OpLRU                // LRU hash look-up
	OpLPM                // trie look-up
	OpUpdate             // update or delete
	OpRedirect           // bpf_redirect, bpf_redirect_map
	OpAtomic             // atomic instruction on a map value
	OpTail               // tail call
	OpCall               // bpf-to-bpf call
	OpHelper             // any other helper
	Ops        = int(iota)
)

var opNames = [...]string{"array look-up", "per-CPU array look-up", "hash look-up", "LRU look-up", "trie look-up", "update", "redirect", "atomic", "tail call", "local call", "helper"}

func (o Op) String() string { return opNames[o] }

// Shape is what one run executed.
type Shape struct {
	Insns uint32
	Ops   [Ops]uint32
}

// Map is one map of the program.
type Map struct {
	Name       string
	Type       string // the kernel's name without BPF_MAP_TYPE_, lower case
	Key, Value uint32 // bytes
	Max        uint32 // max_entries
	Used       uint32 // entries there were at the end
	Touched    uint32 // distinct entries touched by packets
	PerCPU     bool   // each CPU has values of its own
}

// FlowKey is what an exact-match flow cache looks at: addresses, ports and
// protocol as they stand in the first headers, zero where there are none.
type FlowKey struct {
	Src, Dst     [16]byte // IPv4 in the first 4
	Sport, Dport uint16
	EtherType    uint16
	VLAN         uint16 // outermost tag, 0: none
	Proto        uint8
	TCPFlags     uint8
	Fragment     bool // not the first fragment: no ports
}
