package native

import (
	"unsafe"

	"jitnic/host/vm"
	"jitnic/nic"
)

// context is the block of memory that generated code works on beside the flat
// memory: what it is given, and what it leaves. It lies on the heap, holds no Go
// pointers, and no address that a program can make reaches it.
type context struct {
	r    [11]uint64 // BPF's registers, on the way in and out
	pc   int64      // where the code left: a slot, or done
	left int64      // steps left, those to the end of the block already taken off

	hosted int64   // of a batch of traces: packets that may still run as a whole program
	steps  int64   // of a batch: what each packet of a whole program has of them
	resume uintptr // where to go on
	depth  uint64  // frames below the one in use

	// The packet and the frame in use, as checks want them: an address plus
	// negMeta is how far behind the metadata's begin it lies, and an access
	// of 1<<i bytes there is in bounds below limit[i]. negFrame is likewise of
	// the frame's bottom.
	negMeta  uint64
	limit    [4]uint64
	negFrame uint64

	// What loads from struct xdp_md give.
	data, end, meta uint64
	ifindex, queue  uint64

	cpu  uint64
	save [8]uint64 // registers over a look-up

	// What the guard tree works on: the packet's length and time, the values
	// of slots that have no register, and a key put together.
	length uint64
	time   uint64
	packet uint64 // its number
	slot   [maxSlots]uint64
	key    [maxKey]byte

	// Going from packet to packet: the vm.Input at hand, where they end, and where
	// the next path number goes; how many packets had each path, and how many each
	// verdict; where a path's code begins, by its number (Machine.table), and where
	// a trace goes on at its end, with the verdict in register 0: one that is the
	// same in every run the trace has counted itself.
	in, stop uintptr
	out      uintptr
	hits     uintptr
	table    uintptr
	next     uintptr
	counted  uintptr
	verdicts nic.Verdicts
	undo     uintptr // nic.Overwritten for each store of a trace whose stores are held back
	one      uintptr // where every path's code begins when there is one packet; 0: there are more
	matched  int32   // where a path number goes then

	// found are the results of look-ups that the guard tree has made for the
	// trace about to run, or unknown.
	found [maxFound]uint64
	elem  [maxFound]uint64 // of those found in a map with reference bits, the elements' numbers
}

// maxSlots is how many values of a walk have a place in memory.
const maxSlots = 1024

// maxFound is how many look-ups a tree hands to a trace at most.
const maxFound = 8

// unknown is no result of a look-up.
const unknown = ^uint64(0)

// done is context.pc after the program's exit: no slot has that number.
const done = 1 << 40

// at is the offset of a field, as code addresses it.
func at[T any](f func(*context) *T) int32 {
	var c context
	return int32(uintptr(unsafe.Pointer(f(&c))) - uintptr(unsafe.Pointer(&c)))
}

