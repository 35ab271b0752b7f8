package filter

import (
	"net/netip"
	"strconv"
	"strings"
)

// id takes the id that q speaks of; head is where the primitive begins.
func (p *parser) id(q qualifiers, head token) *node {
	t := p.peek()
	if t.kind == parameter {
		return p.paramID(q, head)
	}
	switch q.typ {
	case "port", "portrange":
		return p.portID(q, head)
	case "proto":
		return p.protoID(q, head)
	}
	if q.proto == "ether" {
		if q.typ != "host" {
			p.fail(head.col, "ether does not go with %s", q.typ)
		}
		mac, ok := ethernetAddress(t.text)
		if !ok {
			p.fail(t.col, "Ethernet address expected, not %s", t)
		}
		p.take()
		return p.at.etherHost(q.dir, mac)
	}
	return p.hosts(q, head, p.address(q.typ))
}

// hosts compares addresses.
func (p *parser) hosts(q qualifiers, head token, prefix netip.Prefix) *node {
	if prefix.Addr().Is6() {
		if q.proto != "" && q.proto != "ip6" {
			p.fail(head.col, "%s does not go with an IPv6 address", q.proto)
		}
		return p.at.net6(q.dir, prefix)
	}
	switch q.proto {
	case "":
		if p.at.labels > 0 {
			return p.at.ip4(q.dir, prefix)
		}
		return or(p.at.ip4(q.dir, prefix), p.at.arp4(etherARP, q.dir, prefix), p.at.arp4(etherRARP, q.dir, prefix))
	case "ip":
		return p.at.ip4(q.dir, prefix)
	case "arp", "rarp":
		return p.at.arp4(ethertypes[q.proto], q.dir, prefix)
	}
	p.fail(head.col, "%s does not go with an IPv4 address", q.proto)
	return nil
}

// address takes an address or network. IPv4 networks may be shortened:
// "net 10" is 10.0.0.0/8, "net 192.168" is 192.168.0.0/16.
func (p *parser) address(typ string) netip.Prefix {
	t := p.take()
	text, length, slash := strings.Cut(t.text, "/")
	bad := func() {
		if typ == "host" && !strings.ContainsAny(t.text, ":/") && !startsWithDigit(t.text) {
			p.fail(t.col, "%s: not an address, and names are not looked up", t)
		}
		p.fail(t.col, "%s: not the address of a %s", t, typ)
	}
	if strings.HasPrefix(text, ":") && !strings.HasPrefix(text, "::") {
		bad()
	}
	if v, err := strconv.ParseUint(text, 0, 32); err == nil && !slash && startsWithDigit(text) {
		return numbered(uint32(v), typ)
	}
	addr, err := netip.ParseAddr(text)
	bits := 0
	switch {
	case err == nil:
		bits = addr.BitLen()
	case startsWithDigit(text) && !strings.Contains(text, ":"):
		n := strings.Count(text, ".") + 1
		if n > 3 || n == 1 && !slash {
			bad()
		}
		if addr, err = netip.ParseAddr(text + strings.Repeat(".0", 4-n)); err != nil {
			bad()
		}
		bits = 8 * n
	default:
		bad()
	}
	if addr.Zone() != "" || addr.Is4In6() && !strings.Contains(text, ":") {
		bad()
	}
	if typ == "host" {
		if slash {
			p.fail(t.col, "%s: a network, not a host", t)
		}
		return netip.PrefixFrom(addr, bits) // "host 10.1" is libpcap's 10.1.0.0/16
	}
	if slash {
		v, err := strconv.ParseUint(length, 10, 8)
		if err != nil || int(v) > addr.BitLen() {
			p.fail(t.col, "%s: prefix length not 0 to %d", t, addr.BitLen())
		}
		bits = int(v)
	} else if addr.Is4() && p.accept("mask") {
		mt := p.take()
		m, err := netip.ParseAddr(mt.text)
		if err != nil || !m.Is4() {
			p.fail(mt.col, "%s: not a netmask", mt)
		}
		b := m.As4()
		v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		bits = 0
		for bits < 32 && v&(1<<31) != 0 {
			v <<= 1
			bits++
		}
		if v != 0 {
			p.fail(mt.col, "%s: bits set behind the prefix", mt)
		}
	}
	pre := netip.PrefixFrom(addr, bits)
	if pre.Masked().Addr() != addr {
		p.fail(t.col, "%s: bits set behind the prefix of %d", t, bits)
	}
	return pre
}

