package mapfile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

var (
	u8   = &btf.Int{Name: "unsigned char", Size: 1}
	u16  = &btf.Int{Name: "unsigned short", Size: 2}
	u32  = &btf.Int{Name: "unsigned int", Size: 4}
	u64  = &btf.Int{Name: "unsigned long long", Size: 8}
	i32  = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	flag = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	be16 = &btf.Typedef{Name: "__be16", Type: &btf.Typedef{Name: "__u16", Type: u16}}
	be32 = &btf.Typedef{Name: "__be32", Type: u32}
	mac  = &btf.Array{Index: u32, Type: u8, Nelems: 6}
	mode = &btf.Enum{Name: "mode", Size: 4, Values: []btf.EnumValue{{Name: "PASS", Value: 2}, {Name: "DROP", Value: 1}}}

	flowKey = &btf.Struct{Name: "flow", Size: 16, Members: []btf.Member{
		{Name: "saddr", Type: be32}, {Name: "daddr", Type: be32, Offset: 32},
		{Name: "sport", Type: be16, Offset: 64}, {Name: "dport", Type: be16, Offset: 80},
		{Name: "proto", Type: u8, Offset: 96}, // and three bytes of padding
	}}
	flowVal = &btf.Struct{Name: "stats", Size: 32, Members: []btf.Member{
		{Name: "packets", Type: u64}, {Name: "mode", Type: mode, Offset: 64}, {Name: "delta", Type: i32, Offset: 96},
		{Name: "mac", Type: mac, Offset: 128}, {Name: "up", Type: flag, Offset: 176},
		{Name: "low", Type: u8, Offset: 184, BitfieldSize: 3}, {Name: "high", Type: u8, Offset: 187, BitfieldSize: 5},
		{Type: &btf.Union{Size: 4, Members: []btf.Member{{Name: "word", Type: u32}, {Name: "half", Type: u16}}}, Offset: 192},
		{Name: "pair", Type: &btf.Array{Index: u32, Type: u16, Nelems: 2}, Offset: 224},
	}}
	data = &btf.Datasec{Name: ".data", Size: 12, Vars: []btf.VarSecinfo{
		{Type: &btf.Var{Name: "limit", Type: u32}, Offset: 0, Size: 4},
		{Type: &btf.Var{Name: "burst", Type: u64}, Offset: 4, Size: 8},
	}}
)

func specs() []*maps.Spec {
	s := func(name string, t ebpf.MapType, ks, vs, n uint32) *maps.Spec {
		return &maps.Spec{Name: name, Type: t, KeySize: ks, ValueSize: vs, Max: n}
	}
	flows := s("flows", ebpf.Hash, 16, 32, 8)
	flows.Key, flows.Value = flowKey, flowVal
	raw := s("raw", ebpf.LRUHash, 6, 3, 8)
	raw.Contents = []maps.Entry{{Key: []byte("abcdef"), Value: []byte("xyz")}}
	lpm := s("allowed", ebpf.LPMTrie, 8, 4, 8)
	lpm.Flags = maps.FlagNoPrealloc
	lpm6 := s("allowed6", ebpf.LPMTrie, 20, 4, 8)
	lpm6.Flags = maps.FlagNoPrealloc
	blue := s("blue", ebpf.Array, 4, 4, 2)
	outer, houter := s("outer", ebpf.ArrayOfMaps, 4, 4, 4), s("houter", ebpf.HashOfMaps, 4, 4, 4)
	outer.Inner, houter.Inner = blue, blue
	outer.Contents = []maps.Entry{{Key: []byte{3, 0, 0, 0}, Name: "blue"}}
	d := s(".data", ebpf.Array, 4, 12, 1)
	d.Value = data
	d.Contents = []maps.Entry{{Key: make([]byte, 4), Value: []byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}}}
	ro := s(".rodata", ebpf.Array, 4, 4, 1)
	ro.ReadOnly = true
	jumps := s("jumps", ebpf.ProgramArray, 4, 4, 4)
	jumps.Contents = []maps.Entry{{Key: []byte{1, 0, 0, 0}, Name: "xdp_two"}}
	each, eachCPU := s("each", ebpf.LRUHash, 4, 4, 6), s("eachcpu", ebpf.LRUCPUHash, 4, 4, 6)
	each.Flags, eachCPU.Flags = maps.FlagNoCommonLRU, maps.FlagNoCommonLRU
	return []*maps.Spec{
		each, eachCPU, flows, raw, lpm, lpm6, blue, outer, houter, d, ro, jumps,
		s("counters", ebpf.PerCPUArray, 4, 8, 4), s("pcpu", ebpf.PerCPUHash, 4, 5, 4),
		s("tx", ebpf.DevMap, 4, 8, 4), s("txh", ebpf.DevMapHash, 4, 4, 4), s("cpus", ebpf.CPUMap, 4, 8, 4),
		s("todo", ebpf.Queue, 0, 4, 4), s("last", ebpf.Stack, 0, 2, 4), s("seen", ebpf.BloomFilter, 0, 4, 8),
		s("ring", ebpf.RingBuf, 0, 0, 4096), s("events", ebpf.PerfEventArray, 4, 4, 2), s("xsks", ebpf.XSKMap, 4, 4, 2),
	}
}

