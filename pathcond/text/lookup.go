package text

import (
	"encoding/hex"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

// mapExpr reads what follows "map".
func (r *reader) mapExpr(_ int) bv.Term {
	c := r.sc.c
	paren := r.is("(")
	r.space()
	at := r.at
	i := r.at
	for i < len(r.s) && (wordByte(r.s[i]) || r.s[i] == '.' || r.s[i] == '@') {
		i++
	}
	name := r.s[r.at:i]
	m, ok := c.mapNamed(name)
	if !ok {
		r.failAt(at, "map %q: not known", name)
	}
	r.at = i
	if paren {
		r.need(")")
		return r.b.Const(vm.MapPtr(m), 64)
	}
	if r.isWord("count") {
		return r.b.Fun(pathcond.Fun(pathcond.FunCount, m), 64, bv.Fact{Max: uint64(c.S.Maps[m].Spec().Max)})
	}
	if r.isWord("version") {
		return r.version(m, nil, at)
	}
	for _, f := range mapFuncs {
		if f.of(c.S.Maps[m].Spec().Type) && r.isWord(f.word) {
			return r.b.Fun(pathcond.Fun(f.id, m), 64, bv.Fact{}, r.numbers(f.least, f.most)...)
		}
	}
	r.need("[")
	spec := c.S.Maps[m].Spec()
	var key []bv.Term
	switch {
	case spec.Type == cebpf.BloomFilter && spec.ValueSize <= maxKey:
		key = r.bytes(int(spec.ValueSize)) // what is asked for is a value
	case spec.KeySize == 0 || spec.KeySize > maxKey:
		r.failAt(at, "map %q has no keys to look up", name)
	case isIndexed(spec):
		key = []bv.Term{r.value(32)}
	default:
		key = r.bytes(int(spec.KeySize))
	}
	r.need("]")
	for spec.Type == cebpf.BloomFilter && r.is("[") { // what is put in before it is asked
		if key = append(key, r.bytes(int(spec.ValueSize))...); 8*len(key) > pathcond.MaxAsked {
			r.fail("too many values")
		}
		r.need("]")
	}
	if r.isWord("version") {
		return r.version(m, key, at)
	}
	if maps.IsPerCPU(spec) && r.isWord("on") {
		key = append(key, r.numbers(1, 1)...)
		return r.postfix(m, r.b.Fun(pathcond.Fun(pathcond.FunLookupOn, m), 64, bv.Fact{}, key...), key)
	}
	if w := r.peekWord(); w == "occupied" || w == "vacant" {
		if _, ok := c.S.Maps[m].(maps.Redirects); (!ok || !isIndexed(spec)) && spec.Type != cebpf.BloomFilter {
			r.failAt(at, "map %q holds no targets of redirects", name)
		}
		r.isWord(w)
		t := r.b.Fun(pathcond.Fun(pathcond.FunPresent, m), 1, bv.Fact{}, key...)
		if w == "vacant" {
			t = r.b.Not(t)
		}
		return t
	}
	if spec.Type == cebpf.BloomFilter {
		r.fail("\"occupied\" or \"vacant\" expected")
	}
	return r.postfix(m, c.Element(m, key), key)
}

// mapFuncs are the words for what is asked of maps with numbers.
var mapFuncs = []struct {
	word        string
	id          uint64
	of          func(cebpf.MapType) bool
	least, most int // numbers
}{
	{"query", pathcond.FunQuery, isRing, 1, 1 + maps.MaxRingOps},
	{"room", pathcond.FunRoom, isRing, 1, 1 + maps.MaxRingOps},
	{"elem", pathcond.FunElem, func(t cebpf.MapType) bool { return t == cebpf.Queue || t == cebpf.Stack }, 2, 2},
	{"key", pathcond.FunKeyAt, func(t cebpf.MapType) bool { return t == cebpf.Hash || t == cebpf.PerCPUHash }, 2, 2},
}

func isRing(t cebpf.MapType) bool { return t == cebpf.RingBuf }

// numbers reads a list of numbers of 64 bits between parentheses.
func (r *reader) numbers(least, most int) (out []bv.Term) {
	r.need("(")
	for {
		out = append(out, r.value(64))
		if len(out) == most || len(out) >= least && !r.is(",") {
			break
		} else if len(out) < least {
			r.need(",")
		}
	}
	r.need(")")
	return out
}

const maxKey = 512 // bytes (MAX_BPF_STACK: a key stands on the stack)

// postfix reads what is asked of an entry: nothing (its address), present,
// absent, a member or bytes of the value.
func (r *reader) postfix(m int, elem bv.Term, key []bv.Term) bv.Term {
	b, c := r.b, r.sc.c
	spec := c.S.Maps[m].Spec()
	switch {
	case r.isWord("present"):
		return b.Not(b.Bin(bv.OpEq, elem, b.Const(0, 64)))
	case r.isWord("absent"):
		return b.Bin(bv.OpEq, elem, b.Const(0, 64))
	}
	base, k := b.SplitAdd(elem)
	if r.at < len(r.s) && r.s[r.at] == '[' {
		return r.slice(base, k, uint64(spec.ValueSize), false)
	}
	if r.at+1 < len(r.s) && r.s[r.at] == '.' && wordByte(r.s[r.at+1]) {
		r.at++
		at := r.at
		path := r.ident()
		for r.at+1 < len(r.s) && r.s[r.at] == '.' && wordByte(r.s[r.at+1]) {
			r.at++
			path += "." + r.ident()
		}
		off, n, ok := memberNamed(spec.Value, path)
		if !ok || n != 1 && n != 2 && n != 4 && n != 8 || off+n > uint64(spec.ValueSize) {
			r.failAt(at, "values of map %q have no member %q of 1, 2, 4 or 8 bytes", spec.Name, path)
		}
		return r.load(c.at(base, k+off), int(n), false)
	}
	return elem
}

// version is the version counter of a constant key.
func (r *reader) version(m int, key []bv.Term, at int) bv.Term {
	var raw []byte
	for _, t := range key {
		v, ok := r.b.IsConst(t)
		if !ok {
			r.failAt(at, "a version has a constant key")
		}
		for range r.b.Width(t) / 8 {
			raw = append(raw, byte(v))
			v >>= 8
		}
	}
	return r.sc.c.inputTerm(pathcond.InVersion + uint64(r.sc.c.Versions.Watch(m, raw)))
}

// part is some bytes of a key, in the order of memory.
type part struct {
	term bv.Term // little-endian
	raw  []byte  // constant, if term is 0
}

// bytes reads n bytes as a list of values in network order and hex(...)
// constants, and makes their terms of up to 8 bytes.
func (r *reader) bytes(n int) []bv.Term {
	var parts []part
	total := 0
	for {
		r.space()
		at := r.at
		if r.isWord("hex") {
			r.need("(")
			r.space()
			i := r.at
			for i < len(r.s) && wordByte(r.s[i]) {
				i++
			}
			raw, err := hex.DecodeString(r.s[r.at:i])
			if err != nil {
				r.fail("hex digits expected, two a byte")
			}
			r.at = i
			r.need(")")
			parts = append(parts, part{raw: raw})
			total += len(raw)
		} else {
			e := r.expr()
			if e.width == 0 || e.width%8 != 0 {
				r.failAt(at, "whole bytes expected: write constants as hex(...) or u32(...)")
			}
			parts = append(parts, part{term: r.b.BSwap(r.elab(e, e.width))})
			total += e.width / 8
		}
		if total > n {
			r.failAt(at, "more than %d bytes", n)
		}
		if !r.is(",") {
			break
		}
	}
	if total != n {
		r.fail("%d bytes where %d are expected", total, n)
	}
	var out []bv.Term
	for _, w := range keyChunks(n) {
		var in []part
		for have := 0; have < w; {
			p := &parts[0]
			if p.term != 0 {
				if have += r.b.Width(p.term); have > w {
					r.fail("a value crosses bytes %d and %d", 8*len(out)+7, 8*len(out)+8)
				}
				in = append(in, *p)
				parts = parts[1:]
				continue
			}
			k := min(len(p.raw), (w-have)/8)
			in = append(in, part{raw: p.raw[:k]})
			have += 8 * k
			p.raw = p.raw[k:]
			if len(p.raw) == 0 {
				parts = parts[1:]
			}
		}
		out = append(out, joinParts(r.b, in))
	}
	return out
}

// joinParts makes the term of up to 8 bytes of parts.
func joinParts(b *bv.Builder, parts []part) bv.Term {
	var merged []part
	for _, p := range parts {
		if p.term == 0 && len(p.raw) == 0 {
			continue
		}
		if n := len(merged); p.term == 0 && n > 0 && merged[n-1].term == 0 {
			merged[n-1].raw = append(append([]byte(nil), merged[n-1].raw...), p.raw...)
			continue
		}
		merged = append(merged, p)
	}
	var t bv.Term
	for i := len(merged) - 1; i >= 0; i-- {
		u := merged[i].term
		if u == 0 {
			var v uint64
			for j := len(merged[i].raw) - 1; j >= 0; j-- {
				v = v<<8 | uint64(merged[i].raw[j])
			}
			u = b.Const(v, 8*len(merged[i].raw))
		}
		if t == 0 {
			t = u
		} else {
			t = b.Concat(t, u)
		}
	}
	return t
}
