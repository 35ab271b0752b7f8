// Package mem is the flat memory that packets, stacks and map values live in.
//
// An [Arena] is one reserved span of bytes. A BPF address is an offset into
// it, so a checked access is a slice expression, a value keeps its address for
// as long as its map lives, and generated code can later read values in place.
// Address 0 is never handed out: it is BPF's NULL.
package mem

import (
	"fmt"
	"sort"

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

// New reserves size bytes of address space. The system commits pages only as
// they are touched, so generous sizes cost nothing.
func New(size uint64) (*Arena, error) {
	size = (size + 2*guard + 4095) &^ 4095
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of flat memory: %w", size, err)
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
	addr := (a.next + 63) &^ 63
	if addr+size+guard > uint64(len(a.B)) || addr+size < addr {
		return 0, fmt.Errorf("flat memory of %d bytes is full: %d more asked", len(a.B), size)
	}
	a.next = addr + size + guard
	a.regions = append(a.regions, Region{Kind: kind, Owner: owner, Addr: addr, Size: size})
	return addr, nil
}

// Find returns the region that holds all of [addr, addr+n), or nil.
func (a *Arena) Find(addr, n uint64) *Region {
	i := sort.Search(len(a.regions), func(i int) bool { return a.regions[i].Addr > addr }) - 1
	if i < 0 {
		return nil
	}
	r := &a.regions[i]
	if off := addr - r.Addr; off > r.Size || n > r.Size-off {
		return nil
	}
	return r
}

// Bytes returns the n bytes at addr, or nil where the arena has none.
func (a *Arena) Bytes(addr, n uint64) []byte {
	if addr > uint64(len(a.B)) || n > uint64(len(a.B))-addr {
		return nil
	}
	return a.B[addr : addr+n : addr+n]
}
