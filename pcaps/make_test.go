package pcaps

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/klauspost/compress/zstd"
)

// unhex drops everything but hexadecimal digits outside of # comments.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	var sb strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		sb.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b := must.Get(hex.DecodeString(sb.String()))(tb)
	return b
}

// order writes integers in one byte order.
type order struct{ binary.AppendByteOrder }

func (o order) u16s(b []byte, vs ...uint16) []byte {
	for _, v := range vs {
		b = o.AppendUint16(b, v)
	}
	return b
}

func (o order) u32s(b []byte, vs ...uint32) []byte {
	for _, v := range vs {
		b = o.AppendUint32(b, v)
	}
	return b
}

// pcapFile makes a classic capture.
func (o order) pcapFile(magic, snaplen, link uint32, minor uint16) []byte {
	b := o.u32s(nil, magic)
	b = o.u16s(b, 2, minor)
	return o.u32s(b, 0, 0, snaplen, link)
}

func (o order) block(typ uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n := uint32(len(body) + 12)
	b := append(o.u32s(nil, typ, n), body...)
	return o.u32s(b, n)
}

func (o order) shb() []byte {
	b := o.u32s(nil, byteOrderMagic)
	b = o.u16s(b, 1, 0)
	return o.block(blockSection, o.u32s(b, ^uint32(0), ^uint32(0)))
}

func (o order) option(code uint16, v ...byte) []byte {
	b := append(o.u16s(nil, code, uint16(len(v))), v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (o order) idb(link uint16, snaplen uint32, opts ...[]byte) []byte {
	b := o.u32s(o.u16s(nil, link, 0), snaplen)
	for _, opt := range opts {
		b = append(b, opt...)
	}
	return o.block(blockInterface, b)
}

func (o order) epb(iface uint32, ts uint64, wire uint32, data ...byte) []byte {
	b := o.u32s(nil, iface, uint32(ts>>32), uint32(ts), uint32(len(data)), wire)
	return o.block(blockEnhancedPacket, append(b, data...))
}

var orders = map[string]order{"little": {binary.LittleEndian}, "big": {binary.BigEndian}}

// ngSample holds several sections, interfaces, link types and resolutions.
func ngSample() []byte {
	le, be := orders["little"], orders["big"]
	b := slices.Concat(
		le.shb(),
		le.idb(1, 0, le.option(2, []byte("legit")...)), // 0: microseconds
		le.idb(276, 0), // 1: SLL2; its low byte is 20
		le.idb(1, 4, le.option(9, 9), le.option(2, []byte("attack")...), le.option(0)), // 2: nanoseconds
		le.idb(257, 0), // 3: low byte 1, but not Ethernet
		le.idb(1, 0, le.option(9, 0x80|10), le.option(14, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)), // 4: 2^-10 s, 1 s back
		le.idb(1, 0, le.option(9, 0)), // 5: seconds
		le.epb(0, 5_000_001, 60, 0xa0, 0xa1, 0xa2),
		le.epb(1, 5, 5, 1, 2, 3, 4, 5),
		le.epb(2, 1_000_000_000_000_000_007, 2, 0xb0, 0xb1),
		le.epb(3, 5, 1, 9),
		le.block(0x0bad, []byte("unknown blocks are skipped")),
		le.epb(4, 3<<10|512, 1, 0xc0),
		le.epb(5, 77, 1, 0xd0),
		le.block(blockPacket, append(le.u32s(le.u16s(nil, 2, 3), 0, 9, 1, 1), 0xe0)),
		// The next section is of the other byte order and knows nothing of
		// the interfaces before.
		be.shb(),
		be.idb(1, 2, be.option(9, 12)), // picoseconds
		be.epb(0, 1_999, 100, 1, 2),
		be.block(blockSimplePacket, append(be.u32s(nil, 5), 0xf0, 0xf1)), // cut to snaplen 2
	)
	return b
}

func zipped(tb testing.TB, how string, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	var z io.WriteCloser
	switch how {
	case "":
		return b
	case "gzip":
		z = gzip.NewWriter(&out)
	case "zstd":
		var err error
		if z, err = zstd.NewWriter(&out); err != nil {
			tb.Fatal(err)
		}
	}
	must.Get(z.Write(b))(tb)
	must.OK(tb, z.Close())
	return out.Bytes()
}

// write puts n packets of growing length into a file; times are i*step+base.
func write(tb testing.TB, path string, n int, base, step int64) {
	tb.Helper()
	w := must.Get(Create(path))(tb)
	for i := range n {
		must.OK(tb, w.Write(&Packet{Data: bytes.Repeat([]byte{byte(i)}, 14+i%50), TimeNS: base + int64(i)*step, Label: Label(i % 3)}))
	}
	must.OK(tb, w.Close())
}
