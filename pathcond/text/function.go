package text

import (
	"fmt"
	"slices"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// A param is one of the numbers that open a form, and the most it may be.
type param struct {
	name string
	most uint64
}

// open reads [name = number, name = number.
func (r *reader) open(params ...param) (out []uint64) {
	before := "["
	for _, p := range params {
		r.need(before)
		if !r.isWord(p.name) {
			r.fail("%s expected", p.name)
		}
		r.need("=")
		r.space()
		at := r.at
		v := r.uint()
		if v > p.most {
			r.failAt(at, "number up to %d expected", p.most)
		}
		out, before = append(out, v), ","
	}
	return out
}

// block reads [n bytes].
func (r *reader) block(n int) []bv.Term {
	r.need("[")
	out := r.bytes(n)
	r.need("]")
	return out
}

// answer reads .word, which of the words it is.
func (r *reader) answer(expected string, words ...string) int {
	r.need(".")
	at := r.at
	i := slices.Index(words, r.ident())
	if i < 0 {
		r.failAt(at, "%s expected", expected)
	}
	return i
}

// fun is a function of 64 bits.
func (r *reader) fun(id uint64, arg int, args ...bv.Term) bv.Term {
	return r.b.Fun(pathcond.Fun(id, arg), 64, bv.Fact{}, args...)
}

// number64 reads [flags = N, len = M, bytes].rc or .value: what strtol or strtoul
// makes of bytes.
func (r *reader) number64(signed bool) bv.Term {
	opened := r.open(param{"flags", ^uint64(0)}, param{"len", pathcond.MaxNumber})
	at, n := r.at, int(opened[1])
	if n == 0 {
		r.failAt(at, "a length from 1 expected")
	}
	r.need(",")
	args := append([]bv.Term{r.b.Const(opened[0], 64)}, r.bytes(n)...)
	r.need("]")
	value := r.answer("rc or value", "rc", "value") == 1
	return r.fun(pathcond.FunNumber, pathcond.Number(signed, value, n), args...)
}

// conn reads [tuple = N, opts = M][bytes][bytes].entry, .error or .dir: what
// bpf_xdp_ct_lookup answers to a tuple and options of so many bytes.
func (r *reader) conn() bv.Term {
	const most = 1 << 8
	opened := r.open(param{"tuple", most}, param{"opts", most})
	r.need("]")
	tuple, opts := int(opened[0]), int(opened[1])
	n, m := pathcond.ConnBytes(tuple, opts)
	var args []bv.Term
	for _, k := range []int{n, m} {
		if k > 0 {
			args = append(args, r.block(k)...)
		}
	}
	answer := r.answer("entry, error or dir", connAnswers[:]...)
	return r.fun(pathcond.FunConn, pathcond.Conn(answer, tuple, opts), args...)
}

// cookie reads .make4[len = N, at TIME][addresses][header] and its like: what a SYN
// cookie helper answers to addresses and a TCP header of N bytes.
func (r *reader) cookie() bv.Term {
	is := r.answer("make4, make6, check4 or check6", "make4", "make6", "check4", "check6")
	n := int(r.open(param{"len", pathcond.MaxTCP})[0])
	if n < pathcond.MinTCP {
		r.failAt(r.at, "a TCP header has %d bytes or more", pathcond.MinTCP)
	}
	r.need(",")
	if !r.isWord("at") {
		r.fail("at expected")
	}
	args := []bv.Term{r.value(64)}
	r.need("]")
	gen, v6 := is < 2, is%2 == 1
	for _, k := range []int{pathcond.CookieAddrs(v6), n} {
		args = append(args, r.block(k)...)
	}
	return r.fun(pathcond.FunCookie, pathcond.Cookie(gen, v6, n), args...)
}

// printed reads [len = N, values = K, size = M][format][value]…[bytes before].rc, or
// .w0 and so on: what printing K values by a format of N bytes answers, or a word
// of the buffer of M bytes after it. A value shown as a string is [len = L, bytes].
func (r *reader) printed(buffer bool) bv.Term {
	params := []param{{"len", pathcond.MaxFormat}, {"values", pathcond.MaxValues}}
	if buffer {
		params = append(params, param{"size", pathcond.MaxText})
	}
	opened := r.open(params...)
	r.need("]")
	n, values, size := int(opened[0]), opened[1], -1
	if buffer {
		size = int(opened[2])
	}
	at := r.at
	args := r.block(n)
	format := formatOf(r.b, args)
	if len(format) != n {
		r.failAt(at, "a format is constant")
	}
	kinds := vm.ArgKinds(format)
	for i := range int(values) {
		k := 0
		if i < len(kinds) {
			k = kinds[i].Bytes()
		}
		switch {
		case k < 0:
			k = int(r.open(param{"len", pathcond.MaxText})[0])
			if args = append(args, r.b.Const(uint64(k), 64)); k > 0 {
				r.need(",")
				args = append(args, r.bytes(k)...)
			}
			r.need("]")
		case k == 0:
			r.need("[")
			args = append(args, r.value(64))
			r.need("]")
		default:
			args = append(args, r.block(k)...)
		}
	}
	if size > 0 {
		args = append(args, r.block(size)...)
	}
	words := []string{"rc"}
	for i := range max(size+7, 0) / 8 {
		words = append(words, fmt.Sprintf("w%d", i))
	}
	word := r.answer("rc, or w0 and so on of the buffer", words...)
	return r.fun(pathcond.FunText, pathcond.Text(word, n, int(values), size), args...)
}

// fib reads [flags = N, 64 bytes].rc or .w0 to .w7: bpf_fib_lookup's return code,
// or a word of the struct it leaves.
func (r *reader) fib() bv.Term {
	flags := r.b.Const(r.open(param{"flags", ^uint64(0)})[0], 64)
	r.need(",")
	args := append(r.bytes(64), flags)
	r.need("]")
	word := r.answer("rc or w0 to w7", "rc", "w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7")
	return r.fun(pathcond.FunFib, word, args...)
}
