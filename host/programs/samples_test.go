package programs

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// mapped is an address in 16 bytes, IPv4 as ::ffff:a.b.c.d.
func mapped(s string) [16]byte { return netip.MustParseAddr(s).As16() }

// be16 is an integer in network order.
func be16(v uint16) [2]byte {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return b
}

func TestIPv6Filter(t *testing.T) {
	k := load(t, "ipv6filter", nil)
	const a, b = "fd00::1", "fd00::2"
	v6, t6 := layers.EthernetTypeIPv6, layers.IPProtocolTCP

	k.want("IPv4 passes", tcp4(t, "10.0.0.1", 1, "10.0.0.2", 9999, "S"), pass)
	k.want("SYN to a service", tcp4(t, a, 1000, b, 80, "S"), pass)
	k.want("SYN to no service", tcp4(t, a, 1000, b, 81, "S"), drop)
	k.want("segment of a connection", tcp4(t, a, 1000, b, 81, "A"), pass)
	k.want("SYN and FIN", tcp4(t, a, 1000, b, 80, "SF"), drop)
	k.want("question to a name server", udp4(t, a, 1000, b, 53), pass)
	k.want("answer of one", udp4(t, b, 53, a, 1000), pass)
	k.want("UDP to no service", udp4(t, a, 1000, b, 1001), drop)
	k.want("SSH over UDP", udp4(t, a, 1000, b, 22), drop)
	k.want("in a VLAN", packet(t, eth(layers.EthernetTypeDot1Q), vlan(5, v6), ip(a, b, t6), tcp(1, 80, "S")), pass)
	k.want("in two VLANs", packet(t, eth(layers.EthernetTypeQinQ), vlan(5, layers.EthernetTypeDot1Q), vlan(6, v6), ip(a, b, t6), tcp(1, 81, "S")), drop)

	// 54: the header behind IPv6; 8 bytes of it say next header and length.
	options := func(kind layers.IPProtocol, header ...byte) []byte {
		return packet(t, eth(v6), ip(a, b, kind), gopacket.Payload(append(header, segment(t, a, b, 80, "S")...)))
	}
	k.want("hop-by-hop options", options(0, 6, 0, 1, 4, 0, 0, 0, 0), pass)
	k.want("destination options of 16 bytes", options(60, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), pass)
	k.want("hop-by-hop twice", options(0, 0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0), drop)
	k.want("routing header type 0", options(43, 6, 0, 0, 0, 0, 0, 0, 0), drop)
	k.want("routing header type 4", options(43, 6, 0, 4, 0, 0, 0, 0, 0), pass)
	k.want("first fragment", options(44, 6, 0, 0, 1, 0, 0, 0, 9), pass)
	k.want("later fragment", options(44, 6, 0, 5, 0, 0, 0, 0, 9), pass)
	k.want("options longer than the packet", options(60, 6, 40, 1, 4, 0, 0, 0, 0), drop)

	short := tcp4(t, a, 1000, b, 80, "S")
	binary.BigEndian.PutUint16(short[18:], uint16(len(short)-54+1)) // payload length
	k.want("shorter than it says", short, drop)
	multicast := tcp4(t, "ff02::1", 1000, b, 80, "S")
	k.want("from a multicast address", multicast, drop)

	solicit := packet(t, eth(v6), ip(a, b, layers.IPProtocolICMPv6), gopacket.Payload{135, 0, 0, 0, 0, 0, 0, 0})
	k.want("neighbour solicitation through a router", solicit, drop)
	solicit[21] = 255 // hop limit
	k.want("neighbour solicitation from the link", solicit, pass)
}

// segment is a TCP segment alone.
func segment(t testing.TB, src, dst string, port uint16, flags string) []byte {
	return tcp4(t, src, 1000, dst, port, flags)[54:]
}

type rule struct{ Action, ID uint32 }

type counter struct{ Packets, Bytes uint64 }

func (k *sample) counters(name string, i uint32) (sum counter) {
	k.t.Helper()
	var per []counter
	if err := k.Maps[name].Lookup(i, &per); err != nil {
		k.t.Fatal(err)
	}
	for _, c := range per {
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
	}
	return sum
}

