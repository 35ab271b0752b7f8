package samples_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"jitnic/host/hosttest/must"
	"jitnic/pcaps"
	"jitnic/pcaps/samples"
)

// seen counts what a capture holds, by the names that claims use.
type seen map[string]int

// look decodes one frame. It demands that lengths fit and checksums hold: a
// frame that waits for a device's offload is no frame of a wire.
func look(t *testing.T, n seen, pkt *pcaps.Packet) {
	p := gopacket.NewPacket(pkt.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	tags, fragment := 0, false
	var addrs []byte // of the pseudo-header; nil: no whole transport segment
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.ARP:
			n["arp"]++
		case *layers.Dot1Q:
			tags++
			switch {
			case l.VLANIdentifier == 20 && l.Priority == 5:
				n["vlan 20 with priority"]++
			case l.VLANIdentifier == 10:
				n["vlan 10"]++
			}
		case *layers.IPv4:
			n["ipv4"]++
			if l.IHL > 5 {
				n["ipv4 options"]++
			}
			if sum(pkt.Data[offset(pkt, l.Contents):][:len(l.Contents)]) != 0xffff {
				t.Errorf("frame %d: IPv4 header checksum is wrong", pkt.Frame)
			}
			if l.TTL == 1 {
				n["ttl 1"]++
			}
			fragment = l.FragOffset != 0 || l.Flags&layers.IPv4MoreFragments != 0
			addrs = append(append([]byte{}, l.SrcIP.To4()...), l.DstIP.To4()...)
			named(n, l.SrcIP, l.DstIP)
		case *layers.IPv6:
			n["ipv6"]++
			if l.HopLimit == 1 {
				n["ttl 1"]++
			}
			addrs = append(append([]byte{}, l.SrcIP...), l.DstIP...)
			named(n, l.SrcIP, l.DstIP)
		case *layers.IPv6HopByHop:
			n["ipv6 hop-by-hop"]++
		case *layers.IPv6Destination:
			n["ipv6 destination options"]++
		case *layers.IPv6Fragment:
			fragment = true
		case *layers.TCP:
			n["tcp"]++
			if l.SYN && !l.ACK {
				n["syn"]++
			}
			if l.RST {
				n["rst"]++
			}
			if l.FIN && l.SYN {
				n["scan"]++
			}
			port(n, "tcp", uint16(l.SrcPort), uint16(l.DstPort))
			segment := append(append([]byte{}, l.Contents...), l.Payload...)
			if !fragment {
				transport(t, pkt, addrs, 6, segment)
			}
		case *layers.UDP:
			n["udp"]++
			port(n, "udp", uint16(l.SrcPort), uint16(l.DstPort))
			segment := append(append([]byte{}, l.Contents...), l.Payload...)
			if !fragment && l.Checksum != 0 {
				transport(t, pkt, addrs, 17, segment)
			}
		case *layers.ICMPv4:
			n["icmp"]++
			switch l.TypeCode.Type() {
			case layers.ICMPv4TypeDestinationUnreachable:
				n["unreachable"]++
			case layers.ICMPv4TypeTimeExceeded:
				n["time exceeded"]++
			}
		case *layers.ICMPv6:
			n["icmpv6"]++
			switch l.TypeCode.Type() {
			case layers.ICMPv6TypeDestinationUnreachable:
				n["unreachable"]++
			case layers.ICMPv6TypeTimeExceeded:
				n["time exceeded"]++
			case layers.ICMPv6TypeNeighborSolicitation:
				n["neighbour solicitation"]++
			}
		case *layers.IGMP, *layers.IGMPv1or2:
			n["igmp"]++
		case *layers.DNS:
			dns(n, l)
		}
	}
	if tags == 2 && binary.BigEndian.Uint16(pkt.Data[12:]) == 0x88a8 {
		n["qinq"]++
	}
	if tags > 0 {
		n["tagged"]++
	}
	if fragment {
		n["fragments"]++
	}
	if pkt.Data[0]&1 == 1 {
		n["multicast"]++
	}
	if len(pkt.Data) > 14+4*tags+1500 {
		t.Errorf("frame %d: %d bytes don't fit the MTU of 1500", pkt.Frame, len(pkt.Data))
	}
}

// offset is where part, a slice of the packet, begins in it.
func offset(pkt *pcaps.Packet, part []byte) int { return cap(pkt.Data) - cap(part) }

