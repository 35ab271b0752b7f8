package mem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Kind says what a region holds; an access is checked against it.
type Kind uint8

// The kinds of region.
const (
	KindNone   Kind = iota
	KindCtx         // struct xdp_md
	KindPacket      // headroom, packet and tailroom
	KindStack       // all frames of one CPU
	KindMap         // values (and keys) of a map; Owner is the map's index
	KindOther       // flat test memory, ring-buffer reservations
)

// Region is a span of an arena handed out by Alloc.
type Region struct {
	Kind  Kind
	Owner int // of a KindMap region: the map's index
	Addr  uint64
	Size  uint64
}

// Arena is flat memory. It isn't safe for concurrent use.
type Arena struct {
	B       []byte // B[addr] is the byte at BPF address addr
	next    uint64
	regions []Region // ascending by Addr
}

// guard is the room left unused below the first and between all regions: an
// access that runs past a region by less than this hits no other region.
const guard = 64 << 10

// align is what every region's address is a multiple of: a cache line.
const align = 64

// Span is how many bytes of an arena a region of size bytes takes at most,
// its guard and alignment included: sums of it size an arena.
func Span(size uint64) uint64 { return size + guard + align }

// New reserves size bytes of address space. The system commits pages only as
// they are touched, so generous sizes cost nothing.
func New(size uint64) (*Arena, error) {
	whole := (size + 2*guard + 4095) &^ 4095
	if whole < size || whole > 1<<46 {
		return nil, fmt.Errorf("reserve %d bytes of flat memory: more than the address space holds", size)
	}
	b, err := unix.Mmap(-1, 0, int(whole), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of flat memory: %w", whole, err)
	}
	return &Arena{B: b, next: guard}, nil
}

// Close gives the memory back; no address may be used after it.
func (a *Arena) Close() error {
	b := a.B
	a.B = nil
	if b == nil {
		return nil
	}
	return unix.Munmap(b)
}

// Alloc hands out size zeroed bytes at an address that is a multiple of 64.
func (a *Arena) Alloc(kind Kind, owner int, size uint64) (uint64, error) {
	addr := (a.next + align - 1) &^ (align - 1)
	end := addr + size + guard
	if end < size || end > uint64(len(a.B)) {
		return 0, fmt.Errorf("flat memory of %d bytes is full: %d more asked", len(a.B), size)
	}
	a.next = end
	a.regions = append(a.regions, Region{Kind: kind, Owner: owner, Addr: addr, Size: size})
	return addr, nil
}

// Find returns the region that holds all of [addr, addr+n), or nil. It stays
// valid until the next Alloc.
func (a *Arena) Find(addr, n uint64) *Region {
	lo, hi := 0, len(a.regions) // the first region above addr is in [lo, hi]
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if a.regions[mid].Addr > addr {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo == 0 {
		return nil
	}
	r := &a.regions[lo-1]
	if off := addr - r.Addr; off > r.Size || n > r.Size-off {
		return nil
	}
	return r
}

// Regions are all that have been handed out, ascending by address. They stay valid
// until the next Alloc.
func (a *Arena) Regions() []Region { return a.regions }

// Bytes returns the n bytes at addr, or nil where the arena has none.
func (a *Arena) Bytes(addr, n uint64) []byte {
	if addr > uint64(len(a.B)) || n > uint64(len(a.B))-addr {
		return nil
	}
	return a.B[addr : addr+n : addr+n]
}