func TestFirewall(t *testing.T) {
	k := load(t, "firewall", nil)
	const a, b = "10.0.0.1", "10.0.0.2"

	k.want("built-in service", tcp4(t, a, 1000, b, 80, "S"), pass)
	k.want("its reply", tcp4(t, b, 80, a, 1000, "SA"), pass)
	k.want("SYN from a service's port", tcp4(t, b, 80, a, 1000, "S"), drop)
	k.want("no service", tcp4(t, a, 1000, b, 8080, "S"), drop)
	k.want("null scan", tcp4(t, a, 1000, b, 80, ""), drop)
	k.want("from loopback", tcp4(t, "127.0.0.1", 1000, b, 80, "S"), drop)
	k.want("from loopback to itself", tcp4(t, "127.0.0.1", 1000, "127.0.0.1", 80, "S"), pass)
	k.want("from ::1", tcp4(t, "::1", 1000, "fd00::1", 80, "S"), drop)
	k.want("from a host to itself", tcp4(t, a, 1000, a, 80, "S"), drop)
	k.want("ping", packet(t, eth(layers.EthernetTypeIPv4), ip(a, b, layers.IPProtocolICMPv4), echo(8, 1)), pass)
	k.want("ICMP redirect", packet(t, eth(layers.EthernetTypeIPv4), ip(a, b, layers.IPProtocolICMPv4), echo(5, 1)), drop)
	k.want("ARP", append(packet(t, eth(layers.EthernetTypeARP)), make([]byte, 46)...), pass)
	later := udp4(t, a, 1000, b, 1000)
	later[21] = 5 // fragment offset
	k.want("later fragment", later, pass)

	// 46 05: with options the ports stand further behind.
	options := packet(t, eth(layers.EthernetTypeIPv4), &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2},
		Options: []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}}, udp(1000, 53))
	if options[14] != 0x46 {
		t.Fatal("no options in the packet")
	}
	k.want("behind IPv4 options", options, pass)

	k.put("services", struct {
		Port       [2]byte
		Proto, Pad uint8
	}{be16(8080), 6, 0}, rule{pass, 20})
	k.put("sources4", struct {
		Len  uint32
		Addr [4]byte
	}{16, [4]byte{10, 9}}, rule{drop, 21})
	k.put("sources6", struct {
		Len  uint32
		Addr [16]byte
	}{32, mapped("2001:db8::")}, rule{pass, 22})
	k.want("service by rule", tcp4(t, a, 1000, b, 8080, "S"), pass)
	k.want("reply by rule", tcp4(t, b, 8080, a, 1000, "A"), pass)
	k.want("source by rule", tcp4(t, "10.9.8.7", 1000, b, 80, "S"), drop)
	k.want("IPv6 source by rule", tcp4(t, "2001:db8::7", 1000, "fd00::1", 8081, "S"), pass)
	k.want("IPv6 in two VLANs", packet(t, eth(layers.EthernetTypeDot1Q), vlan(5, layers.EthernetTypeDot1Q), vlan(6, layers.EthernetTypeIPv6),
		ip("fd00::1", "fd00::2", layers.IPProtocolTCP), tcp(1, 8081, "S")), drop)

	length := uint64(len(tcp4(t, a, 1000, b, 8080, "S")))
	if diff := cmp.Diff(counter{2, 2 * length}, k.counters("counters", 20)); diff != "" {
		t.Errorf("counter of a rule: %s", diff)
	}
	if got := k.counters("counters", 21).Packets; got != 1 {
		t.Errorf("counter of the source rule: %d", got)
	}
}

