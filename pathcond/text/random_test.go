package text

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// textCompiler is a compiler of an object with maps of several kinds, one with
// a struct for a value and two of the same name.
func textCompiler(t testing.TB) words {
	u32 := &btf.Int{Name: "u32", Size: 4}
	value := &btf.Struct{Name: "flow", Size: 16, Members: []btf.Member{
		{Name: "state", Type: u32},
		{Name: "port", Type: &btf.Int{Name: "u16", Size: 2}, Offset: 32},
		{Name: "at", Type: &btf.Struct{Name: "when", Size: 8, Members: []btf.Member{
			{Name: "sec", Type: u32}, {Name: "usec", Type: u32, Offset: 32}}}, Offset: 64},
	}}
	specs := []*maps.Spec{
		{Name: "flows", Type: cebpf.Hash, KeySize: 12, ValueSize: 16, Max: 8, Value: value},
		{Name: "rules", Type: cebpf.Array, KeySize: 4, ValueSize: 16, Max: 16, Value: value},
		{Name: "rules", Type: cebpf.Array, KeySize: 4, ValueSize: 24, Max: 16},
		{Name: ".data", Type: cebpf.Array, KeySize: 4, ValueSize: 64, Max: 1},
		{Name: "ports", Type: cebpf.DevMap, KeySize: 4, ValueSize: 4, Max: 8},
		{Name: "trie", Type: cebpf.LPMTrie, KeySize: 8, ValueSize: 8, Max: 8, Flags: 1},
		{Name: "ring", Type: cebpf.RingBuf, Max: 4096},
		{Name: "calls", Type: cebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 4},
		{Name: "fifo", Type: cebpf.Queue, ValueSize: 12, Max: 4},
		{Name: "seen", Type: cebpf.BloomFilter, ValueSize: 12, Max: 16},
		{Name: "each", Type: cebpf.PerCPUHash, KeySize: 6, ValueSize: 8, Max: 4},
	}
	code := must.Get(ebpf.Parser{}.Code("r0 = 2\nexit"))(t)
	obj := &loader.Object{File: "text", Maps: specs, Programs: []*loader.Program{
		{Name: "first", Insns: code, Maps: specs}, {Name: "second", Insns: code, Maps: specs}}}
	s := must.Get(vm.NewState(obj, vm.Options{CPUs: 2}))(t)
	t.Cleanup(func() { s.Close() })
	return words{pathcond.NewCompiler(s, obj)}
}

// termMaker makes random terms, simplified and as they stand, that share parts.
type termMaker struct {
	c    words
	r    *rand.Rand
	pool []bv.Term
}

// of gives a term of the width: an old one, or a new one of at most depth
// operations on each other.
func (m *termMaker) of(w, depth int) bv.Term {
	b := m.c.B
	if m.r.IntN(4) == 0 {
		for range 8 {
			if len(m.pool) == 0 {
				break
			}
			if t := m.pool[m.r.IntN(len(m.pool))]; b.Width(t) == w {
				return t
			}
		}
	}
	t := m.fresh(w, depth)
	m.pool = append(m.pool, t)
	return t
}

func (m *termMaker) fresh(w, depth int) bv.Term {
	b, r := m.c.B, m.r
	if depth == 0 {
		switch w {
		case 8, 16, 32, 64:
			if r.IntN(3) > 0 {
				return m.load(w)
			}
		}
		if r.IntN(3) > 0 {
			return m.adapt(m.load(8<<r.IntN(4)), w)
		}
		return b.Const([]uint64{0, 1, 20, 0xff, 0x8000, r.Uint64()}[r.IntN(6)], w)
	}
	switch k := r.IntN(10); {
	case k < 5:
		ops := []bv.Op{bv.OpAdd, bv.OpSub, bv.OpMul, bv.OpUDiv, bv.OpURem, bv.OpSDiv, bv.OpSRem, bv.OpAnd, bv.OpOr, bv.OpXor,
			bv.OpShl, bv.OpLShr, bv.OpAShr}
		op := ops[r.IntN(len(ops))]
		x, y := m.of(w, depth-1), m.of(w, depth-1)
		if r.IntN(8) == 0 { // as nothing would simplify it
			if t, err := b.Make(op, w, 0, x, y); err == nil {
				return t
			}
		}
		return b.Bin(op, x, y)
	case k == 5:
		return b.Not(m.of(w, depth-1))
	case k == 6 && w == 1:
		return m.pred(depth - 1)
	case k == 6:
		return b.Ite(m.pred(depth-1), m.of(w, depth-1), m.of(w, depth-1))
	case k == 7 && w > 1:
		lo := 1 + r.IntN(w-1)
		return b.Concat(m.of(w-lo, depth-1), m.of(lo, depth-1))
	case k == 8 && w%8 == 0:
		return b.BSwap(m.of(w, depth-1))
	}
	return m.adapt(m.of(1+r.IntN(64), depth-1), w)
}