var (
	offR        = at(func(c *context) *[11]uint64 { return &c.r })
	offPC       = at(func(c *context) *int64 { return &c.pc })
	offHosted   = at(func(c *context) *int64 { return &c.hosted })
	offSteps    = at(func(c *context) *int64 { return &c.steps })
	offLeft     = at(func(c *context) *int64 { return &c.left })
	offResume   = at(func(c *context) *uintptr { return &c.resume })
	offDepth    = at(func(c *context) *uint64 { return &c.depth })
	offNegMeta  = at(func(c *context) *uint64 { return &c.negMeta })
	offLimit4   = at(func(c *context) *[4]uint64 { return &c.limit })
	offNegFrame = at(func(c *context) *uint64 { return &c.negFrame })
	offCPU      = at(func(c *context) *uint64 { return &c.cpu })
	offSave     = at(func(c *context) *[8]uint64 { return &c.save })
	offLength   = at(func(c *context) *uint64 { return &c.length })
	offTime     = at(func(c *context) *uint64 { return &c.time })
	offPacket   = at(func(c *context) *uint64 { return &c.packet })
	offSlot     = at(func(c *context) *[maxSlots]uint64 { return &c.slot })
	offKey      = at(func(c *context) *[maxKey]byte { return &c.key })
	offFound    = at(func(c *context) *[maxFound]uint64 { return &c.found })
	offElem     = at(func(c *context) *[maxFound]uint64 { return &c.elem })
	offIn       = at(func(c *context) *uintptr { return &c.in })
	offOut      = at(func(c *context) *uintptr { return &c.out })
	offStop     = at(func(c *context) *uintptr { return &c.stop })
	offCounted  = at(func(c *context) *uintptr { return &c.counted })
	offHits     = at(func(c *context) *uintptr { return &c.hits })
	offVerdicts = at(func(c *context) *nic.Verdicts { return &c.verdicts })
	offOne      = at(func(c *context) *uintptr { return &c.one })
	offTable    = at(func(c *context) *uintptr { return &c.table })
	offUndo     = at(func(c *context) *uintptr { return &c.undo })
	offNext     = at(func(c *context) *uintptr { return &c.next })
	offEnd      = ctxField[vm.CtxDataEnd]

	// ctxField is where the fields of struct xdp_md are kept, by offset there.
	ctxField = map[int64]int32{
		vm.CtxData:    at(func(c *context) *uint64 { return &c.data }),
		vm.CtxDataEnd: at(func(c *context) *uint64 { return &c.end }),
		vm.CtxMeta:    at(func(c *context) *uint64 { return &c.meta }),
		vm.CtxIfIndex: at(func(c *context) *uint64 { return &c.ifindex }),
		vm.CtxQueue:   at(func(c *context) *uint64 { return &c.queue }),
	}
)

// fields are what of a packet code reads in the context, beside its length.
type fields uint8

const (
	useTime fields = 1 << iota
	useCPU
	useIf
	useQueue
	useEnd
	useLimits
	usePacket
	useFixed // what is the same for all packets of a batch
)

// fieldUse is the use of a field of struct xdp_md.
var fieldUse = map[int64]fields{
	vm.CtxData: useFixed, vm.CtxDataEnd: useEnd, vm.CtxMeta: useFixed, vm.CtxIfIndex: useIf, vm.CtxQueue: useQueue,
}

// fix sets what is the same for all packets of a batch.
func (c *context) fix(s *vm.State) {
	data := s.Buf + vm.Headroom
	c.depth = vm.MaxFrames - 1
	c.negMeta = -data
	c.negFrame = -s.Stack
	c.data, c.meta = data, data
}

// begin takes over what a program's code reads of a packet that has just begun.
func (c *context) begin(s *vm.State, uses fields) {
	c.depth = 0
	c.length = s.DataEnd - s.Data
	if uses&(useFixed|useLimits) != 0 {
		c.data, c.meta = s.Data, s.Data
		c.negMeta, c.negFrame = -s.Data, -s.Stack
	}
	if uses&useLimits != 0 {
		c.limits(c.length)
	}
	c.end = s.DataEnd
	c.ifindex, c.queue = uint64(s.If), uint64(s.Rx)
	c.cpu, c.time, c.packet = uint64(s.CPU), s.TimeNS, s.Packet
}

// limits is for n bytes from the metadata on.
func (c *context) limits(n uint64) {
	c.limit = [4]uint64{n, max(n, 1) - 1, max(n, 3) - 3, max(n, 7) - 7}
}

// load takes over the packet at hand.
func (c *context) load(s *vm.State) {
	c.depth = uint64(s.Depth)
	c.negMeta = -s.DataMeta
	c.negFrame = -s.Frame()
	c.limits(s.DataEnd - s.DataMeta)
	c.data, c.end, c.meta = s.Data, s.DataEnd, s.DataMeta
	c.ifindex, c.queue = uint64(s.If), uint64(s.Rx)
	c.cpu = uint64(s.CPU)
	c.length, c.time, c.packet = s.DataEnd-s.Data, s.TimeNS, s.Packet
}
