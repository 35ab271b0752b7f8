package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// format reads the format at what register r holds: n bytes, or up to its zero
// where n is negative. It is nil where it is no constant.
func (x *exec) format(c *call, r, n int) (text []byte) {
	for i := 0; n < 0 || i < n; i++ {
		if i == MaxFormat {
			return nil
		}
		k, ok := x.b.IsConst(x.readMem(x.offset64(r, i), c.rec.Args[r-1]+uint64(i), 1))
		if !ok {
			return nil
		}
		text = append(text, byte(k))
		if k == 0 && n < 0 {
			break
		}
	}
	return text
}

// offset64 is the address i bytes from what register r holds.
func (x *exec) offset64(r, i int) bv.Term {
	return x.b.Bin(bv.OpAdd, x.r[r], x.u64(uint64(i)))
}

// printed is a word that printing answers: of n values, whose terms are in values.
func (x *exec) printed(word int, text []byte, n int, values []bv.Term, size int, old []bv.Term) bv.Term {
	var args []bv.Term
	for w, v := range chunksOf(text) {
		args = append(args, x.b.Const(v, 8*min(8, len(text)-8*w)))
	}
	args = append(append(args, values...), old...)
	return x.b.Fun(Fun(FunText, Text(word, len(text), n, size)), 64, bv.Fact{}, args...)
}

// MaxValues is how many values a format takes (MAX_BPRINTF_VARARGS).
const MaxValues = 12

// values are those of an array of n bytes at what register r holds; ok is false
// where it can't be one.
func (x *exec) values(c *call, r, n int) (vals []bv.Term, ok bool) {
	if n%8 != 0 || n > 8*MaxValues || n > 0 && c.rec.Args[r-1] == 0 {
		return nil, false
	}
	return x.chunks(x.r[r], c.rec.Args[r-1], n), true
}

// shown are the terms of values as a format shows them: the values, or where it shows
// what lies behind one, those bytes; of a string its length first.
func (x *exec) shown(c *call, text []byte, vals []bv.Term) (out []bv.Term) {
	kinds, run := vm.ArgKinds(text), x.rec.Printed(c.rec)
	if len(run) < len(vals) {
		x.abort(trace.ReasonInternal, "a recording without the values printed")
	}
	for i, v := range vals {
		if i >= len(kinds) || kinds[i] == vm.ArgNumber {
			out = append(out, v)
			continue
		}
		at, n := run[i].Value, kinds[i].Bytes()
		read := x.readable(v, &run[i])
		switch {
		case n < 0 && !read:
			out = append(out, x.u64(0))
		case n < 0:
			x.out.reads(x, c, at, len(run[i].Behind)+1)
			out = append(out, x.shownString(v, at, len(run[i].Behind))...)
		case !read:
			for ; n > 0; n -= 8 {
				out = append(out, x.b.Const(0, 8*min(8, n)))
			}
		default:
			x.out.reads(x, c, at, n)
			out = append(out, x.chunks(v, at, n)...)
		}
	}
	return out
}

// readable says whether what lies behind a value is read; where it isn't, the
// condition says that it is this value, at which there is no memory.
func (x *exec) readable(v bv.Term, run *vm.Printed) bool {
	switch kind, _ := x.place(run.Value, 1); {
	case run.Behind != nil:
		return true
	case kind != trace.MemNone && kind != trace.MemCtx:
		x.abort(trace.ReasonHelper, "printing what runs out of what the program reaches")
	case x.b.Opaque(v):
		x.abort(trace.ReasonOpaqueAddress, x.whence(v))
	}
	x.fix(v, run.Value, WhyOffset)
	return false
}

// shownString are the terms of a string of n bytes: its length, and its bytes in
// chunks of 8.
func (x *exec) shownString(v bv.Term, at uint64, n int) []bv.Term {
	if n > MaxText {
		x.abort(trace.ReasonTooLong, "a string of more than 256 bytes printed")
	}
	s := x.text(v, at, n, vm.MaxString)
	out := []bv.Term{x.u64(uint64(n))}
	for len(s) > 0 {
		k := min(8, len(s))
		t := s[0]
		for _, u := range s[1:k] {
			t = x.b.Concat(u, t)
		}
		out, s = append(out, t), s[k:]
	}
	return out
}

// symPrint: trace_printk's format and arguments. How long the line is, is a function
// of format and values, and of what lies behind those that are shown as a string or
// an address of the network.
func symPrint(x *exec, c *call) bv.Term {
	c.meta.Args = 5
	vals, ok := []bv.Term{x.r[3], x.r[4], x.r[5]}, true
	if c.rec.Helper == ebpf.FnTraceVprintk {
		c.meta.Args = 4
		size := x.size32(c, 4)
		x.reads(c, 3, size)
		vals, ok = x.values(c, 3, size)
	}
	n := x.size32(c, 2)
	x.reads(c, 1, n)
	text := x.format(c, 1, n)
	switch {
	case text == nil:
		return x.unknown(64)
	case !ok || !hasPercent(text):
		return x.u64(c.rec.Ret)
	}
	vals = vals[:min(len(vals), len(vm.ArgKinds(text)))] // what the others hold doesn't count
	return x.printed(0, text, len(vals), x.shown(c, text, vals), -1, nil)
}

func hasPercent(text []byte) bool {
	for _, b := range text {
		if b == '%' {
			return true
		}
	}
	return false
}

// symSnprintf is bpf_snprintf(str, str_size, fmt, data, data_len): the text is a
// function of format, values and, where it is shorter, of the bytes before.
func symSnprintf(x *exec, c *call) bv.Term {
	c.meta.Args = 5
	size, n := x.size32(c, 2), x.size32(c, 5)
	x.reads(c, 4, n)
	text := x.format(c, 3, -1)
	switch {
	case text == nil:
		x.abort(trace.ReasonHelper, "helper snprintf: a format that is no short constant")
	case size > MaxText:
		x.abort(trace.ReasonHelper, "helper snprintf: a buffer of more than 256 bytes")
	}
	vals, ok := x.values(c, 4, n)
	x.reads(c, 3, len(text))
	x.out.reads(x, c, c.rec.Args[0], size)
	x.out.writes(x, c, c.rec.Args[0], size)
	if !ok {
		return x.u64(c.rec.Ret)
	}
	old := x.chunks(x.r[1], c.rec.Args[0], size)
	shown := x.shown(c, text, vals)
	res := x.printed(0, text, len(vals), shown, size, old)
	for i := 0; i < size; i += 8 {
		m := min(8, size-i)
		x.writeMem(x.offset64(1, i), c.rec.Args[0]+uint64(i), m, x.b.Extract(x.printed(i/8+1, text, len(vals), shown, size, old), 0, 8*m))
	}
	return res
}