func TestConntrack(t *testing.T) {
	k := load(t, "conntrack", map[string]any{"loose": uint32(0)})
	const in, out = "10.0.0.1", "198.51.100.7"

	k.want("reply without a connection", tcp4(t, out, 80, in, 1000, "SA"), drop)
	k.want("opening from outside", tcp4(t, out, 1000, in, 80, "S"), drop)
	k.want("middle of an unknown connection", tcp4(t, in, 1000, out, 80, "A"), drop)
	k.want("opening from inside", tcp4(t, in, 1000, out, 80, "S"), pass)
	k.want("data before the answer", tcp4(t, in, 1000, out, 80, "A"), drop)
	k.want("reply on another port", tcp4(t, out, 80, in, 1001, "SA"), drop)
	k.want("reply", tcp4(t, out, 80, in, 1000, "SA"), pass)
	k.want("acknowledgement", tcp4(t, in, 1000, out, 80, "A"), pass)
	k.want("data from outside", tcp4(t, out, 80, in, 1000, "AP"), pass)
	k.want("SYN from the wrong side", tcp4(t, out, 80, in, 1000, "S"), drop)
	k.want("end", tcp4(t, in, 1000, out, 80, "FA"), pass)
	k.want("other end", tcp4(t, out, 80, in, 1000, "FA"), pass)
	k.want("last acknowledgement", tcp4(t, in, 1000, out, 80, "A"), pass)
	k.want("the ports again", tcp4(t, in, 1000, out, 80, "S"), pass)
	k.want("refused by the server", tcp4(t, out, 80, in, 1000, "RA"), pass)
	k.want("nothing after a reset", tcp4(t, out, 80, in, 1000, "A"), drop)

	k.want("UDP from outside", udp4(t, out, 53, in, 1000), drop)
	k.want("UDP question", udp4(t, in, 1000, out, 53), pass)
	k.want("UDP answer", udp4(t, out, 53, in, 1000), pass)
	k.want("IPv6 opening", tcp4(t, "fd00::1", 1000, "2001:db8::1", 443, "S"), pass)
	k.want("IPv6 reply", tcp4(t, "2001:db8::1", 443, "fd00::1", 1000, "SA"), pass)
	ping := func(src, dst string, typ uint8) []byte {
		return packet(t, eth(layers.EthernetTypeIPv4), ip(src, dst, layers.IPProtocolICMPv4), echo(typ, 77))
	}
	k.want("ping from outside", ping(out, in, 8), drop)
	k.want("ping", ping(in, out, 8), pass)
	k.want("pong", ping(out, in, 0), pass)

	unreachable := func(quoted []byte) []byte {
		return packet(t, eth(layers.EthernetTypeIPv4), ip("192.0.2.1", in, layers.IPProtocolICMPv4), echo(3, 0), gopacket.Payload(quoted[14:]))
	}
	k.want("error about a known packet", unreachable(udp4(t, in, 1000, out, 53)), pass)
	k.want("error about another", unreachable(udp4(t, in, 1001, out, 53)), drop)

	k.put("published", struct {
		Port       [2]byte
		Proto, Pad uint8
	}{be16(80), 6, 0}, uint32(1))
	k.want("opening from outside to a published service", tcp4(t, out, 2000, in, 80, "S"), pass)
	k.want("its reply", tcp4(t, in, 80, out, 2000, "SA"), pass)
	k.put("inside4", struct {
		Len  uint32
		Addr [4]byte
	}{24, [4]byte{10, 0, 7}}, uint32(0))
	k.want("no longer inside", tcp4(t, "10.0.7.1", 1000, out, 81, "S"), drop)
	if got := k.counter("counters", 5); got != 1 {
		t.Errorf("%d related packets, want 1", got)
	}
}

// A connection from before the program is picked up, from inside only.
func TestConntrackPicksUp(t *testing.T) {
	k := load(t, "conntrack", nil)
	const in, out = "10.0.0.1", "198.51.100.7"
	k.want("segment from outside", tcp4(t, out, 80, in, 1000, "A"), drop)
	k.want("SYN and ACK from inside", tcp4(t, in, 1000, out, 80, "SA"), drop)
	k.want("segment from inside", tcp4(t, in, 1000, out, 80, "A"), pass)
	k.want("segment from outside", tcp4(t, out, 80, in, 1000, "A"), pass)
	k.want("loopback is inside", tcp4(t, "127.0.0.1", 1000, "127.0.0.1", 7000, "S"), pass)
	k.want("and answers", tcp4(t, "127.0.0.1", 7000, "127.0.0.1", 1000, "SA"), pass)
	k.want("so is ::1", tcp4(t, "::1", 1000, "::1", 7000, "S"), pass)
}

// A connection is forgotten after its timeout.
func TestConntrackExpires(t *testing.T) {
	k := load(t, "conntrack", map[string]any{"timeouts": [8]uint32{}})
	k.want("question", udp4(t, "10.0.0.1", 1000, "198.51.100.7", 53), pass)
	k.want("answer, too late", udp4(t, "198.51.100.7", 53, "10.0.0.1", 1000), drop)
}

