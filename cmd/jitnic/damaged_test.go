package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// A damaged input is a file and the command line that is given it.
type damaged struct {
	name string
	data []byte
	args []string // FILE is the file
}

// damages makes the table: the same bytes on every machine.
func damages(t *testing.T) []damaged {
	var out []damaged
	add := func(name string, data []byte, args ...string) {
		out = append(out, damaged{name, data, args})
	}
	capture := []string{"replay", "-p", "sample:firewall", "-c", "FILE"}
	maps := []string{"replay", "-p", "sample:firewall", "-c", "sample:dns", "--limit", "5", "--maps", "FILE"}
	fib := []string{"replay", "-p", "sample:router", "-c", "sample:dns", "--limit", "5", "--fib", "FILE"}
	requests := []string{"compare", "--policies", "lru", "--entries", "2", "--requests", "FILE"}
	object := []string{"replay", "-c", "sample:dns", "--limit", "5", "-p", "FILE"}
	rewrite := []string{"superopt", "FILE", "-o", "OUT"}

	pcap, ng := generated(t, "g.pcap"), generated(t, "g.pcapng")
	for name, b := range map[string][]byte{"pcap": pcap, "pcapng": ng} {
		for i := range 20 { // the last packet is always cut
			add(fmt.Sprintf("%s cut %d", name, i), b[:len(b)-1-i*2], capture...)
		}
	}
	for i, n := range []int{1, 3, 5, 10, 20, 23, 25, 39} {
		add(fmt.Sprintf("pcap head %d", i), pcap[:n], capture...)
		add(fmt.Sprintf("pcapng head %d", i), ng[:n], capture...)
	}
	for name, b := range packed(t, pcap) {
		for i := range 6 {
			add(fmt.Sprintf("%s cut %d", name, i), b[:len(b)-2-i*len(b)/8], capture...)
		}
		flipped := bytes.Clone(b)
		flipped[len(b)/2] ^= 0x55
		add(name+" flipped", flipped, capture...)
		if name == "gzip" {
			add(name+" and garbage", append(bytes.Clone(b), "garbage"...), capture...)
		}
	}
	for i, off := range []int{0, 1, 4, 32, 34, 35} { // magic, version, lengths of the first packet
		b := bytes.Clone(pcap)
		b[off] ^= 0xf5
		if off >= 32 {
			b[35] = 0x7f
		}
		add(fmt.Sprintf("pcap field %d", i), b, capture...)
	}
	for i, off := range []int{4, 8, 12, len(ng) - 1, len(ng) - 4} {
		b := bytes.Clone(ng)
		b[off] ^= 0x55
		add(fmt.Sprintf("pcapng field %d", i), b, capture...)
	}
	for i, s := range []string{"", "\x00", "hello\n", "PK\x03\x04zip", "\x1f\x9dcompress", "\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh9", "\xfd7zXZ\x00", "\x04\x22\x4d\x18", "\x50\x2a\x4d\x18\xff\xff\xff\xff", "Rar!\x1a\x07x", "7z\xbc\xaf\x27\x1c", "\xff\xfe\x00"} {
		add(fmt.Sprintf("odd capture %d", i), []byte(s), capture...)
	}

	good := `{"maps": {"services": [{"key": {"port": {"be16": 80}, "proto": 6}, "value": {"action": 2, "id": 16}}]}, "updates": [{"at": 1, "map": "services", "key": {"port": {"be16": 80}, "proto": 6}, "delete": true}]}`
	for i := range 30 {
		add(fmt.Sprintf("maps cut %d", i), []byte(good[:len(good)-1-i*6]), maps...)
	}
	for i, s := range []string{
		"", "7", "[]", "nonsense", `{"map": {}}`, `{"maps": []}`, `{"maps": {"nope": []}}`, `{"maps": {"services": {}}}`, `{"maps": {"services": [1]}}`,
		`{"maps": {"services": [{"key": 1}]}}`, `{"maps": {"services": [{"key": {"port": -1}, "value": {}}]}}`, `{"maps": {"services": [{"key": {"nope": 1}, "value": {}}]}}`,
		`{"maps": {"services": [{"key": "zz", "value": {}}]}}`, `{"maps": {"services": [{"key": {"port": 1}, "value": {"action": 1e99}}]}}`, `{"maps": {}, "maps": {}}`,
		`{"maps": {"services": [{"key": {"port": 1}, "value": {}}, {"key": {"port": 1}, "value": {}}]}}`, `{"updates": [{"map": "services"}]}`, `{"updates": [{"at": "x", "map": "services", "key": 1}]}`,
		`{"maps": {"counters": [{"key": 4096, "value": 1}]}}`, strings.Repeat("[", 100000), `{"maps": {"services": [{"key": {"port": 1}, "value": {}, "flags": "exist"}]}}`, "\xef\xbb\xbf{}", `{"maps": {"services": [null]}}`,
	} {
		add(fmt.Sprintf("odd maps %d", i), []byte(s), maps...)
	}
	for i, s := range []string{
		"hello", "link", "link x", "link 0 eth0", "link 2", "link 2 eth0 mtu", "link 2 eth0 mtu x", "link 2 eth0 address zz", "link 2 eth0\nlink 2 eth1", "link 2 eth0\nlink 3 eth0",
		"route", "route x", "route 10.0.0.0/33", "route 10.0.0.0/8", "route 10.0.0.0/8 dev no", "route 10.0.0.0/8 via x", "route 10.0.0.0/8 nhid 7", "nexthop via 1.1.1.1", "address", "address x dev lo",
		"address 10.0.0.1", "neigh x", "neigh 10.0.0.1", "neigh 10.0.0.1 dev lo", "rule", "rule from x lookup main", "rule lookup", "forwarding maybe", "[", "[{}", "[1]", `[{"a":1}]`, `{"dst": "x"}`, "inet 1.1.1.1/8", "1: lo: <", "id 5 group 6/7",
		"route 10.0.0.0/8 encap mpls 7 dev lo", "route default via 10.0.0.1", "route blackhole 10.0.0.0/8 nexthop dev lo",
	} {
		if s == "1: lo: <" {
			continue // an empty list of flags: a link that is down
		}
		add(fmt.Sprintf("odd fib %d", i), []byte(s), fib...)
	}

	for i, s := range []string{
		"hello", "tcp", "tcp 6", "tcp 17 3 src=1.1.1.1", "tcp src=1.1.1.1 dst=2.2.2.2 sport=1 dport=", "udp src=x", "tcp src=1.1.1.1 dst=2:: sport=1 dport=2",
		"tcp src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2 mark=x", "ipv6", "ipv6 10", "\x00", "tcp src=1.1.1.1 dst=2.2.2.2 sport=1 dport=2\ntcp src=2.2.2.2 dst=1.1.1.1 sport=2 dport=1",
		strings.Repeat("tcp ", 1<<15),
	} {
		add(fmt.Sprintf("odd connections %d", i), []byte(s), "replay", "-p", "sample:firewall", "-c", "sample:dns", "--limit", "5", "--ct", "FILE")
	}

	own := saved(t, "g.req")
	for i := range 20 {
		add(fmt.Sprintf("requests cut %d", i), own[:len(own)-1-i*len(own)/21], requests...)
		b := bytes.Clone(own)
		b[len(b)-1-i*len(own)/25] ^= 0x41
		add(fmt.Sprintf("requests flipped %d", i), b, requests...)
	}
	oracle := saved(t, "g.oracleGeneral.bin")
	for i := range 12 {
		add(fmt.Sprintf("oracle cut %d", i), oracle[:len(oracle)-1-i], requests...)
	}
	for i, s := range []string{
		"", "\x00", "\x00\x01\x02", "foo\n1\n2\n", "size,time\n1,2\n", "id,key\n1,2\n", "1,2,3\n", "id,size\n1,x\n", "id,size\n1\n", "id,size\n1,-1\n", "id,size\n1,99999999999\n", "id,size\n\"1,2\n",
		"id,time_ns\n1,5\n1,4\n", "\xff\xfe1\x00", "id,time\n1,x\n", "jitnic requests 1\n", "jitnic requests 1\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("\x00", 72), strings.Repeat("\xff", 48),
		"\xf0\xde\xbc\x9a\x78\x56\x34\x12", "BZh9", "\x28\xb5\x2f\xfd", "id;size\n1;2;3\n",
	} {
		add(fmt.Sprintf("odd requests %d", i), []byte(s), requests...)
	}

	elf := must.Get(os.ReadFile("../../host/programs/firewall.o"))(t)
	for i := range 16 {
		add(fmt.Sprintf("object cut %d", i), elf[:len(elf)*i/16], object...)
		add(fmt.Sprintf("object cut %d, superopt", i), elf[:len(elf)*i/16], rewrite...)
	}
	for i, off := range []int{0, 4, 5, 18, 41, 58, 60} { // identity, class, order, machine, section headers
		b := bytes.Clone(elf)
		b[off] ^= 0x55
		add(fmt.Sprintf("object field %d", i), b, object...)
	}
	for i, expr := range []string{
		"tcp and", "port", "port 65536", "(tcp", "tcp)", "tcp udp", "ip ? 3", "vlan 4096", "ether", "ip.addr == 1.1.1.1", "dns", "tcp[13:3] = 1", "ip[8] / 0 = 1", "len", "-", "1 =", "mpls and arp",
		"host 1.2.3.4.5", "net 10.0.0.1/8", "gateway x", "src proto 6", "\\", "ip[", "ip[0", "ip[0]", "ip[0:", "not", "&&", strings.Repeat("(", 1000), strings.Repeat("not ", 3) + "x",
	} {
		add(fmt.Sprintf("odd filter %d", i), nil, "replay", "-p", "sample:firewall", "-c", "sample:dns", "--filter", expr)
	}
	return out
}

