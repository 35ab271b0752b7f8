package native

import (
	"unsafe"

	"jitnic/host/vm"
)

// context is the block of memory that generated code works on beside the flat
// memory: what it is given, and what it leaves. It lies on the heap, holds no Go
// pointers, and no address that a program can make reaches it.
type context struct {
	r    [11]uint64 // BPF's registers, on the way in and out
	pc   int64      // where the code left: a slot, or done
	left int64      // steps left, those to the end of the block already taken off

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
	save [6]uint64 // registers over a look-up
}

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
	offLeft     = at(func(c *context) *int64 { return &c.left })
	offResume   = at(func(c *context) *uintptr { return &c.resume })
	offDepth    = at(func(c *context) *uint64 { return &c.depth })
	offNegMeta  = at(func(c *context) *uint64 { return &c.negMeta })
	offLimit4   = at(func(c *context) *[4]uint64 { return &c.limit })
	offNegFrame = at(func(c *context) *uint64 { return &c.negFrame })
	offCPU      = at(func(c *context) *uint64 { return &c.cpu })
	offSave     = at(func(c *context) *[6]uint64 { return &c.save })

	// ctxField is where the fields of struct xdp_md are kept, by offset there.
	ctxField = map[int64]int32{
		vm.CtxData:    at(func(c *context) *uint64 { return &c.data }),
		vm.CtxDataEnd: at(func(c *context) *uint64 { return &c.end }),
		vm.CtxMeta:    at(func(c *context) *uint64 { return &c.meta }),
		vm.CtxIfIndex: at(func(c *context) *uint64 { return &c.ifindex }),
		vm.CtxQueue:   at(func(c *context) *uint64 { return &c.queue }),
	}
)

// load takes over the packet at hand.
func (c *context) load(s *vm.State) {
	c.depth = uint64(s.Depth)
	c.negMeta = -s.DataMeta
	c.negFrame = -s.Frame()
	n := int64(s.DataEnd - s.DataMeta)
	c.limit = [4]uint64{uint64(n), uint64(max(n-1, 0)), uint64(max(n-3, 0)), uint64(max(n-7, 0))}
	c.data, c.end, c.meta = s.Data, s.DataEnd, s.DataMeta
	c.ifindex, c.queue = uint64(s.If), uint64(s.Rx)
	c.cpu = uint64(s.CPU)
}
