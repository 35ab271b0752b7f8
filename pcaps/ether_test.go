package pcaps

import (
	"bufio"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// cooked captures, annotated: the packet as its link type has it, and what a
// program sees.
func TestLinkTypes(t *testing.T) {
	ip := "45000014 0000 0000 40 11 0000 0a000001 0a000002"
	for _, c := range []struct {
		name   string
		link   uint32
		packet string
		want   string // "" if passed over
		why    string // the count it is in
	}{
		{"SLL", 113, "0000 0001 0006 020000000001 0000 0800" + ip, "000000000000 020000000001 0800" + ip, "LINUX_SLL"},
		{"SLL, loopback", 113, "0000 0304 0006 000000000000 0000 86dd 60", "000000000000 000000000000 86dd 60", "LINUX_SLL"},
		{"SLL, tun without addresses", 113, "0000 fffe 0000 ffffffffffff ffff 0800" + ip, "000000000000 000000000000 0800" + ip, "LINUX_SLL"},
		{"SLL, VLAN", 113, "0000 0001 0006 020000000001 0000 8100 0005 0800" + ip, "000000000000 020000000001 8100 0005 0800" + ip, "LINUX_SLL"},
		{"SLL, 802.2", 113, "0001 0001 0006 020000000001 0000 0004 424203", "000000000000 020000000001 0067 424203", "LINUX_SLL"},
		{"SLL, CAN", 113, "0001 0118 0000 0000000000000000 000c 00000001", "", "LINUX_SLL, CAN"},
		{"SLL, netlink", 113, "0004 0338 0000 0000000000000000 0000 00000001", "", "LINUX_SLL, netlink"},
		{"SLL, cut", 113, "0000 0001 0006 020000", "", "LINUX_SLL, cut inside its header"},
		{"SLL2", 276, "0800 0000 00000014 0001 04 06 d2cfc25015ea 0000" + ip, "000000000000 d2cfc25015ea 0800" + ip, "LINUX_SLL2"},
		{"RAW 4", 101, ip, "000000000000 000000000000 0800" + ip, "RAW"},
		{"RAW 6", 101, "6000", "000000000000 000000000000 86dd 6000", "RAW"},
		{"RAW 6, OpenBSD", 14, "6000", "000000000000 000000000000 86dd 6000", "RAW"},
		{"RAW, neither", 101, "7000", "", "RAW, IP version 7"},
		{"RAW, nothing", 101, "", "", "RAW, no bytes"},
		{"IPV4", 228, ip, "000000000000 000000000000 0800" + ip, "IPV4"},
		{"IPV6", 229, "60", "000000000000 000000000000 86dd 60", "IPV6"},
		{"NULL, little", 0, "02000000" + ip, "000000000000 000000000000 0800" + ip, "NULL"},
		{"NULL, big", 0, "0000001c 60", "000000000000 000000000000 86dd 60", "NULL"},
		{"NULL, Darwin", 0, "1e000000 60", "000000000000 000000000000 86dd 60", "NULL"},
		{"NULL, OSI", 0, "07000000 60", "", "NULL, address family 7"},
		{"LOOP", 108, "00000018 60", "000000000000 000000000000 86dd 60", "LOOP"},
		{"radiotap", 127, "0000", "", "IEEE802_11_RADIO"},
		{"802.11", 105, "0000", "", "IEEE802_11"},
	} {
		packet := unhex(t, c.packet)
		n := uint32(len(packet))
		for name, b := range map[string][]byte{
			"pcap":   append(orders["little"].u32s(orders["little"].pcapFile(magicNanos, 0, c.link, 4), 0, 0, n, n+100), packet...),
			"pcapng": slices.Concat(orders["big"].shb(), orders["big"].idb(uint16(c.link), 0), orders["big"].epb(0, 0, n+100, packet...)),
			"simple": slices.Concat(orders["little"].shb(), orders["little"].idb(uint16(c.link), n), orders["little"].block(3, append(orders["little"].u32s(nil, n+100), packet...))),
		} {
			if name == "simple" && n == 0 {
				continue // a snapshot length of 0 is none
			}
			pkts, count, err := read(b, Options{})
			if err != nil {
				t.Errorf("%s in %s: %v", c.name, name, err)
				continue
			}
			if c.want == "" {
				if len(pkts) != 0 || count.Skipped[c.why] != 1 {
					t.Errorf("%s in %s: %d packets, skipped %v; want 1 of %q", c.name, name, len(pkts), count.Skipped, c.why)
				}
				continue
			}
			want := hex.EncodeToString(unhex(t, c.want))
			if len(pkts) != 1 || pkts[0].Data != want || count.Framed[c.why] != 1 {
				t.Errorf("%s in %s: %v, framed %v\nwant %s", c.name, name, pkts, count.Framed, want)
				continue
			}
			if got, want := pkts[0].Len-100, uint32(len(want)/2); got != want {
				t.Errorf("%s in %s: length %d, want %d", c.name, name, got, want)
			}
			if pkts, count, _ = read(b, Options{LinkType: LinkSkip}); len(pkts) != 0 || count.Skipped[c.why] != 1 {
				t.Errorf("%s in %s, skipped on request: %d packets, %v", c.name, name, len(pkts), count.Skipped)
			}
		}
	}
}

// TestLinkTypeCorpus counts IPv4 and IPv6 in real captures as tcpdump does.
func TestLinkTypeCorpus(t *testing.T) {
	dir := sharedDir(t, "corpus", "linktypes")
	f := must.Get(os.Open(filepath.Join(dir, "manifest.tsv")))(t)
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Scan()
	for sc.Scan() {
		col := strings.Split(sc.Text(), "\t")
		for i, filter := range []string{"ip", "ip6"} {
			src, err := Open(context.Background(), Options{Paths: []string{filepath.Join(dir, col[0])}, Filter: filter})
			must.OK(t, err)
			pkts, _, err := drain(src)
			src.Close()
			if err != nil {
				t.Errorf("%s: %v", col[0], err)
			}
			if got := len(pkts); col[3+i] != strconv.Itoa(got) {
				t.Errorf("%s: %d packets are %s, tcpdump counts %s", col[0], got, filter, col[3+i])
			}
		}
	}
}

// TestFCS: frame check sequences go, and a cut frame loses only those bytes of
// it that were captured.
func TestFCS(t *testing.T) {
	le := orders["little"]
	frame := make([]byte, 64)
	for i := range frame {
		frame[i] = byte(i)
	}
	flags := func(n uint32) []byte { return le.option(2, le.u32s(nil, n<<5|1)...) }
	classic := func(word uint32, caplen int) []byte {
		return append(le.u32s(le.pcapFile(magicNanos, 0, word|1, 4), 0, 0, uint32(caplen), 64), frame[:caplen]...)
	}
	ng := func(iface, packet []byte, caplen int) []byte {
		body := le.u32s(nil, 0, 0, 0, uint32(caplen), 64)
		body = append(body, frame[:caplen]...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		return slices.Concat(le.shb(), le.idb(1, 0, iface), le.block(6, append(body, packet...)))
	}
	long := slices.Concat(le.option(1, make([]byte, 65000)...), le.option(1, make([]byte, 65000)...), le.option(1, make([]byte, 65000)...),
		le.option(1, make([]byte, 65000)...), le.option(1, make([]byte, 65000)...))
	for _, c := range []struct {
		name      string
		b         []byte
		data, len int
	}{
		{"pcap without", classic(0, 64), 64, 64},
		{"pcap, f bits", classic(2<<28|1<<26, 64), 60, 60},
		{"pcap, in octets", classic(4<<28|1<<26, 64), 60, 60},
		{"pcap, length without f", classic(2<<28, 64), 64, 64},
		{"pcap, cut inside it", classic(2<<28|1<<26, 62), 60, 60},
		{"pcap, cut before it", classic(2<<28|1<<26, 50), 50, 60},
		{"if_fcslen", ng(le.option(13, 4), nil, 64), 60, 60},
		{"if_fcslen in bits", ng(le.option(13, 32), nil, 64), 60, 60},
		{"packet flags", ng(nil, flags(4), 64), 60, 60},
		{"packet flags over if_fcslen", ng(le.option(13, 4), flags(2), 64), 62, 62},
		{"packet flags that don't know", ng(le.option(13, 4), flags(0), 61), 60, 60},
		{"flags behind a comment", ng(nil, slices.Concat(le.option(1, 'x', 'y'), flags(4)), 64), 60, 60},
		{"flags behind options longer than a window", ng(nil, slices.Concat(long, flags(4)), 64), 60, 60},
		{"long options without", ng(nil, long, 64), 64, 64},
	} {
		pkts, count, err := read(c.b, Options{})
		if err != nil || len(pkts) != 1 {
			t.Errorf("%s: %d packets, %v", c.name, len(pkts), err)
			continue
		}
		if len(pkts[0].Data) != 2*c.data || int(pkts[0].Len) != c.len {
			t.Errorf("%s: %d of %d bytes, want %d of %d", c.name, len(pkts[0].Data)/2, pkts[0].Len, c.data, c.len)
		}
		if cut := count.Checked == 1; cut != (c.len < 64) {
			t.Errorf("%s: %d counted", c.name, count.Checked)
		}
	}
}

// TestPadCut fills cut packets with zeros.
func TestPadCut(t *testing.T) {
	le := orders["little"]
	b := le.pcapFile(magicNanos, 0, 1, 4)
	b = append(le.u32s(b, 0, 0, 14, 20), make([]byte, 14)...)
	b = append(le.u32s(b, 0, 1, 14, 14), make([]byte, 14)...)
	b = append(le.u32s(b, 0, 2, 14, 1<<30), make([]byte, 14)...) // no such frame
	b = append(le.u32s(b, 0, 3, 14, 16), make([]byte, 14)...)
	for _, pad := range []bool{false, true} {
		pkts, count, err := read(b, Options{PadCut: pad})
		must.OK(t, err)
		want, padded := []int{14, 14, 14, 14}, uint64(0)
		if pad {
			want, padded = []int{20, 14, 14, 16}, 2
		}
		for i, p := range pkts {
			if len(p.Data) != 2*want[i] {
				t.Errorf("padding %v: packet %d of %d bytes, want %d", pad, i, len(p.Data)/2, want[i])
			}
		}
		if count.Truncated != 3 || count.Padded != padded {
			t.Errorf("padding %v: %d cut, %d padded", pad, count.Truncated, count.Padded)
		}
	}
}

// TestStripVLAN takes the outer tag off, and only that.
func TestStripVLAN(t *testing.T) {
	le := orders["little"]
	for _, c := range []struct {
		packet, want string
		tag          Tag
	}{
		{"ffffffffffff 020000000001 8100 6005 0800 45", "ffffffffffff 020000000001 0800 45", Tag{0x8100, 0x6005}},
		{"ffffffffffff 020000000001 88a8 0005 8100 0006 0800", "ffffffffffff 020000000001 8100 0006 0800", Tag{0x88a8, 5}},
		{"ffffffffffff 020000000001 0800 45", "ffffffffffff 020000000001 0800 45", Tag{}},
		{"ffffffffffff 020000000001 8100 60", "ffffffffffff 020000000001 8100 60", Tag{}},
	} {
		packet := unhex(t, c.packet)
		n := uint32(len(packet))
		src := must.Get(NewSource(context.Background(), "test", strings.NewReader(string(append(le.u32s(le.pcapFile(magicNanos, 0, 1, 4), 0, 0, n, n), packet...))), Options{StripVLAN: true}))(t)
		var p Packet
		must.OK(t, src.Next(&p))
		if string(p.Data) != string(unhex(t, c.want)) || p.Tag != c.tag || int(p.Len) != len(p.Data) {
			t.Errorf("%s: %x of %d bytes, tag %+v", c.packet, p.Data, p.Len, p.Tag)
		}
	}
}

// TestEmpty: captures that leave nothing are an error that says why.
func TestEmpty(t *testing.T) {
	le := orders["little"]
	for _, c := range []struct {
		b    []byte
		o    Options
		want string
	}{
		{le.pcapFile(magicNanos, 0, 1, 4), Options{}, `capture "x.pcap": no packets: there are none in it`},
		{append(le.u32s(le.pcapFile(magicNanos, 0, 113, 4), 0, 0, 2, 2), 1, 2), Options{LinkType: LinkSkip}, `capture "x.pcap": no packets: 1 of link type LINUX_SLL skipped`},
		{append(le.u32s(le.pcapFile(magicNanos, 0, 1, 4), 0, 0, 2, 2), 1, 2), Options{Filter: "tcp"}, `capture "x.pcap": no packets: 1 not matched by the filter`},
	} {
		src := must.Get(NewSource(context.Background(), "x.pcap", strings.NewReader(string(c.b)), c.o))(t)
		var p Packet
		if err := src.Next(&p); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// TestCaptures: counts and clocks capture by capture, and the time that passed
// within them without that between.
func TestCaptures(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a.pcap"), filepath.Join(dir, "b.pcap"), filepath.Join(dir, "c.pcap")
	write(t, a, 3, 5e9, 1000)
	write(t, b, 2, 9e9, 500)
	write(t, c, 4, 1e9, 100)
	src := must.Get(Open(context.Background(), Options{Paths: []string{a, b, c}}))(t)
	if _, _, err := drain(src); err != nil {
		t.Fatal(err)
	}
	caps := src.Captures()
	for i, want := range []Capture{
		{Name: a, First: 5e9, Last: 5e9 + 2000, KFirst: 5e9, KLast: 5e9 + 2000},
		{Name: b, First: 9e9, Last: 9e9 + 500, KFirst: 9e9, KLast: 9e9 + 500, Index: 3, Gap: 4e9 - 2000},
		{Name: c, First: 1e9, Last: 1e9 + 300, KFirst: 9e9 + 1500, KLast: 9e9 + 1800, Index: 5, Gap: -8e9 - 500, Shift: 8e9 + 1500},
	} {
		got := caps[i]
		if got.Packets != []uint64{3, 2, 4}[i] {
			t.Errorf("%s: %d packets", got.Name, got.Packets)
		}
		got.Counters = Counters{}
		if got.Name != want.Name || got.First != want.First || got.Last != want.Last || got.KFirst != want.KFirst || got.KLast != want.KLast ||
			got.Index != want.Index || got.Gap != want.Gap || got.Shift != want.Shift {
			t.Errorf("capture %d: %+v\nwant %+v", i, got, want)
		}
	}
	if n := src.Active(); n != 2000+500+300 {
		t.Errorf("%d ns passed within the captures, want 2800", n)
	}
}
