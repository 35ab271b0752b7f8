package native

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/nic/native/readback"
)

// A look-up's subroutine walks the map's own storage, so it is carried out on
// that: for keys that are there and keys that are drawn it must find what the map
// finds. Its bytes are the same in every trace; those that were carried out once
// are only compared.

// lookupKeys is how many keys of each kind are looked for.
const lookupKeys = 4

// keyPlace is where a key stands in flat memory while a look-up is read back:
// beyond all of it.
const keyPlace = 1 << 44

// sub is a subroutine that was carried out.
type sub struct {
	text  []byte
	found bool // for a key that is there, too
}

// subroutine reads back what looks keys up in map m, which begins at byte at.
func (b *reader) subroutine(m int32, at int) error {
	end := b.c.subsEnd
	if i := slices.Index(b.c.wanted, m); i+1 < len(b.c.wanted) {
		end = b.c.Offset(b.c.lookup[b.c.wanted[i+1]])
	}
	if at >= end {
		return fmt.Errorf("map %d: its look-up has no code", m)
	}
	if b.subs == nil {
		b.subs = make([]sub, len(b.s.Maps))
	}
	s, one, text := &b.subs[m], b.s.Maps[m], b.text[at:end]
	if bytes.Equal(s.text, text) && (s.found || one.Len() == 0) {
		return nil
	}
	var keys [][]byte
	one.Range(func(key, _ []byte) bool {
		keys = append(keys, bytes.Clone(key))
		return len(keys) < lookupKeys
	})
	there := len(keys)
	for i := range uint64(lookupKeys) {
		key := make([]byte, one.Spec().KeySize)
		for k := range key {
			key[k] = byte(drawn(i, uint64(k)))
		}
		keys = append(keys, key)
		if there > 0 { // one that differs in its last byte
			key = bytes.Clone(keys[i%uint64(there)])
			key[len(key)-1] ^= 1 << i
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if err := b.find(one, key, at); err != nil {
			return fmt.Errorf("map %d: a look-up of %x: %w", m, key, err)
		}
	}
	s.text, s.found = append(s.text[:0], text...), there > 0
	return nil
}

// find carries a look-up out.
func (b *reader) find(m maps.Map, key []byte, at int) error {
	f, ok := maps.FlatOf(m)
	if !ok {
		return fmt.Errorf("code for a map it doesn't know")
	}
	c := readback.CPU{Code: codeBase, IP: codeBase + uint64(at)}
	c.Mem = &storage{b: b, m: m, f: &f, key: key}
	var r [11]uint64
	for i := range r {
		r[i] = b.draw(700 + uint64(i))
	}
	r[2] = keyPlace
	for i, v := range r {
		c.R[b.m.Home[i]] = v
	}
	c.R[b.m.Home[readback.Base]], c.R[b.m.Home[readback.Ctx]] = memBase, ctxBase
	var in readback.Inst
	for range maxSteps {
		if err := b.m.Scan(b.text, int(c.IP-codeBase), &in); err != nil {
			return err
		}
		if in.Do == readback.Call {
			return fmt.Errorf("it calls")
		}
		halted, err := c.Step(&in)
		if err != nil {
			return err
		}
		if !halted {
			continue
		}
		if want, got := m.Peek(key, int(b.x.cpu)), c.R[b.m.Home[0]]; got != want {
			return fmt.Errorf("it finds %#x, not %#x", got, want)
		}
		for i := 1; i < len(r); i++ {
			if changedBy(&f).Has(uint8(i)) {
				continue
			}
			if got := c.R[b.m.Home[i]]; got != r[i] {
				return fmt.Errorf("it leaves %#x in register %d, not %#x", got, i, r[i])
			}
		}
		return nil
	}
	return fmt.Errorf("it doesn't end")
}

// storage is what a look-up may touch: the key, the block's room for registers,
// and the map.
type storage struct {
	b   *reader
	m   maps.Map
	f   *maps.Flat
	key []byte
}

// Load is readback.Memory's.
func (s *storage) Load(addr uint64, n int) (uint64, error) {
	if d := addr - ctxBase; d < uint64(len(s.b.x.block())) {
		return s.b.field(d, n)
	}
	flat := addr - memBase
	if d := flat - keyPlace; d < uint64(len(s.key)) && d+uint64(n) <= uint64(len(s.key)) {
		return little(s.key[d:], n), nil
	}
	if flat < uint64(len(s.b.s.Mem.B)) && flat+uint64(n) <= uint64(len(s.b.s.Mem.B)) {
		return little(s.b.s.Mem.B[flat:], n), nil
	}
	for _, own := range ownParts(s.f) {
		if d := addr - uint64(uintptr(own.at)); d < own.n && d+uint64(n) <= own.n {
			return little(unsafe.Slice((*byte)(own.at), own.n)[d:], n), nil
		}
	}
	return 0, fmt.Errorf("it reads %d bytes outside of the map", n)
}

// part is a part of a map's bookkeeping.
type part struct {
	at unsafe.Pointer
	n  uint64
}

// ownParts are the parts that a map's look-up walks. A slice's header begins with the
// address of its elements.
func ownParts(f *maps.Flat) []part {
	const header = uint64(unsafe.Sizeof([]byte(nil)))
	switch f.Kind {
	case maps.FlatHash:
		slots := *(*[]uint64)(f.Slots)
		return []part{{f.Slots, header}, {unsafe.Pointer(f.Mask), 4}, {unsafe.Pointer(unsafe.SliceData(slots)), 8 * uint64(len(slots))}}
	case maps.FlatTrie:
		nodes := *(*[]struct{})(f.Nodes) // of maps.TrieNode.Size bytes each
		return []part{{f.Nodes, header}, {unsafe.Pointer(f.Root), 4}, {unsafe.Pointer(unsafe.SliceData(nodes)), uint64(len(nodes)) * uint64(maps.TrieNode.Size)}}
	}
	return nil
}

// Store is readback.Memory's: registers are kept in the block, and an element's
// reference bit is set.
func (s *storage) Store(addr, v uint64, n int) error {
	if d := addr - ctxBase; d < uint64(len(s.b.x.block())) && n == 8 && d&7 == 0 {
		if at, ok := within(d, offSave, &s.b.x.save); ok {
			s.b.x.save[at/8] = v
			return nil
		}
	}
	if s.f.Ref != nil && n == 1 && v == 1 && addr-uint64(uintptr(unsafe.Pointer(s.f.Ref))) < uint64(s.m.Spec().Max) {
		return nil
	}
	return fmt.Errorf("it stores %d bytes", n)
}

// little is the number that the first n bytes are, up to 8.
func little(b []byte, n int) uint64 {
	var word [8]byte
	copy(word[:], b[:n])
	return binary.LittleEndian.Uint64(word[:])
}
