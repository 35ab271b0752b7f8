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

// Toeplitz hashes up to 36 bytes: source address, destination address and,
// if they count, source port and destination port, all as on the wire.
func Toeplitz(input []byte) uint32 {
	var h uint32
	for i, b := range input[:min(len(input), maxInput)] {
		h ^= toeplitz[i][b]
	}
	return h
}

// Hash hashes an Ethernet packet, behind up to two VLAN tags: the 4-tuple of
// unfragmented TCP and UDP, the addresses of other IPv4 and IPv6 packets
// (those with IPv6 extension headers included). ok is false for anything
// else, and for packets too short for their addresses or ports.
func Hash(pkt []byte) (hash uint32, ok bool) {
	off := 12
	if len(pkt) < 14 {
		return 0, false
	}
	typ := binary.BigEndian.Uint16(pkt[off:])
	for range 2 {
		if typ != 0x8100 && typ != 0x88a8 {
			break
		}
		if off += 4; len(pkt) < off+2 {
			return 0, false
		}
		typ = binary.BigEndian.Uint16(pkt[off:])
	}
	b := pkt[off+2:]
	var addrs, ports []byte
	var proto byte
	switch typ {
	case 0x0800:
		if len(b) < 20 || b[0]>>4 != 4 || b[0]&15 < 5 {
			return 0, false
		}
		addrs, proto = b[12:20], b[9]
		if binary.BigEndian.Uint16(b[6:])&0x3fff == 0 { // neither fragment offset nor more fragments
			if n := int(b[0]&15) * 4; len(b) >= n+4 {
				ports = b[n : n+4]
			}
		}
	case 0x86dd:
		if len(b) < 40 || b[0]>>4 != 6 {
			return 0, false
		}
		addrs, proto = b[8:40], b[6]
		if len(b) >= 44 {
			ports = b[40:44]
		}
	default:
		return 0, false
	}
	for i, v := range addrs {
		hash ^= toeplitz[i][v]
	}
	if proto == 6 || proto == 17 {
		for i, v := range ports {
			hash ^= toeplitz[len(addrs)+i][v]
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
