package gen

import (
	"encoding/binary"
	"hash/crc32"
)

// IP protocol numbers (IANA). 253 is for experiments (RFC 3692).
const (
	icmp  = 1
	tcp   = 6
	udp   = 17
	gre   = 47
	esp   = 50
	icmp6 = 58
	sctp  = 132
	other = 253
)

// TCP flags (RFC 9293 section 3.1).
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
)

// minFrame is the shortest Ethernet frame without its check sequence.
const minFrame = 60

// maxFrame bounds what build makes: 1518 bytes without check sequence, two
// tags, and a header that did not fit.
const maxFrame = 2048

type tag struct{ tpid, vid uint16 }

// header is everything a frame says before its payload.
type header struct {
	smac, dmac   [6]byte
	tags         [2]tag
	ntags        int
	v6           bool
	saddr, daddr [16]byte // IPv4: the first four bytes
	ttl          uint8
	id           uint16
	options      int     // IPv4: 32-bit words of options, 0 to 10
	exts         []uint8 // IPv6: extension headers before the fragment header
	frag         uint8   // 0 none, 1 the first fragment, 2 a later and last one
	proto        uint8
	sport, dport uint16 // ICMP: identifier and sequence number
	seq, ack     uint32
	flags        uint8
	icmpType     uint8
}

// filler is the payload, ping's: 0, 1, 2, …; fillSum[n] sums its first n
// bytes, so that a checksum need not look at them.
var filler, fillSum = func() (b [maxFrame]byte, s [maxFrame + 1]uint32) {
	for i := range b {
		b[i] = byte(i)
		if i&1 == 0 {
			s[i+1] = s[i] + uint32(b[i])<<8
		} else {
			s[i+1] = s[i] + uint32(b[i])
		}
	}
	return b, s
}()

// sum adds 16-bit words for an internet checksum (RFC 1071).
func sum(b []byte) uint32 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// restOfDatagram is what follows a first fragment: zeros, which a checksum
// does not see.
const restOfDatagram = 1480

