package progen

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// Packets makes n packets that are likely to take different paths: lengths at
// the bounds the program checks and one beside them, bytes equal to the
// constants it compares them with and one beside them, keys that its maps hold
// or nearly hold. The same seed gives the same packets.
func (c *Case) Packets(n int, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, c.Seed))
	out := make([][]byte, n)
	for i := range out {
		out[i] = c.packet(r)
	}
	return out
}

// The smallest packet the kernel takes, and the longest made here, in bytes.
const (
	minPacket = 14
	maxPacket = 300
)

func (c *Case) packet(r *rand.Rand) []byte {
	size := 60 + r.IntN(100)
	if len(c.Lengths) > 0 {
		switch r.IntN(4) {
		case 0, 1: // past every check
			size = slices.Max(c.Lengths) + r.IntN(100)
		case 2: // at one of them
			size = c.Lengths[r.IntN(len(c.Lengths))] + r.IntN(3) - 1
		}
	}
	p := make([]byte, min(max(size, minPacket), maxPacket))
	switch r.IntN(3) {
	case 0: // noise
		for i := range p {
			p[i] = byte(r.Uint32())
		}
	case 1: // small numbers
		for i := range p {
			p[i] = byte(r.IntN(8))
		}
	default:
		headers(r, p)
	}
	for _, f := range c.Fields {
		if r.IntN(10) < 6 {
			c.poke(r, p, f)
		}
	}
	for _, k := range c.keys {
		if r.IntN(2) == 0 {
			c.pokeKey(r, p, k)
		}
	}
	return p
}

// Mutate returns a copy of p with one thing changed that may matter: a
// compared field set to its constant or one beside it, a key, the length, a
// byte, or a bit.
func (c *Case) Mutate(r *rand.Rand, p []byte) []byte {
	q := append([]byte(nil), p...)
	switch k := r.IntN(6); {
	case k <= 1 && len(c.Fields) > 0:
		c.poke(r, q, c.Fields[r.IntN(len(c.Fields))])
	case k == 2 && len(c.keys) > 0:
		c.pokeKey(r, q, c.keys[r.IntN(len(c.keys))])
	case k == 3:
		size := len(q) + r.IntN(3) - 1
		if len(c.Lengths) > 0 && r.IntN(2) == 0 {
			size = c.Lengths[r.IntN(len(c.Lengths))] + r.IntN(3) - 1
		}
		size = min(max(size, minPacket), maxPacket)
		for len(q) < size {
			q = append(q, byte(r.Uint32()))
		}
		q = q[:size]
	case k == 4:
		q[r.IntN(len(q))] ^= 1 << r.IntN(8)
	default:
		q[r.IntN(len(q))] = byte(r.Uint32())
	}
	return q
}

// poke sets a field to its constant, or one beside it.
func (c *Case) poke(r *rand.Rand, p []byte, f Compared) {
	if f.Off+f.Size > len(p) {
		return
	}
	v := f.Value
	switch r.IntN(4) {
	case 0:
		v++
	case 1:
		v--
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(p[f.Off:f.Off+f.Size], b[:])
}

// pokeKey puts a key there that the map may hold.
func (c *Case) pokeKey(r *rand.Rand, p []byte, k keyField) {
	pool := c.pool[k.m]
	if len(pool) == 0 || k.off+k.size > len(p) {
		return
	}
	key := pool[r.IntN(len(pool))]
	copy(p[k.off:k.off+k.size], key[len(key)-k.size:]) // of an LPM key: the address
}

// headers makes Ethernet, IPv4 or IPv6, TCP or UDP of what fits.
func headers(r *rand.Rand, p []byte) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	put := func(off int, b ...byte) {
		if off < len(p) {
			copy(p[off:], b)
		}
	}
	proto := []byte{6, 17, 1, 58}[r.IntN(4)]
	if r.IntN(2) == 0 {
		put(12, 0x08, 0x00, 0x45, 0, 0, byte(len(p)-14))
		if r.IntN(3) == 0 {
			put(14, 0x45+byte(r.IntN(11)))
		}
		put(23, proto)
		put(26, 10, 0, 0, byte(r.IntN(8)), 10, 0, 0, byte(r.IntN(8)))
		put(34, 0, byte(r.IntN(256)), 0, 80)
	} else {
		put(12, 0x86, 0xdd, 0x60, 0, 0, 0, 0, byte(len(p)-54), proto, 64)
		put(54, 0, byte(r.IntN(256)), 0, 80)
	}
}
