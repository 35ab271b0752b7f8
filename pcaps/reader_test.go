package pcaps

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
)

// got is a packet as tests compare it.
type got struct {
	Data  string
	Len   uint32
	Time  int64
	Iface uint32
	Frame uint64
	Label Label
}

// read reads all of one capture.
func read(b []byte, o Options) ([]got, Counters, error) {
	src, err := NewSource(context.Background(), "test", bytes.NewReader(b), o)
	if err != nil {
		return nil, Counters{}, err
	}
	defer src.Close()
	return drain(src)
}

// done says whether a source came to its end, with packets or without.
func done(err error) bool {
	var empty *EmptyError
	return err == io.EOF || errors.As(err, &empty)
}

func drain(src *Source) ([]got, Counters, error) {
	var out []got
	var p Packet
	for {
		err := src.Next(&p)
		if done(err) {
			return out, src.Counters(), nil
		}
		if err != nil {
			return out, src.Counters(), err
		}
		out = append(out, got{hex.EncodeToString(p.Data), p.Len, p.TimeNS, p.Interface, p.Frame, p.Label})
	}
}

func TestPcapAnnotated(t *testing.T) {
	b := unhex(t, `
		d4c3b2a1          # magic, little endian, microseconds
		0200 0400         # version 2.4
		00000000 00000000 # time zone, sigfigs
		10000000          # snaplen 16: smaller than the packet below, as some writers do
		01000000          # Ethernet
		01000000 02000000 # 1.000002 s
		12000000 40000000 # 18 captured of 64
		ffffffffffff 020000000001 0806 0001 0800 # an ARP packet's first 18 bytes
		02000000 3f420f00 # 2.999999 s
		02000000 01000000 # 2 captured of 1: nonsense that real files hold
		abcd
	`)
	want := []got{
		{"ffffffffffff020000000001080600010800", 64, 1_000_002_000, 0, 1, 0},
		{"abcd", 2, 2_999_999_000, 0, 2, 0},
	}
	pkts, c, err := read(b, Options{})
	must.OK(t, err)
	if d := cmp.Diff(want, pkts); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Counters{Packets: 2, Bytes: 20, Truncated: 1, Largest: 18}, c); d != "" {
		t.Error(d)
	}
}

func TestPcapVariants(t *testing.T) {
	for name, o := range orders {
		for _, c := range []struct {
			name  string
			magic uint32
			minor uint16
			ns    int64
			more  int  // bytes behind the 16 of a packet header
			swap  bool // lengths the other way round
		}{
			{"micros", magicMicros, 4, 7000, 0, false},
			{"nanos", magicNanos, 4, 7, 0, false},
			{"kuznetzov", magicKuznetzov, 4, 7000, 8, false},
			{"version 2.2", magicMicros, 2, 7000, 0, true},
			{"version 2.3 odd", magicMicros, 3, 7000, 0, true},
			{"version 2.3", magicMicros, 3, 7000, 0, false},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				b := o.pcapFile(c.magic, 65535, linkEthernet|0xf4000000, c.minor)
				lens := []uint32{3, 9}
				if c.swap {
					slices.Reverse(lens)
				}
				b = o.u32s(b, 0xfffffffe, 7, lens[0], lens[1])
				b = append(b, make([]byte, c.more)...)
				b = append(b, 1, 2, 3)
				pkts, _, err := read(b, Options{})
				must.OK(t, err)
				want := []got{{"010203", 9, 0xfffffffe*1e9 + c.ns, 0, 1, 0}}
				if d := cmp.Diff(want, pkts); d != "" {
					t.Error(d)
				}
			})
		}
	}
}

var ngWant = []got{
	{"a0a1a2", 60, 5_000_001_000, 0, 1, Legit},
	{"b0b1", 2, 1_000_000_000_000_000_007, 2, 3, Attack},
	{"c0", 1, 2_500_000_000, 4, 5, 0},
	{"d0", 1, 77_000_000_000, 5, 6, 0},
	{"e0", 1, 9, 2, 7, Attack},
	{"0102", 100, 1, 6, 8, 0},
	{"f0f1", 5, 1, 6, 9, 0},
}

func TestPcapng(t *testing.T) {
	pkts, c, err := read(ngSample(), Options{})
	must.OK(t, err)
	if d := cmp.Diff(ngWant, pkts); d != "" {
		t.Error(d)
	}
	want := Counters{Packets: 7, Bytes: 12, Truncated: 3, Largest: 3, Skipped: map[string]uint64{"LINUX_SLL2, cut inside its header": 1, "LINKTYPE_257": 1}}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
}