func machine(t testing.TB) (*Machine, *maps.Set) {
	t.Helper()
	all := specs()
	a := must.Get(mem.New(4*maps.SetSize(all, 2) + 1<<22))(t)
	t.Cleanup(func() { a.Close() })
	s := must.Get(maps.NewSet(all, a, 2))(t)
	m := Of(s, []string{"xdp_one", "xdp_two"})
	must.OK(t, s.Fill(m.Program))
	return m, s
}

func fill(t testing.TB, m *Machine, text string) *Plan {
	t.Helper()
	f := must.Get(Read("maps.json", strings.NewReader(text)))(t)
	p := must.Get(f.Bind(m))(t)
	must.OK(t, p.Fill())
	return p
}

func dump(t testing.TB, m *Machine) string {
	t.Helper()
	var b bytes.Buffer
	must.OK(t, Write(&b, m))
	return b.String()
}

// Every form, and the bytes it means.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		name, entry string
		key, value  string // hex
	}{
		{"flows", `{"key": {"saddr": "10.0.0.1", "daddr": {"ip4": "10.0.0.2"}, "dport": {"be16": 80}, "proto": 6},
			"value": {"packets": 18446744073709551615, "mode": "PASS", "delta": -2, "mac": "02:00:00:00:00:01", "up": true,
			"low": 5, "high": 17, "half": 258, "pair": [1, "0x10"]}}`,
			"0a0000010a0000020000005006000000", "ffffffffffffffff02000000feffffff020000000001018d0201000001001000"},
		{"flows", `{"key": "000102030405060708090a0b0c0d0e0f", "value": {"hex": "` + strings.Repeat("07", 32) + `"}}`,
			"000102030405060708090a0b0c0d0e0f", strings.Repeat("07", 32)},
		{"flows", `{"key": {"saddr": 1}, "value": {"mode": 7, "mac": [1,2,3,4,5,6], "word": 5}}`,
			"01000000000000000000000000000000", "000000000000000007000000000000000102030405060000" + "05000000" + "00000000"},
		{"raw", `{"key": [{"ip4": "1.2.3.4"}, {"be16": 80}], "value": {"text": "ab"}}`, "010203040050", "616200"},
		{"raw", `{"key": "02:00:00:00:00:01", "value": [1, "0x02", 3]}`, "020000000001", "010203"},
		{"raw", `{"key": {"mac": "02:00:00:00:00:01"}, "value": 197121}`, "020000000001", "010203"},
		{"raw", `{"key": "0xffffffffffff", "value": -2}`, "ffffffffffff", "feffff"},
		{"allowed", `{"key": "10.1.0.0/16", "value": 1}`, "100000000a010000", "01000000"},
		{"allowed6", `{"key": "fd00::/8", "value": "0x10"}`, "08000000fd00000000000000000000000000" + "0000", "10000000"},
		{"pcpu", `{"key": {"u32": 1}, "values": ["0102030405", 1]}`, "01000000", "0102030405000000" + "0100000000000000"},
		{"pcpu", `{"key": {"be32": 1}, "value": 1}`, "00000001", "0100000000000000" + "0100000000000000"},
		{"tx", `{"key": 1, "value": 7, "program": "xdp_two"}`, "01000000", "0700000002000000"},
		{"cpus", `{"key": 2, "value": 192}`, "02000000", "c000000000000000"},
		{"txh", `{"key": 99, "value": 7}`, "63000000", "07000000"},
		{"jumps", `{"key": 2, "program": "xdp_one"}`, "02000000", "01000000"},
		{".data", `{"value": {"burst": 9}}`, "00000000", "010000000900000000000000"},
		{".rodata", `{"value": 9}`, "00000000", "09000000"},
	} {
		m, s := machine(t)
		fill(t, m, `{"maps": {"`+c.name+`": [`+c.entry+`]}}`)
		found := false
		s.Maps[s.Find(c.name)].Range(func(k, v []byte) bool {
			if fmt.Sprintf("%x", k) == c.key {
				found = true
				if got := fmt.Sprintf("%x", v); got != c.value {
					t.Errorf("%s: %s:\n%s, want\n%s", c.name, c.entry, got, c.value)
				}
			}
			return true
		})
		if !found {
			t.Errorf("%s: %s: no key %s", c.name, c.entry, c.key)
		}
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	for _, c := range [][2]string{
		{`{"maps": {"flows": [{"key": {"sport": 70000}, "value": 1}]}}`, `maps.json:1: maps.flows[0].key.sport: 70000: doesn't fit in 2 bytes`},
		{"{\"maps\": {\n\"flows\": [\n{\"key\": {\"port\": 1}, \"value\": 1}]}}", `maps.json:3: maps.flows[0].key.port: no such field: struct flow has saddr, daddr, sport, dport, proto`},
		{`{"maps": {"nope": []}}`, `maps.json:1: maps.nope: no map "nope": there is each, eachcpu, flows, raw, `},
		{`{"maps": {"raw": [{"key": "00", "value": 1}]}}`, `maps.json:1: maps.raw[0].key: 1 bytes of hex: want 6`},
		{`{"maps": {"raw": [{"key": "zz", "value": 1}]}}`, `maps.json:1: maps.raw[0].key: "zz": not hex digits`},
		{`{"maps": {"raw": [{"key": 1}]}}`, `maps.json:1: maps.raw[0]: want a "value"`},
		{`{"maps": {"raw": [{"value": 1}]}}`, `maps.json:1: maps.raw[0]: want a "key"`},
		{`{"maps": {"raw": [{"key": 1, "value": {"a": 1}}]}}`, `maps.json:1: maps.raw[0].value: an object: the type's fields are not known; want hex digits`},
		{`{"maps": {"raw": [{"key": 1, "value": 1, "valeu": 2}]}}`, `maps.json:1: maps.raw[0].valeu: not in an entry of a LRUHash map`},
		{`{"maps": {"raw": [{"key": 1, "value": 1, "flags": "exist"}]}}`, `maps.json:1: maps.raw[0]: update map "raw": there is no entry of this key (ENOENT)`},
		{`{"maps": {"jumps": [{"key": 1, "program": "nope"}]}}`, `maps.json:1: maps.jumps[0].program: no program "nope"`},
		{`{"maps": {"jumps": [{"key": 9, "program": "xdp_one"}]}}`, `maps.json:1: maps.jumps[0].key: index 9: map "jumps" has entries 0 to 3`},
		{`{"maps": {"outer": [{"key": 1, "map": "raw"}]}}`, `maps.json:1: maps.outer[0].map: map "raw" doesn't fit: map "outer" takes inner maps like "blue"`},
		{`{"maps": {"allowed": [{"key": "10.0.0.0/33", "value": 1}]}}`, `maps.json:1: maps.allowed[0].key: "10.0.0.0/33": not a prefix of 4 bytes`},
		{`{"maps": {"counters": [{"key": 0, "values": [1]}]}}`, `maps.json:1: maps.counters[0].values: want a list of 2 values, one for each cpu`},
		{`{"maps": {"ring": [{"value": 1}]}}`, `maps.json:1: maps.ring[0]: a ring buffer has no entries to set`},
		{`{"updates": [{"at": -1, "map": "raw", "key": 1, "value": 1}]}`, `maps.json:1: updates[0].at: -1: want a number of packets`},
		{`{"updates": [{"at": "soon", "map": "raw", "key": 1, "value": 1}]}`, `maps.json:1: updates[0].at: "soon": want a duration such as "1.5s"`},
		{`{"updates": [{"at": 1, "map": ".rodata", "value": 1}]}`, `maps.json:1: updates[0].map: map ".rodata": read-only once the program runs`},
		{`{"maps": {}, "maps": {}}`, `maps.json:1: "maps" twice`},
		{"{\"maps\":\n{]", `maps.json:2: maps: not JSON: invalid character ']'`},
		{`{"maps": {}`, `maps.json:1: not JSON: unexpected eof`},
		{`{} {}`, `maps.json:1: more after the end`},
		{`[]`, `maps.json:1: a list of entries, and not of which map: give NAME=maps.json (there is each, eachcpu, `},
		{`7`, `maps.json:1: a number: want an object with maps and updates, or a list of entries`},
		{`{"maps": {"each": [{"key": -1, "value": 1}]}}`, `maps.json:1: maps.each[0].key: -1: a negative number in a key without sign`},
		{`{"maps": {"raw": [{"key": -1, "value": 1}]}}`, `maps.json:1: maps.raw[0].key: -1: a negative number in a key without sign`},
		{`{"maps": {"flows": [{"key": {"sport": -7}, "value": 1}]}}`, `maps.json:1: maps.flows[0].key.sport: -7: a negative number in a key without sign`},
		{"{\"maps\": {\"raw\": [{\"key\": 1, \"value\": 1},\n{\"key\": \"010000000000\", \"value\": 2}]}}", `maps.json:2: maps.raw[1]: map "raw" has this key already (line 1)`},
		{`{"maps": {"counters": [{"key": 0, "values": [{"cpu": 0, "value": 1}, {"cpu": 2, "value": 1}]}]}}`, `maps.json:1: maps.counters[0].values[1].cpu: cpu 2 has a value: the machine has 2 (--queues)`},
		{`{"maps": {"counters": [{"key": 0, "values": [{"cpu": 0, "value": 1}, {"cpu": 0, "value": 1}]}]}}`, `maps.json:1: maps.counters[0].values[1].cpu: cpu 0 twice`},
		{`{"map": {}}`, `maps.json:1: map: want maps or updates`},
		{strings.Repeat("[", 100), `maps.json:1: [0][0]`},
	} {
		m, _ := machine(t)
		f, err := Read("maps.json", strings.NewReader(c[0]))
		if err == nil {
			var p *Plan
			if p, err = f.Bind(m); err == nil {
				err = p.Fill()
			}
		}
		if err == nil || !strings.HasPrefix(err.Error(), c[1]) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n%v, want\n%s", c[0], err, c[1])
		}
	}
}

