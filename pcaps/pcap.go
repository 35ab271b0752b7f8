package pcaps

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Magic numbers of a classic pcap file as a little-endian machine reads them
// (draft-ietf-opsawg-pcap section 4; the Kuznetzov one is libpcap's
// sf-pcap.c: packet headers are 8 bytes longer).
const (
	magicMicros    = 0xa1b2c3d4
	magicNanos     = 0xa1b23c4d
	magicKuznetzov = 0xa1b2cd34
)

// pcapDecoder reads a classic pcap file.
//
//	file header                         packet header
//	 0 magic       4 major  6 minor      0 seconds
//	 8 time zone  12 sigfigs             4 micro- or nanoseconds
//	16 snaplen    20 link type           8 captured length
//	                                    12 length on the wire
//	                                    16 Kuznetzov only: ifindex, protocol, type
//
// Why not pcapgo.Reader: it refuses packets longer than the header's snaplen
// and those captured longer than they were (libpcap and Wireshark read both,
// and real files hold both), allocates as many bytes as a corrupt snaplen
// says, and builds a time.Time per packet.
type pcapDecoder struct {
	swap   bool
	header int   // bytes of a packet header, 16 or 24
	scale  int64 // nanoseconds per unit of the fraction
	minor  uint16
	link   uint32
	fcs    uint32 // bytes of a frame check sequence behind each packet
	frames uint64
}

// newPcap reads the file header, whose magic the caller has seen.
func newPcap(w *window, magic uint32, swap bool) (*pcapDecoder, error) {
	b := w.need(24)
	if len(b) < 24 {
		return nil, short(w, "pcap file header", int64(len(b)), 24)
	}
	d := &pcapDecoder{swap: swap, header: 16, scale: 1000}
	switch magic {
	case magicNanos:
		d.scale = 1
	case magicKuznetzov:
		d.header = 24
	}
	major := binary.LittleEndian.Uint16(b[4:])
	d.minor = binary.LittleEndian.Uint16(b[6:])
	if swap {
		major, d.minor = bits.ReverseBytes16(major), bits.ReverseBytes16(d.minor)
	}
	if major != 2 {
		return nil, fmt.Errorf("pcap version %d.%d: only 2.x is known", major, d.minor)
	}
	// The upper 6 bits tell of a frame check sequence (draft section 4): four
	// its length in units of 16 bits, valid if the f bit below them is set. Some
	// writers put octets there; no Ethernet frame ends in 8 octets of it, so 4
	// are octets.
	word := d.u32(b[20:])
	d.link = word & 0x03ffffff
	if word&0x04000000 != 0 {
		if d.fcs = word >> 28 * 2; d.fcs == 8 {
			d.fcs = 4
		}
	}
	w.advance(24)
	return d, nil
}

func (d *pcapDecoder) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if d.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (d *pcapDecoder) next(w *window, links *links, f *frame, pkt *Packet) error {
	for {
		w.mark = w.offset()
		b := w.need(d.header)
		if len(b) < d.header {
			if len(b) == 0 {
				return atEnd(w)
			}
			return short(w, "packet header", int64(len(b)), int64(d.header))
		}
		sec, frac := d.u32(b), d.u32(b[4:])
		caplen, wirelen := d.u32(b[8:]), d.u32(b[12:])
		// Before 2.3 the two lengths stood the other way round, and some
		// writers of 2.3 did not know (libpcap sf-pcap.c).
		if d.minor < 3 || d.minor == 3 && caplen > wirelen {
			caplen, wirelen = wirelen, caplen
		}
		if !links.wanted(d.link) {
			if caplen > maxForeign {
				return fmt.Errorf("packet of %d bytes: more than %d", caplen, maxForeign)
			}
			w.advance(d.header)
			if n := w.skip(int64(caplen)); n < int64(caplen) {
				return short(w, "packet", n, int64(caplen))
			}
			d.frames++
			links.other.add(d.link)
			continue
		}
		if caplen > maxPacket {
			return fmt.Errorf("packet of %d bytes: more than %d", caplen, maxPacket)
		}
		n := d.header + int(caplen)
		if len(b) < n {
			if b = w.need(n); len(b) < n {
				return short(w, "packet", int64(len(b)-d.header), int64(caplen))
			}
		}
		d.frames++
		*f = frame{buf: b, start: d.header, end: n, link: d.link, fcs: d.fcs}
		pkt.Len = max(wirelen, caplen)
		pkt.TimeNS = int64(sec)*1e9 + int64(frac)*d.scale
		pkt.Interface = 0
		pkt.Frame = d.frames
		pkt.Label = Unlabelled
		w.advance(n)
		return nil
	}
}