func TestRouter(t *testing.T) {
	k := load(t, "router", nil)
	type route struct {
		Gateway     [16]byte
		Port        uint32
		VLAN, Flags uint16
	}
	type prefix4 struct {
		Len  uint32
		Addr [4]byte
	}
	type prefix6 struct {
		Len  uint32
		Addr [16]byte
	}
	v4, v6 := layers.EthernetTypeIPv4, layers.EthernetTypeIPv6
	k.put("routes4", prefix4{8, [4]byte{10}}, route{Gateway: mapped("10.1.0.1"), Port: 1})
	k.put("routes4", prefix4{16, [4]byte{10, 1}}, route{Port: 2, VLAN: 99})
	k.put("routes4", prefix4{32, [4]byte{10, 1, 0, 9}}, route{Flags: 1})
	k.put("routes4", prefix4{24, [4]byte{10, 66, 6}}, route{Flags: 2})
	k.put("routes6", prefix6{32, mapped("2001:db8::")}, route{Gateway: mapped("fd00::1"), Port: 0})
	k.put("neighbours", mapped("10.1.0.1"), [12]byte{2, 0, 0, 0, 0x10, 1, 2, 0, 0, 0, 0, 1})
	k.put("neighbours", mapped("fd00::1"), [12]byte{2, 0, 0, 0, 0x60, 1, 2, 0, 0, 0, 0, 1})
	k.put("ports", uint32(1), uint32(1)) // the loopback device

	// route sends a packet and checks verdict, TTL, checksum and MAC.
	check := func(what string, in []byte, l2 int, verdict uint32, mac byte) []byte {
		t.Helper()
		v, out := k.run(in)
		if v != verdict {
			t.Errorf("%s: verdict %d, want %d", what, v, verdict)
		}
		want := append([]byte(nil), in...)
		copy(want, out[:l2])
		ttl := l2 + 8
		if in[l2]>>4 == 6 {
			ttl = l2 + 7
		} else {
			copy(want[l2+10:l2+12], out[l2+10:]) // checkSums looks at it
		}
		want[ttl]--
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		checkSums(t, what, out)
		if out[4] != mac {
			t.Errorf("%s: sent to %x", what, out[:6])
		}
		return out
	}
	const src = "192.0.2.1"
	check("by gateway", tcp4(t, src, 1, "10.2.3.4", 2, "S"), 14, redirect, 0x10)
	check("IPv6, back out of the same port", tcp4(t, "fd00::9", 1, "2001:db8::4", 2, "S"), 14, tx, 0x60)
	check("no route: the built-in gateway", tcp4(t, src, 1, "203.0.113.9", 2, "S"), 14, tx, 0)
	check("on the link, port without device", tcp4(t, src, 1, "10.1.0.1", 2, "S"), 14, drop, 0x10)
	tagged := packet(t, eth(layers.EthernetTypeDot1Q), vlan(5, v4), ip(src, "10.1.0.1", layers.IPProtocolUDP), udp(1, 2))
	out := check("into another VLAN", tagged, 18, drop, 0x10)
	if id := binary.BigEndian.Uint16(out[14:]); id != 99 {
		t.Errorf("VLAN %d, want 99", id)
	}
	// Each TTL, as the checksum's carries differ.
	for ttl := 2; ttl < 256; ttl++ {
		l := ip(src, "203.0.113.9", layers.IPProtocolUDP).(*layers.IPv4)
		l.TTL, l.Id = uint8(ttl), uint16(ttl*0x0f0f)
		check("TTL", packet(t, eth(v4), l, udp(1, 2)), 14, tx, 0)
	}

	k.want("neighbour not known", tcp4(t, src, 1, "10.1.0.2", 2, "S"), pass)
	k.want("to the router itself", tcp4(t, src, 1, "10.1.0.9", 2, "S"), pass)
	k.want("black hole", tcp4(t, src, 1, "10.66.6.1", 2, "S"), drop)
	k.want("multicast", udp4(t, src, 1, "224.0.0.5", 2), pass)
	k.want("IPv6 link-local", udp4(t, "fe80::1", 1, "fe80::2", 2), pass)
	dying := ip(src, "10.2.3.4", layers.IPProtocolUDP).(*layers.IPv4)
	dying.TTL = 1
	k.want("TTL at its end", packet(t, eth(v4), dying, udp(1, 2)), pass)
	dying6 := ip("fd00::1", "2001:db8::1", layers.IPProtocolUDP).(*layers.IPv6)
	dying6.HopLimit = 1
	k.want("hop limit at its end", packet(t, eth(v6), dying6, udp(1, 2)), pass)
	if got := k.counters("counters", 4).Packets; got != 2 {
		t.Errorf("%d packets with their TTL at its end, want 2", got)
	}
}

