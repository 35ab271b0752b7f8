package conntrack

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/maps"

	"github.com/cilium/ebpf/btf"
)

const file = `
# what conntrack -L prints
tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000 [ASSURED] mark=5 use=1
udp      17 29 src=10.0.0.3 dst=10.0.0.2 sport=5353 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.3 sport=53 dport=5353 mark=0x10 use=1
tcp      6 60 SYN_SENT src=10.0.0.4 dst=10.0.0.2 sport=1 dport=2 packets=3 bytes=180 src=10.0.0.9 dst=192.0.2.1 sport=8080 dport=40001 packets=1 bytes=60 [OFFLOAD] mark=0 zone=7 use=1
icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=4 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=4 mark=0 use=1
unknown  2 594 src=0.0.0.0 dst=224.0.0.1 src=224.0.0.1 dst=0.0.0.0 mark=0 use=1
# /proc/net/nf_conntrack
ipv6     10 tcp      6 300 ESTABLISHED src=2001:db8::1 dst=2001:db8::2 sport=40001 dport=443 src=2001:db8::2 dst=2001:db8::1 sport=443 dport=40001 [ASSURED] [HW_OFFLOAD] mark=0 zone=0 use=2
# by hand
tcp src=127.0.0.1 dst=127.0.0.1 sport=7 dport=7 status=0x8
`

// question makes a tuple and options of 12 bytes.
func question(proto uint8, src, dst string, sport, dport uint16) (tuple, opts []byte) {
	tuple = append(netip.MustParseAddr(src).AsSlice(), netip.MustParseAddr(dst).AsSlice()...)
	tuple = binary.BigEndian.AppendUint16(tuple, sport)
	tuple = binary.BigEndian.AppendUint16(tuple, dport)
	return tuple, []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, proto, 0, 0, 0}
}

func TestLookup(t *testing.T) {
	table := must.Get(Read("file", strings.NewReader(file)))(t)
	none := func(e maps.Errno) Answer { return Answer{Conn: -1, Err: e} }
	for _, c := range []struct {
		proto        uint8
		src, dst     string
		sport, dport uint16
		opts         []byte // 12 bytes of the plain ones replaced, by (offset, value) pairs, or grown
		want         Answer
	}{
		{6, "10.0.0.1", "10.0.0.2", 40000, 80, nil, Answer{Conn: 0}},
		{6, "10.0.0.2", "10.0.0.1", 80, 40000, nil, Answer{Conn: 0, Dir: 1}},
		{17, "10.0.0.2", "10.0.0.1", 80, 40000, nil, none(maps.ENOENT)},
		{17, "10.0.0.2", "10.0.0.3", 53, 5353, nil, Answer{Conn: 1, Dir: 1}},
		{6, "10.0.0.4", "10.0.0.2", 1, 2, nil, none(maps.ENOENT)}, // another zone's
		{6, "10.0.0.4", "10.0.0.2", 1, 2, []byte{10, 7}, none(maps.EINVAL)},
		{6, "10.0.0.4", "10.0.0.2", 1, 2, []byte{10, 7, 15, 0}, Answer{Conn: 2}},
		{6, "10.0.0.9", "192.0.2.1", 8080, 40001, []byte{10, 7, 15, 0}, Answer{Conn: 2, Dir: 1}},
		{6, "10.0.0.9", "192.0.2.1", 8080, 40001, []byte{10, 7, 15, 1}, none(maps.EINVAL)},
		{6, "2001:db8::2", "2001:db8::1", 443, 40001, nil, Answer{Conn: 3, Dir: 1}},
		{6, "127.0.0.1", "127.0.0.1", 7, 7, nil, Answer{Conn: 4}},
		{1, "10.0.0.1", "10.0.0.2", 8, 0, nil, none(eProto)},
		{6, "10.0.0.1", "10.0.0.2", 40000, 80, []byte{0, 0, 1, 0, 2, 0, 3, 0}, none(eNoNet)},
		{6, "10.0.0.1", "10.0.0.2", 40000, 80, []byte{0, 0xfe}, none(maps.EINVAL)},
		{6, "10.0.0.1", "10.0.0.2", 40000, 80, []byte{13, 0}, none(maps.EINVAL)}, // 14 bytes
	} {
		tuple, opts := question(c.proto, c.src, c.dst, c.sport, c.dport)
		for i := 0; i < len(c.opts); i += 2 {
			for int(c.opts[i]) >= len(opts) {
				opts = append(opts, 0)
			}
			opts[c.opts[i]] = c.opts[i+1]
		}
		if got := table.Lookup(tuple, opts); got != c.want {
			t.Errorf("%d %s %s %d %d %v: %+v, want %+v", c.proto, c.src, c.dst, c.sport, c.dport, c.opts, got, c.want)
		}
	}
	tuple, opts := question(6, "10.0.0.1", "10.0.0.2", 40000, 80)
	if got := table.Lookup(append(tuple, 0), opts); got != none(eAFNoSupport) {
		t.Errorf("a tuple of 13 bytes: %+v", got)
	}
	if got := (*Table)(nil).Lookup(tuple, opts); got != none(maps.ENOENT) {
		t.Errorf("no table: %+v", got)
	}
	for i, want := range []uint32{Confirmed | SeenReply | Assured, Confirmed, Confirmed | SeenReply | Offload | SrcNAT | DstNAT, Confirmed | SeenReply | Assured | HWOffload, 8} {
		if got := table.Conns[i].Status; got != want {
			t.Errorf("connection %d: status %#x, want %#x", i, got, want)
		}
	}
	if m := [2]uint32{table.Conns[0].Mark, table.Conns[1].Mark}; m != [2]uint32{5, 16} {
		t.Errorf("marks %v", m)
	}
	n := testing.AllocsPerRun(100, func() { table.Lookup(tuple, opts) })
	if n > 0 {
		t.Errorf("a look-up allocates %g times", n)
	}
}

