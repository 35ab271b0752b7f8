package explain

import (
	"encoding/binary"

	"jitnic/pathcond"
	"jitnic/pathcond/text"
)

// frame answers for a packet that is long gone: its bytes, as far as they were
// kept. Of maps it knows nothing.
type frame struct {
	data   []byte
	base   uint64 // address of the first byte
	length int
}

// Input is the length; other inputs are not kept.
func (f *frame) Input(id uint64) uint64 {
	if id == pathcond.InLen {
		return uint64(f.length)
	}
	return 0
}

// Apply reads bytes.
func (f *frame) Apply(k uint64, args []uint64) uint64 {
	if id, _ := pathcond.FunParts(k); id != pathcond.FunLoad {
		return 0
	}
	var b [8]byte
	if off := args[0] - f.base; off < uint64(len(f.data)) {
		copy(b[:], f.data[off:])
	}
	return binary.LittleEndian.Uint64(b[:])
}

// bytes are what a predicate reads of the packet.
func (s *Study) bytes(p *predicate) []text.Read {
	if p.bytes == nil {
		p.bytes = []text.Read{}
		for _, r := range s.voice(p).Reads(p.Term) {
			if r.At != 0 {
				p.bytes = append(p.bytes, r)
			}
		}
	}
	return p.bytes
}