// generated is a capture of 20 packets.
func generated(t *testing.T, name string) []byte {
	path := filepath.Join(t.TempDir(), name)
	if code, _, stderr := jitnic(t.Context(), "gen", "--out", path, "--packets", "20", "--size", "64"); code != 0 {
		t.Fatal(stderr)
	}
	b := must.Get(os.ReadFile(path))(t)
	return b
}

// saved is a stream of requests.
func saved(t *testing.T, name string) []byte {
	path := filepath.Join(t.TempDir(), name)
	must.Get(stream.Save(path, "", stream.Zipf(50, 300, 1)))(t)
	b := must.Get(os.ReadFile(path))(t)
	return b
}

// packed are the bytes in each packed form that Go can write.
func packed(t *testing.T, b []byte) map[string][]byte {
	out := map[string][]byte{}
	for name, open := range map[string]func(w io.Writer) (io.WriteCloser, error){
		"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		"lz4":  func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil },
	} {
		var z bytes.Buffer
		w := must.Get(open(&z))(t)
		must.Get(w.Write(b))(t)
		must.OK(t, w.Close())
		out[name] = z.Bytes()
	}
	return out
}

// TestDamaged gives the command damaged and odd files of every kind it reads:
// each is exit code 1 and one line on stderr, and what is written is whole.
func TestDamaged(t *testing.T) {
	table := damages(t)
	dir := t.TempDir()
	file, js, out := filepath.Join(dir, "input"), filepath.Join(dir, "report.json"), filepath.Join(dir, "out.o")
	for _, c := range table {
		args := append([]string(nil), c.args...)
		for i, a := range args {
			args[i] = strings.NewReplacer("FILE", file, "OUT", out).Replace(a)
		}
		if args[0] != "superopt" {
			args = append(args, "--json", js)
		}
		must.OK(t, os.WriteFile(file, c.data, 0o600))
		code, _, stderr := jitnic(t.Context(), args...)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "jitnic: ") || len(stderr) > 4000 {
			t.Errorf("%s: exit code %d, stderr %q", c.name, code, stderr[:min(len(stderr), 300)])
		}
		if b, err := os.ReadFile(js); err == nil && !json.Valid(b) {
			t.Errorf("%s: the report is half-written", c.name)
		}
		for _, name := range []string{js, out} {
			os.Remove(name)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: left behind %v", c.name, left)
		}
	}
	if len(table) < 300 {
		t.Errorf("the table has %d inputs, want 300", len(table))
	}
	t.Logf("%d inputs", len(table))
}
