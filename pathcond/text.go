package pathcond

import (
	"bytes"

	"jitnic/host/ebpf"
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

// Plain says whether a format's conversions are of numbers alone.
func Plain(format []byte) bool {
	percent := false
	for _, k := range format {
		switch {
		case k == '%':
			percent = !percent
		case percent && (k == 's' || k == 'p'):
			return false
		case percent && bytes.IndexByte([]byte("cdiuxX"), k) >= 0:
			percent = false
		}
	}
	return true
}

// offset64 is the address i bytes from what register r holds.
func (x *exec) offset64(r, i int) bv.Term {
	return x.b.Bin(bv.OpAdd, x.r[r], x.u64(uint64(i)))
}

// printed is a word that printing answers.
func (x *exec) printed(word int, text []byte, values []bv.Term, size int, old []bv.Term) bv.Term {
	var args []bv.Term
	for i := 0; i < len(text); i += 8 {
		n := min(8, len(text)-i)
		v := uint64(0)
		for k := range n {
			v |= uint64(text[i+k]) << (8 * k)
		}
		args = append(args, x.b.Const(v, 8*n))
	}
	args = append(append(args, values...), old...)
	return x.b.Fun(Fun(FunText, Text(word, len(text), len(values), size)), 64, bv.Fact{}, args...)
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

// symPrint: trace_printk's format and arguments. The strings are usually
// .rodata or stack; all of the stack is kept for it. How long the line is, is a
// function of format and values where no string or address is printed.
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
	case text == nil || !Plain(text) || !ok:
		return x.unknown(64)
	case !hasPercent(text):
		return x.u64(c.rec.Ret)
	}
	return x.printed(0, text, vals, -1, nil)
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
	vals, ok := x.values(c, 4, n)
	switch {
	case text == nil:
		x.abort(trace.ReasonHelper, "helper snprintf: a format that is no short constant")
	case !Plain(text):
		x.abort(trace.ReasonHelper, "helper snprintf: prints a string or an address")
	case size > MaxText:
		x.abort(trace.ReasonHelper, "helper snprintf: a buffer of more than 256 bytes")
	}
	x.reads(c, 3, len(text))
	x.out.reads(x, c, c.rec.Args[0], size)
	x.out.writes(x, c, c.rec.Args[0], size)
	if !ok {
		return x.u64(c.rec.Ret)
	}
	old := x.chunks(x.r[1], c.rec.Args[0], size)
	res := x.printed(0, text, vals, size, old)
	for i := 0; i < size; i += 8 {
		m := min(8, size-i)
		x.writeMem(x.offset64(1, i), c.rec.Args[0]+uint64(i), m, x.b.Extract(x.printed(i/8+1, text, vals, size, old), 0, 8*m))
	}
	return res
}
