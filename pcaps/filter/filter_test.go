package filter

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func Example() {
	p, err := Compile("tcp[tcpflags] & tcp-syn != 0 and dst port 443")
	if err != nil {
		fmt.Println(err)
		return
	}
	syn, _ := hex.DecodeString("020000000002020000000001" + "0800" + // Ethernet
		"45000028000000004006000" + "00a0000010a000002" + // IPv4, TCP
		"c00001bb" + "0000000000000000" + "5002ffff00000000") // 49152 > 443, SYN
	fmt.Println(p.Match(syn, uint32(len(syn))))
	_, err = Compile("tcp prot 443")
	fmt.Println(err)
	// Output:
	// true
	// filter "tcp prot 443": column 5: "prot": not an address, and names are not looked up
}

// tcpdumps are expressions that tcpdump must read as we do.
var tcpdumps = []string{
	"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "vrrp", "ah", "esp",
	"not ip", "not tcp and not udp", "tcp or arp", "ip and udp or ip6 and tcp", "ip6 or tcp and port 80",
	"port 53", "tcp port 80", "udp port 53", "src port 53", "dst port 443", "src or dst port 22", "src and dst port 123",
	"port 80 or 443", "not port 80", "tcp port (80 or 443)", "portrange 1-1023", "udp portrange 6000-5000", "dst portrange 1024-65535",
	"port domain", "tcp dst port http",
	"host 10.0.0.1", "src host 192.168.1.1", "net 10", "net 192.168", "src net 10.0.0.0/8", "dst net 172.16.0.0/12",
	"net 192.168.0.0 mask 255.255.0.0", "net 0.0.0.0/0", "src net 224.0.0.0/3 or dst net 224.0.0.0/3",
	"ip host 10.0.0.1", "arp host 10.0.0.1", "arp net 10.0.0.0/8", "ip src net 192.168.0.0/16", "src and dst net 10.0.0.0/8",
	"net fe80::/10", "dst net ff00::/8", "host ff02::1", "src net 2000::/3", "net ::/0", "ip6 dst host ff02::fb", "net fd00:1:2:3:8::/77",
	"ether broadcast", "ether multicast", "broadcast", "multicast", "ip multicast", "ip6 multicast",
	"ether host ff:ff:ff:ff:ff:ff", "ether dst 01:00:5e:00:00:fb", "ether src 00:00:00:00:00:00",
	"ether proto 0x88cc", `ether proto \ip6`, `ether proto \arp`,
	"ip proto 6", `ip proto \udp`, "ip6 proto 0", "ip6 proto 58", "proto 17", `proto \tcp`, "proto 47", "ip6 proto 44",
	"less 64", "greater 1000", "len > 100 and len <= 200", "len != 60",
	"vlan", "not vlan", "vlan and ip", "vlan and tcp port 445", "vlan 32", "vlan and vlan", "ip or vlan and ip", "ip or vlan and (tcp or udp)",
	"vlan and not ip", "tcp port 80 or (vlan and port 80)", "vlan and host 10.0.0.1",
	"ip[0] & 0xf != 5", "ip[6:2] & 0x3fff != 0", "ip[8] < 5", "ip6[6] = 43", "ip6[4:2] > 100", "ether[0] & 1 = 0 and ip[16] >= 224",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[tcpflags] & tcp-rst != 0", "tcp[2:2] = 80", "tcp[4:4] > 0x80000000", "udp[4:2] > 500",
	"icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echo", "icmp6[0] = 135", "arp[6:2] = 1",
	"tcp and not (port 80 or port 443) and greater 100", "(tcp or udp) and (src net 10 or dst net 10)",
	"! tcp && ! udp || port 53", "not not tcp", "host 10.0.0.1 or 10.0.0.2 or 192.168.1.1", "not host 192.168.1.1 and not arp",
	"port 80 and not port 443 or icmp",
	// Arithmetic.
	"tcp[((tcp[12]&0xf0)>>2):4] = 0x47455420", "ip[2:2] - ((ip[0]&0xf)<<2) > 0", "(((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x504f5354",
	"udp[4:2] - 8 > 100", "ip[0] & 0xf > 5", "ip[0] >> 4 = 4", "ip[8] * 2 < 130", "ip[8] / 2 = 32", "ip[8] % 2 = 1", "len - 14 > ip[2:2]",
	"len > 100 + 200", "(len - 14) / 2 > 300", "ip[2:2] + 14 = len", "ip[6:2] & 0x1fff != 0", "ip[6] & 0x20 = 0x20 or ip[6:2] & 0x1fff > 0",
	"-ip[8] > 100", "tcp[2:2] = tcp[0:2]", "udp[0:2] = udp[2:2]", "ip[12:4] = ip[16:4]", "ether[0:4] = ether[6:4] and ether[4:2] = ether[10:2]",
	"1 = 1 and ip", "ip[8] ^ 0xff = 0xbf", "(ip[8] | 1) = 129", "tcp[13] & 2 << 1 != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) = (tcp-syn|tcp-ack)",
	"tcp[tcpflags] = tcp-syn or tcp[tcpflags] == tcp-rst|tcp-ack", "tcp[14:2] < 1000 && tcp[14:2] > 0", "ip[ip[9]] > 0", "not (ip[8] * 2 = 128)",
	"icmp[icmptype] = icmp-unreach and icmp[8] & 0xf = 5", "icmp6[icmp6type] = icmp6-neighborsolicit", "ip6[6] + 1 = 59", "arp[7] = 1 and arp[14:4] = arp[24:4]",
	"0x45 = ip[0]", "80 = tcp[2:2] or 443 = tcp[2:2]", "link[12:2] = 0x86dd", "tcp[20:4] = 0x0204 << 16 | 1460", "len & 1 = 1", "ip[2:2] > 576 and not tcp",
	"udp[8:2] & 0x8000 != 0 and udp port 53", "100/2 < len", "ip[9] - 6 = 0",
	// Labels, sessions and tunnels.
	"mpls", "not mpls", "mpls and ip", "mpls and ip6", "mpls and mpls", "mpls 16", "mpls 100000 or mpls 1024", "mpls and host 10.0.0.1", "mpls and tcp", "mpls and mpls and ip",
	"vlan and mpls", "vlan 100", "vlan and vlan and ip", "vlan 0xc", "pppoed", "pppoes", "pppoes and ip", "pppoes and ip6", "pppoes 1", "pppoes and tcp port 80",
	"pppoes and udp", "vlan and pppoes", "pppoes and net 10.0.0.0/8", "geneve", "geneve and ip", "geneve and tcp", "geneve 10", "geneve and host 10.0.0.1", "not geneve",
	"geneve and arp", "geneve and icmp", "geneve and vlan",
	// LLC and what stands in it.
	"llc", "llc i", "llc s", "llc u", "llc ui", "llc xid", "llc rr", "stp", "not stp", "iso", "clnp", "esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp",
	"isis and not l1", "ipx", "netbeui", "atalk", "aarp", "decnet", "lat", "moprc", "mopdl", "sca", "carp", "ether proto 0x42", `ether proto \stp`, `ether proto \iso`,
	`ether proto \ipx`, "ether proto 6", "ether proto 0x8847", "ether proto 34525", "llc and not stp", "isis proto 20", `iso proto \isis`,
	// Addresses as one number, short, in hexadecimal.
	"host 0x0a000001", "net 0x0a", "net 10.0", "host 10.1", "src net 192.168", "net 0xc0a8", "dst host 3232235777", "net 192.168.1", "src host 0xc0a80101",
	"ether host ff-ff-ff-ff-ff-ff", "ether dst ffff.ffff.ffff", "ether host 1:0:5e:0:0:fb", "net 224.0.0.0/4 and not udp", "net 10 or net 172.16.0.0/12 or net 192.168",
	"tcp port 0x50", "udp port 0x35", "portrange 0-1023", "ip proto 0x2f", `ip proto \ospf`, `ip proto \gre`, `proto \sctp`, `ip6 proto \ipv6-icmp`,
	"ip proto 4 or ip proto 41", "ip6 and not tcp and not udp and not icmp6", "(arp or rarp) and not broadcast", "ip and not (tcp or udp or icmp)", "tcp src port 80 or 443 and ip", "dst host 255.255.255.255 or ether broadcast",
}

