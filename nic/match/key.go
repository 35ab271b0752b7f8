package match

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"jitnic/host/vm"
	"jitnic/pathcond"
)

// keyEnv answers for terms over bits of the key that are set one by one.
type keyEnv struct {
	a     *Analyser
	mem   [vm.MaxLinear + 8]byte
	meta  [keyHanded - keyLength]bool
	left  [handedBits/8 + 8]byte       // by the segment before
	given [keyIfindex - keyLength]bool // the bits of the length that were set
}

func (e *keyEnv) set(k int32, v bool) {
	if k >= keyParsed {
		return // follows from the others
	}
	if k >= keyHanded {
		k -= keyHanded
		b := byte(0x80) >> (k % 8)
		if e.left[k/8] &^= b; v {
			e.left[k/8] |= b
		}
		return
	}
	if k >= keyLength {
		if e.meta[k-keyLength] = v; k < keyIfindex {
			e.given[k-keyLength] = true
		}
		return
	}
	b := byte(0x80) >> (k % 8)
	if e.mem[k/8] &^= b; v {
		e.mem[k/8] |= b
	}
}

// Input is an input's value: its bits of the key.
func (e *keyEnv) Input(id uint64) (v uint64) {
	at, width, ok := e.a.metadata(id)
	if !ok {
		return 0
	}
	for i := range width {
		v <<= 1
		if e.meta[int(at-keyLength)+i] {
			v |= 1
		}
	}
	if id == pathcond.InLen && v < vm.MinPacket {
		v = e.length(v)
	}
	return v
}

// length is a length that packets can have whose given bits are v's: terms were
// simplified for no other. Where there is none, v as near to one as it comes.
func (e *keyEnv) length(v uint64) uint64 {
	for bit := uint64(1); bit <= vm.MaxLinear && v < vm.MinPacket; bit <<= 1 {
		if !e.given[len(e.given)-1-bits.TrailingZeros64(bit)] {
			v |= bit
		}
	}
	return v
}

// Apply is a load of the packet, or of what the segment before has left: no other
// function is asked for.
func (e *keyEnv) Apply(k uint64, args []uint64) uint64 {
	switch {
	case function(k) != pathcond.FunLoad || len(args) != 1:
	case e.a.inPacket(args[0]):
		return binary.LittleEndian.Uint64(e.mem[args[0]-e.a.data:])
	case e.a.isHanded(args[0]):
		return binary.LittleEndian.Uint64(e.left[args[0]-e.a.c.S.Stack:])
	}
	return 0
}

// Packet is what a matcher sees of a packet: the bytes of its linear part and
// the context.
type Packet struct {
	Data                []byte
	Ifindex, Queue, CPU uint32
	Left                []byte // of stack memory, by the segment before; nil: there is none
}

// Key is the layout of a matcher's key: the bits of packet and context that
// conditions look at, in network order, one after the other.
type Key struct {
	a    *Analyser
	bits []int32
	at   map[int32]int
}

// newKey lays out the bits of cubes.
func (a *Analyser) newKey(set map[int32]bool) *Key {
	k := &Key{a: a, at: make(map[int32]int, len(set))}
	// All of the length, if any of it: a device has it as one number.
	for i := keyLength; i < keyIfindex; i++ {
		if set[i] {
			for j := keyLength; j < keyIfindex; j++ {
				set[j] = true
			}
		}
	}
	for b := range set {
		k.bits = append(k.bits, b)
	}
	slices.Sort(k.bits)
	for i, b := range k.bits {
		k.at[b] = i
	}
	return k
}

// Width is the number of bits.
func (k *Key) Width() int { return len(k.bits) }

func (k *Key) words() int { return (len(k.bits) + 63) / 64 }

