package vm

import (
	"encoding/binary"

	"jitnic/host/mem"
)

// Reach says whether the program at hand may read (or write) the n bytes at
// addr: packet from metadata to data_end, stack frames in use, one map value.
// The context is not among them: it is read through [State.CtxLoad].
func (s *State) Reach(addr, n uint64, write bool) bool {
	if off := addr - s.DataMeta; off < s.DataEnd-s.DataMeta {
		return n <= s.DataEnd-addr
	}
	if off := addr - s.Stack; off < MaxFrames*StackStride {
		return off/StackStride <= uint64(s.Depth) && n <= StackSize && off%StackStride+n <= StackSize
	}
	if addr-s.slot.lo >= s.slot.hi-s.slot.lo {
		return s.reachOther(addr, n, write)
	}
	if n > s.slot.hi-addr {
		return false
	}
	if s.slot.index >= 0 {
		t := &s.tables[s.slot.index]
		if write && (t.noSt || s.Opt.Track) || !write && t.noLoad {
			return s.reachOther(addr, n, write)
		}
	}
	return true
}

// near is Reach for what programs touch most: the packet and the frame in use.
// It is small enough to be compiled into the loop.
func (s *State) near(addr, n uint64) bool {
	return addr-s.DataMeta < s.DataEnd-s.DataMeta && n <= s.DataEnd-addr || addr-s.frame <= StackSize-n
}

// reachOther looks the address up among the regions, and remembers the value
// it lies in.
func (s *State) reachOther(addr, n uint64, write bool) bool {
	r := s.Mem.Find(addr, n)
	if r == nil {
		return false
	}
	switch r.Kind {
	case mem.KindMap:
		return s.reachMap(r.Owner, addr, n, write)
	case mem.KindPacket:
		return s.reachLent(addr, n, write)
	case mem.KindOther:
		return s.reachScratch(addr, n, write) || s.reachPending(addr, n) || !write && s.conns.told(addr, n)
	}
	return false
}

func (s *State) reachMap(index int, addr, n uint64, write bool) bool {
	if index >= len(s.tables) {
		s.sync()
	}
	t := &s.tables[index]
	if t.owner == nil || write && t.noSt || !write && t.noLoad {
		return false
	}
	lo := t.owner.ValueOf(addr)
	if lo == 0 || addr-lo >= t.size || n > t.size-(addr-lo) {
		return false
	}
	s.slot = slot{lo: lo, hi: lo + t.size, index: index}
	if write && s.Opt.Track {
		s.NoteStore(index, addr, n)
	}
	return true
}

// Load reads n bytes (1, 2, 4 or 8) at addr, zero-extended.
func (s *State) Load(addr uint64, n int) uint64 {
	b := s.Mem.B[addr:]
	switch n {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

// Store writes the low n bytes (1, 2, 4 or 8) of v at addr.
func (s *State) Store(addr uint64, n int, v uint64) {
	b := s.Mem.B[addr:]
	switch n {
	case 1:
		b[0] = uint8(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}

// SignExtend widens the low n bytes of v.
func SignExtend(v uint64, n int) uint64 {
	switch n {
	case 1:
		return uint64(int64(int8(v)))
	case 2:
		return uint64(int64(int16(v)))
	case 4:
		return uint64(int64(int32(v)))
	}
	return v
}

// IsCtx says whether addr lies in the context.
func (s *State) IsCtx(addr uint64) bool { return addr-s.Ctx < CtxSize }

// CtxLoad reads a field of struct xdp_md: four bytes at a multiple of four. As
// in the kernel the load is rewritten: data, data_end and data_meta come as
// whole addresses (xdp_convert_ctx_access).
func (s *State) CtxLoad(addr uint64, n int) (uint64, bool) {
	if n != 4 {
		return 0, false
	}
	switch addr - s.Ctx {
	case CtxData:
		return s.Data, true
	case CtxDataEnd:
		return s.DataEnd, true
	case CtxMeta:
		return s.DataMeta, true
	case CtxIfIndex:
		return uint64(s.If), true
	case CtxQueue:
		return uint64(s.Rx), true
	case CtxEgress:
		// Only a program in a device map has an egress device.
		return uint64(s.Egress), true
	}
	return 0, false
}

// bytes is a helper's view of n bytes of a program's memory.
func (s *State) bytes(addr, n uint64, write bool) ([]byte, *Fault) {
	if n == 0 {
		return nil, nil
	}
	if !s.Reach(addr, n, write) {
		return nil, badAccess(addr, n, write)
	}
	return s.Mem.B[addr : addr+n : addr+n], nil
}