// adapt brings a term to a width.
func (m *termMaker) adapt(t bv.Term, w int) bv.Term {
	b := m.c.B
	switch have := b.Width(t); {
	case have > w:
		return b.Extract(t, m.r.IntN(have-w+1), w)
	case m.r.IntN(3) == 0:
		return b.SExt(t, w)
	}
	return b.ZExt(t, w)
}

// load is something a condition can read: the packet at constant and variable
// places, map values, inputs.
func (m *termMaker) load(w int) bv.Term {
	b, r, c := m.c.B, m.r, m.c
	n := w / 8
	value := func(i int, key ...bv.Term) bv.Term {
		size := int(c.S.Maps[i].Spec().ValueSize)
		return b.Fun(pathcond.FunLoad, w, bv.Fact{}, c.at2(c.Element(i, key), uint64(r.IntN(size-n+1))))
	}
	switch r.IntN(12) {
	case 0, 1, 2, 3:
		return b.Fun(pathcond.FunLoad, w, bv.Fact{}, b.Const(c.data()+uint64(r.IntN(80)), 64))
	case 4:
		off := b.Bin(bv.OpShl, b.ZExt(m.load(8), 64), b.Const(2, 64))
		return b.Fun(pathcond.FunLoad, w, bv.Fact{}, b.Bin(bv.OpAdd, off, b.Const(c.data()+uint64(r.IntN(60)), 64)))
	case 5:
		return value(0, b.Concat(m.load(32), m.load(32)), m.load(32))
	case 6:
		if n > 4 {
			return m.load(w)
		}
		return value(1+r.IntN(2), b.Const(uint64(r.IntN(16)), 32))
	case 7:
		return value(1+r.IntN(2), b.ZExt(m.load(8), 32))
	case 8:
		return value(3, b.Const(0, 32))
	case 9:
		return value(5, b.Concat(m.load(32), b.Const(24, 32)))
	case 10:
		return b.Fun(pathcond.FunLoad, w, bv.Fact{}, b.Bin(bv.OpAdd, c.inputTerm(pathcond.InLen), b.Const(c.data()-8, 64)))
	}
	ids := []uint64{pathcond.InLen, pathcond.InTime, pathcond.InCoarse, pathcond.InJiffies, pathcond.InCPU, pathcond.InIfindex, pathcond.InQueue, pathcond.InFrags, pathcond.InTag, pathcond.InRand, pathcond.InRand + 5}
	t := c.inputTerm(ids[r.IntN(len(ids))])
	if r.IntN(6) == 0 {
		i := r.IntN(2)
		key := make([]byte, c.S.Maps[i].Spec().KeySize)
		t = c.inputTerm(pathcond.InVersion + uint64(c.Versions.Watch(i, key[:r.IntN(2)*len(key)])))
	}
	return m.adapt(t, w)
}