// corpus returns ../shared/corpus/captures beside the repository, or skips.
func corpus(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir = filepath.Dir(dir); dir == "/" {
			t.Fatal("no go.mod above")
		}
	}
	dir = filepath.Join(dir, "..", "shared", "corpus", "captures")
	if !exists(dir) {
		t.Skipf("corpus of real captures not here: %s", dir)
	}
	return dir
}

func exists(name string) bool { _, err := os.Stat(name); return err == nil }

type packet struct {
	data []byte
	wire uint32
}

// packets splits a little-endian pcap file.
func packets(t testing.TB, b []byte) []packet {
	t.Helper()
	le := binary.LittleEndian
	if len(b) < 24 || le.Uint32(b) != 0xa1b2c3d4 && le.Uint32(b) != 0xa1b23c4d {
		t.Fatal("not a little-endian pcap file")
	}
	var out []packet
	for b = b[24:]; len(b) > 0; {
		n := le.Uint32(b[8:])
		out = append(out, packet{b[16 : 16+n], le.Uint32(b[12:])})
		b = b[16+n:]
	}
	return out
}

// TestTcpdump filters real packets here and with tcpdump.
func TestTcpdump(t *testing.T) {
	tcpdump, err := exec.LookPath("tcpdump")
	if err != nil {
		t.Skip("tcpdump is not installed")
	}
	dir := corpus(t)
	files := []string{"zoo"}
	if os.Getenv("JITNIC_HEAVY") != "" {
		files = append(files, "many-protocols", "vlan-smb", "tls2-v4v6", "defrag-spray-v4v6")
	}
	matched := make([]int, len(tcpdumps))
	for _, name := range files {
		plain := filepath.Join(t.TempDir(), name+".pcap")
		b := gunzip(t, filepath.Join(dir, name+".pcap.gz"))
		if err := os.WriteFile(plain, b, 0o600); err != nil {
			t.Fatal(err)
		}
		all := packets(t, b)
		for i, expr := range tcpdumps {
			out, err := exec.Command(tcpdump, "-r", plain, "-w", "-", "--", expr).Output()
			if err != nil {
				var xe *exec.ExitError
				if errors.As(err, &xe) {
					t.Errorf("%s: tcpdump %q: %s", name, expr, xe.Stderr)
					continue
				}
				t.Fatal(err)
			}
			want := packets(t, out)
			p, err := Compile(expr)
			if err != nil {
				t.Error(err)
				continue
			}
			n := 0
			for k, pkt := range all {
				ok := p.Match(pkt.data, pkt.wire)
				theirs := n < len(want) && string(want[n].data) == string(pkt.data) && want[n].wire == pkt.wire
				if ok && !theirs {
					t.Errorf("%s: %q: packet %d matches here, not in tcpdump\n%s\n%s", name, expr, k+1, hex.EncodeToString(pkt.data[:min(80, len(pkt.data))]), p)
					break
				}
				if ok {
					n++
				}
			}
			if n < len(want) && !t.Failed() {
				t.Errorf("%s: %q: %d packets match, in tcpdump %d\n%s", name, expr, n, len(want), p)
			}
			matched[i] += n
		}
	}
	never := 0
	for _, n := range matched {
		if n == 0 {
			never++
		}
	}
	if never > len(tcpdumps)/5 {
		t.Errorf("%d of %d expressions match nothing: the test is weak", never, len(tcpdumps))
	}
}

