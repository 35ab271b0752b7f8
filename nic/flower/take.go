package flower

import "encoding/binary"

// keys are what the flow dissector finds in a packet.
type keys struct {
	typ, tag     uint16
	ip           bool // an IPv4 header was found
	proto        uint32
	src, dst     uint32
	ttl, tos     uint32
	frag         Fragment
	ports        bool
	sport, dport uint32
	flags        uint32
	flagsFound   bool
}

// dissect finds keys as the kernel's flow dissector does for flower: it stops at
// a header that isn't all there, and doesn't look for ports in fragments.
func dissect(p []byte) (k keys) {
	be := binary.BigEndian
	if len(p) < 14 {
		return k
	}
	k.typ = be.Uint16(p[12:])
	at := 14
	if k.typ == 0x8100 || k.typ == 0x88a8 {
		k.tag, k.typ = k.typ, 0
		if len(p) < 18 {
			return k
		}
		k.typ, at = be.Uint16(p[16:]), 18
	}
	if k.typ != 0x0800 || len(p) < at+20 {
		return k
	}
	h := p[at:]
	n := int(h[0]&0xf) * 4
	if n < 20 {
		return k
	}
	k.ip, k.proto, k.ttl, k.tos = true, uint32(h[9]), uint32(h[8]), uint32(h[1])
	k.src, k.dst = be.Uint32(h[12:]), be.Uint32(h[16:])
	switch frag := be.Uint16(h[6:]); {
	case frag&0x1fff != 0:
		k.frag = LaterFragment
	case frag&0x2000 != 0:
		k.frag = FirstFragment
	default:
		k.frag = NoFragment
	}
	t := at + n
	if k.frag != NoFragment || k.proto != 6 && k.proto != 17 && k.proto != 132 || len(p) < t+4 {
		return k
	}
	k.ports, k.sport, k.dport = true, uint32(be.Uint16(p[t:])), uint32(be.Uint16(p[t+2:]))
	if k.proto == 6 && len(p) >= t+20 && p[t+12]>>4 >= 5 {
		k.flagsFound, k.flags = true, uint32(p[t+13])
	}
	return k
}

func (x Masked) takes(found bool, v uint32) bool { return x.Mask == 0 || found && v&x.Mask == x.Value }

// takes says whether a rule's match takes a packet.
func (m *Match) takes(k *keys) bool {
	switch {
	case m.Tag != 0 && m.Tag != k.tag, m.Type != 0 && (m.Type != k.typ || m.Tag != k.tag):
		return false
	case m.Frag != AnyFragment && (!k.ip || m.Frag != k.frag):
		return false
	}
	return m.Proto.takes(k.ip, k.proto) && m.Src.takes(k.ip, k.src) && m.Dst.takes(k.ip, k.dst) && m.TTL.takes(k.ip, k.ttl) && m.TOS.takes(k.ip, k.tos) &&
		m.SPort.takes(k.ports, k.sport) && m.DPort.takes(k.ports, k.dport) && m.Flags.takes(k.flagsFound, k.flags)
}

// Take is the first rule that takes a packet; nil where none does, which is
// software's too. A frame too short to have come off a wire (see minFrame) that a
// rule's path doesn't allow is none of the rule's.
func (r *Rules) Take(packet []byte) *Rule {
	k := dissect(packet)
	for i := range r.List {
		if m := &r.List[i].Match; len(packet) >= m.length && m.takes(&k) {
			return &r.List[i]
		}
	}
	return nil
}
