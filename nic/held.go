package nic

import "jitnic/host/vm"

// Held is what the stores of traces whose effects may still be taken back have
// overwritten. Traces that follow read memory as it is now, which is what they
// would read through a buffer of writes held back; nobody else reads it until the
// packet is over, so taking back what was overwritten and never having written it
// can't be told apart.
type Held struct {
	s   *vm.State
	log []Overwritten
}

// Overwritten are the N bytes, up to 8, that were at an address. Code writes such
// entries, so it has no pointers and its fields lie where their offsets say.
type Overwritten struct {
	Addr uint64
	N    uint64
	Was  [8]byte
}

// NewHeld is for traces on a State.
func NewHeld(s *vm.State) *Held { return &Held{s: s} }

// Begin begins a packet that has begun on the State: nothing is held back, and the
// stack is as a program finds it, zero.
func (h *Held) Begin() {
	clear(h.s.Mem.B[h.s.Stack : h.s.Stack+vm.StackSize])
	h.log = h.log[:0]
}

// Keep notes what a store of n bytes is about to overwrite. The stack dies with the
// packet.
func (h *Held) Keep(addr, n uint64) {
	if h.onStack(addr) {
		return
	}
	h.Take(&h.Room(1)[0], addr, n)
}

// Room notes n stores that are about to be made, and is where they are described:
// by the code that makes them, or by Take.
func (h *Held) Room(n int) []Overwritten {
	at := len(h.log)
	h.log = append(h.log, make([]Overwritten, n)...)
	return h.log[at:]
}

// Take describes the store of n bytes that is about to be made.
func (h *Held) Take(o *Overwritten, addr, n uint64) {
	*o = Overwritten{Addr: addr, N: n}
	copy(o.Was[:n], h.s.Mem.B[addr:])
}

func (h *Held) onStack(addr uint64) bool { return addr-h.s.Stack < vm.MaxFrames*vm.StackStride }

// Back takes back what was held back.
func (h *Held) Back() {
	for i := len(h.log) - 1; i >= 0; i-- {
		o := &h.log[i]
		copy(h.s.Mem.B[o.Addr:o.Addr+o.N], o.Was[:o.N])
	}
	h.log = h.log[:0]
}

// Commit lets what was held back stand, and says how many bytes of packet and maps
// it was.
func (h *Held) Commit() int {
	n := uint64(0)
	for i := range h.log {
		if o := &h.log[i]; !h.onStack(o.Addr) {
			n += o.N
		}
	}
	h.log = h.log[:0]
	return int(n)
}