func TestTimeResolutions(t *testing.T) {
	for _, c := range []struct {
		resol  uint8
		ts     uint64
		offset int64
		want   int64
	}{
		{6, 1, 0, 1000},
		{9, 1 << 62, 0, 1 << 62},
		{9, 1<<64 - 1, 0, 1<<63 - 1}, // the nearest that fits
		{0, 1 << 40, 0, 1<<63 - 1},
		{3, 5, -7e9, 5e6 - 7e9},
		{127, 1<<64 - 1, 0, 0},
		{28, 1<<64 - 1, 0, 1},
		{0x80, 3, 0, 3e9},
		{0x80 | 63, 1 << 63, 0, 1e9},
		{0x80 | 64, 1 << 63, 0, 5e8}, // pcapgo divides by zero
		{0x80 | 127, 1<<64 - 1, 0, 0},
		{0x80 | 30, 1 << 30, 1e9, 2e9},
	} {
		in := ngInterface{resol: c.resol, offset: c.offset}
		in.scale()
		if got := in.time(c.ts); got != c.want {
			t.Errorf("resolution %#x, %d: %d ns, want %d", c.resol, c.ts, got, c.want)
		}
	}
}

// TestCuts cuts every format after every byte: the packets before the cut
// come whole and in order, then an error at the right place, or EOF where a
// packet or block ends.
func TestCuts(t *testing.T) {
	le := orders["little"]
	pcap := le.pcapFile(magicNanos, 0, 1, 4)
	clean := map[int]bool{len(pcap): true}
	for i := range 3 {
		pcap = le.u32s(pcap, uint32(i), 0, 5, 5)
		pcap = append(pcap, 1, 2, 3, 4, 5)
		clean[len(pcap)] = true
	}
	foreign := le.pcapFile(magicNanos, 0, 105, 4)
	foreignClean := map[int]bool{len(foreign): true}
	foreign = append(le.u32s(foreign, 0, 0, 3, 3), 1, 2, 3)
	foreignClean[len(foreign)] = true

	ng := ngSample()
	ngClean := map[int]bool{}
	for off, bo := 0, binary.ByteOrder(binary.LittleEndian); off < len(ng); {
		if off > 0 {
			ngClean[off] = true
		}
		if binary.LittleEndian.Uint32(ng[off:]) == blockSection && ng[off+8] == 0x1a {
			bo = binary.BigEndian
		}
		off += int(bo.Uint32(ng[off+4:]))
	}
	ngClean[len(ng)] = true

	for _, c := range []struct {
		name  string
		b     []byte
		clean map[int]bool
	}{{"pcap", pcap, clean}, {"pcap of IEEE802_11", foreign, foreignClean}, {"pcapng", ng, ngClean}} {
		all, _, err := read(c.b, Options{})
		must.OKf(t, err, "%s", c.name)
		start := 0 // of the header or block that is cut
		for n := range len(c.b) + 1 {
			pkts, _, err := read(c.b[:n], Options{})
			if c.clean[n] {
				start = n
				if err != nil {
					t.Errorf("%s cut at %d: %v, want a clean end", c.name, n, err)
				}
			} else {
				var ce *CaptureError
				if !errors.As(err, &ce) {
					t.Fatalf("%s cut at %d: error %v, want a CaptureError", c.name, n, err)
				}
				if ce.Offset != int64(start) || ce.Packets != uint64(len(pkts)) || ce.File != "test" {
					t.Errorf("%s cut at %d: %v; want offset %d, %d packets", c.name, n, err, start, len(pkts))
				}
				if n > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s cut at %d: %v: want an unexpected EOF", c.name, n, err)
				}
			}
			if len(pkts) > len(all) || !cmp.Equal(pkts, all[:len(pkts)]) && len(pkts) > 0 {
				t.Errorf("%s cut at %d: other packets than in the whole file", c.name, n)
			}
		}
	}
}

