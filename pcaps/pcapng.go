package pcaps

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng section 11.1).
const (
	blockSection        = 0x0a0d0d0a // reads the same in both byte orders
	blockInterface      = 1
	blockPacket         = 2 // obsolete, still written by old tools
	blockSimplePacket   = 3
	blockEnhancedPacket = 6

	byteOrderMagic = 0x1a2b3c4d
)

// Options of an interface description block (section 4.2).
const (
	optEnd      = 0
	optName     = 2
	optTSResol  = 9
	optFCSLen   = 13
	optTSOffset = 14
)

// optFlags is the option of a packet block (section 4.3) whose bits 5 to 8 are
// the length of the frame check sequence in bytes, 0 if it isn't known.
const optFlags = 2

const (
	// maxForeign bounds packets of other link types, which are never held in
	// memory: libpcap's largest, USB's 128 MiB.
	maxForeign = 128 << 20
	// maxHeader bounds the blocks that are held whole, sections and
	// interfaces; libpcap allows 16 MiB for any block (sf-pcapng.c).
	maxHeader = 16 << 20
)

// ngInterface is one interface of the current section.
type ngInterface struct {
	link    uint32
	snaplen uint32
	fcs     uint32 // bytes of the frame check sequence behind each packet
	label   Label
	resol   uint8 // if_tsresol: bit 7 set: units of 2^-n s, else 10^-n s
	mul     uint64
	div     uint64 // 0: units so small that any timestamp is 0
	offset  int64  // if_tsoffset in nanoseconds
}

// ngDecoder reads a pcapng file. Every block is
//
//	0 type  4 total length  8 body, padded to 4  total length again
//
// Why not pcapgo.NgReader: option values shorter than their type make it
// panic, as do resolutions of 2^-64 (division by zero); block lengths under
// 12 wrap around; link types are cut to 8 bits; resolution 10^0 is taken for
// 10^-6; and mixed link types allocate for each packet.
type ngDecoder struct {
	swap   bool
	ifaces []ngInterface
	base   uint32 // interfaces of the sections before, in this file
	frames uint64
	last   int64 // a simple packet block has no time: it takes its predecessor's
}

