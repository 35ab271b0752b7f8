package filter

// What libpcap (1.11's gencode.c) shifts behind: MPLS labels, PPPoE sessions,
// Geneve and VXLAN tunnels.

// Ethertypes and ports.
const (
	etherMPLS    = 0x8847
	etherPPPoED  = 0x8863
	etherPPPoES  = 0x8864
	etherBridged = 0x6558 // transparent Ethernet bridging, the protocol of a Geneve tunnel of frames
	portGeneve   = 6081
	portVXLAN    = 4789
)

// vlan matches a tagged packet, id < 0 any tag, and moves a behind the tag.
func (a *at) vlan(id int) *node {
	if a.labels > 0 {
		a.refuse("no vlan stands behind an MPLS label")
	}
	n := or(a.link(etherVLAN), a.link(etherQinQ), a.link(etherQinQ1))
	if id >= 0 {
		n = and(n, test(inst{size: 2, off: a.network().k, reg: a.network().reg, mask: 0x0fff, val: uint32(id)}))
	}
	a.tags++
	a.typ = a.typ.add(4)
	a.payload = a.payload.add(4)
	return n
}

// mpls matches a label, id < 0 any, and moves a behind it.
func (a *at) mpls(id int64) *node {
	var n *node
	if a.labels > 0 {
		// There is another label only if the one before is not the last.
		n = bits8(a.label().add(2), 1, 0)
	} else {
		n = a.link(etherMPLS)
	}
	if id >= 0 {
		n = and(n, masked(a.network(), 0xfffff000, uint32(id)<<12))
	}
	a.labels++
	a.shift += 4
	a.nosnap += 4
	return n
}

// label is where the label before the network layer stands.
func (a *at) label() place { return a.payload.add(a.shift - 4) }

// behindLabels is a protocol behind the last label, which no field tells: the
// version of the IP header does.
func (a *at) behindLabels(ethertype uint32) *node {
	version := map[uint32]uint32{etherIPv4: 0x40, etherIPv6: 0x60}[ethertype]
	if version == 0 {
		a.refuse("behind an MPLS label only ip and ip6 can be told")
	}
	return and(bits8(a.label().add(2), 1, 1), bits8(a.network(), 0xf0, version))
}

// pppoes matches a PPPoE session, id < 0 any, and moves a to what its PPP
// protocol tells.
func (a *at) pppoes(id int64) *node {
	n := a.link(etherPPPoES)
	if id >= 0 {
		n = and(n, masked(a.network(), 0xffff, uint32(id)))
	}
	a.header = a.network().add(6)
	a.typ, a.payload = a.header, a.header.add(2)
	a.shift, a.nosnap, a.labels, a.ppp = 0, 0, 0, true
	return n
}

// pppTypes are PPP's numbers for the protocols that Ethernet has others for
// (IANA's PPP numbers).
var pppTypes = map[uint32]uint32{
	etherIPv4: 0x21, etherIPv6: 0x57, 0x6003: 0x27, etherATalk: 0x29, 0x0600: 0x25, sapISO: 0x23, sapSTP: 0x31, sapIPX: 0x2b,
}

// fresh is a register that nothing uses yet.
func (a *at) fresh() uint8 {
	if a.regs == maxRegs {
		a.refuse("more tunnels than can be followed")
		return maxRegs
	}
	a.regs++
	return a.regs
}

// set gives a register a value and goes on.
func set(reg uint8, steps ...step) *node {
	return &node{op: '=', test: inst{mode: assign, off: uint32(reg), x: &sides{left: steps}}}
}

// at1 are steps that leave a place on the stack, further by more.
func at1(p place, more uint32) []step {
	s := []step{{op: 'k', k: p.k + more}}
	if p.reg != 0 {
		s = append(s, step{op: 'r', k: uint32(p.reg)}, step{op: '+'})
	}
	return s
}

// udp matches a tunnel's port behind IPv4 and behind IPv6, and puts where its
// header begins, which is behind UDP's 8 bytes, into a register. check and vni
// look at the header: vni < 0 is any.
func (a *at) udp(port uint32, mask, val uint32, vni int64) (*node, place) {
	tunnel := place{reg: a.fresh()}
	n := a.network()
	look := func(b inst, k uint32) *node {
		flags := b
		flags.size, flags.off, flags.mask, flags.val = 1, b.off+k, mask, val
		out := test(flags)
		if vni >= 0 {
			id := b
			id.size, id.off, id.mask, id.val = 4, b.off+k+4, 0xffffff00, uint32(vni)<<8
			out = and(out, test(id))
		}
		return out
	}
	v4 := and(a.link(etherIPv4), u8(n.add(9), protoUDP), a.notFragment(),
		test(inst{mode: afterIPv4, size: 2, reg: n.reg, ip: n.k, off: n.k + 2, val: port}),
		look(inst{mode: afterIPv4, reg: n.reg, ip: n.k, off: n.k}, 8),
		set(tunnel.reg, append(append(at1(n, 0), step{op: 'h'}, step{op: 'k', k: 8}, step{op: '+'}), append(at1(n, 0), step{op: '+'})...)...))
	v6 := and(a.link(etherIPv6), u8(n.add(6), protoUDP), u16(n.add(40+2), port),
		look(inst{reg: n.reg, off: n.k + 40}, 8),
		set(tunnel.reg, at1(n, 48)...))
	return or(v4, v6), tunnel
}

// geneve matches a Geneve tunnel (RFC 8926), vni < 0 any, and moves a into it:
// to a frame where it carries frames, else to what its protocol field tells.
func (a *at) geneve(vni int64) *node {
	n, tunnel := a.udp(portGeneve, 0xc0, 0, vni)
	header, typ, payload := place{reg: a.fresh()}, place{reg: a.fresh()}, place{reg: a.fresh()}
	// The header is 8 bytes and the options, whose length is in words of 4.
	options := append(at1(tunnel, 0), step{'l', 1}, step{'k', 0x3f}, step{op: '&'}, step{'k', 4}, step{op: '*'}, step{'k', 8}, step{op: '+'})
	n = and(n, set(header.reg, append(options, append(at1(tunnel, 0), step{op: '+'})...)...),
		or(and(u16(tunnel.add(2), etherBridged), set(typ.reg, at1(header, 12)...), set(payload.reg, at1(header, 14)...)),
			and(set(typ.reg, at1(tunnel, 2)...), set(payload.reg, at1(header, 0)...))))
	a.enter(header, typ, payload)
	a.framed = not(&node{op: '=', test: inst{mode: computed, rel: eq, x: &sides{at1(payload, 0), at1(header, 0)}}})
	return n
}

// vxlan matches a VXLAN tunnel (RFC 7348) with a valid network identifier, vni
// < 0 any, and moves a to its frame.
func (a *at) vxlan(vni int64) *node {
	n, tunnel := a.udp(portVXLAN, 0x08, 0x08, vni)
	header := tunnel.add(8)
	a.enter(header, header.add(12), header.add(14))
	return n
}

// enter moves a to a frame inside a tunnel.
func (a *at) enter(header, typ, payload place) {
	*a = at{header: header, typ: typ, payload: payload, nosnap: 3, regs: a.regs, bad: a.bad}
}
