package device

import "jitnic/cache/stream"

// Input is what a device is offered, in numbers only: nic/price makes it from a
// workload and a profile. Device times are in cycles of the device's clock,
// the others in picoseconds (a cycle of 156.25 MHz is 6,400 ps exactly).
type Input struct {
	Packets  []Packet
	Accesses []Access // Packet.First begins a packet's own
	Paths    []Path   // by path number
	Segments []Path   // of paths that are cut (Path.Parts): what stands in the trace cache; nil: the paths do
	Entries  int      // Access.Entry is below it

	// Invalidations take a trace out just before the packet of that number.
	Invalidations []stream.Invalidation

	// Hot is how many hits of a path's trace make tier 2 search it for a better
	// one; 0: there is no such tier.
	Hot uint64
}

// Packet is one packet in order of arrival; its time of arrival is in the Load.
type Packet struct {
	Path   int32  // -1: can't be offloaded
	Flow   uint32 // dense number
	First  uint32 // Accesses[First : First+N]
	N      uint16
	Queue  uint16 // receive queue by RSS; the host core is Queue mod cores
	Len    uint16 // bytes in, Added among them
	OutLen uint16 // bytes out
	Fate   Fate
	Added  uint8  // bytes of Len that take no time on the wire
	Host   uint32 // ps of a host core if the packet is run there, local map accesses included
	Miss   uint32 // cycles of the matcher where no installed condition holds for it
}

// onWire is how many bytes of the packet came over the link.
func (p *Packet) onWire() uint16 { return p.Len - uint16(p.Added) }

// Fate is where a packet goes after its verdict.
type Fate uint8

// The fates.
const (
	Drop Fate = iota
	Wire      // out of the device's port
	Up        // to the host's stack
)

// Access is one use of a map entry.
type Access struct {
	Entry uint32
	Write bool
}

// Traces are what stands in the trace cache, by number.
func (in *Input) Traces() []Path {
	if in.Segments != nil {
		return in.Segments
	}
	return in.Paths
}

// Path is one path's price on this device, or a segment's. Of a path that is cut it
// says how packets run, of its segments what stands in the cache: Slots, Cost,
// Compile, Optimise, Install, Bytes, and Refused of each.
type Path struct {
	Match   uint32 // cycles of the matcher on a hit, of the first table
	Exec    uint32 // cycles of an executor unit, accesses to maps on the NIC included; of a path that is cut its segments' together, and waiting for the tables behind the first
	Reads   uint16 // look-ups and loads that cross PCIe where the maps are on the host; each stalls the unit
	Writes  uint16 // updates, stores and atomics that cross PCIe then; posted
	Slots   uint32 // of its entry in the cache
	Cost    uint32 // of a miss, for policies that weigh it
	Compile uint64 // ps of a compiler, Optimise among them
	// Optimise is what of that the optimiser takes.
	Optimise uint64
	Install  uint64 // ps of the install channel
	Bytes    uint32 // over PCIe for the install
	Better   Better // what tier 2 makes of it
	Refused  bool   // does not fit the device: never installed, its packets count as uncacheable
	Parts    []Part // of a path that is cut: its segments, in order; nil: it is whole
}

// Part is a segment's in a path. A unit runs the segments one after the other, and
// looks each but the first up in its table; where one isn't in, the packet goes on to
// the host as it came.
type Part struct {
	Segment  uint32
	Fail     uint32 // cycles of a unit until it is known that this one, not the first, isn't in, and what was held back is taken back
	Accesses uint16 // of the packet's, that come before this segment
}