func (m *termMaker) pred(depth int) bv.Term {
	b, r := m.c.B, m.r
	depth = max(depth, 0)
	w := []int{8, 16, 32, 64, 1 + r.IntN(64)}[r.IntN(5)]
	switch r.IntN(12) {
	case 0, 1, 2:
		return b.Bin(bv.OpEq, m.of(w, depth), m.of(w, depth))
	case 3, 4:
		return b.Bin(bv.OpULt, m.of(w, depth), m.of(w, depth))
	case 5:
		return b.Bin(bv.OpSLt, m.of(w, depth), m.of(w, depth))
	case 6:
		return b.AndB(m.pred(depth-1), m.pred(depth-1))
	case 7:
		return b.Not(m.pred(depth - 1))
	case 8:
		mask := uint64(0xf0)
		return b.Bin(bv.OpEq, b.Bin(bv.OpAnd, m.load(8), b.Const(mask, 8)), b.Const(0x40, 8))
	case 9:
		return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(pathcond.FunLookup, 0), 64, bv.Fact{}, b.Concat(b.Concat(m.of(16, depth), m.load(16)), m.of(32, 0)), m.load(32)), b.Const(0, 64))
	case 10:
		return b.Fun(pathcond.Fun(pathcond.FunPresent, 4), 1, bv.Fact{}, b.ZExt(m.load(16), 32))
	}
	switch r.IntN(4) {
	case 0:
		return b.Bin(bv.OpULt, b.Fun(pathcond.Fun(pathcond.FunCount, 0), 64, bv.Fact{Max: 8}), b.Const(uint64(1+r.IntN(8)), 64))
	case 1:
		return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(pathcond.FunLookup, 7), 64, bv.Fact{}, b.Const(uint64(r.IntN(4)), 32)), b.Const(uint64(r.IntN(4)), 64))
	case 2:
		return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(pathcond.FunRoom, 6), 64, bv.Fact{}, b.Const(uint64(r.IntN(100)), 64)), b.Const(0, 64))
	}
	if r.IntN(2) == 0 {
		args := []bv.Term{b.Const(uint64(r.IntN(20)), 64), b.Concat(m.load(32), m.load(32)), m.load(32)}
		k := pathcond.Fun(pathcond.FunNumber, pathcond.Number(r.IntN(2) == 0, r.IntN(2) == 0, 12))
		return b.Bin(bv.OpEq, b.Fun(k, 64, bv.Fact{}, args...), m.of(64, depth))
	}
	chunks := func(n int) (args []bv.Term) {
		for ; n > 0; n -= 8 {
			args = append(args, m.of(8*min(n, 8), depth))
		}
		return args
	}
	if r.IntN(2) == 0 {
		gen, v6, n := r.IntN(2) == 0, r.IntN(2) == 0, 20+4*r.IntN(11)
		args := append([]bv.Term{m.of(64, depth)}, chunks(pathcond.CookieAddrs(v6))...)
		return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(pathcond.FunCookie, pathcond.Cookie(gen, v6, n)), 64, bv.Fact{}, append(args, chunks(n)...)...), m.of(64, depth))
	}
	if r.IntN(2) == 0 {
		return b.Bin(bv.OpULt, b.Fun(pathcond.Fun(pathcond.FunQuery, 6), 64, bv.Fact{}, m.of(64, depth)), b.Const(uint64(1+r.IntN(4096)), 64))
	}
	if r.IntN(2) == 0 {
		return m.asked(depth, chunks)
	}
	if r.IntN(2) == 0 {
		const format = "a %d, %x\x00"
		values, size := r.IntN(4), []int{-1, 0, 5, 8, 21}[r.IntN(5)]
		word := 0
		if size > 0 {
			word = r.IntN((size+7)/8 + 1)
		}
		args := []bv.Term{b.Const(binary.LittleEndian.Uint64([]byte(format)), 64), b.Const(0, 8)}
		for range values {
			args = append(args, m.of(64, depth))
		}
		k := pathcond.Fun(pathcond.FunText, pathcond.Text(word, len(format), values, size))
		return b.Bin(bv.OpEq, b.Fun(k, 64, bv.Fact{}, append(args, chunks(size)...)...), m.of(64, depth))
	}
	if r.IntN(2) == 0 {
		tuple, opts := []int{12, 36, 8}[r.IntN(3)], []int{12, 16, 9}[r.IntN(3)]
		n, k := pathcond.ConnBytes(tuple, opts)
		args := append(chunks(n), chunks(k)...)
		return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(pathcond.FunConn, pathcond.Conn(r.IntN(3), tuple, opts)), 64, bv.Fact{}, args...), m.of(64, depth))
	}
	args := make([]bv.Term, 9)
	for i := range args {
		args[i] = b.Concat(m.load(32), m.load(32))
	}
	args[8] = b.Const(uint64(r.IntN(3)), 64)
	return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(pathcond.FunFib, r.IntN(9)), 64, bv.Fact{}, args...), m.of(64, depth))
}