// sum is the ones' complement sum of RFC 1071.
func sum(b []byte) uint16 {
	var s uint32
	for i := 0; i < len(b); i += 2 {
		s += uint32(b[i]) << 8
		if i+1 < len(b) {
			s += uint32(b[i+1])
		}
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

func transport(t *testing.T, pkt *pcaps.Packet, addrs []byte, proto byte, segment []byte) {
	b := append(append([]byte{}, addrs...), 0, proto, byte(len(segment)>>8), byte(len(segment)))
	if sum(append(b, segment...)) != 0xffff {
		t.Errorf("frame %d: checksum of protocol %d is wrong", pkt.Frame, proto)
	}
}

var places = map[string]netip.Prefix{
	"a VIP":            netip.MustParsePrefix("192.0.2.10/32"),
	"a VIP of IPv6":    netip.MustParsePrefix("fd00::10/128"),
	"refused sources":  netip.MustParsePrefix("198.51.100.0/24"),
	"refused sources6": netip.MustParsePrefix("2001:db8:bad::/48"),
	"guests":           netip.MustParsePrefix("10.99.0.0/16"),
	"slow class":       netip.MustParsePrefix("10.66.0.0/16"),
	"allowed in it":    netip.MustParsePrefix("10.66.6.0/24"),
	"public address":   netip.MustParsePrefix("203.0.113.1/32"),
	"published host":   netip.MustParsePrefix("10.0.0.80/32"),
	"outer prefix":     netip.MustParsePrefix("2001:db8:1::/48"),
	"world6":           netip.MustParsePrefix("3fff::/20"),
	"other LAN":        netip.MustParsePrefix("192.168.0.0/16"),
	"no neighbour":     netip.MustParsePrefix("10.255.0.9/32"),
}

func named(n seen, addrs ...[]byte) {
	for _, a := range addrs {
		addr, _ := netip.AddrFromSlice(a)
		for name, p := range places {
			if p.Contains(addr.Unmap()) {
				n[name]++
			}
		}
	}
}

var services = map[string]map[uint16]string{
	"tcp": {80: "http", 443: "https", 53: "dns over tcp", 22: "ssh", 5201: "iperf3", 502: "modbus", 23: "telnet", 8080: "http 8080"},
	"udp": {53: "dns", 123: "ntp", 5201: "iperf3 udp", 5353: "mdns", 1900: "ssdp", 999: "closed udp"},
}

func port(n seen, proto string, ports ...uint16) {
	for _, p := range ports {
		if name := services[proto][p]; name != "" {
			n[name]++
		}
	}
}

func dns(n seen, d *layers.DNS) {
	if !d.QR {
		for _, q := range d.Questions {
			n["dns "+q.Type.String()]++
		}
		return
	}
	if d.ResponseCode == layers.DNSResponseCodeNXDomain {
		n["dns nxdomain"]++
	}
	if d.TC {
		n["dns truncated"]++
	}
}

// What each sample claims to hold, and at least how much of it.
var claims = map[string]seen{
	"lab": {
		"ipv4": 5000, "ipv6": 1000, "tcp": 5000, "udp": 1000, "icmp": 200, "icmpv6": 100, "arp": 10, "igmp": 2,
		"tagged": 500, "vlan 10": 100, "vlan 20 with priority": 100, "qinq": 100,
		"http": 3000, "https": 50, "http 8080": 100, "ssh": 100, "iperf3": 500, "iperf3 udp": 100, "modbus": 100,
		"dns": 500, "dns over tcp": 20, "ntp": 30, "mdns": 8, "ssdp": 8, "telnet": 5, "closed udp": 5,
		"syn": 500, "rst": 20, "scan": 10, "unreachable": 10, "time exceeded": 4, "ttl 1": 4, "multicast": 10,
		"fragments": 30, "ipv4 options": 10, "ipv6 hop-by-hop": 10, "ipv6 destination options": 10,
		"neighbour solicitation": 3,
		"a VIP":                  1000, "a VIP of IPv6": 500, "refused sources": 50, "refused sources6": 20, "guests": 50,
		"slow class": 100, "allowed in it": 50, "public address": 50, "published host": 50, "outer prefix": 30,
		"world6": 50, "other LAN": 10, "no neighbour": 10,
	},
	"web": {
		"http": 2000, "https": 50, "ipv4": 1000, "ipv6": 500, "syn": 250, "rst": 1, "a VIP": 1000, "a VIP of IPv6": 300,
		"refused sources": 30,
	},
	"dns": {
		"dns": 1000, "dns over tcp": 50, "dns A": 200, "dns AAAA": 100, "dns MX": 10, "dns TXT": 20, "dns nxdomain": 100,
		"dns truncated": 2, "ipv4": 800, "ipv6": 300, "unreachable": 2,
	},
	"vlan": {
		"tagged": 1000, "vlan 10": 300, "vlan 20 with priority": 300, "qinq": 300, "ipv4": 800, "ipv6": 300,
		"http": 500, "dns": 50, "ssh": 20, "icmp": 30, "icmpv6": 30, "arp": 3, "neighbour solicitation": 3, "fragments": 20,
	},
	"ipv6": {
		"ipv6": 1000, "http": 500, "dns": 20, "ntp": 30, "iperf3": 80, "ssh": 20, "icmpv6": 30, "fragments": 20,
		"ipv6 hop-by-hop": 10, "ipv6 destination options": 10, "neighbour solicitation": 1, "scan": 8,
		"refused sources6": 10, "outer prefix": 20, "world6": 30, "time exceeded": 2, "unreachable": 2,
	},
	"bulk": {"iperf3": 2000, "iperf3 udp": 500, "ipv4": 2000, "ipv6": 700},
}

func TestSamples(t *testing.T) {
	for _, s := range samples.List {
		t.Run(s.Name, func(t *testing.T) {
			src := must.Get(pcaps.Open(context.Background(), pcaps.Options{Paths: []string{"sample:" + s.Name}}))(t)
			defer src.Close()
			n := seen{}
			interfaces := map[uint32]int{}
			var pkt pcaps.Packet
			var last int64
			for {
				err := src.Next(&pkt)
				if err == io.EOF {
					break
				}
				must.OK(t, err)
				if pkt.TimeNS < last {
					t.Errorf("frame %d: %d ns before the last", pkt.Frame, last-pkt.TimeNS)
				}
				last = pkt.TimeNS
				if last%1000 != 0 {
					n["nanoseconds"]++
				}
				interfaces[pkt.Interface]++
				look(t, n, &pkt)
			}
			c := src.Counters()
			if c.Packets != uint64(s.Packets) || c.Truncated != 0 || c.Skipped != nil {
				t.Errorf("%d packets, %d truncated, skipped %v; listed are %d whole ones", c.Packets, c.Truncated, c.Skipped, s.Packets)
			}
			if n["nanoseconds"] < s.Packets*9/10 {
				t.Error("timestamps are not of nanoseconds")
			}
			if claims[s.Name] == nil {
				t.Error("no claims to test")
			}
			for what, most := range claims[s.Name] {
				if n[what] < most {
					t.Errorf("%s: %d packets, expected at least %d", what, n[what], most)
				}
			}
			if s.Name == "ipv6" && (len(interfaces) != 3 || n["ipv6"] != s.Packets) {
				t.Errorf("packets by interface %v, %d of %d of IPv6", interfaces, n["ipv6"], s.Packets)
			}
			if s.Description == "" || s.Recorded == "" || strings.Contains(s.Description+s.Recorded, "\n") {
				t.Error("description and recorded should be one line each")
			}
			if t.Failed() {
				t.Log(n)
			}
		})
	}
}

// The repository carries them: they must stay small, and none lie unlisted.
func TestSize(t *testing.T) {
	total, listed := 0, map[string]bool{}
	for _, s := range samples.List {
		r := must.Get(samples.Open(s.Name))(t)
		b := must.Get(io.ReadAll(r))(t)
		total += len(b)
		listed[s.File] = true
		// gzip -n: no name and no time in the header (RFC 1952, 2.3.1).
		if strings.HasSuffix(s.File, ".gz") && !bytes.Equal(b[3:8], make([]byte, 5)) {
			t.Errorf("%s: gzip header carries a name or a time", s.File)
		}
	}
	if total > 3<<20 {
		t.Errorf("%d bytes in all; 3 MiB are the limit", total)
	}
	entries := must.Get(os.ReadDir("."))(t)
	for _, e := range entries {
		if name := e.Name(); (strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zst")) && !listed[name] {
			t.Errorf("%s: not in List", name)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := samples.Open("nothing")
	if err == nil || !strings.Contains(err.Error(), "lab, web, dns, vlan, ipv6, bulk") {
		t.Errorf("got %v, expected an error that names the samples", err)
	}
}
