package vm

// Write is one write to a map: through a value pointer (Key empty, Addr and
// Size say where), or by a helper on a key.
type Write struct {
	Map            int32
	KeyOff, KeyLen int32 // of a helper: the key, see WriteKey
	Addr, Size     uint64
}

// WriteKey is the key of a helper's write, or nil.
func (s *State) WriteKey(w Write) []byte {
	if w.KeyLen == 0 {
		return nil
	}
	return s.keys[w.KeyOff : w.KeyOff+w.KeyLen]
}

// NoteStore notes a store of n bytes at addr, which lies in map index. An
// executor that stores into map values without [State.Reach] calls it when
// Options.Track is set.
func (s *State) NoteStore(index int, addr, n uint64) {
	s.Writes = append(s.Writes, Write{Map: int32(index), Addr: addr, Size: n})
}

// NoteKey notes an update or deletion of a key. CallHelper does so by itself.
func (s *State) NoteKey(index int, key []byte) {
	if !s.Opt.Track {
		return
	}
	off := len(s.keys)
	s.keys = append(s.keys, key...)
	s.Writes = append(s.Writes, Write{Map: int32(index), KeyOff: int32(off), KeyLen: int32(len(key))})
}