// build puts a frame of size bytes, tags not counted, into b, which must hold
// maxFrame. The frame gets longer where its headers need it.
func build(b []byte, h *header, size int) []byte {
	copy(b, h.dmac[:])
	copy(b[6:], h.smac[:])
	n := 12
	for _, t := range h.tags[:h.ntags] {
		binary.BigEndian.PutUint16(b[n:], t.tpid)
		binary.BigEndian.PutUint16(b[n+2:], t.vid)
		n += 4
	}
	size = max(size, minFrame) + 4*h.ntags

	// transport is the length of the headers behind IP.
	transport := 8
	switch {
	case h.frag == 2:
		transport = 0
	case h.proto == tcp:
		transport = 20
	case h.proto == sctp:
		transport = 28 // common header and a DATA chunk's
	case h.proto == gre:
		transport = 4
	case h.proto == other:
		transport = 0
	}
	network := 20 + 4*h.options
	if h.v6 {
		network = 40 + 8*len(h.exts)
		if h.frag != 0 {
			network += 8
		}
	}
	payload := max(size-n-2-network-transport, 0)
	if h.frag == 1 { // all but the last fragment: multiples of 8 (RFC 791)
		payload = (transport+payload+7)&^7 - transport
	}
	if h.proto == sctp && h.frag != 2 {
		payload = max(payload&^3, 4) // chunks end on 4 bytes and hold data
	}
	ipStart := n + 2
	l4 := ipStart + network
	total := l4 + transport + payload
	length := transport + payload
	whole := length
	if h.frag == 1 {
		whole += restOfDatagram
	}

	ip := b[ipStart:total]
	var pseudo uint32
	if h.v6 {
		binary.BigEndian.PutUint16(b[n:], 0x86dd)
		binary.BigEndian.PutUint32(ip, 6<<28)
		binary.BigEndian.PutUint16(ip[4:], uint16(network-40+length))
		ip[7] = h.ttl
		copy(ip[8:], h.saddr[:])
		copy(ip[24:], h.daddr[:])
		pseudo = sum(ip[8:40])
		next, at := &ip[6], 40
		for _, e := range h.exts {
			*next = e
			x := ip[at : at+8]
			clear(x)
			if e == extRouting {
				x[2] = 253 // a type for experiments (RFC 4727), no segments left
			} else {
				x[2], x[3] = 1, 4 // PadN of 4 (RFC 8200 section 4.2)
			}
			next, at = &x[0], at+8
		}
		if h.frag != 0 {
			*next = extFragment
			x := ip[at : at+8]
			clear(x)
			binary.BigEndian.PutUint16(x[2:], fragBits(h.frag)<<3|uint16(h.frag&1))
			binary.BigEndian.PutUint32(x[4:], uint32(h.id))
			next = &x[0]
		}
		*next = h.proto
	} else {
		binary.BigEndian.PutUint16(b[n:], 0x0800)
		ip[0], ip[1] = 0x45+byte(h.options), 0
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], h.id)
		bits := fragBits(h.frag)
		switch h.frag {
		case 0:
			bits = 0x4000 // don't fragment
		case 1:
			bits |= 0x2000
		}
		binary.BigEndian.PutUint16(ip[6:], bits)
		ip[8], ip[9], ip[10], ip[11] = h.ttl, h.proto, 0, 0
		copy(ip[12:16], h.saddr[:4])
		copy(ip[16:20], h.daddr[:4])
		pseudo = sum(ip[12:20])
		for i := 20; i < network; i++ {
			ip[i] = 1 // no operation
		}
		binary.BigEndian.PutUint16(ip[10:], fold(sum(ip[:network])))
	}

	t := b[l4:total]
	copy(t[transport:], filler[:payload])
	pseudo += uint32(whole) + uint32(h.proto)
	switch {
	case h.frag == 2:
	case h.proto == tcp:
		binary.BigEndian.PutUint16(t, h.sport)
		binary.BigEndian.PutUint16(t[2:], h.dport)
		binary.BigEndian.PutUint32(t[4:], h.seq)
		binary.BigEndian.PutUint32(t[8:], h.ack)
		t[12], t[13] = 5<<4, h.flags
		binary.BigEndian.PutUint32(t[14:], 0xffff0000) // window, checksum
		binary.BigEndian.PutUint16(t[18:], 0)
		binary.BigEndian.PutUint16(t[16:], fold(pseudo+sum(t[:20])+fillSum[payload]))
	case h.proto == udp:
		binary.BigEndian.PutUint16(t, h.sport)
		binary.BigEndian.PutUint16(t[2:], h.dport)
		binary.BigEndian.PutUint16(t[4:], uint16(whole))
		binary.BigEndian.PutUint16(t[6:], 0)
		c := fold(pseudo + sum(t[:8]) + fillSum[payload])
		if c == 0 {
			c = 0xffff // 0 would mean none (RFC 768)
		}
		binary.BigEndian.PutUint16(t[6:], c)
	case h.proto == icmp, h.proto == icmp6:
		t[0], t[1], t[2], t[3] = h.icmpType, 0, 0, 0
		binary.BigEndian.PutUint16(t[4:], h.sport)
		binary.BigEndian.PutUint16(t[6:], h.dport)
		if h.proto == icmp {
			pseudo = 0
		}
		binary.BigEndian.PutUint16(t[2:], fold(pseudo+sum(t[:8])+fillSum[payload]))
	case h.proto == sctp:
		binary.BigEndian.PutUint16(t, h.sport)
		binary.BigEndian.PutUint16(t[2:], h.dport)
		binary.BigEndian.PutUint32(t[4:], h.seq) // verification tag
		binary.BigEndian.PutUint32(t[8:], 0)
		t[12], t[13] = 0, 3 // DATA, first and last piece (RFC 9260 section 3.3.1)
		binary.BigEndian.PutUint16(t[14:], uint16(16+payload))
		binary.BigEndian.PutUint32(t[16:], h.ack) // transmission sequence number
		clear(t[20:28])
		binary.LittleEndian.PutUint32(t[8:], crc32.Checksum(t, castagnoli))
	case h.proto == gre:
		binary.BigEndian.PutUint32(t, 0x88b5) // of a local experimental ethertype
	case h.proto == esp:
		binary.BigEndian.PutUint32(t, h.seq) // security parameters index
		binary.BigEndian.PutUint32(t[4:], h.ack)
	}
	return pad(b, total)
}

// fragBits is the fragment offset: a later fragment follows the largest
// first one.
func fragBits(frag uint8) uint16 {
	if frag == 2 {
		return 1480 / 8
	}
	return 0
}

// pad fills a frame up to the shortest one with zeros.
func pad(b []byte, n int) []byte {
	if n < minFrame {
		clear(b[n:minFrame])
		n = minFrame
	}
	return b[:n]
}
