package match

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"

	cebpf "github.com/cilium/ebpf"
)

// compiler is one of a program with a hash "flows" and an array "limits", on
// which a packet has begun.
func compiler(t testing.TB) *pathcond.Compiler {
	t.Helper()
	obj := &loader.Object{Maps: []*maps.Spec{
		{Name: "flows", Type: cebpf.Hash, KeySize: 4, ValueSize: 4, Max: 8},
		{Name: "limits", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 4}}}
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	t.Cleanup(func() { s.Close() })
	must.OK(t, s.Begin(&vm.Input{Data: make([]byte, 64)}))
	return pathcond.NewCompiler(s, obj)
}

// parse reads conditions, one predicate a line or parted by semicolons.
func parse(t testing.TB, c *pathcond.Compiler, cond string) []pathcond.Pred {
	t.Helper()
	preds, err := text.Parse(c, strings.ReplaceAll(cond, "; ", "\n"))
	must.OKf(t, err, "%s", cond)
	return preds
}

func judge(t testing.TB, text string, opt Options) *Judged {
	t.Helper()
	c := compiler(t)
	return NewAnalyser(c, opt).Judge(Condition{Cond: parse(t, c, text)})
}

// Classes and entries worked out by hand.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		cond                       string
		classes                    string
		expanded, priority, ranged uint64
		width                      int
	}{
		{"eth.type == 0x86dd", "equality", 1, 1, 1, 16},
		{"layout ip@14; ip.vihl & 0xf == 5", "equality", 1, 1, 1, 4},
		{"layout ip@14; ip.ihl == 5; ip.version == 4", "equality equality", 1, 1, 1, 8},
		// A byte's top bit: below 128 is a prefix.
		{"layout ip@14; ip.ttl < 128", "range", 1, 1, 1, 1},
		// Not one of 2^16 values: one entry for each bit; or one that denies and
		// one that permits; or two ranges.
		{"eth.type != 0x86dd", "inequality", 16, 2, 2, 16},
		// Holes in one field share their prefixes: 0x86dd and 0x88a8 part after 4
		// bits, 0x8100 after 5.
		{"eth.type != 0x86dd; eth.type != 0x88a8", "inequality inequality", 26, 3, 3, 16},
		// One bit that isn't set is set.
		{"layout tcp@34; tcp.flags & 2 != 2", "equality", 1, 1, 1, 1},
		{"layout tcp@34; tcp.flags & 0x12 != 2", "inequality", 2, 2, 2, 2},
		// 54-55, 56-63, and a prefix for each power of two from 64 on.
		{"pkt.len >= 54", "range", 12, 12, 1, 16},
		// Two bounds of one number are one range: 54..63 are 54-55 and 56-63.
		{"pkt.len >= 54; pkt.len < 64", "range range", 2, 2, 1, 16},
		// Two ranges multiply. The low ten bits of a port don't matter.
		{"layout tcp@34; tcp.sport in 1024..65535; tcp.dport in 1024..65535", "range range", 36, 36, 1, 12},
		{"layout tcp@34; tcp.sport in 1..65534; tcp.dport in 1..65534", "range range", 900, 900, 1, 32},
		// One entry denies port 80, whatever the other port; six permit.
		{"layout tcp@34; tcp.sport >= 1024; tcp.dport != 80", "range inequality", 96, 7, 2, 22},
		// A denying entry of each field.
		{"layout tcp@34; tcp.sport != 80; tcp.dport != 80", "inequality inequality", 256, 3, 4, 32},
		// Ports 22, 53 and 80 out of a bit set, as compilers make it.
		{"layout tcp@34; tcp.dport < 128; tcp.dport >= 22; tcp.dport <= 80; (1 << u64((u32(tcp.dport) - 22) & 0x3f)) & 0x400000080000001 != 0",
			"range range table", 3, 3, 3, 16},
		// Byte by byte.
		{"pkt[12:13] == 8; pkt[13:14] == 0", "equality equality", 1, 1, 1, 16},
		// All bytes zero; and not all zero, which is one range.
		{"layout ip6@14; le(ip6.src[0:4]) | le(ip6.src[4:8]) == 0", "equality", 1, 1, 1, 64},
		{"layout ip6@14; le(ip6.src[0:4]) | le(ip6.src[4:8]) != 0", "inequality", 64, 2, 1, 64},
		{"pkt.len >= 34; map flows[pkt[26:30]] present", "range state", 14, 14, 1, 16},
		{"time > 5", "latched", 1, 1, 1, 0},
		{"cpu == 1", "latched", 1, 1, 1, 0},
		{"ifindex == 1", "equality", 1, 1, 1, 32},
		{"layout ip@14; pkt.len >= ip.len + 14", "relation", 1, 1, 1, 0},
		{"layout ip@14; ip.src == ip.dst", "relation", 1, 1, 1, 0},
		{"layout ip@14; ip.csum + ip.id == 7", "relation", 1, 1, 1, 0},
	} {
		j := judge(t, c.cond, Options{})
		var got []string
		for _, x := range j.Classes {
			got = append(got, x.String())
		}
		if s := strings.Join(got, " "); s != c.classes {
			t.Errorf("%s: %s, want %s", c.cond, s, c.classes)
		}
		if j.Expanded != c.expanded || j.Priority != c.priority || j.Ranged != c.ranged || j.Width() != c.width {
			t.Errorf("%s: %d entries, %d by priority, %d with ranges, width %d; want %d, %d, %d, %d", c.cond,
				j.Expanded, j.Priority, j.Ranged, j.Width(), c.expanded, c.priority, c.ranged, c.width)
		}
	}
	// A variable offset is one no longer where the condition fixes it.
	const variable = "layout ip@14 tcp@(u64((u32(ip.vihl) << 2) & 0x3c) + 14); tcp.dport == 80"
	if j := judge(t, variable, Options{}); j.Worst() != Relation || j.Whole() {
		t.Errorf("%s: %v", variable, j.Worst())
	}
	if j := judge(t, variable+"; ip.ihl == 5", Options{}); j.Worst() != Equal || !j.Whole() || j.Width() != 20 {
		t.Errorf("%s, fixed: %v, width %d", variable, j.Worst(), j.Width())
	}
	// A parser finds the field, and compares lengths.
	const lengths = variable + "; pkt.len >= ip.len + 14; ip.len >= ip.hlen; ip.src != ip.dst"
	if j := judge(t, lengths, Options{Parser: true}); len(j.Residual) != 1 || j.Classes[3] != Relation || j.Width() != 18 || j.Expanded != 1 {
		t.Errorf("%s, parsed: %v, %d residual, width %d", lengths, j.Classes, len(j.Residual), j.Width())
	}
	if j := judge(t, "cpu == 1", Options{Queue: true}); !j.Whole() || j.Width() != 32 {
		t.Errorf("cpu == 1 with the queue in the key: whole %v, width %d", j.Whole(), j.Width())
	}
}

