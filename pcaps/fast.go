package pcaps

import "encoding/binary"

// fast reads packets that need nothing but to be told, as nearly all do: whole
// in the window, of Ethernet, in a pcap file of this machine's byte order, none
// filtered, changed or filled up. It stops before the first that needs more, which
// is Next's; what Next would have counted is counted. This is where a replay's
// reader spends its time, so what all packets share is asked once, and packets are
// gone through twice: for what stands in the file, each header found by the one
// before, and for what follows from it.
func (s *Source) fast(pkts []Packet) int {
	d, ok := s.dec.(*pcapDecoder)
	if !ok || s.err != nil || s.file == nil || s.fresh || s.filter != nil || s.strip || !d.plain() {
		return 0
	}
	shift := mulSat(s.period, int64(s.pass))     // 0 in the first pass
	if shift > farthest || s.kshift > farthest { // neither is ever below 0
		return 0
	}
	if s.limit != 0 {
		pkts = pkts[:min(uint64(len(pkts)), s.limit-s.n)]
	}
	n, bytes, truncated, largest := d.headers(s.win, pkts, s.pad)
	if n == 0 {
		return 0
	}
	s.told(pkts[:n], d.frames, shift)
	c := &s.caps[s.cur]
	c.Packets += uint64(n)
	c.Bytes += bytes
	c.Truncated += truncated
	c.Largest = max(c.Largest, largest)
	d.frames += uint64(n)
	s.n += uint64(n)
	return n
}

// farthest is how far times are shifted without a look at each sum: what a pcap
// header holds is less than 2^32 seconds and as many microseconds.
const farthest = 1 << 61

// headers reads what stands in the file of packets that need no more, until there are
// no more of them in the window: Data, Len and TimeNS.
func (d *pcapDecoder) headers(w *window, pkts []Packet, pad bool) (n int, bytes, truncated uint64, largest int) {
	rest := w.buf[w.r:w.w]
	for ; n < len(pkts) && len(rest) >= pcapHeader; n++ {
		le := binary.LittleEndian
		sec, frac, caplen, wirelen := le.Uint32(rest), le.Uint32(rest[4:]), le.Uint32(rest[8:]), le.Uint32(rest[12:])
		end := pcapHeader + int(caplen)
		if caplen > wirelen || caplen > Linear || end > len(rest) {
			break
		}
		if caplen < wirelen {
			if pad {
				break
			}
			truncated++
		}
		pkt := &pkts[n]
		pkt.Data, pkt.Len = rest[pcapHeader:end:end], wirelen
		pkt.TimeNS = int64(sec)*1e9 + int64(frac)*d.scale
		largest = max(largest, int(caplen))
		rest = rest[end:]
	}
	read := w.w - w.r - len(rest)
	w.advance(read)
	return n, uint64(read - n*pcapHeader), truncated, largest
}

// told sets what follows from that: clocks, shifted as the pass asks, and numbers, of
// frames behind those before them.
func (s *Source) told(pkts []Packet, frames uint64, shift int64) {
	if s.pass == 0 {
		for i := range pkts {
			s.minT, s.maxT = min(s.minT, pkts[i].TimeNS), max(s.maxT, pkts[i].TimeNS)
		}
	}
	last := pkts[len(pkts)-1].TimeNS
	now, kshift, active, file, index := s.ktime, s.kshift, s.active-s.fileStart, s.cur, s.n
	for i := range pkts {
		pkt := &pkts[i]
		at := pkt.TimeNS + shift
		pkt.TimeNS = at
		now = max(now, uint64(max(at+kshift, 1)))
		pkt.KTimeNS, pkt.ActiveNS = now, active+now
		pkt.Added, pkt.Tag, pkt.Interface, pkt.Label, pkt.File = 0, Tag{}, 0, Unlabelled, file
		pkt.Frame, pkt.Index = frames+uint64(i)+1, index+uint64(i)
	}
	s.ktime = now
	if s.pass == 0 {
		c := &s.caps[s.cur]
		c.Last, c.KLast = last, now
	}
}

// pcapHeader is the length of a packet's header, but for Kuznetzov's form.
const pcapHeader = 16

// plain says whether packets are read without a look at the header but for its
// scale.
func (d *pcapDecoder) plain() bool {
	return !d.swap && d.header == pcapHeader && d.minor >= 3 && d.fcs == 0 && d.link == linkEthernet
}
