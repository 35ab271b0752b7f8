package native

import (
	"unsafe"

	"jitnic/host/points"
	"jitnic/nic"
	"jitnic/nic/native/asm"
)

// A segment that isn't its path's last has its stores held back: code notes what
// each overwrites. A trace is straight-line code, so its k'th store has the k'th
// place among those that Go makes ready, and nothing is counted when it runs.

// heldStore is a store that is held back: its slot, and its bytes.
type heldStore struct{ pc, n int32 }

// The fields of nic.Overwritten; its N is set by Go.
const (
	sizeOverwritten = int32(unsafe.Sizeof(nic.Overwritten{}))
	offAddr         = int32(unsafe.Offsetof(nic.Overwritten{}.Addr))
	offWas          = int32(unsafe.Offsetof(nic.Overwritten{}.Was))
)

// holds says whether a store of n bytes through base has to be noted, and gives it
// its place. The frame dies with the packet.
func (c *compiler) holds(k *known, pc int, base uint8, n int) bool {
	if c.line == nil || !c.line.held || k.R[base].Kind == points.Stack {
		return false
	}
	c.line.store = append(c.line.store, heldStore{int32(pc), int32(n)})
	return true
}

// hold notes the n bytes at m, which the store that has got its place last is about
// to overwrite, and gives the place where they are now: it may have been in a
// register that is needed for this.
func (c *compiler) hold(n int, m asm.Mem) asm.Mem {
	at := int32(len(c.line.store)-1) * sizeOverwritten
	c.Lea(asm.T0, m)
	c.Op(asm.Sub, true, asm.T0, asm.Base)
	m = asm.Mem{Base: asm.Base, Index: asm.T0}
	c.Load(8, asm.T1, asm.At(asm.Ctx, offUndo))
	c.Store(8, asm.T0, asm.At(asm.T1, at+offAddr))
	c.Load(n, asm.T0, m)
	c.Store(8, asm.T0, asm.At(asm.T1, at+offWas))
	c.Load(8, asm.T0, asm.At(asm.T1, at+offAddr))
	return m
}

// hold makes ready the places of what the trace's stores overwrite.
func (t *Trace) hold() []nic.Overwritten {
	if len(t.stores) == 0 {
		return nil
	}
	held := t.held.Room(len(t.stores))
	for i := range held {
		held[i].N = uint64(t.stores[i].n)
	}
	t.m.ctx.undo = uintptr(unsafe.Pointer(unsafe.SliceData(held)))
	return held
}

// overwrites notes what the store at slot pc, which is left to Go, overwrites.
func (t *Trace) overwrites(pc int, held []nic.Overwritten, addr uint64) {
	for i := range held {
		if s := t.stores[i]; int(s.pc) == pc {
			t.held.Take(&held[i], addr, uint64(s.n))
		}
	}
}