// TestDamage: lengths, magics and counts that can't be, each its own error.
func TestDamage(t *testing.T) {
	le := orders["little"]
	head := le.pcapFile(magicMicros, 0, 1, 4)
	ng := slices.Concat(le.shb(), le.idb(1, 0))
	good := le.epb(0, 0, 1, 7)
	tail := slices.Clone(good)
	tail[len(tail)-4] ^= 4
	lying := slices.Clone(good)
	lying[20] = 200
	for _, c := range []struct {
		name string
		b    []byte
		off  int
		msg  string
	}{
		{"empty", nil, 0, "empty file"},
		{"no capture", []byte("not a capture"), 0, "magic number 6e6f7420: neither pcap nor pcapng"},
		{"version", le.u32s(le.u16s(le.u32s(nil, magicMicros), 3, 0), 0, 0, 0, 1), 0, "pcap version 3.0: only 2.x is known"},
		{"huge packet", le.u32s(slices.Clone(head), 0, 0, 0xffffffff, 0xffffffff), 24, "packet of 4294967295 bytes: more than 262144"},
		{"huge foreign packet", le.u32s(le.pcapFile(magicMicros, 0, 105, 4), 0, 0, 0xffffffff, 0xffffffff), 24, "packet of 4294967295 bytes: more than 134217728"},
		{"block length", append(slices.Clone(ng), le.u32s(nil, 6, 8, 0)...), len(ng), "block of type 0x6: length 8: not 12 or more in steps of 4"},
		{"block length odd", append(slices.Clone(ng), le.u32s(nil, 6, 33, 0)...), len(ng), "block of type 0x6: length 33: not 12 or more in steps of 4"},
		{"small packet block", append(slices.Clone(ng), le.block(6, make([]byte, 16))...), len(ng), "packet block: length 28: less than 32"},
		{"tail", slices.Concat(ng, good, tail), len(ng) + len(good), "block of 36 bytes: ends with length 32"},
		{"packet longer than block", slices.Concat(ng, lying), len(ng), "packet of 200 bytes: its block has room for 4"},
		{"no interface", slices.Concat(ng, le.epb(1, 0, 1, 7)), len(ng), "packet of interface 1: the section has 1"},
		{"section magic", append(le.u32s(nil, blockSection, 28, 0x12345678), make([]byte, 16)...), 0, "section header: byte-order magic 78563412: not 1a2b3c4d in either order"},
		{"section length", append(le.u32s(nil, blockSection, 0xfffffff0, byteOrderMagic), make([]byte, 16)...), 0, "section header: length 4294967280: not 28 to 16777216 in steps of 4"},
		{"section version", le.block(blockSection, le.u32s(le.u16s(le.u32s(nil, byteOrderMagic), 2, 0), 0, 0)), 0, "pcapng version 2.0: only 1.0 is known"},
		{"option length", slices.Concat(le.shb(), le.idb(1, 0, le.u16s(nil, 2, 99))), 28, "interface description: option 2 of 99 bytes: 0 left"},
		{"resolution length", slices.Concat(le.shb(), le.idb(1, 0, le.option(9, 1, 2))), 28, "interface description: option 9 of 2 bytes: wrong length"},
	} {
		_, _, err := read(c.b, Options{})
		var ce *CaptureError
		if !errors.As(err, &ce) {
			t.Errorf("%s: error %v, want a CaptureError", c.name, err)
			continue
		}
		if ce.Offset != int64(c.off) || ce.Err.Error() != c.msg {
			t.Errorf("%s: offset %d: %v\nwant offset %d: %s", c.name, ce.Offset, ce.Err, c.off, c.msg)
		}
	}
}

func TestCompressed(t *testing.T) {
	for _, how := range []string{"gzip", "zstd"} {
		b := zipped(t, how, ngSample())
		pkts, _, err := read(b, Options{})
		must.OKf(t, err, "%s", how)
		if d := cmp.Diff(ngWant, pkts); d != "" {
			t.Errorf("%s: %s", how, d)
		}
		for n := range b {
			if _, _, err := read(b[:n], Options{}); err == nil {
				t.Errorf("%s cut at %d of %d: no error", how, n, len(b))
			}
		}
	}
	// A skippable frame in front, as pzstd writes.
	skip := append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, zipped(t, "zstd", ngSample())...)
	if _, c, err := read(skip, Options{}); err != nil || c.Packets != 7 {
		t.Errorf("skippable frame: %d packets, %v", c.Packets, err)
	}
	// gzip files one behind the other are one.
	le := orders["little"]
	two := append(zipped(t, "gzip", le.pcapFile(magicNanos, 0, 1, 4)), zipped(t, "gzip", append(le.u32s(nil, 0, 0, 1, 1), 9))...)
	if _, c, err := read(two, Options{}); err != nil || c.Packets != 1 {
		t.Errorf("two gzip members: %d packets, %v", c.Packets, err)
	}
}

func TestNoAllocation(t *testing.T) {
	for _, name := range []string{"a.pcap", "a.pcapng"} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, 20000, 0, 1)
		src := must.Get(Open(context.Background(), Options{Paths: []string{path}, Filter: "not port 80"}))(t)
		defer src.Close()
		var p Packet
		must.OK(t, src.Next(&p))
		if n := testing.AllocsPerRun(10000, func() {
			if err := src.Next(&p); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per packet", name, n)
		}
	}
}