// asked is a question to a map, or to a timer, that isn't a look-up's.
func (m *termMaker) asked(depth int, chunks func(int) []bv.Term) bv.Term {
	b, r := m.c.B, m.r
	f := func(id uint64, arg int, args ...bv.Term) bv.Term {
		return b.Bin(bv.OpEq, b.Fun(pathcond.Fun(id, arg), 64, bv.Fact{}, args...), m.of(64, depth))
	}
	small := func(n int) bv.Term { return b.Const(uint64(r.IntN(n)), 64) }
	switch r.IntN(7) {
	case 0:
		return f(pathcond.FunElem, 8, m.of(64, depth), small(2))
	case 1:
		return f(pathcond.FunKeyAt, []int{0, 10}[r.IntN(2)], small(8), small(2))
	case 2:
		return f(pathcond.FunTimer, 0, m.of(64, depth))
	case 3:
		return f(pathcond.FunLookupOn, 10, append(chunks(6), m.of(64, depth))...)
	case 4:
		id := []uint64{pathcond.FunRoom, pathcond.FunQuery}[r.IntN(2)]
		return f(id, 6, small(100), b.Const(maps.ReserveOp(r.Uint64N(5000)), 64), b.Const(maps.CommitOp(r.IntN(2)), 64), b.Const(maps.ReserveOp(8), 64))
	case 5:
		return b.Fun(pathcond.Fun(pathcond.FunPresent, 9), 1, bv.Fact{}, append(append(chunks(12), chunks(12)...), chunks(12)...)...)
	}
	const format = "%s %pI4%pi6 %4d\x00"
	n := r.IntN(20)
	args := []bv.Term{b.Const(binary.LittleEndian.Uint64([]byte(format)), 64), b.Const(binary.LittleEndian.Uint64([]byte(format[8:])), 64)}
	args = append(append(args, b.Const(uint64(n), 64)), chunks(n)...)
	args = append(append(append(args, chunks(4)...), chunks(16)...), m.of(64, depth))
	return f(pathcond.FunText, pathcond.Text(1, len(format), 4, 9), append(args, chunks(9)...)...)
}

// TestTextOfRandomTerms prints conditions of random terms and reads them back
// to the same terms.
func TestTextOfRandomTerms(t *testing.T) {
	const seed = 20
	escapes, lets, total := 0, 0, 0
	for round := uint64(0); round < 15; round++ {
		c := textCompiler(t)
		m := &termMaker{c: c, r: rand.New(rand.NewPCG(seed, round))}
		for range 40 {
			var cond []pathcond.Pred
			// Something that places headers, now and then.
			b := c.B
			field := func(off, n int, v uint64) {
				t := b.BSwap(b.Fun(pathcond.FunLoad, 8*n, bv.Fact{}, b.Const(c.data()+uint64(off), 64)))
				cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpEq, t, b.Const(v, 8*n)), Want: true})
			}
			switch m.r.IntN(4) {
			case 0:
				field(12, 2, 0x0800)
				field(23, 1, 6)
			case 1:
				field(12, 2, 0x8100)
				field(16, 2, 0x86dd)
				field(24, 1, 17)
			}
			for range 1 + m.r.IntN(6) {
				p := pathcond.Pred{Term: m.pred(m.r.IntN(6)), Want: m.r.IntN(2) == 0}
				if _, ok := b.IsConst(p.Term); ok {
					continue
				}
				if b.Op(p.Term) == bv.OpNot {
					p.Term, p.Want = b.Args(p.Term)[0], !p.Want
				}
				if b.Op(p.Term) == bv.OpNot {
					continue // Not of Not as it stands
				}
				cond = append(cond, p)
			}
			text := Format(c.Compiler, cond)
			back, err := Parse(c.Compiler, text)
			if err != nil {
				t.Fatalf("seed %d, round %d: %v in\n%s", seed, round, err, text)
			}
			sameTerms(t, c, cond, back, text)
			escapes += strings.Count(text, "raw(")
			lets += strings.Count(text, "let ")
			total += len(text)
		}
	}
	t.Logf("%d bytes of text, %d lets, %d operations as they stand", total, lets, escapes)
}

