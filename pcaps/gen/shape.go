package gen

import "encoding/binary"

// IPv6 extension headers (RFC 8200).
const (
	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extDstOpts  = 60
)

// The digits of a shape number, the fastest first: those that most programs
// branch on. Addresses and ports that merely key a map come last.
const (
	nTags   = 3  // VLAN tags
	nFamily = 2  // IPv4, IPv6
	nProto  = 7  // TCP, UDP, ICMP, SCTP, GRE, ESP, unknown
	nHead   = 11 // IPv4 options of 0 to 10 words, IPv6 extension headers
	nFlags  = 8  // TCP flags, ICMP types
	nPort   = 16 // well-known ports
	nTTL    = 3  // usual, expiring, expired
	nFrag   = 3  // whole, first, later fragment
	nSize   = 4  // frame lengths
	nNet    = 256
	nHost   = 1 << 16
)

// Shapes is the number of different headers the adversaries can send.
const Shapes = nTags * nFamily * nProto * nHead * nFlags * nPort * nTTL * nFrag * nSize * nNet * nHost

var (
	shapeProtos = [nProto]uint8{tcp, udp, icmp, sctp, gre, esp, other}
	shapeFlags  = [nFlags]uint8{syn, syn | ack, ack, psh | ack, fin | ack, rst, rst | ack, urg | ack}
	shapeICMP   = [nFlags]uint8{8, 0, 3, 11, 5, 13, 14, 12}     // RFC 792
	shapeICMP6  = [nFlags]uint8{128, 129, 1, 3, 2, 4, 135, 136} // RFC 4443, RFC 4861
	shapePorts  = [nPort]uint16{80, 443, 53, 22, 123, 25, 8080, 179, 67, 161, 389, 445, 3306, 5060, 6379, 65535}
	shapeTTL    = [nTTL]uint8{64, 1, 0}
	shapeSizes  = [nSize]int{60, 124, 590, 1400}
	shapeExts   = [nHead][]uint8{
		nil,
		{extHopByHop},
		{extDstOpts},
		{extRouting},
		{extHopByHop, extDstOpts},
		{extHopByHop, extRouting},
		{extDstOpts, extRouting},
		{extHopByHop, extDstOpts, extRouting},
		{extRouting, extDstOpts},
		{extDstOpts, extDstOpts},
		{extHopByHop, extDstOpts, extRouting, extDstOpts},
	}
)

// shape writes header shape number i, counted modulo Shapes, into h and
// returns its frame size. Different numbers give different packets; the first
// few thousand differ in what programs branch on.
func shape(i uint64, h *header) int {
	digit := func(n uint64) int {
		d := i % n
		i /= n
		return int(d)
	}
	*h = header{smac: clientMAC, dmac: serverMAC}
	h.ntags = digit(nTags)
	switch h.ntags {
	case 1:
		h.tags[0] = tag{0x8100, 666}
	case 2:
		h.tags = [2]tag{{0x88a8, 667}, {0x8100, 666}}
	}
	h.v6 = digit(nFamily) == 1
	h.proto = shapeProtos[digit(nProto)]
	head := digit(nHead)
	flags := digit(nFlags)
	port := digit(nPort)
	h.ttl = shapeTTL[digit(nTTL)]
	h.frag = uint8(digit(nFrag))
	size := shapeSizes[digit(nSize)]
	net := digit(nNet)
	host := digit(nHost)

	h.flags = shapeFlags[flags]
	h.icmpType = shapeICMP[flags]
	h.sport, h.dport = 1024+uint16(flags), shapePorts[port]
	// What a protocol without ports or flags doesn't show, and a later
	// fragment of any, stands in the identification, so that shapes stay
	// different.
	h.id = uint16(flags<<4 | port)
	h.seq, h.ack = uint32(flags)+1, uint32(port)+1
	if h.v6 {
		if h.proto == icmp {
			h.proto = icmp6
			h.icmpType = shapeICMP6[flags]
		}
		h.exts = shapeExts[head]
		h.saddr = [16]byte{0xfd, 0, 0, 0, 0, 0, 0, 0x66, 8: byte(flags), 9: byte(port), 12: byte(host >> 8), 13: byte(host), 15: 1}
		h.daddr = [16]byte{0xfd, 0, 0, 0, 0, 0, 0, 0x02, 14: byte(net), 15: 1}
	} else {
		h.options = head
		binary.BigEndian.PutUint32(h.saddr[:], 10<<24|0xc8<<16|uint32(host))
		binary.BigEndian.PutUint32(h.daddr[:], 192<<24|168<<16|uint32(net)<<8|1)
	}
	return size
}