// Pack puts the packet's bits into dst, which it returns, grown where it was
// too short. Bytes behind the packet's end are 0.
func (k *Key) Pack(dst []uint64, p *Packet) []uint64 {
	if n := k.words(); cap(dst) < n {
		dst = make([]uint64, n)
	} else {
		dst = dst[:n]
	}
	clear(dst)
	loaded := false
	for i, b := range k.bits {
		var v uint64
		switch {
		case b >= keyParsed:
			if !loaded {
				k.a.load(p)
				loaded = true
			}
			v = k.a.parsedBit(b)
		case b >= keyHanded:
			if at := b - keyHanded; int(at/8) < len(p.Left) {
				v = uint64(p.Left[at/8] >> (7 - at%8))
			}
		case b >= keyCPU:
			v = uint64(p.CPU >> (keyHanded - 1 - b))
		case b >= keyQueue:
			v = uint64(p.Queue >> (keyCPU - 1 - b))
		case b >= keyIfindex:
			v = uint64(p.Ifindex >> (keyQueue - 1 - b))
		case b >= keyLength:
			v = uint64(len(p.Data) >> (keyIfindex - 1 - b))
		case int(b/8) < len(p.Data):
			v = uint64(p.Data[b/8] >> (7 - b%8))
		}
		dst[i/64] |= v & 1 << (i % 64)
	}
	return dst
}

// place gives value and mask of a cube in the key.
func (k *Key) place(c cube) (value, mask []uint64) {
	value, mask = make([]uint64, k.words()), make([]uint64, k.words())
	for _, l := range c {
		i := k.at[l.key()]
		mask[i/64] |= 1 << (i % 64)
		value[i/64] |= uint64(l&1) << (i % 64)
	}
	return value, mask
}

// Field is a run of the key's bits.
type Field struct {
	Name string `json:"name"` // pkt[12:14], pkt.len; some bits of bytes: pkt[14:15]/4
	Bits int    `json:"bits"`
}

// Fields lists the key's parts, neighbouring bytes together.
func (k *Key) Fields() []Field {
	var out []Field
	for i := 0; i < len(k.bits); {
		from := k.bits[i]
		var name string
		end := i
		for _, m := range []struct {
			name   string
			lo, hi int32
		}{{"pkt.len", keyLength, keyIfindex}, {"ifindex", keyIfindex, keyQueue}, {"queue", keyQueue, keyCPU}, {"cpu", keyCPU, keyHanded}, {"handed over", keyHanded, keyParsed}} {
			if from >= m.lo && from < m.hi {
				name = m.name
				for end < len(k.bits) && k.bits[end] < m.hi {
					end++
				}
			}
		}
		if from >= keyParsed {
			name, end = k.a.parsedName(k.bits, i)
		}
		if name == "" {
			last := from / 8
			for end < len(k.bits) && k.bits[end] < keyLength && k.bits[end]/8 <= last+1 {
				last = k.bits[end] / 8
				end++
			}
			name = fmt.Sprintf("pkt[%d:%d]", from/8, last+1)
			if n := int(last+1-from/8) * 8; n != end-i {
				name += fmt.Sprintf("/%d", end-i)
			}
		}
		out = append(out, Field{name, end - i})
		i = end
	}
	return out
}

// KeyOf lays out what the entries of conditions look at.
func KeyOf(conds []*Judged) *Key {
	set := map[int32]bool{}
	for _, j := range conds {
		j.addBits(set)
	}
	return analyserOf(conds).newKey(set)
}

// analyserOf is the one that judged conditions; of none, one that knows nothing.
func analyserOf(conds []*Judged) *Analyser {
	if len(conds) == 0 {
		return &Analyser{}
	}
	return conds[0].a
}

func (j *Judged) addBits(set map[int32]bool) {
	for _, p := range j.parts {
		for _, b := range p.bits {
			set[b] = true
		}
	}
}

// Width is the number of bits the condition's entries look at by themselves,
// the packet length counted whole.
func (j *Judged) Width() int {
	set := map[int32]bool{}
	j.addBits(set)
	return j.a.newKey(set).Width()
}

// maxTCAM bounds the entries of a simulated TCAM: devices have fewer.
const maxTCAM = 1 << 16