func FuzzParse(f *testing.F) {
	f.Add("layout vlan@14 ip@18 tcp@(u64((u32(ip.vihl) << 2) & 0x3c) + 18)\nlet v1 = ip.len + 1\nv1 >= 20 || tcp.dport == 443")
	f.Add("map flows[ip.src, hex(0600), u48(5)].at.sec s> -3 && map rules[ip.tos][0:4] == 1; map calls[1] == prog(second)")
	f.Add("pkt[14 + (pkt[14:15] & 0xf) * 4 +: 2] != (pkt.len > 60 ? 80 : u16(rand[0]))")
	f.Add("raw(extract 4 2, pkt[0:4]) == bits(le(eth.dst[0:4]), 3, 4); fib[flags = 0, hex(00)].rc == 0")
	f.Add("map flows[hex(000000000000000000000000)] version == 3\nmap ports[3] occupied\neth.dst[0:4] == 10.0.0.1")
	f.Add("snprintf[len = 5, values = 1, size = 4][hex(6125643100)][pkt.len][hex(00000000)].w0 == 3 && map flows version == 0 && bits(tag, 32, 1) == 1")
	f.Add("syncookie.check4[len = 20, at jiffies][hex(0102030405060708)][pkt[0:8], pkt[8:16], pkt[16:20]] == 0")
	f.Add("map ring query(0) < 7; trace_printk[len = 3, values = 3][hex(256400)][1][time][2].rc == 4")
	f.Add("map fifo elem(1, 0) == 3; map flows key(2, 1) == 0; timer(pkt.len) == 1\nmap each[hex(010203040506)] on(1) present")
	f.Add("map seen[pkt[0:8], pkt[8:12]][hex(000000000000000000000000)] vacant; map ring room(8, 16, 1, 24) == 0")
	f.Add("snprintf[len = 3, values = 1, size = 4][hex(257300)][len = 2, pkt[0:2]][hex(00000000)].w0 == 3")
	f.Fuzz(func(t *testing.T, text string) {
		c := textCompiler(t)
		cond, err := Parse(c.Compiler, text)
		if err != nil {
			return
		}
		ev := bv.NewEvaluator(c.B, &pathcond.Env{S: c.S, Versions: c.Versions})
		for _, p := range cond {
			ev.Eval(p.Term) // whatever can be read can be evaluated
		}
		out := Format(c.Compiler, cond)
		back, err := Parse(c.Compiler, out)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		sameTerms(t, c, cond, back, out)
		Minimal(c.B, cond)
	})
}