func TestRateLimiter(t *testing.T) {
	// A packet an hour: no token comes while the test runs.
	type limit struct{ Rate, Burst, SYNCost, Pad uint32 }
	k := load(t, "ratelimiter", map[string]any{"builtin": limit{1, 10, 4, 0}})
	for i := range 10 {
		k.want("within the burst", udp4(t, "10.0.0.1", 1000+uint16(i), "10.0.1.1", 53), pass)
	}
	for range 5 {
		k.want("beyond it", udp4(t, "10.0.0.1", 1000, "10.0.1.1", 53), drop)
	}
	k.want("a neighbour shares the bucket", udp4(t, "10.0.0.200", 1000, "10.0.1.1", 53), drop)
	k.want("another network has its own", udp4(t, "10.0.1.1", 1000, "10.0.0.1", 53), pass)
	k.want("IPv6", udp4(t, "fd00::1", 1000, "fd00:0:0:1::1", 53), pass)

	k.want("SYN costs 4", tcp4(t, "10.0.2.1", 1000, "10.0.0.1", 53, "S"), pass)
	k.want("SYN costs 4", tcp4(t, "10.0.2.1", 1000, "10.0.0.1", 53, "S"), pass)
	k.want("2 tokens are left", tcp4(t, "10.0.2.1", 1000, "10.0.0.1", 53, "S"), drop)
	k.want("a segment costs 1", tcp4(t, "10.0.2.1", 1000, "10.0.0.1", 53, "A"), pass)
	k.want("a segment costs 1", tcp4(t, "10.0.2.1", 1000, "10.0.0.1", 53, "A"), pass)
	k.want("empty", tcp4(t, "10.0.2.1", 1000, "10.0.0.1", 53, "A"), drop)

	type prefix4 struct {
		Len  uint32
		Addr [4]byte
	}
	k.put("classes4", prefix4{24, [4]byte{10, 0, 3}}, uint32(1)) // class 1: no limit
	k.put("classes4", prefix4{24, [4]byte{10, 0, 4}}, uint32(2))
	k.put("classes4", prefix4{24, [4]byte{10, 0, 5}}, uint32(99))
	k.put("limits", uint32(2), limit{1, 2, 1, 0})
	for range 20 {
		k.want("without limit", udp4(t, "10.0.3.1", 1, "10.0.0.1", 53), pass)
	}
	k.want("class with a burst of 2", udp4(t, "10.0.4.1", 1, "10.0.0.1", 53), pass)
	k.want("class with a burst of 2", udp4(t, "10.0.4.1", 1, "10.0.0.1", 53), pass)
	k.want("class with a burst of 2", udp4(t, "10.0.4.1", 1, "10.0.0.1", 53), drop)
	k.want("class that isn't there", udp4(t, "10.0.5.1", 1, "10.0.0.1", 53), aborted)

	// A million a second: tokens come between any two of our runs.
	fast := load(t, "ratelimiter", map[string]any{"builtin": limit{1_000_000, 1, 1, 0}})
	for range 100 {
		fast.want("a fast source", udp4(t, "10.0.0.1", 1, "10.0.1.1", 53), pass)
	}
}