func TestUpdates(t *testing.T) {
	m, s := machine(t)
	p := fill(t, m, `{"updates": [
		{"at": 3, "map": "raw", "key": "000000000001", "value": 1},
		{"at": "1ms", "map": "raw", "key": "000000000002", "value": 2},
		{"at": 1, "map": "raw", "key": "000000000003", "value": 3, "flags": "noexist"},
		{"at": 3, "map": "raw", "key": "000000000003", "delete": true},
		{"at": 3, "map": "raw", "key": "000000000009", "delete": true},
		{"at": 4, "map": "jumps", "key": 1, "delete": true},
		{"at": 4, "map": "outer", "key": 0, "inner": "green", "entries": [{"key": 1, "value": 5}]}
	]}`)
	var log []string
	s.Maps[s.Find("raw")].(maps.Notifier).OnWrite(func(k []byte) { log = append(log, fmt.Sprintf("%x", k[5:])) })
	for packet := range uint64(6) {
		if !p.Due(packet, packet*300_000) {
			continue
		}
		n, err := p.Apply(packet, packet*300_000)
		log = append(log, fmt.Sprintf("%d: %d %v", packet, n, err))
	}
	want := `03 1: 1 <nil> 01 03 3: 3 maps.json:6: updates[4]: delete map "raw": there is no entry of this key (ENOENT) 02 4: 3 <nil>`
	if got := strings.Join(log, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if p.Pending() != 0 {
		t.Errorf("%d updates are still to come", p.Pending())
	}
	if i := s.Maps[s.Find("outer")].(maps.OfMaps).Inner(make([]byte, 4)); i < 0 || s.Maps[i].Spec().Name != "green" {
		t.Errorf("inner map %d", i)
	}
}

// Dump, load, dump gives the same text, and the same maps.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n uint32) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32() >> r.IntN(25))
		}
		return b
	}
	for round := range 60 {
		m, s := machine(t)
		fill(t, m, `{"maps": {"outer": [{"key": 0, "map": "red", "entries": [{"key": 1, "value": 7}]}, {"key": 1, "map": "red"}],
			"houter": [{"key": 5, "entries": []}, {"key": 6, "map": "blue"}], "jumps": [{"key": 0, "program": "xdp_one"}],
			"tx": [{"key": 2, "value": 4, "program": "xdp_two"}], "cpus": [{"key": 3, "value": 8}], "txh": [{"key": 77, "value": 5}]}}`)
		for _, mp := range s.Maps {
			sp := mp.Spec()
			if sp.Inner != nil || sp.Type == ebpf.RingBuf || sp.Type == ebpf.CPUMap || sp.Type == ebpf.DevMap || sp.Type == ebpf.ProgramArray {
				continue
			}
			for i := range r.IntN(9) {
				k, v := random(sp.KeySize), random(sp.ValueSize)
				switch {
				case len(sp.Contents) == 0 && (sp.Type == ebpf.Array || sp.Type == ebpf.PerCPUArray || sp.Type == ebpf.PerfEventArray || sp.Type == ebpf.XSKMap):
					k = []byte{byte(i), 0, 0, 0}
				case sp.Name == ".data":
					k = make([]byte, 4)
				case sp.Type == ebpf.LPMTrie:
					k[0], k[1], k[2], k[3] = byte(r.IntN(8*(len(k)-4)+1)), 0, 0, 0
				}
				mp.Update(k, v, maps.Any, r.IntN(2))
			}
			if r.IntN(3) == 0 && sp.Name == "raw" {
				mp.Delete([]byte("abcdef"))
			}
		}
		if round%2 == 0 {
			s.Maps[s.Find("jumps")].Delete([]byte{1, 0, 0, 0})
			s.Maps[s.Find("outer")].Delete([]byte{3, 0, 0, 0})
		}
		text := dump(t, m)
		m2, s2 := machine(t)
		fill(t, m2, text)
		for i, mp := range s.Maps {
			if mp.Spec().Type == ebpf.ArrayOfMaps || mp.Spec().Type == ebpf.HashOfMaps || i >= m.Own {
				continue // inner maps have other numbers; the text compares them
			}
			if d := maps.Equal(mp, s2.Maps[i]); d != "" {
				t.Fatalf("round %d: %s\n%s", round, d, text)
			}
		}
		if again := dump(t, m2); again != text {
			t.Fatalf("round %d: dumped\n%s\nloaded and dumped again\n%s", round, text, again)
		}
	}
}

