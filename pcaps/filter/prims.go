package filter

import (
	"encoding/binary"
	"net/netip"
)

// Ethertypes: IEEE 802 numbers registry. The three VLAN tags are those that
// libpcap's gen_vlan accepts.
const (
	etherIPv4  = 0x0800
	etherARP   = 0x0806
	etherRARP  = 0x8035
	etherVLAN  = 0x8100
	etherIPv6  = 0x86dd
	etherQinQ  = 0x88a8
	etherQinQ1 = 0x9100
)

// IP protocol numbers: IANA's assigned internet protocol numbers.
const (
	protoTCP      = 6
	protoUDP      = 17
	protoFragment = 44
	protoICMP     = 1
	protoICMP6    = 58
	protoSCTP     = 132
)

// ethertypes and protocols by the names the language knows.
var (
	ethertypes = map[string]uint32{
		"ip": etherIPv4, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP, "atalk": etherATalk, "aarp": etherAARP,
		"decnet": 0x6003, "lat": 0x6004, "sca": 0x6007, "mopdl": 0x6001, "moprc": 0x6002, "loopback": 0x9000,
		"iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI,
	}
	protocols = map[string]uint32{
		"icmp": protoICMP, "igmp": 2, "igrp": 9, "tcp": protoTCP, "udp": protoUDP,
		"esp": 50, "ah": 51, "icmp6": protoICMP6, "pim": 103, "vrrp": 112, "carp": 112, "sctp": protoSCTP,
	}
	// named are protocols by their names in /etc/protocols, for "proto \\NAME".
	named = map[string]uint32{
		"hopopt": 0, "ggp": 3, "ipencap": 4, "st": 5, "egp": 8, "igp": 9, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44,
		"rsvp": 46, "gre": 47, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "ipip": 94,
		"ipcomp": 108, "l2tp": 115, "udplite": 136,
	}
	// services are the ports with names; /etc/services would make the
	// meaning of an expression depend on the machine.
	services = map[string]uint32{
		"ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67,
		"bootpc": 68, "tftp": 69, "http": 80, "pop3": 110, "ntp": 123, "imap": 143, "snmp": 161,
		"bgp": 179, "ldap": 389, "https": 443, "syslog": 514,
	}
	// constants are the names that stand for numbers in byte expressions.
	constants = map[string]uint32{
		"tcpflags": 13, "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
		"tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32,
		"tcp-ece": 64, "tcp-cwr": 128,
		"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
		"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,
		"icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
		"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,
		"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
		"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
		"icmp6-routersolicit": 133, "icmp6-routeradvert": 134, "icmp6-neighborsolicit": 135,
		"icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	}
)

// direction says which of two addresses or ports count.
type direction uint8

const (
	srcOrDst direction = iota
	srcOnly
	dstOnly
	srcAndDst
)

func (d direction) of(src, dst *node) *node {
	switch d {
	case srcOnly:
		return src
	case dstOnly:
		return dst
	case srcAndDst:
		return and(src, dst)
	}
	return or(src, dst)
}

// place is an offset into the packet: k bytes behind what a register holds, or
// behind the packet's beginning.
type place struct {
	reg uint8 // 0: none
	k   uint32
}

func (p place) add(k uint32) place { return place{p.reg, p.k + k} }

// at is where the headers are found: it moves right with every "vlan", "mpls",
// "pppoes", "geneve" and "vxlan".
type at struct {
	header  place  // the link layer
	typ     place  // what tells the protocol behind it
	payload place  // behind it
	shift   uint32 // labels between it and the network layer
	nosnap  uint32 // from payload to the network layer where LLC has no SNAP header
	tags    int
	labels  int
	ppp     bool  // typ is a PPP protocol
	framed  *node // holds where there is an Ethernet header; nil: always
	regs    uint8 // registers in use
	par     uint8 // parameter that an address or port is compared with; 0 none
	bad     string
}

// ethernet is where a packet begins.
func ethernet() at { return at{typ: place{k: 12}, payload: place{k: 14}, nosnap: 3} }

// refuse notes why what was asked for can't be; the parser knows where.
func (a *at) refuse(why string) {
	if a.bad == "" {
		a.bad = why
	}
}

func (a *at) network() place { return a.payload.add(a.shift) }

func test(t inst) *node {
	if t.mask == 0 {
		t.mask = ^uint32(0)
	}
	return &node{op: '=', test: t}
}

func u8(p place, val uint32) *node  { return test(inst{size: 1, reg: p.reg, off: p.k, val: val}) }
func u16(p place, val uint32) *node { return test(inst{size: 2, reg: p.reg, off: p.k, val: val}) }

// bits8 compares a byte of which a mask counts.
func bits8(p place, mask, val uint32) *node {
	return test(inst{size: 1, reg: p.reg, off: p.k, mask: mask, val: val})
}

// masked compares four bytes of which a mask counts.
func masked(p place, mask, val uint32) *node {
	return test(inst{size: 4, reg: p.reg, off: p.k, mask: mask, val: val & mask})
}

// masked is masked, with word i of a's parameter where it has one.
func (a *at) masked(p place, mask, val uint32, i int) *node {
	n := masked(p, mask, val)
	n.test.par, n.test.word = a.par, uint8(i)
	return n
}

// link is a protocol by what the link layer tells: an Ethernet type, or below
// those an LLC service access point.
func (a *at) link(protocol uint32) *node {
	switch {
	case a.labels > 0:
		return a.behindLabels(protocol)
	case a.ppp:
		if v, ok := pppTypes[protocol]; ok {
			protocol = v
		}
		return u16(a.typ, protocol)
	case protocol == etherATalk:
		return a.appleTalk(protocol, 0x080007)
	case protocol == etherAARP:
		return a.appleTalk(protocol, 0)
	case protocol <= etherMTU:
		return a.sap(protocol)
	}
	return u16(a.typ, protocol)
}

// ipProto is "ip proto p"; ip6Proto looks behind one fragment header too.
func (a *at) ipProto(p uint32) *node {
	return and(a.link(etherIPv4), u8(a.network().add(9), p))
}

func (a *at) ip6Proto(p uint32) *node {
	n := a.network()
	return and(a.link(etherIPv6), or(u8(n.add(6), p), and(u8(n.add(6), protoFragment), u8(n.add(40), p))))
}

func (a *at) proto(p uint32) *node { return or(a.ipProto(p), a.ip6Proto(p)) }

// notFragment holds for packets with fragment offset 0, the only ones with
// ports (RFC 791 section 3.1).
func (a *at) notFragment() *node {
	n := a.network()
	return not(test(inst{size: 2, reg: n.reg, off: n.k + 6, mask: 0x1fff, val: 0, rel: gt}))
}

// between compares two bytes of the transport header with a range.
func between(t inst, lo, hi uint32) *node {
	t.size = 2
	if lo == hi {
		t.val = lo
		return test(t)
	}
	low, high := t, t
	low.rel, low.val = ge, lo
	high.rel, high.val = gt, hi
	return and(test(low), not(test(high)))
}

func (a *at) port(protos []uint32, d direction, lo, hi uint32) *node {
	n := a.network()
	var v4, v6 []*node
	for _, p := range protos {
		x := func(k uint32) *node {
			return between(inst{mode: afterIPv4, reg: n.reg, ip: n.k, off: n.k + k, par: a.par}, lo, hi)
		}
		v4 = append(v4, and(u8(n.add(9), p), a.notFragment(), d.of(x(0), x(2))))
		y := func(k uint32) *node { return between(inst{reg: n.reg, off: n.k + 40 + k, par: a.par}, lo, hi) }
		v6 = append(v6, and(u8(n.add(6), p), d.of(y(0), y(2))))
	}
	return or(and(a.link(etherIPv4), or(v4...)), and(a.link(etherIPv6), or(v6...)))
}

// net4 compares the addresses of ethertype, which stand at src and dst in
// its header.
func (a *at) net4(ethertype, src, dst uint32, d direction, p netip.Prefix) *node {
	b := p.Addr().As4()
	val, mask := binary.BigEndian.Uint32(b[:]), prefixMask(p.Bits())
	if mask == 0 {
		return a.link(ethertype) // nothing is looked at, as in libpcap
	}
	n := a.network()
	return and(a.link(ethertype), d.of(a.masked(n.add(src), mask, val, 0), a.masked(n.add(dst), mask, val, 0)))
}

// ip4 is where IPv4 addresses stand in an IP header (RFC 791), arp4 where in
// an ARP packet for IPv4 over Ethernet (RFC 826).
func (a *at) ip4(d direction, p netip.Prefix) *node { return a.net4(etherIPv4, 12, 16, d, p) }
func (a *at) arp4(t uint32, d direction, p netip.Prefix) *node {
	return a.net4(t, 14, 24, d, p)
}

func (a *at) net6(d direction, p netip.Prefix) *node {
	if p.Bits() == 0 {
		return a.link(etherIPv6)
	}
	b := p.Addr().As16()
	one := func(off place) *node {
		var words []*node
		for i := range 4 {
			mask := prefixMask(p.Bits() - 32*i)
			if mask == 0 {
				break
			}
			words = append(words, a.masked(off.add(uint32(4*i)), mask, binary.BigEndian.Uint32(b[4*i:]), i))
		}
		return and(words...)
	}
	n := a.network()
	return and(a.link(etherIPv6), d.of(one(n.add(8)), one(n.add(24))))
}

// prefixMask is the netmask of the first n of 32 bits, n outside included.
func prefixMask(n int) uint32 {
	switch {
	case n <= 0:
		return 0
	case n >= 32:
		return ^uint32(0)
	}
	return ^uint32(0) << (32 - n)
}

func (a *at) etherHost(d direction, mac [6]byte) *node {
	if a.ppp {
		a.refuse("there are no Ethernet addresses behind PPP")
	}
	one := func(off uint32) *node {
		p := a.header.add(off)
		return and(masked(p.add(2), ^uint32(0), binary.BigEndian.Uint32(mac[2:])), u16(p, uint32(binary.BigEndian.Uint16(mac[:]))))
	}
	if n := d.of(one(6), one(0)); a.framed == nil {
		return n
	} else {
		return and(a.framed, n)
	}
}
