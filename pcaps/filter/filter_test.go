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

	"jitnic/host/hosttest/must"
	"jitnic/pcaps/filter/filtertest"

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
var tcpdumps = filtertest.Expressions

// corpus returns ../shared/corpus/captures beside the repository, or skips.
func corpus(t testing.TB) string {
	dir := must.Get(os.Getwd())(t)
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
		must.OK(t, os.WriteFile(plain, b, 0o600))
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
	f := must.Get(os.Open(name))(t)
	defer f.Close()
	z := must.Get(gzip.NewReader(f))(t)
	b := must.Get(io.ReadAll(z))(t)
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
		p := must.Get(Compile(expr))(t)
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
	b := must.Get(hex.DecodeString("0200000000020200000000018100002008004500002800000000400600000a0000010a000002" +
		"01bb0050000000000000000050020000000000000000"))(t)
	return b
}

func TestNoAllocation(t *testing.T) {
	p := must.Get(Compile("not (tcp and (vlan or dst port 80 or net fd00::/8)) or host 10.0.0.1"))(t)
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
	p := must.Get(Compile("tcp port 80 or 443"))(b)
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
	pkt := must.Get(hex.DecodeString(outer + inner))(t)
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
