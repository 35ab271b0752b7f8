package flower

import "jitnic/pcaps/splitmix"

// random is a packet that a match takes, plain for a Plain parser, with a time to
// live of 2 or more and right checksums; the rest of it is drawn.
func (m *Match) random(rng *splitmix.State, by Parser) []byte {
	payload := int(rng.Next() % 64)
	p := make([]byte, m.l3()+60+60+payload)
	for i := range p {
		p[i] = byte(rng.Next() >> 32)
	}
	at := 12
	if m.Tag != 0 {
		be.PutUint16(p[at:], m.Tag)
		at = 16
	}
	f := found{typ: m.Type, tag: m.Tag, l3: m.l3()}
	if m.Type == 0 {
		be.PutUint16(p[at:], 0x88b5) // for experiments (IEEE 802)
		return m.keyed(p, &f)
	}
	be.PutUint16(p[at:], m.Type)
	f.proto = m.proto()
	if f.proto < 0 {
		f.proto = 253 // likewise (RFC 3692)
	}
	h := p[f.l3:]
	switch m.Type {
	case typeIPv4:
		words := 5
		if by == Dissector {
			words += int(rng.Next() % 3)
		}
		f.l4 = f.l3 + 4*words
		p = p[:f.l4+transports[f.proto]+payload]
		h[0], h[9] = 0x40|byte(words), byte(f.proto)
		be.PutUint16(h[2:], uint16(len(p)-f.l3))
		be.PutUint16(h[6:], [...]uint16{AnyFragment: 0, NoFragment: 0, FirstFragment: 0x2000, LaterFragment: 3}[m.Frag])
		h[8] |= 2
	case typeIPv6:
		f.l4 = f.l3 + 40
		p = p[:f.l4+transports[f.proto]+payload]
		h[0], h[6] = 0x60|h[0]&0xf, byte(f.proto)
		be.PutUint16(h[4:], uint16(len(p)-f.l4))
		h[7] |= 2
	}
	switch t := p[min(f.l4, len(p)):]; f.proto {
	case 6:
		t[12] = 5<<4 | t[12]&0xf
	case 17:
		be.PutUint16(t[4:], uint16(len(t)))
		if rng.Next()%8 == 0 {
			t[6], t[7] = 0, 0
		}
	}
	p = m.keyed(p, &f)
	mend(p, &f, true, true)
	return p
}

// keyed puts what a match asks for into a packet.
func (m *Match) keyed(p []byte, f *found) []byte {
	for k := range keys {
		t := &m.Keys[k]
		if !t.Asked() || k == Proto {
			continue
		}
		at := f.offset(k)
		if k == TOS && f.typ == typeIPv6 {
			v := t.Value[0] | (p[at]<<4|p[at+1]>>4)&^t.Mask[0]
			p[at], p[at+1] = p[at]&0xf0|v>>4, p[at+1]&0x0f|v<<4
			continue
		}
		for i := range keyInfo[k].bytes {
			p[at+i] = p[at+i]&^t.Mask[i] | t.Value[i]
		}
	}
	return p
}