// Packing a key and looking it up allocate nothing.
func TestLookupAllocates(t *testing.T) {
	for _, opt := range []Options{{}, {Parser: true}} {
		c := compiler(t)
		a := NewAnalyser(c, opt)
		var conds []*Judged
		for i, text := range []string{
			"layout ip@14 tcp@(u64((u32(ip.vihl) << 2) & 0x3c) + 14); eth.type == 0x0800; tcp.dport == 80",
			"pkt.len >= 34; eth.type != 0x0800"} {
			conds = append(conds, a.Judge(Condition{Path: int32(i), Cond: parse(t, c, text)}))
		}
		tcam := must.Get(NewTCAM(conds, true))(t)
		tss := NewTSS(conds)
		p := &Packet{Data: make([]byte, 64)}
		k1, k2 := tcam.Key.Pack(nil, p), tss.Key.Pack(nil, p)
		holds := func(*Judged) bool { return true }
		if n := testing.AllocsPerRun(100, func() {
			k1, k2 = tcam.Key.Pack(k1, p), tss.Key.Pack(k2, p)
			tcam.Lookup(k1)
			tss.Lookup(k2, holds)
		}); n != 0 {
			t.Errorf("%+v: %v allocations a packet", opt, n)
		}
	}
}

// A key's parts by name.
func TestKeyFields(t *testing.T) {
	c := compiler(t)
	a := NewAnalyser(c, Options{Queue: true, Parser: true})
	var conds []*Judged
	for _, text := range []string{
		"layout ip@14 tcp@(u64((u32(ip.vihl) << 2) & 0x3c) + 14); eth.type == 0x0800; ip.version == 4; tcp.dport == 80; pkt.len >= tcp.start + 20",
		"pkt.len >= 34; ifindex == 3; rxq == 1; cpu == 2"} {
		conds = append(conds, a.Judge(Condition{Cond: parse(t, c, text)}))
	}
	var got []string
	for _, f := range KeyOf(conds).Fields() {
		got = append(got, fmt.Sprintf("%s %d", f.Name, f.Bits))
	}
	const want = "pkt[12:15]/20 20, pkt.len 16, ifindex 32, queue 32, cpu 32, length checks 1, fields behind offset 1 16"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}

// A term is worth what a packet's length makes of it, not what 0 would: rapid
// found 0/pkt.len, which is 0 for every packet there is, judged as 0/0.
func TestTableKnowsLengths(t *testing.T) {
	c := compiler(t)
	b := c.B
	length := b.Input(pathcond.InLen, 64, bv.Fact{Min: vm.MinPacket, Max: vm.MaxLinear})
	first := b.ZExt(b.Fun(pathcond.FunLoad, 8, bv.Fact{}, b.Const(c.S.Buf+vm.Headroom, 64)), 64)
	for _, x := range []bv.Term{b.Bin(bv.OpUDiv, b.Const(0, 64), length), b.Bin(bv.OpURem, b.Const(0, 64), length)} {
		j := NewAnalyser(c, Options{}).Judge(Condition{Cond: []pathcond.Pred{{Term: b.Bin(bv.OpEq, x, first), Want: true}}})
		m := must.Get(NewTCAM([]*Judged{j}, false))(t)
		for _, byte0 := range []byte{0, 1, 255} {
			path, _ := m.Lookup(m.Key.Pack(nil, &Packet{Data: append([]byte{byte0}, make([]byte, 63)...)}))
			if got, want := path == 0, byte0 == 0; got != want {
				t.Errorf("%s, first byte %d: %v", b.String(x), byte0, got)
			}
		}
	}
}
