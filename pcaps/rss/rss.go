// Package rss spreads packets over receive queues as NICs do: receive-side
// scaling with the Toeplitz hash.
//
// Hash and key are Microsoft's ("RSS Hashing Types", "Verifying the RSS Hash
// Calculation", Windows driver documentation), which hardware follows: over
// source and destination address and, for TCP and UDP, the ports. The
// indirection table has 128 entries filled round robin, ethtool -X equal N.
package rss

import "encoding/binary"

// Key is the secret key of Microsoft's published test vectors, the default of
// many drivers.
var Key = [40]byte{
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
	0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
	0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
	0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
	0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
}

// TableSize is the number of entries of the indirection table.
const TableSize = 128

// maxInput is the longest input: two IPv6 addresses and two ports.
const maxInput = 36

// toeplitz holds the hash of every byte at every position: the hash is linear
// over XOR, so a whole input is the XOR of its bytes' hashes.
var toeplitz = func() (t [maxInput][256]uint32) {
	for pos := range t {
		for bit := range 8 {
			// The 32 key bits from this input bit on.
			at := 8*pos + bit
			window := uint32(binary.BigEndian.Uint64(Key[min(at/8, len(Key)-8):]) << (at - 8*min(at/8, len(Key)-8)) >> 32)
			for v := range 256 {
				if v&(0x80>>bit) != 0 {
					t[pos][v] ^= window
				}
			}
		}
	}
	return t
}()

// Fields are the bytes of a packet that its hash is over.
type Fields struct {
	L3     int  // where the IP header begins
	V6     bool // it is IPv6
	Head   byte // its first byte: version, and of IPv4 the header's length
	Proto  byte // of IPv4 the protocol, of IPv6 the next header
	Addrs  int  // where the addresses begin: 8 bytes, of IPv6 32
	Ports  int  // where the ports begin, 4 bytes; 0: they don't count
	ProtAt int  // where Proto stands
}

// AddrBytes is how many bytes both addresses have.
func (f *Fields) AddrBytes() int {
	if f.V6 {
		return 32
	}
	return 8
}

// FieldsOf finds what is hashed of an Ethernet packet, behind up to two VLAN tags:
// the 4-tuple of unfragmented TCP and UDP, the addresses of other IPv4 and IPv6
// packets (those with IPv6 extension headers included). ok is false for anything
// else, and for packets too short for their addresses; those too short for their
// ports have none.
func FieldsOf(pkt []byte) (f Fields, ok bool) {
	l3, addrs, ports, ok := find(pkt)
	if !ok {
		return f, false
	}
	f = Fields{L3: l3, Head: pkt[l3], Addrs: addrs, Ports: ports, V6: addrs == l3+addrs6}
	f.ProtAt = l3 + proto4
	if f.V6 {
		f.ProtAt = l3 + proto6
	}
	f.Proto = pkt[f.ProtAt]
	return f, true
}

// Where headers have their addresses and the protocol.
const (
	addrs4, proto4 = 12, 9
	addrs6, proto6 = 8, 6
)

// find is FieldsOf in registers, which every packet of a run is asked for.
func find(pkt []byte) (l3, addrs, ports int, ok bool) {
	off := 12
	if len(pkt) < 14 {
		return 0, 0, 0, false
	}
	typ := binary.BigEndian.Uint16(pkt[off:])
	for range 2 {
		if typ != 0x8100 && typ != 0x88a8 {
			break
		}
		if off += 4; len(pkt) < off+2 {
			return 0, 0, 0, false
		}
		typ = binary.BigEndian.Uint16(pkt[off:])
	}
	l3 = off + 2
	b := pkt[l3:]
	var proto byte
	switch typ {
	case 0x0800:
		if len(b) < 20 || b[0]>>4 != 4 || b[0]&15 < 5 {
			return 0, 0, 0, false
		}
		addrs, proto = l3+addrs4, b[proto4]
		if binary.BigEndian.Uint16(b[6:])&0x3fff == 0 { // neither fragment offset nor more fragments
			if n := int(b[0]&15) * 4; len(b) >= n+4 {
				ports = l3 + n
			}
		}
	case 0x86dd:
		if len(b) < 40 || b[0]>>4 != 6 {
			return 0, 0, 0, false
		}
		addrs, proto = l3+addrs6, b[proto6]
		if len(b) >= 44 {
			ports = l3 + 40
		}
	default:
		return 0, 0, 0, false
	}
	if proto != 6 && proto != 17 {
		ports = 0
	}
	return l3, addrs, ports, true
}

// Hash is the hash of an Ethernet packet, over what FieldsOf finds in it.
func Hash(pkt []byte) (hash uint32, ok bool) {
	l3, addrs, ports, ok := find(pkt)
	if !ok {
		return 0, false
	}
	n := 8
	if addrs == l3+addrs6 {
		n = 32
	}
	for i, v := range pkt[addrs : addrs+n] {
		hash ^= toeplitz[i][v]
	}
	if ports > 0 {
		for i, v := range pkt[ports : ports+4] {
			hash ^= toeplitz[n+i][v]
		}
	}
	return hash, true
}

// Queue returns the receive queue of a packet, 0 to n-1: the entry of the
// indirection table that the low bits of the hash choose, and 0 for packets
// that have no hash. The table can name no more than 128 queues.
func Queue(pkt []byte, n int) int {
	if n <= 1 {
		return 0
	}
	h, ok := Hash(pkt)
	if !ok {
		return 0
	}
	return int(h%TableSize) % n
}