// numbered is an IPv4 address written as one number: a network's zeros at the
// end may be left out.
func numbered(v uint32, typ string) netip.Prefix {
	bits := 32
	if typ == "net" {
		for v != 0 && v&0xff000000 == 0 {
			v <<= 8
			bits -= 8
		}
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), bits)
}

// ethernetAddress reads 6 bytes in hexadecimal: with colons, dashes or dots
// between them (leading zeros may be left out), in three groups, or in one.
func ethernetAddress(s string) (mac [6]byte, ok bool) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' || r == '.' })
	if len(parts) == 1 && len(s) == 12 {
		parts = []string{s[:4], s[4:8], s[8:]}
	}
	for i, part := range parts {
		var wide int // bits of a part
		switch len(parts) {
		case 6:
			wide = 8
		case 3:
			wide = 16
		default:
			return mac, false
		}
		v, err := strconv.ParseUint(part, 16, wide)
		if err != nil {
			return mac, false
		}
		if wide == 8 {
			mac[i] = byte(v)
		} else {
			mac[2*i], mac[2*i+1] = byte(v>>8), byte(v)
		}
	}
	return mac, len(parts) > 0
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func (p *parser) portID(q qualifiers, head token) *node {
	var protos []uint32
	switch q.proto {
	case "":
		protos = []uint32{protoTCP, protoUDP, protoSCTP}
	case "tcp", "udp", "sctp":
		protos = []uint32{protocols[q.proto]}
	default:
		p.fail(head.col, "%s does not go with %s", q.proto, q.typ)
	}
	t := p.take()
	port := func(s string) uint32 {
		if v, ok := services[s]; ok {
			return v
		}
		v, err := strconv.ParseUint(s, 0, 16)
		if err != nil || !startsWithDigit(s) || strings.Contains(s, "_") {
			p.fail(t.col, "%s: not a port", t)
		}
		return uint32(v)
	}
	if q.typ == "port" {
		v := port(t.text)
		return p.at.port(protos, q.dir, v, v)
	}
	low, high, ok := strings.Cut(t.text, "-")
	if !ok {
		p.fail(t.col, "%s: not a range of ports", t)
	}
	lo, hi := port(low), port(high)
	if lo > hi {
		lo, hi = hi, lo
	}
	return p.at.port(protos, q.dir, lo, hi)
}

func (p *parser) protoID(q qualifiers, head token) *node {
	if q.dir != srcOrDst {
		p.fail(head.col, "a direction does not go with proto")
	}
	names, most := protocols, uint64(255)
	switch q.proto {
	case "ether":
		names, most = ethertypes, 65535
	case "iso":
		names = osiProtocols
	case "isis":
		names = nil
	case "", "ip", "ip6":
	default:
		p.fail(head.col, "%s does not go with proto", q.proto)
	}
	t := p.peek()
	v, ok := names[t.text]
	if !ok && most == 255 && names != nil {
		v, ok = named[t.text]
	}
	if ok {
		p.take()
	} else {
		v = p.number("protocol", most)
	}
	switch q.proto {
	case "ether":
		return p.at.link(v)
	case "iso":
		return p.at.osi(v)
	case "isis":
		return p.at.isis([]uint32{v})
	case "ip":
		return p.at.ipProto(v)
	case "ip6":
		return p.at.ip6Proto(v)
	}
	return p.at.proto(v)
}