func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestErrors: what is wrong, and where.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		expr   string
		column int
		msg    string
	}{
		{"tcp and", 8, "primitive expected, not end of expression"},
		{"tcp port", 9, "port expected, not end of expression"},
		{"port 65536", 6, `"65536": not a port`},
		{"port x", 6, `"x": not a port`},
		{"portrange 80", 11, `"80": not a range of ports`},
		{"host 1.2.3.4.5", 6, `"1.2.3.4.5": not the address of a host`},
		{"host example.org", 6, `"example.org": not an address, and names are not looked up`},
		{"host 10.0.0.0/8", 6, `"10.0.0.0/8": a network, not a host`},
		{"net 10.0.0.1/8", 5, `"10.0.0.1/8": bits set behind the prefix of 8`},
		{"net 10.0.0.0/33", 5, `"10.0.0.0/33": prefix length not 0 to 32`},
		{"net 10.0.0.0 mask 255.0.255.0", 19, `"255.0.255.0": bits set behind the prefix`},
		{"(tcp", 5, `")" expected, not end of expression`},
		{"tcp)", 4, `unexpected ")"`},
		{"tcp udp", 5, `"udp": not an address, and names are not looked up`},
		{"ip ? 3", 4, `unexpected character '?'`},
		{"vlan 4096", 6, "vlan 4096: more than 4095"},
		{"ether", 1, `"ether" needs host, src, dst or proto`},
		{"ether host 10.0.0.1", 12, `Ethernet address expected, not "10.0.0.1"`},
		{"tcp host 10.0.0.1", 1, "tcp does not go with an IPv4 address"},
		{"ip host fd00::1", 1, "ip does not go with an IPv6 address"},
		{"ip port 80", 1, "ip does not go with port"},
		{"gateway", 1, `"gateway" is not supported`},
		{"tcp[13:3] = 1", 8, `size "3": not 1, 2 or 4`},
		{"mpls and arp", 10, "behind an MPLS label only ip and ip6 can be told"},
		{"mpls and vlan", 10, "no vlan stands behind an MPLS label"},
		{"mpls 1048576", 6, "mpls 1048576: more than 1048575"},
		{"ip[8] / 0 = 1", 7, "division by zero"},
		{"ip[8] << 32 = 1", 7, "shift by more than 31 bits"},
		{"len + 1", 8, `comparison expected, not end of expression`},
		{"ip.addr == 10.0.0.1", 1, `a Wireshark display filter, which is another language: say "host 10.0.0.1"`},
		{"tcp.port == 80 && ip.src != 10.0.0.0/8", 1, `a Wireshark display filter, which is another language: say "tcp port 80 && not src net 10.0.0.0/8"`},
		{"tcp.flags.syn == 1 and tcp.flags.ack==0", 1, `a Wireshark display filter, which is another language: say "tcp[tcpflags] & tcp-syn != 0 and tcp[tcpflags] & tcp-ack == 0"`},
		{"dns", 1, `a Wireshark display filter, which is another language: say "port 53"`},
		{"http.request.method == \"GET\"", 1, `a Wireshark display filter, which is another language (not all of it has words here)`},
		{"tcp[13] 1", 9, `comparison expected, not "1"`},
		{"tcp[13] & = 1", 11, `number expected, not "="`},
		{"port (80 or tcp)", 13, `only ids may stand here, not "tcp"`},
		{"less x", 6, `length expected, not "x"`},
		{"src proto 6", 1, "a direction does not go with proto"},
		{`\`, 1, "a name must follow the backslash"},
		{strings.Repeat("(", 101) + "ip", 101, "more than 100 nested parentheses"},
		{"ip proto 256", 10, "protocol 256: more than 255"},
	} {
		_, err := Compile(c.expr)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: error %v, want one at column %d", c.expr, err, c.column)
			continue
		}
		if e.Column != c.column || e.Msg != c.msg {
			t.Errorf("%q: column %d: %s; want column %d: %s", c.expr, e.Column, e.Msg, c.column, c.msg)
		}
	}
}

// TestShort: a packet that ends before a field that is looked at does not
// match, and nothing panics.
func TestShort(t *testing.T) {
	pkt := gunzipFirst(t)
	for _, expr := range tcpdumps {
		p, err := Compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(pkt) + 1 {
			p.Match(pkt[:n], uint32(len(pkt)))
		}
	}
	for _, expr := range []string{"ip", "not ip", "port 80", "not port 80"} {
		p, _ := Compile(expr)
		if p.Match(pkt[:13], 60) {
			t.Errorf("%q matches 13 bytes", expr)
		}
	}
	if p, _ := Compile(""); !p.Match(nil, 0) {
		t.Error("the empty expression must match everything")
	}
}

// gunzipFirst is a VLAN-tagged TCP segment, from scratch.
func gunzipFirst(t testing.TB) []byte {
	b, err := hex.DecodeString("0200000000020200000000018100002008004500002800000000400600000a0000010a000002" +
		"01bb0050000000000000000050020000000000000000")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoAllocation(t *testing.T) {
	p, err := Compile("not (tcp and (vlan or dst port 80 or net fd00::/8)) or host 10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pkt := gunzipFirst(t)
	if n := testing.AllocsPerRun(100, func() { p.Match(pkt, uint32(len(pkt))) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}

func FuzzFilter(f *testing.F) {
	pkt := gunzipFirst(f)
	for _, e := range tcpdumps {
		f.Add(e, pkt)
	}
	f.Fuzz(func(t *testing.T, expr string, pkt []byte) {
		p, err := Compile(expr)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(expr)+1 {
				t.Fatalf("%q: error without a column in it: %v", expr, err)
			}
			return
		}
		got := p.Match(pkt, uint32(len(pkt)))
		// Jumps only go forward, and double negation changes nothing.
		for i, in := range p.insts {
			if int(in.yes) >= i || int(in.no) >= i {
				t.Fatalf("%q: instruction %d jumps back\n%s", expr, i, p)
			}
		}
		if strings.TrimSpace(expr) == "" || len(expr) > maxExpr/2 {
			return
		}
		q, err := Compile("not not (" + expr + ")")
		if err != nil {
			return // one more level of parentheses may be too many
		}
		if q.Match(pkt, uint32(len(pkt))) != got {
			t.Fatalf("%q: double negation changes the answer", expr)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	p, err := Compile("tcp port 80 or 443")
	if err != nil {
		b.Fatal(err)
	}
	pkt, _ := hex.DecodeString("020000000002020000000001" + "0800" + "4500002800000000400600000a0000010a000002" +
		"c00001bb00000000000000005002ffff00000000")
	b.ReportAllocs()
	for b.Loop() {
		if !p.Match(pkt, 54) {
			b.Fatal("no match")
		}
	}
}

// TestVXLAN: a tunnel of frames, by libpcap 1.11's meaning; the tcpdump of today
// has no word for it.
func TestVXLAN(t *testing.T) {
	inner := "020000000002020000000001" + "0800" + "4500002800000000400600000a0000010a000002" + "c000005000000000000000005002ffff00000000"
	outer := "020000000004020000000003" + "0800" + "4500005a000000004011000001010101" + "02020202" + // behind 20 bytes of IPv4
		"c00012b500460000" + "0800000000002a00" // UDP to 4789, VNI 42
	pkt, err := hex.DecodeString(outer + inner)
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]bool{
		"vxlan": true, "vxlan 42": true, "vxlan 43": false, "vxlan and tcp port 80": true, "vxlan and host 10.0.0.1": true,
		"vxlan and host 1.1.1.1": false, "host 1.1.1.1 and vxlan 42 and dst host 10.0.0.2": true, "vxlan and ether src 02:00:00:00:00:01": true,
		"vxlan and udp": false, "udp and vxlan and tcp[13] & 2 != 0": true, "geneve": false, "not vxlan": false,
		"vxlan and ip[8] * 2 = 128 and ip[12:4] + 1 = ip[16:4]": true,
	} {
		p, err := Compile(expr)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := p.Match(pkt, uint32(len(pkt))); got != want {
			t.Errorf("%q: %v, want %v\n%s", expr, got, want, p)
		}
	}
}