func TestDamaged(t *testing.T) {
	good := "src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2"
	for line, want := range map[string]string{
		"ipv4":                                    "a protocol expected",
		"tls " + good:                             `"tls": not a protocol`,
		"tcp 17 300 " + good:                      "protocol number 17: want 6",
		"tcp " + good + " sport=3":                "no src of the reply tuple",
		"tcp " + good + " " + good + " src=1::":   "src: said a third time",
		"tcp src=1.1.1.1 dst=2.2.2.2 sport=1":     "no dport of the original tuple",
		"tcp src=1.1.1 dst=2.2.2.2":               `src: "1.1.1": not an address`,
		"tcp src=1.1.1.1 dst=1:: sport=1 dport=2": "addresses of IPv4 and of IPv6",
		"tcp " + good + " mark=4294967296":        `mark: "4294967296": not a number it can have`,
		"tcp " + good + " mark":                   `"mark": not a word of a connection`,
		"tcp " + good + " colour=red":             `"colour": not a word of a connection`,
		"udp sport=65536":                         `sport: "65536": not a port`,
		"tcp " + good + "\ntcp " + good:           "the tuple is that of the connection on line 2",
		strings.Repeat("x", 1<<17):                "a line of more than 65536 bytes",
	} {
		_, err := Read("f", strings.NewReader("\n"+line))
		at := 2 + strings.Count(line, "\n")
		if want := fmt.Sprintf("f:%d: %s", at, want); err == nil || err.Error() != want {
			t.Errorf("%.60s: %v, want %s", line, err, want)
		}
	}
}

// Fields stand where the type says, within unnamed structs too, and what the
// table doesn't tell of is known not to be told.
func TestLayout(t *testing.T) {
	u16, u32, u64 := &btf.Int{Name: "u16", Size: 2}, &btf.Int{Name: "u32", Size: 4}, &btf.Int{Name: "u64", Size: 8}
	zone := &btf.Typedef{Name: "zone_t", Type: &btf.Struct{Size: 4, Members: []btf.Member{{Name: "id", Type: u16}, {Name: "flags", Type: u16, Offset: 16}}}}
	inner := &btf.Struct{Size: 16, Members: []btf.Member{{Name: "timeout", Type: u32}, {Name: "status", Type: u64, Offset: 64}}}
	l := LayoutOf(&btf.Struct{Name: "nf_conn", Size: 64, Members: []btf.Member{
		{Name: "use", Type: u32}, {Name: "mark", Type: u32, Offset: 32}, {Type: inner, Offset: 64}, {Name: "zone", Type: zone, Offset: 8 * 24}}})
	b := make([]byte, 64)
	l.Put(b, &Conn{Status: 0x10c, Mark: 7, Zone: 3})
	if v := binary.LittleEndian.Uint64(b[16:]); v != 0x10c || b[4] != 7 || b[24] != 3 {
		t.Errorf("% x", b)
	}
	for _, c := range []struct {
		off, n int
		want   bool
	}{{0, 4, false}, {4, 4, true}, {8, 4, false}, {16, 8, true}, {20, 4, true}, {24, 2, true}, {24, 4, false}, {26, 2, false}, {0, 8, false}} {
		if l.Told(c.off, c.n) != c.want {
			t.Errorf("%d bytes at %d: told %v", c.n, c.off, !c.want)
		}
	}
	if l := LayoutOf(nil); l.Told(0, 1) {
		t.Error("a type that isn't known is told of")
	}
}

// FuzzRead: whatever comes is read or refused by its line.
func FuzzRead(f *testing.F) {
	for _, l := range strings.Split(file, "\n") {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, s string) {
		table, err := Read("f", strings.NewReader(s))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		for i := range table.Conns {
			for dir, tup := range table.Conns[i].Tuples {
				tuple, opts := question(table.Conns[i].Proto, tup.Src.String(), tup.Dst.String(), tup.SrcPort, tup.DstPort)
				opts = append(opts, 0, 0, 0, 0)
				binary.LittleEndian.PutUint16(opts[optZone:], table.Conns[i].Zone)
				if a := table.Lookup(tuple, opts); a.Conn != i || int(a.Dir) != dir && table.Conns[i].Tuples[0] != table.Conns[i].Tuples[1] {
					t.Errorf("connection %d, direction %d: %+v", i, dir, a)
				}
			}
		}
	})
}