func (d *ngDecoder) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if d.swap {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (d *ngDecoder) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if d.swap {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (d *ngDecoder) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if d.swap {
		v = bits.ReverseBytes64(v)
	}
	return v
}

func (d *ngDecoder) next(w *window, links *links, f *frame, pkt *Packet) error {
	for {
		w.mark = w.offset()
		b := w.need(12)
		if len(b) < 12 {
			if len(b) == 0 {
				return atEnd(w)
			}
			return short(w, "block header", int64(len(b)), 12)
		}
		typ := d.u32(b)
		if typ == blockSection {
			if err := d.section(w); err != nil {
				return err
			}
			continue
		}
		total := d.u32(b[4:])
		if total < 12 || total%4 != 0 {
			return fmt.Errorf("block of type %#x: length %d: not 12 or more in steps of 4", typ, total)
		}

		// fixed is the size of what stands before the packet's bytes.
		var fixed uint32
		switch typ {
		case blockEnhancedPacket, blockPacket:
			fixed = 28
		case blockSimplePacket:
			fixed = 12
		case blockInterface:
			if err := d.iface(w, total); err != nil {
				return err
			}
			continue
		default:
			if err := d.drop(w, total); err != nil {
				return err
			}
			continue
		}
		if total < fixed+4 {
			return fmt.Errorf("packet block: length %d: less than %d", total, fixed+4)
		}
		if len(b) < int(fixed) {
			if b = w.need(int(fixed)); len(b) < int(fixed) {
				return short(w, "packet block", int64(len(b)), int64(total))
			}
		}
		var id, caplen, wirelen uint32
		var ts uint64
		switch typ {
		case blockEnhancedPacket:
			id = d.u32(b[8:])
			ts = uint64(d.u32(b[12:]))<<32 | uint64(d.u32(b[16:]))
			caplen, wirelen = d.u32(b[20:]), d.u32(b[24:])
		case blockPacket:
			id = uint32(d.u16(b[8:]))
			ts = uint64(d.u32(b[12:]))<<32 | uint64(d.u32(b[16:]))
			caplen, wirelen = d.u32(b[20:]), d.u32(b[24:])
		case blockSimplePacket:
			wirelen = d.u32(b[8:])
		}
		if int64(id) >= int64(len(d.ifaces)) {
			return fmt.Errorf("packet of interface %d: the section has %d", id, len(d.ifaces))
		}
		in := &d.ifaces[id]
		if typ == blockSimplePacket {
			caplen = wirelen
			if in.snaplen != 0 {
				caplen = min(caplen, in.snaplen)
			}
			caplen = min(caplen, total-fixed-4)
		}
		if caplen > total-fixed-4 {
			return fmt.Errorf("packet of %d bytes: its block has room for %d", caplen, total-fixed-4)
		}
		if !links.wanted(in.link) {
			if caplen > maxForeign {
				return fmt.Errorf("packet of %d bytes: more than %d", caplen, maxForeign)
			}
			if err := d.drop(w, total); err != nil {
				return err
			}
			d.frames++
			links.other.add(in.link)
			continue
		}
		if caplen > maxPacket {
			return fmt.Errorf("packet of %d bytes: more than %d", caplen, maxPacket)
		}
		// Options after the data may be long; they are skipped, not held.
		n := int(fixed + caplen)
		if len(b) < int(total) {
			if total <= windowSize {
				n = int(total)
			}
			if b = w.need(n); len(b) < n {
				return short(w, "packet block", int64(len(b)), int64(total))
			}
		}
		if typ != blockSimplePacket {
			d.last = in.time(ts)
		}
		*f = frame{buf: b, start: int(fixed), end: int(fixed + caplen), link: in.link, fcs: in.fcs}
		pkt.Len = max(wirelen, caplen)
		pkt.TimeNS = d.last
		pkt.Interface = d.base + id
		pkt.Label = in.label
		if len(b) >= int(total) {
			if tail := d.u32(b[total-4:]); tail != total {
				return badTail(total, tail)
			}
			if typ != blockSimplePacket {
				d.flags(f, b[(fixed+caplen+3)&^3:total-4])
			}
			w.advance(int(total))
		} else if err := d.longTail(w, f, total); err != nil {
			return err
		}
		d.frames++
		pkt.Frame = d.frames
		return nil
	}
}

// flags looks for a packet's flags in its options: where they know the length
// of the frame check sequence it holds, whatever the interface says.
func (d *ngDecoder) flags(f *frame, opts []byte) {
	for len(opts) >= 4 {
		code, n := d.u16(opts), int(d.u16(opts[2:]))
		if opts = opts[4:]; code == optEnd || n > len(opts) {
			return
		}
		d.flag(f, code, opts[:n])
		opts = opts[min((n+3)&^3, len(opts)):]
	}
}

func (d *ngDecoder) flag(f *frame, code uint16, v []byte) {
	if code == optFlags && len(v) == 4 {
		if n := d.u32(v) >> 5 & 0xf; n != 0 {
			f.fcs = n
		}
	}
}

// longTail passes over the options of a packet block that is longer than a
// window, keeping a copy of the packet.
func (d *ngDecoder) longTail(w *window, f *frame, total uint32) error {
	f.buf = append([]byte(nil), f.buf[:f.end]...)
	done := w.skip((int64(f.end) + 3) &^ 3)
	for done+8 <= int64(total) {
		b := w.need(4)
		if len(b) < 4 {
			break
		}
		code, n := d.u16(b), int64(d.u16(b[2:]))
		if code == optEnd || done+4+n > int64(total)-4 {
			break
		}
		if b = w.need(8); code == optFlags && n == 4 && len(b) >= 8 {
			d.flag(f, code, b[4:8])
		}
		done += w.skip(min(4+(n+3)&^3, int64(total)-4-done))
	}
	return d.dropRest(w, total, done)
}

// drop passes over a whole block of which nothing has been consumed.
func (d *ngDecoder) drop(w *window, total uint32) error { return d.dropRest(w, total, 0) }

// dropRest passes over what a block has behind its first done bytes.
func (d *ngDecoder) dropRest(w *window, total uint32, done int64) error {
	rest := int64(total) - 4 - done
	if n := w.skip(rest); n < rest {
		return short(w, "block", done+n, int64(total))
	}
	b := w.need(4)
	if len(b) < 4 {
		return short(w, "block", int64(total)-4+int64(len(b)), int64(total))
	}
	if tail := d.u32(b); tail != total {
		return badTail(total, tail)
	}
	w.advance(4)
	return nil
}

func badTail(total, tail uint32) error {
	return fmt.Errorf("block of %d bytes: ends with length %d", total, tail)
}

// held returns a whole block that has to be looked at as one.
func (d *ngDecoder) held(w *window, what string, total uint32, least uint32) ([]byte, error) {
	if total < least || total%4 != 0 || total > maxHeader {
		return nil, fmt.Errorf("%s: length %d: not %d to %d in steps of 4", what, total, least, maxHeader)
	}
	b := w.need(int(total))
	if len(b) < int(total) {
		return nil, short(w, what, int64(len(b)), int64(total))
	}
	if tail := d.u32(b[total-4:]); tail != total {
		return nil, badTail(total, tail)
	}
	return b[:total], nil
}

// section starts a new section: its byte order and no interfaces yet.
func (d *ngDecoder) section(w *window) error {
	b := w.need(12)
	if len(b) < 12 {
		return short(w, "section header", int64(len(b)), 28)
	}
	switch binary.LittleEndian.Uint32(b[8:]) {
	case byteOrderMagic:
		d.swap = false
	case bits.ReverseBytes32(byteOrderMagic):
		d.swap = true
	default:
		return fmt.Errorf("section header: byte-order magic %x: not 1a2b3c4d in either order", b[8:12])
	}
	b, err := d.held(w, "section header", d.u32(b[4:]), 28)
	if err != nil {
		return err
	}
	// 1.2 is 1.0 by the draft: some writers put it there.
	major, minor := d.u16(b[12:]), d.u16(b[14:])
	if major != 1 || minor != 0 && minor != 2 {
		return fmt.Errorf("pcapng version %d.%d: only 1.0 is known", major, minor)
	}
	d.base += uint32(len(d.ifaces))
	d.ifaces = d.ifaces[:0]
	w.advance(len(b))
	return nil
}

// iface adds an interface to the section.
func (d *ngDecoder) iface(w *window, total uint32) error {
	b, err := d.held(w, "interface description", total, 20)
	if err != nil {
		return err
	}
	in := ngInterface{link: uint32(d.u16(b[8:])), snaplen: d.u32(b[12:]), resol: 6}
	for opts := b[16 : len(b)-4]; len(opts) >= 4; {
		code, n := d.u16(opts), int(d.u16(opts[2:]))
		opts = opts[4:]
		if code == optEnd {
			break
		}
		if n > len(opts) {
			return fmt.Errorf("interface description: option %d of %d bytes: %d left", code, n, len(opts))
		}
		v := opts[:n]
		switch {
		case code == optName:
			in.label = labelOf(string(v))
		case code == optTSResol && n == 1:
			in.resol = v[0]
		case code == optTSOffset && n == 8:
			in.offset = mulSat(int64(d.u64(v)), 1e9)
		case code == optFCSLen && n == 1:
			in.fcs = fcsBytes(v[0])
		case code == optTSResol, code == optTSOffset:
			return fmt.Errorf("interface description: option %d of %d bytes: wrong length", code, n)
		}
		opts = opts[min((n+3)&^3, len(opts)):]
	}
	in.scale()
	d.ifaces = append(d.ifaces, in)
	w.advance(len(b))
	return nil
}

// fcsBytes reads if_fcslen: octets by the draft of today, bits by that of 2014
// and before; no frame has a check sequence of 16 octets.
func fcsBytes(v uint8) uint32 {
	if v >= 16 {
		return uint32(v) / 8
	}
	return uint32(v)
}

// scale prepares time: mul and div turn units into nanoseconds.
func (in *ngInterface) scale() {
	exp := int(in.resol & 0x7f)
	switch {
	case in.resol&0x80 != 0: // time shifts by exp
	case exp <= 9:
		in.mul, in.div = pow10(9-exp), 1
	case exp <= 9+19: // 10^19 is the largest power in 64 bits
		in.mul, in.div = 1, pow10(exp-9)
	default:
		in.mul, in.div = 1, 0
	}
}

// time returns nanoseconds since 1970 of a timestamp, the nearest
// representable ones for what does not fit.
func (in *ngInterface) time(ts uint64) int64 {
	var hi, ns uint64
	if in.resol&0x80 != 0 {
		hi, ns = bits.Mul64(ts, 1e9)
		switch exp := uint(in.resol & 0x7f); {
		case exp >= 64:
			hi, ns = 0, hi>>(exp-64)
		case exp > 0:
			hi, ns = hi>>exp, hi<<(64-exp)|ns>>exp
		}
	} else {
		hi, ns = bits.Mul64(ts, in.mul)
		switch {
		case in.div == 0:
			hi, ns = 0, 0
		case in.div > 1:
			ns /= in.div // mul is 1, hi is 0
		}
	}
	if hi != 0 || ns > math.MaxInt64 {
		ns = math.MaxInt64
	}
	return addSat(int64(ns), in.offset)
}

func pow10(n int) uint64 {
	v := uint64(1)
	for range n {
		v *= 10
	}
	return v
}

// addSat and mulSat saturate: times out of range are nonsense, but must not
// turn into other times.
func addSat(a, b int64) int64 {
	switch s := a + b; {
	case a > 0 && b > 0 && s < 0:
		return math.MaxInt64
	case a < 0 && b < 0 && s >= 0:
		return math.MinInt64
	default:
		return s
	}
}

func mulSat(a, b int64) int64 {
	switch p := a * b; {
	case a == 0 || p/a == b:
		return p
	case (a < 0) == (b < 0):
		return math.MaxInt64
	default:
		return math.MinInt64
	}
}
