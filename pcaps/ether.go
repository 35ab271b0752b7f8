package pcaps

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// etherLen is an Ethernet header: two addresses and the type (IEEE 802.3
// clause 3.1.1).
const etherLen = 14

// Ethertypes that network layers without an Ethernet header stand for.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// A header is what stands before the network layer in a link type that is not
// Ethernet, and how an Ethernet header is made of it.
type header struct {
	size int // bytes that the Ethernet header takes the place of
	// read gives the Ethernet type (or length) and the sender's address, all
	// zeros where the link type has none. b holds at least size bytes; length
	// is that of the network layer. why, where not empty, says what the
	// packet holds that has no place behind an Ethernet header.
	read func(b []byte, length uint32) (typ uint16, source [6]byte, why string)
}

// headers are the link types that get an Ethernet header in front. Each is
// described at https://www.tcpdump.org/linktypes.html.
var headers = map[uint32]header{
	0:   {4, readNull}, // NULL: BSD loopback
	12:  {0, readIP},   // RAW as some systems number it
	14:  {0, readIP},   // RAW on OpenBSD
	101: {0, readIP},   // RAW
	108: {4, readLoop}, // LOOP: OpenBSD loopback
	113: {16, readSLL},
	228: {0, fixed(etherIPv4)}, // IPV4
	229: {0, fixed(etherIPv6)}, // IPV6
	276: {20, readSLL2},
}

// fixed is the header of a link type that holds one network layer.
func fixed(typ uint16) func([]byte, uint32) (uint16, [6]byte, string) {
	return func([]byte, uint32) (uint16, [6]byte, string) { return typ, [6]byte{}, "" }
}

// readIP tells IPv4 and IPv6 by the version, the first four bits of both.
func readIP(b []byte, _ uint32) (typ uint16, source [6]byte, why string) {
	if len(b) == 0 {
		return 0, source, "no bytes"
	}
	switch v := b[0] >> 4; v {
	case 4:
		return etherIPv4, source, ""
	case 6:
		return etherIPv6, source, ""
	default:
		return 0, source, fmt.Sprintf("IP version %d", v)
	}
}

// readNull takes the protocol family, in the byte order of the machine that
// captured: of the two readings one is below 65536.
func readNull(b []byte, _ uint32) (typ uint16, source [6]byte, why string) {
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = bits.ReverseBytes32(family)
	}
	return ofFamily(family)
}

// readLoop takes the protocol family in network byte order.
func readLoop(b []byte, _ uint32) (typ uint16, source [6]byte, why string) {
	return ofFamily(binary.BigEndian.Uint32(b))
}

// ofFamily gives the type of a protocol family: AF_INET is 2 everywhere,
// AF_INET6 is another number on each system.
func ofFamily(family uint32) (typ uint16, source [6]byte, why string) {
	switch family {
	case 2:
		return etherIPv4, source, ""
	case 10, 23, 24, 28, 30: // Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin
		return etherIPv6, source, ""
	}
	return 0, source, fmt.Sprintf("address family %d", family)
}

// readSLL reads what `tcpdump -i any` writes (version 1):
//
//	0 packet type   2 ARPHRD type   4 address length
//	6 address (8)  14 protocol
func readSLL(b []byte, length uint32) (typ uint16, source [6]byte, why string) {
	return cooked(binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[2:]),
		b[6:12], int(binary.BigEndian.Uint16(b[4:])), length)
}

// readSLL2 reads version 2:
//
//	 0 protocol   4 interface   8 ARPHRD type  10 packet type
//	11 address length  12 address (8)
func readSLL2(b []byte, length uint32) (typ uint16, source [6]byte, why string) {
	return cooked(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[8:]),
		b[12:18], int(b[11]), length)
}

// ARPHRD types (Linux include/uapi/linux/if_arp.h) whose packets aren't of an
// Ethernet type.
var arphrdForeign = map[uint16]string{
	280: "CAN", 801: "IEEE802_11", 802: "PRISM_HEADER", 803: "IEEE802_11_RADIO", 804: "IEEE802_15_4",
	824: "netlink",
}

// cooked makes an Ethernet type of Linux's protocol and device type.
func cooked(protocol, arphrd uint16, address []byte, n int, length uint32) (typ uint16, source [6]byte, why string) {
	if name, ok := arphrdForeign[arphrd]; ok {
		return 0, source, name
	}
	if n == 6 {
		copy(source[:], address)
	}
	switch {
	case protocol >= 0x600:
		return protocol, source, ""
	case protocol == 1 || protocol == 4: // ETH_P_802_3, ETH_P_802_2: the field is a length
		return uint16(min(length, 1500)), source, ""
	}
	return 0, source, fmt.Sprintf("protocol %#04x", protocol)
}

// frame is a packet as its file has it.
type frame struct {
	buf        []byte // what is read; what stands before start may be overwritten
	start, end int    // of the packet in buf
	link       uint32
	fcs        uint32 // bytes of the frame check sequence at its end on the wire
}

// ethernet puts an Ethernet header in the place of the packet's own. why, where
// not empty, says what it holds that can't have one; nothing is changed then.
func (h header) ethernet(f *frame, pkt *Packet) (why string) {
	b := f.buf[f.start:f.end]
	if len(b) < h.size {
		return "cut inside its header"
	}
	below := pkt.Len - uint32(h.size)
	typ, source, why := h.read(b, below)
	if why != "" {
		return why
	}
	at := f.start + h.size - etherLen
	if at < 0 { // a simple packet block, whose own header is too short
		f.buf = append(make([]byte, etherLen), b[h.size:]...)
		at, f.end = 0, len(f.buf)
	}
	b = f.buf[at:f.end:f.end]
	clear(b[:6])
	copy(b[6:12], source[:])
	binary.BigEndian.PutUint16(b[12:], typ)
	pkt.Data, pkt.Len, pkt.Added = b, below+etherLen, etherLen
	return ""
}

// Tag is the VLAN tag that a NIC took off a frame and told beside it.
type Tag struct {
	Proto uint16 // 0x8100 (802.1Q) or 0x88a8 (802.1ad); 0: no tag was taken off
	TCI   uint16 // priority, drop eligible, VLAN
}

// stripTag takes the outer VLAN tag off, as a NIC does with rx-vlan-offload
// (and rx-vlan-stag-hw-parse) on: the addresses move to the type behind it.
func stripTag(pkt *Packet) {
	b := pkt.Data
	if len(b) < etherLen+4 {
		return
	}
	proto := binary.BigEndian.Uint16(b[12:])
	if proto != 0x8100 && proto != 0x88a8 {
		return
	}
	pkt.Tag = Tag{Proto: proto, TCI: binary.BigEndian.Uint16(b[14:])}
	copy(b[4:16], b[:12])
	pkt.Data, pkt.Len = b[4:], pkt.Len-4
}