// TestAgainstOthers reads with pcapgo, and counts with tcpdump and tshark.
func TestAgainstOthers(t *testing.T) {
	dir := corpusDir(t)
	path := filepath.Join(dir, "many-protocols.pcap.gz")
	f := must.Get(os.Open(path))(t)
	defer f.Close()
	z := must.Get(gzip.NewReader(f))(t)
	plain := must.Get(io.ReadAll(z))(t)
	theirs := must.Get(pcapgo.NewReader(bytes.NewReader(plain)))(t)
	src := must.Get(NewSource(context.Background(), "plain", bytes.NewReader(plain), Options{}))(t)
	var p Packet
	for {
		data, ci, err := theirs.ReadPacketData()
		e := src.Next(&p)
		if err == io.EOF && e == io.EOF {
			break
		}
		if err != nil || e != nil {
			t.Fatalf("pcapgo: %v, here: %v", err, e)
		}
		if !bytes.Equal(data, p.Data) || ci.Length != int(p.Len) || ci.Timestamp.UnixNano() != p.TimeNS {
			t.Fatalf("packet %d differs from pcapgo's", p.Frame)
		}
	}
	ng := filepath.Join(t.TempDir(), "labelled.pcapng")
	write(t, ng, 321, 1e18, 7)
	if tool, err := exec.LookPath("tcpdump"); err != nil {
		t.Log("tcpdump is not installed: not compared")
	} else if out, err := exec.Command(tool, "-r", ng, "-w", "-").Output(); err != nil {
		t.Errorf("tcpdump: %v", err)
	} else if pkts, _, err := read(out, Options{}); err != nil || len(pkts) != 321 {
		t.Errorf("tcpdump: %d packets, %v; want 321", len(pkts), err)
	}
	for _, c := range []struct {
		tool  string
		args  []string
		lines int
	}{
		{"tshark", []string{"-n", "-r", ng, "-Y", `frame.interface_name == "attack"`}, 107},
	} {
		tool, err := exec.LookPath(c.tool)
		if err != nil {
			t.Logf("%s is not installed: not compared", c.tool)
			continue
		}
		out, err := exec.Command(tool, c.args...).Output()
		if err != nil {
			t.Errorf("%s: %v", c.tool, err)
		}
		if n := bytes.Count(out, []byte("\n")); n != c.lines {
			t.Errorf("%s: %d packets, want %d", c.tool, n, c.lines)
		}
	}
}

func FuzzReader(f *testing.F) {
	le, be := orders["little"], orders["big"]
	f.Add(ngSample())
	f.Add(append(be.u32s(be.pcapFile(magicMicros, 0, 1, 4), 0, 0, 2, 2), 1, 2))
	f.Add(append(le.u32s(le.pcapFile(magicKuznetzov, 0, 1, 4), 0, 0, 2, 2, 0, 0), 1, 2))
	f.Add(append(le.u32s(le.pcapFile(magicNanos, 0, 276, 2), 0, 0, 2, 2), 1, 2))
	f.Add(zipped(f, "gzip", ngSample()))
	f.Add(zipped(f, "zstd", ngSample()))
	f.Fuzz(func(t *testing.T, b []byte) {
		src := must.Get(NewSource(context.Background(), "fuzz", bytes.NewReader(b), Options{Limit: 10000}))(t)
		defer src.Close()
		var p Packet
		var n, size uint64
		for {
			err := src.Next(&p)
			if done(err) {
				break
			}
			if err != nil {
				var ce *CaptureError
				if !errors.As(err, &ce) || ce.Packets != n || ce.Offset < 0 || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error %v after %d packets", err, n)
				}
				break
			}
			n++
			size += uint64(len(p.Data))
			if p.KTimeNS == 0 || int(p.Len) < len(p.Data) {
				t.Fatalf("packet %+v", p)
			}
		}
		if c := src.Counters(); c.Packets != n || c.Bytes != size {
			t.Fatalf("counters %+v, want %d packets, %d bytes", c, n, size)
		}
	})
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "pcaps")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "two.pcap.gz")
	w, err := Create(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	broadcast := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 1, 8, 6, 0, 1)
	w.Write(&Packet{Data: broadcast, TimeNS: 1e9})
	w.Write(&Packet{Data: broadcast, Len: 60, TimeNS: 1e9 + 5})
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	src, err := Open(context.Background(), Options{Paths: []string{path}, Filter: "arp"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	var pkt Packet
	for src.Next(&pkt) == nil {
		fmt.Printf("%d ns: %d of %d bytes\n", pkt.TimeNS, len(pkt.Data), pkt.Len)
	}
	fmt.Println(src.Counters().Truncated, "truncated")
	// Output:
	// 1000000000 ns: 16 of 16 bytes
	// 1000000005 ns: 16 of 60 bytes
	// 1 truncated
}
