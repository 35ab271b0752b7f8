package exec

import "jitnic/host/vm"

// held is what the stores of traces whose effects may still be taken back have
// overwritten. Traces that follow read memory as it is now, which is what they
// would read through a buffer of writes held back; nobody else reads it until the
// packet is over, so taking back what was overwritten and never having written it
// can't be told apart.
type held struct {
	on    bool
	bytes int
	old   []overwritten
}

// overwritten are up to 8 bytes that were at an address.
type overwritten struct {
	addr uint64
	n    uint64
	was  [8]byte
}

// Hold has what traces store from now on held back, for a packet that has begun
// and whose stack is as a program finds it: zero.
func (e *Engine) Hold() {
	s := e.s
	clear(s.Mem.B[s.Stack : s.Stack+vm.StackSize])
	e.held.on, e.held.bytes, e.held.old = true, 0, e.held.old[:0]
}

// Commit lets what was held back stand, and says how many bytes of packet and maps
// it was.
func (e *Engine) Commit() int {
	e.held.on = false
	return e.held.bytes
}

// Back takes back what was held back.
func (e *Engine) Back() {
	e.held.on = false
	for i := len(e.held.old) - 1; i >= 0; i-- {
		o := &e.held.old[i]
		copy(e.s.Mem.B[o.addr:o.addr+o.n], o.was[:o.n])
	}
	e.held.old = e.held.old[:0]
}

// keep notes what a store of n bytes is about to overwrite. The stack dies with the
// packet.
func (e *Engine) keep(addr, n uint64) {
	if addr-e.s.Stack < vm.MaxFrames*vm.StackStride {
		return
	}
	o := overwritten{addr: addr, n: n}
	copy(o.was[:n], e.s.Mem.B[addr:])
	e.held.old = append(e.held.old, o)
	e.held.bytes += int(n)
}