func TestNAT(t *testing.T) {
	k := load(t, "nat", nil)
	const in, out, public = "10.0.0.1", "198.51.100.7", "203.0.113.1"

	// send gives the packet after translation, its checksums checked.
	send := func(what string, pkt []byte) gopacket.Packet {
		t.Helper()
		v, got := k.run(pkt)
		if v != pass {
			t.Fatalf("%s: verdict %d", what, v)
		}
		return checkSums(t, what, got)
	}
	addrs := func(p gopacket.Packet) (string, string) {
		f := p.NetworkLayer().NetworkFlow()
		return f.Src().String(), f.Dst().String()
	}
	seen := map[uint16]bool{}
	for port := uint16(1); port < 2000; port += 7 {
		p := send("SYN", tcp4(t, in, port, out, 80, "S"))
		l := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if s, d := addrs(p); s != public || d != out || l.DstPort != 80 || l.SrcPort < 20000 {
			t.Fatalf("out: %s:%d to %s:%d", s, l.SrcPort, d, l.DstPort)
		}
		if seen[uint16(l.SrcPort)] {
			t.Fatalf("port %d given twice", l.SrcPort)
		}
		seen[uint16(l.SrcPort)] = true
		again := send("to another host", tcp4(t, in, port, "198.51.100.8", 443, "S"))
		if a := again.Layer(layers.LayerTypeTCP).(*layers.TCP); a.SrcPort != l.SrcPort {
			t.Fatalf("mapping depends on the destination: %d, %d", l.SrcPort, a.SrcPort)
		}
		back := send("reply", tcp4(t, out, 80, public, uint16(l.SrcPort), "SA"))
		b := back.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if s, d := addrs(back); s != out || d != in || uint16(b.DstPort) != port || b.SrcPort != 80 {
			t.Fatalf("in: %s:%d to %s:%d", s, b.SrcPort, d, b.DstPort)
		}
	}
	p := send("UDP", udp4(t, in, 1000, out, 53))
	sport := uint16(p.Layer(layers.LayerTypeUDP).(*layers.UDP).SrcPort)
	p = send("UDP in a VLAN", packet(t, eth(layers.EthernetTypeDot1Q), vlan(5, layers.EthernetTypeIPv4), ip(in, out, layers.IPProtocolUDP), udp(1000, 53)))
	if again := uint16(p.Layer(layers.LayerTypeUDP).(*layers.UDP).SrcPort); again != sport {
		t.Errorf("port %d in a VLAN, %d without", again, sport)
	}
	bare := udp4(t, in, 1000, out, 53)
	copy(bare[40:], []byte{0, 0})
	if _, got := k.run(bare); got[40] != 0 || got[41] != 0 {
		t.Errorf("a UDP packet without checksum got %x", got[40:42])
	}

	ping := packet(t, eth(layers.EthernetTypeIPv4), ip(in, out, layers.IPProtocolICMPv4), echo(8, 4242), gopacket.Payload("ping"))
	p = send("ping", ping)
	id := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4).Id
	p = send("pong", packet(t, eth(layers.EthernetTypeIPv4), ip(out, public, layers.IPProtocolICMPv4), echo(0, id), gopacket.Payload("ping")))
	if _, d := addrs(p); d != in || p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4).Id != 4242 {
		t.Errorf("pong: %v", p)
	}

	// A datagram to us in two fragments: the second has no ports.
	frag := ip(out, public, layers.IPProtocolUDP).(*layers.IPv4)
	frag.Flags = layers.IPv4MoreFragments
	v, got := k.run(packet(t, eth(layers.EthernetTypeIPv4), frag, udp(53, sport), gopacket.Payload("12345678")))
	if v != pass || netip.AddrFrom4([4]byte(got[30:34])).String() != in {
		t.Errorf("first fragment: verdict %d, to %d", v, got[30:34])
	}
	frag.Flags, frag.FragOffset = 0, 2
	v, got = k.run(packet(t, eth(layers.EthernetTypeIPv4), frag, gopacket.Payload("12345678")))
	if v != pass || netip.AddrFrom4([4]byte(got[30:34])).String() != in {
		t.Errorf("later fragment: verdict %d, to %d", v, got[30:34])
	}
	frag.Id = 8
	k.want("later fragment of nothing known", packet(t, eth(layers.EthernetTypeIPv4), frag, gopacket.Payload("12345678")), drop)

	k.want("between inside hosts", tcp4(t, in, 1, "10.0.0.2", 2, "S"), pass)
	k.want("to us, no mapping", tcp4(t, out, 1, public, 9, "S"), pass)

	// RFC 6296: addresses change, transport checksums don't.
	p = send("IPv6 out", tcp4(t, "fd00:0:0:7::1", 1000, "2001:db8:9::1", 80, "S"))
	s, _ := addrs(p)
	if a := netip.MustParseAddr(s); !netip.MustParsePrefix("2001:db8:1::/48").Contains(a) {
		t.Errorf("IPv6 out from %s", a)
	}
	p = send("IPv6 in", tcp4(t, "2001:db8:9::1", 80, s, 1000, "SA"))
	if _, d := addrs(p); d != "fd00:0:0:7::1" {
		t.Errorf("IPv6 in to %s", d)
	}
}