// TestParseErrors holds that errors name the place.
func TestParseErrors(t *testing.T) {
	c := textCompiler(t)
	for text, want := range map[string]string{
		"eth.typ == 1":                     `line 1: column 5: header eth has no field "typ"`,
		"eth.type == ":                     `line 1: column 13: name expected`,
		"eth.type == 0x10000":              `line 1: column 13: 0x10000: doesn't fit in 16 bits`,
		"\n  eth.type":                     `line 2: column 3: a condition expected, not a number`,
		"ip.proto == 6":                    `line 1: column 1: name "ip": not known`,
		"layout ip@14; ip.version == 16":   `line 1: column 29: 16: doesn't fit in the field`,
		"layout eth@0":                     `line 1: column 8: header "eth": placed already`,
		"layout foo@0":                     `line 1: column 8: header "foo": not known`,
		"layout ip@9999":                   `line 1: column 11: number up to 3520 expected`,
		"eth.dst == 1":                     `line 1: column 5: field "dst" has 6 bytes: name a part of it, as in eth.dst[0:4]`,
		"pkt[0:3] == 1":                    `line 1: column 5: 3 bytes: a load has 1, 2, 4 or 8`,
		"pkt[pkt.len:3] == 1":              `line 1: column 5: a number expected; or [x +: n]`,
		"map none[1] present":              `line 1: column 5: map "none": not known`,
		"map flows[ip] present":            `line 1: column 11: name "ip": not known`,
		"map flows[hex(00)] present":       `line 1: column 18: 1 bytes where 12 are expected`,
		"map flows[hex(0)] present":        `line 1: column 15: hex digits expected, two a byte`,
		"map rules[1].no == 0":             `line 1: column 14: values of map "rules" have no member "no" of 1, 2, 4 or 8 bytes`,
		"map rules[1][16:20] == 0":         `line 1: column 14: bytes 16 to 20: not there`,
		"map calls[1] == prog(third)":      `line 1: column 22: program "third": not known`,
		"let pkt = 1":                      `line 1: column 5: name "pkt": taken`,
		"let x = 1; let x = 2":             `line 1: column 16: name "x": taken`,
		"u8(pkt.len) == 256":               `line 1: column 16: 0x100: doesn't fit in 8 bits`,
		"s8(pkt.len) == 1":                 `line 1: column 1: a value of 64 bits where up to 8 are expected`,
		"bits(pkt.len, 60, 8) == 1":        `line 1: column 1: bits 60 to 68: not in a value of 64 bits`,
		"cat(pkt.len, pkt[0:1]) == 1":      `line 1: column 13: more than 64 bits`,
		"pkt.len == 1 pkt.len":             `line 1: column 14: end of line expected`,
		"(pkt.len == 1":                    `line 1: column 14: ")" expected`,
		"true && pkt.len":                  `line 1: column 9: a condition expected, not a number`,
		"raw(frob 1 0) == 1":               `line 1: column 5: no such operation`,
		"raw(add 8 0, pkt.len) == 1":       `line 1: column 1: bv: add of 1 arguments, not 2`,
		strings.Repeat("(", 5000):          `line 1: column 501: nested too deep`,
		strings.Repeat("!", 5000) + "true": `line 1: column 1000: nested too deep`,
		"map ring[1] present":              `line 1: column 5: map "ring" has no keys to look up`,
		"eth.type == 10.0.0":               `line 1: column 13: address of four bytes expected`,
	} {
		_, err := Parse(c.Compiler, text)
		if err == nil || err.Error() != want {
			if len(text) > 60 {
				text = text[:60] + "…"
			}
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestTextOfDeepTerms prints terms whose tree has 2^200 nodes, and one 5,000
// operations deep.
func TestTextOfDeepTerms(t *testing.T) {
	c := textCompiler(t)
	b := c.B
	field := func(i int) bv.Term { return b.Fun(pathcond.FunLoad, 16, bv.Fact{}, b.Const(c.data()+uint64(i%60), 64)) }
	wide := b.ZExt(field(0), 32)
	for i := range 200 { // casts within casts, each part twice
		wide = b.Bin(bv.OpAdd, b.Bin(bv.OpXor, wide, b.ZExt(field(i), 32)), b.Bin(bv.OpMul, wide, wide))
		wide = b.ZExt(b.Extract(b.Bin(bv.OpLShr, wide, b.Const(3, 32)), 0, 20), 32)
	}
	casts := b.ZExt(field(1), 64)
	for i := range 50 {
		casts = b.SExt(b.Extract(b.Bin(bv.OpAdd, casts, b.ZExt(field(i), 64)), 0, 40), 64)
	}
	deep := b.ZExt(field(2), 64)
	for i := range 5000 {
		deep = b.Bin([]bv.Op{bv.OpSub, bv.OpXor, bv.OpMul}[i%3], b.ZExt(field(i), 64), deep)
	}
	both := b.Bin(bv.OpEq, field(3), field(4))
	for i := range 100 {
		both = b.Bin(bv.OpEq, b.ZExt(both, 16), b.Bin(bv.OpXor, b.ZExt(both, 16), field(i)))
	}
	var cond []pathcond.Pred
	for _, x := range []bv.Term{wide, casts, deep} {
		cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpULt, x, b.Const(7, b.Width(x))), Want: true})
	}
	cond = append(cond, pathcond.Pred{Term: both})
	text := Format(c.Compiler, cond)
	back := must.Get(Parse(c.Compiler, text))(t)
	sameTerms(t, c, cond, back, "")
	if len(text) > 500_000 {
		t.Errorf("%d bytes of text", len(text))
	}
}
