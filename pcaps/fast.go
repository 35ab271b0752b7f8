package pcaps

import "encoding/binary"

// fast reads packets that need nothing but to be told, as nearly all do: whole
// in the window, of Ethernet, in a pcap file of this machine's byte order, none
// filtered, changed or filled up. It stops before the first that needs more, which
// is Next's; what Next would have counted is counted. This is where a replay's
// reader spends its time, so what all packets share is asked once.
func (s *Source) fast(pkts []Packet) int {
	d, ok := s.dec.(*pcapDecoder)
	if !ok || s.err != nil || s.file == nil || s.fresh || s.filter != nil || s.strip || !d.plain() {
		return 0
	}
	if s.limit != 0 {
		pkts = pkts[:min(uint64(len(pkts)), s.limit-s.n)]
	}
	w, c := s.win, &s.caps[s.cur]
	shift := mulSat(s.period, int64(s.pass)) // 0 in the first pass
	before := s.active - s.fileStart
	var bytes, truncated uint64
	largest, at, n := c.Largest, w.r, 0
	for ; n < len(pkts); n++ {
		b := w.buf[at:w.w]
		if len(b) < pcapHeader {
			break
		}
		le := binary.LittleEndian
		sec, frac, caplen, wirelen := le.Uint32(b), le.Uint32(b[4:]), le.Uint32(b[8:]), le.Uint32(b[12:])
		end := pcapHeader + int(caplen)
		if caplen > wirelen || caplen > Linear || end > len(b) {
			break
		}
		if caplen < wirelen {
			if s.pad {
				break
			}
			truncated++
		}
		recorded := int64(sec)*1e9 + int64(frac)*d.scale
		pkt := &pkts[n]
		pkt.TimeNS = recorded
		if s.pass == 0 {
			s.minT, s.maxT = min(s.minT, recorded), max(s.maxT, recorded)
			c.Last = recorded
		} else {
			pkt.TimeNS = addSat(recorded, shift)
		}
		s.ktime = max(s.ktime, uint64(max(addSat(pkt.TimeNS, s.kshift), 1)))
		pkt.Data = b[pcapHeader:end:end]
		pkt.Len, pkt.Added, pkt.Tag, pkt.Interface = wirelen, 0, Tag{}, 0
		pkt.KTimeNS, pkt.ActiveNS = s.ktime, before+s.ktime
		pkt.File, pkt.Frame, pkt.Index, pkt.Label = s.cur, d.frames+uint64(n)+1, s.n+uint64(n), Unlabelled
		bytes += uint64(caplen)
		largest = max(largest, int(caplen))
		at += end
	}
	if s.pass == 0 {
		c.KLast = s.ktime
	}
	c.Packets += uint64(n)
	c.Bytes += bytes
	c.Truncated += truncated
	c.Largest = largest
	d.frames += uint64(n)
	s.n += uint64(n)
	w.r = at
	return n
}

// pcapHeader is the length of a packet's header, but for Kuznetzov's form.
const pcapHeader = 16

// plain says whether packets are read without a look at the header but for its
// scale.
func (d *pcapDecoder) plain() bool {
	return !d.swap && d.header == pcapHeader && d.minor >= 3 && d.fcs == 0 && d.link == linkEthernet
}