// When all ports around are taken, a packet is dropped and counted.
func TestNATPortsRunOut(t *testing.T) {
	k := load(t, "nat", nil)
	type publicPort struct {
		Port       [2]byte
		Proto, Pad uint8
	}
	type endpoint struct {
		Addr       [4]byte
		Port       [2]byte
		Proto, Pad uint8
	}
	pkt := udp4(t, "10.0.0.1", 1000, "198.51.100.7", 53)
	_, out := k.run(pkt)
	port := binary.BigEndian.Uint16(out[34:])
	// Take that port and the 15 behind it away.
	must.OK(t, k.Maps["outgoing"].Delete(endpoint{[4]byte{10, 0, 0, 1}, be16(1000), 17, 0}))
	for i := range uint16(16) {
		k.put("incoming", publicPort{be16(20000 + (port-20000+i)%40000), 17, 0}, endpoint{Addr: [4]byte{10, 9, 9, 9}})
	}
	k.want("no port free", pkt, drop)
	if got := k.counter("counters", 4); got != 1 {
		t.Errorf("counted %d times", got)
	}
}

func TestTelemetry(t *testing.T) {
	k := load(t, "telemetry", map[string]any{"sample_every": uint32(4)})
	const a, b = "10.0.0.1", "10.0.0.2"
	deep := []gopacket.SerializableLayer{eth(layers.EthernetTypeDot1Q)}
	for i := range 3 {
		deep = append(deep, vlan(uint16(i), layers.EthernetTypeDot1Q))
	}
	deep = append(deep, vlan(3, layers.EthernetTypeIPv4), ip(a, b, layers.IPProtocolTCP), tcp(1000, 443, "S"))
	options := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2},
		Options: []layers.IPv4Option{{OptionType: 1}, {OptionType: 131, OptionLength: 7, OptionData: []byte{4, 10, 0, 0, 3}}}}

	pkts := [][]byte{
		tcp4(t, a, 1000, b, 80, "S"),
		tcp4(t, b, 80, a, 1000, "SA"),
		packet(t, deep...),
		packet(t, eth(layers.EthernetTypeIPv4), options, udp(1000, 53), gopacket.Payload("a question to a name server, of some length")),
		udp4(t, "fd00::1", 1000, "fd00::2", 53),
		packet(t, eth(layers.EthernetTypeIPv6), ip("fd00::1", "fd00::2", 0), gopacket.Payload(append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, segment(t, "fd00::1", "fd00::2", 80, "F")...))),
		append(packet(t, eth(layers.EthernetTypeARP)), make([]byte, 46)...),
		tcp4(t, a, 1000, b, 80, "R")[:40],
	}
	for _, p := range pkts {
		k.want("packet", p, pass)
	}
	want := map[string]uint64{
		"packets": 8, "tagged": 1, "malformed": 1, "options": 1, "source route": 1, "extension headers": 1,
		"SYN": 3, "FIN": 1, "RST": 0, "no tail": 0, "lost": 0,
	}
	have := map[string]uint64{}
	for n, i := range map[string]uint32{
		"packets": 0, "tagged": 1, "malformed": 3, "options": 5, "source route": 6, "extension headers": 7,
		"SYN": 9, "FIN": 10, "RST": 11, "lost": 13, "no tail": 14,
	} {
		have[n] = k.counter("events", i)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("events: %s", diff)
	}
	if got := k.counters("protocols", 6).Packets; got != 5 {
		t.Errorf("%d TCP packets, want 5", got)
	}
	var c counter
	if err := k.Maps["services"].Lookup(uint32(6<<16|80), &c); err != nil || c.Packets != 3 {
		t.Errorf("%d packets of TCP port 80 (%v), want 3", c.Packets, err)
	}
	// Every fourth of a CPU: on one CPU the fourth; on several perhaps none.
	if n := k.counter("events", 12); n > 2 {
		t.Errorf("%d samples", n)
	}
}