func TestSaveIsWholeOrNothing(t *testing.T) {
	m, _ := machine(t)
	fill(t, m, `{"maps": {"allowed": [{"key": "10.0.0.0/8", "value": 1}]}}`)
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	must.OK(t, Save(path, m))
	must.Get(Load(path))(t)
	if err := Save(filepath.Join(dir, "none", "out.json"), m); err == nil {
		t.Error("saved into a folder that isn't there")
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Load(filepath.Join(dir, "nope.json")); err == nil {
		t.Error("loaded a file that isn't there")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"maps": {"flows": [{"key": {"saddr": "10.0.0.1", "dport": {"be16": 80}}, "value": {"mode": "PASS", "low": 5}}]}}`)
	f.Add(`{"maps": {"outer": [{"key": 0, "map": "red", "entries": [{"key": 1, "value": 7}]}]}, "updates": [{"at": "1s", "map": "raw", "key": 1, "delete": true}]}`)
	f.Add(`{"maps": {"seen": [{"value": 1}, {"bits": "00"}], "todo": [{"value": {"hex": "01020304"}}], ".data": [{"value": {"burst": 9}}]}}`)
	f.Add(`{"maps": {"counters": [{"key": 0, "values": [1, {"be64": 2}]}], "allowed6": [{"key": "fd00::/8", "value": "fd00::1"}]}}`)
	f.Add(`{"maps": {"raw": [{"key": [{"text": "ab"}, {"hex": "00 01"}, 3, 4], "value": {"u8": 1}}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Read("maps.json", strings.NewReader(text))
		if err != nil {
			return
		}
		m, s := machine(t)
		p, err := file.Bind(m)
		if err != nil {
			return
		}
		if p.Fill() != nil {
			return
		}
		p.Apply(1<<62, 1<<62)
		out := dump(t, m)
		m2, s2 := machine(t)
		fill(t, m2, out)
		for i, mp := range s.Maps[:m.Own] {
			if mp.Spec().Inner != nil {
				continue
			}
			if d := maps.Equal(mp, s2.Maps[i]); d != "" {
				t.Fatalf("%s\n%s", d, out)
			}
		}
	})
}
