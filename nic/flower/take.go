package flower

import (
	"encoding/binary"

	"jitnic/host/vm"
)

// found is what a parser finds in a packet.
type found struct {
	typ, tag uint16
	frag     Fragment
	has      [keys]bool
	val      [keys]Bytes
	l3, l4   int // where these headers begin; 0: not found
	proto    int
}

var be = binary.BigEndian

func (f *found) put(k Key, b []byte) {
	f.has[k] = true
	copy(f.val[k][:], b)
}

// dissect finds keys as the kernel's flow dissector does for flower: it stops at
// a header that isn't all there, and doesn't look for ports in fragments. What it
// finds behind IPv6's extension headers no rule asks for.
func dissect(p []byte) (f found) {
	f.proto = -1
	if len(p) < 14 {
		return f
	}
	f.put(EthDst, p[:6])
	f.put(EthSrc, p[6:12])
	f.typ = be.Uint16(p[12:])
	at := 14
	if f.typ == type8021Q || f.typ == type8021ad {
		f.tag, f.typ = f.typ, 0
		if len(p) < 18 {
			return f
		}
		f.put(VlanTCI, p[14:16])
		f.typ, at = be.Uint16(p[16:]), 18
	}
	switch {
	case f.typ == typeIPv4 && len(p) >= at+20 && p[at]&0xf >= 5:
		f.ipv4(p, at)
	case f.typ == typeIPv6 && len(p) >= at+40:
		h := p[at:]
		f.l3, f.l4, f.proto = at, at+40, int(h[6])
		f.put(Proto, h[6:7])
		f.put(TTL, h[7:8])
		f.put(TOS, []byte{h[0]<<4 | h[1]>>4})
		f.put(IP6Src, h[8:24])
		f.put(IP6Dst, h[24:40])
	}
	if f.l4 > 0 {
		f.transport(p, f.l4)
	}
	return f
}

func (f *found) ipv4(p []byte, at int) {
	h := p[at:]
	f.l3, f.proto = at, int(h[9])
	f.put(Proto, h[9:10])
	f.put(TTL, h[8:9])
	f.put(TOS, h[1:2])
	f.put(IPSrc, h[12:16])
	f.put(IPDst, h[16:20])
	switch frag := be.Uint16(h[6:]); {
	case frag&0x1fff != 0:
		f.frag = LaterFragment
	case frag&0x2000 != 0:
		f.frag = FirstFragment
	default:
		f.frag = NoFragment
		f.l4 = at + int(h[0]&0xf)*4
	}
}

func (f *found) transport(p []byte, at int) {
	switch f.proto {
	case 6, 17, 132:
		if len(p) < at+4 {
			return
		}
		f.put(SPort, p[at:at+2])
		f.put(DPort, p[at+2:at+4])
		if f.proto == 6 && len(p) >= at+20 && p[at+12]>>4 >= 5 {
			f.put(TCPFlags, p[at+13:at+14])
		}
	case 1, 58:
		if len(p) >= at+8 {
			f.put(ICMPType, p[at:at+1])
			f.put(ICMPCode, p[at+1:at+2])
		}
	}
}

// extensions are the next headers that IPv6 has more headers behind (IANA).
var extensions = map[byte]bool{0: true, 43: true, 44: true, 51: true, 60: true, 135: true, 139: true, 140: true}

// IsPlain says whether a packet is what a Plain parser keeps: an IPv4 header of
// version 4 without options, or an IPv6 header of version 6 without extension
// headers, whose length lies within the frame, and, unless it is a fragment, the
// whole of a TCP, UDP, ICMP or SCTP header within it, with lengths that agree.
// What is no IP packet is plain.
func IsPlain(p []byte) bool {
	f := dissect(p)
	if f.typ != typeIPv4 && f.typ != typeIPv6 {
		return len(p) >= 14
	}
	if f.l3 == 0 {
		return false
	}
	h := p[f.l3:]
	var rest []byte // the transport header and what comes behind
	if f.typ == typeIPv4 {
		n := int(be.Uint16(h[2:]))
		if h[0] != 0x45 || n < 20 || n > len(h) {
			return false
		}
		if f.frag != NoFragment {
			return true
		}
		rest = h[20:n]
	} else {
		n := int(be.Uint16(h[4:]))
		if h[0]>>4 != 6 || 40+n > len(h) || extensions[h[6]] {
			return false
		}
		rest = h[40 : 40+n]
	}
	if len(rest) < transports[f.proto] {
		return false
	}
	switch f.proto {
	case 6:
		n := int(rest[12]>>4) * 4
		return n >= 20 && n <= len(rest)
	case 17:
		n := int(be.Uint16(rest[4:]))
		return n >= 8 && n <= len(rest)
	}
	return true
}

// takes says whether a match takes a packet.
func (m *Match) takes(f *found) bool {
	switch {
	case m.Tag != 0 && m.Tag != f.tag, m.Type != 0 && (m.Type != f.typ || m.Tag != f.tag):
		return false
	case m.Frag != AnyFragment && m.Frag != f.frag:
		return false
	}
	for k := range m.Keys {
		if t := &m.Keys[k]; t.Asked() && (!f.has[k] || !t.takes(&f.val[k])) {
			return false
		}
	}
	return true
}

// Take is the first rule that takes a packet; nil where none does, which is
// software's too. Software's are also: what isn't plain, where the parser sends it
// there; frames too short to have come off a wire (see minFrame) that a rule's
// path doesn't allow; frames longer than the first buffer, where the rule needs
// the packet in one piece (see [Rules.OnePiece]); and packets whose checksums are
// wrong and a rule would make right.
func (r *Rules) Take(packet []byte) *Rule {
	f := dissect(packet)
	x := r.first(packet, &f)
	if x == nil || len(packet) < x.Match.length || x.inPieces(packet) || x.mends() && !right(packet, &f, x) {
		return nil
	}
	return x
}

// InPieces says that a packet is left to software, though a rule's match takes it,
// because it is longer than the first buffer.
func (r *Rules) InPieces(packet []byte) bool {
	f := dissect(packet)
	x := r.first(packet, &f)
	return x != nil && x.inPieces(packet)
}

func (r *Rule) inPieces(packet []byte) bool { return r.Match.piece && len(packet) > vm.MaxLinear }

// first is the first rule whose match takes a packet that the parser keeps.
func (r *Rules) first(packet []byte, f *found) *Rule {
	if r.Parser == Plain && !IsPlain(packet) {
		return nil
	}
	for i := range r.List {
		if x := &r.List[i]; x.Match.takes(f) {
			return x
		}
	}
	return nil
}

// right says whether the checksums that a rule makes anew are right.
func right(p []byte, f *found, r *Rule) bool {
	q := append([]byte(nil), p...)
	mend(q, f, r.Do.L3, r.Do.L4)
	return string(p) == string(q)
}
