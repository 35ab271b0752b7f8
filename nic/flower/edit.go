package flower

// Edits are what becomes of a packet's bytes.
type Edits struct {
	Set  []Set
	VID  int  // the number the tag that the match asks for gets; -1: as it is
	Down bool // the time to live, or hop limit, counts down by one
	// L3 and L4 make the checksum of the IPv4 header, and of TCP, UDP or ICMP,
	// right again.
	L3, L4 bool
	Push   uint32 // a VLAN tag is put in front, after all that: its type << 16 | TCI; 0: none
	Pop    bool   // the tag that the match asks for is taken off
}

// Set gives a field a value.
type Set struct {
	Key   Key
	Value Bytes
}

// Edits says whether a rule changes packets.
func (r *Rule) Edits() bool {
	return len(r.Do.Set) > 0 || r.Do.VID >= 0 || r.Do.Down || r.Do.Push != 0 || r.Do.Pop
}

// mends says whether a rule makes checksums.
func (r *Rule) mends() bool { return r.Do.L3 || r.Do.L4 }

// offset is where a key stands in a packet that has it.
func (f *found) offset(k Key) int {
	v6 := f.typ == typeIPv6
	at := func(v4, six int) int {
		if v6 {
			return f.l3 + six
		}
		return f.l3 + v4
	}
	switch k {
	case EthDst:
		return 0
	case EthSrc:
		return 6
	case VlanTCI:
		return 14
	case Proto:
		return at(9, 6)
	case TTL:
		return at(8, 7)
	case TOS:
		return at(1, 0)
	case IPSrc:
		return f.l3 + 12
	case IPDst:
		return f.l3 + 16
	case IP6Src:
		return f.l3 + 8
	case IP6Dst:
		return f.l3 + 24
	case SPort, ICMPType:
		return f.l4
	case ICMPCode:
		return f.l4 + 1
	case DPort:
		return f.l4 + 2
	}
	return f.l4 + 13
}

// Apply is what a rule makes of a packet that it takes; the packet stays as it is.
func (r *Rule) Apply(packet []byte) []byte {
	p := append(make([]byte, 0, len(packet)+4), packet...)
	f := dissect(p)
	e := &r.Do
	for _, s := range e.Set {
		copy(p[f.offset(s.Key):], s.Value[:keyInfo[s.Key].bytes])
	}
	if e.VID >= 0 {
		be.PutUint16(p[14:], be.Uint16(p[14:])&0xf000|uint16(e.VID))
	}
	if e.Down {
		p[f.offset(TTL)]--
	}
	mend(p, &f, e.L3, e.L4)
	switch {
	case e.Pop:
		copy(p[4:], p[:12])
		p = p[4:]
	case e.Push != 0:
		p = append(p, 0, 0, 0, 0)
		copy(p[16:], p[12:])
		be.PutUint32(p[12:], e.Push)
	}
	return p
}

// checksums are where these stand in the headers of protocols.
var checksums = map[int]int{6: 16, 17: 6, 1: 2, 58: 2}

// mend makes checksums.
func mend(p []byte, f *found, l3, l4 bool) {
	if l3 && f.typ == typeIPv4 {
		h := p[f.l3 : f.l3+int(p[f.l3]&0xf)*4]
		h[10], h[11] = 0, 0
		be.PutUint16(h[10:], ^fold(sum(0, h)))
	}
	if !l4 || f.l4 == 0 {
		return
	}
	end, s := 0, uint32(f.proto)
	if f.typ == typeIPv4 {
		end = f.l3 + int(be.Uint16(p[f.l3+2:]))
		s = sum(s, p[f.l3+12:f.l3+20])
	} else {
		end = f.l3 + 40 + int(be.Uint16(p[f.l3+4:]))
		s = sum(s, p[f.l3+8:f.l3+40])
	}
	if end > len(p) || end < f.l4+transports[f.proto] {
		return
	}
	h := p[f.l4:end]
	at := checksums[f.proto]
	switch {
	case at == 0, f.proto == 17 && h[6]|h[7] == 0:
		return // no checksum there, or none was sent
	case f.proto == 1:
		s = 0
	default:
		s += uint32(len(h))
	}
	h[at], h[at+1] = 0, 0
	c := ^fold(sum(s, h))
	if c == 0 && f.proto == 17 {
		c = 0xffff
	}
	be.PutUint16(h[at:], c)
}

func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s>>16 != 0 {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
