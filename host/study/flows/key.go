package flows

import (
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pcaps/rss"
)

// class is what packets have in common whose keys of one path are laid out alike.
type class struct {
	rss.Fields // Head of IPv4 alone
	kind       Kind
}

// classOf is that of a packet.
func classOf(pkt []byte) class {
	f, ok := rss.FieldsOf(pkt)
	switch {
	case !ok:
		return class{kind: None}
	case f.V6:
		f.Head = 0
		if f.Ports > 0 {
			return class{f, Ports6}
		}
		return class{f, Addrs6}
	case f.Ports > 0:
		return class{f, Ports4}
	}
	return class{f, Addrs4}
}

// known is the value that a byte of the packet has in all packets of the class.
func (c *class) known(at int) (byte, bool) {
	switch {
	case c.kind == None:
	case at == c.L3-2 && c.V6:
		return 0x86, true
	case at == c.L3-1 && c.V6:
		return 0xdd, true
	case at == c.L3-2:
		return 0x08, true
	case at == c.L3-1:
		return 0x00, true
	case at == c.L3 && !c.V6:
		return c.Head, true
	case at == c.ProtAt:
		return c.Proto, true
	}
	return 0, false
}

// input is which byte of the hash's input stands at a place of the packet; -1: none.
func (c *class) input(at int) int {
	n := c.AddrBytes()
	switch {
	case c.kind == None:
	case at >= c.Addrs && at < c.Addrs+n:
		return at - c.Addrs
	case c.Ports > 0 && at >= c.Ports && at < c.Ports+4:
		return n + at - c.Ports
	}
	return -1
}

// reader makes bytes of keys out of terms, for packets of a class.
type reader struct {
	b    *bv.Builder
	data uint64 // address of the packet's first byte
	most int    // bytes that a packet has at most
	c    class
}

// A source is where a byte of a key is from: a constant (at -1), a byte of the
// packet, or something else (not ok).
type source struct {
	ok    bool
	at    int // in the packet; -1: none, it is val
	val   byte
	input int
}

// byteOf is byte i, from the lowest, of a term.
func (r *reader) byteOf(t bv.Term, i int) source {
	b := r.b
	n := b.Width(t) / 8
	switch args := b.Args(t); b.Op(t) {
	case bv.OpConst:
		return constant(byte(b.K(t) >> (8 * i)))
	case bv.OpConcat:
		if low := b.Width(args[1]); low%8 == 0 {
			if i < low/8 {
				return r.byteOf(args[1], i)
			}
			return r.byteOf(args[0], i-low/8)
		}
	case bv.OpZExt:
		if w := b.Width(args[0]); 8*i >= w {
			return constant(0)
		} else if w >= 8*(i+1) {
			return r.byteOf(args[0], i)
		}
	case bv.OpExtract:
		if k := int(b.K(t)); k%8 == 0 && b.Width(args[0])%8 == 0 {
			return r.byteOf(args[0], i+k/8)
		}
	case bv.OpBSwap:
		return r.byteOf(args[0], n-1-i)
	case bv.OpAnd, bv.OpOr, bv.OpXor:
		return r.masked(b.Op(t), r.byteOf(args[0], i), r.byteOf(args[1], i))
	case bv.OpShl, bv.OpLShr:
		k, ok := b.IsConst(args[1])
		if !ok || k%8 != 0 || k >= uint64(b.Width(t)) || b.Width(t)%8 != 0 {
			break
		}
		from := i + int(k/8)
		if b.Op(t) == bv.OpShl {
			from = i - int(k/8)
		}
		if from < 0 || from >= n {
			return constant(0)
		}
		return r.byteOf(args[0], from)
	case bv.OpFun:
		if id, _ := pathcond.FunParts(b.K(t)); id != pathcond.FunLoad {
			break
		}
		if at, ok := r.value(args[0]); ok && at-r.data < uint64(r.most) {
			return r.packet(int(at-r.data) + i)
		}
	}
	return source{}
}

// masked is what an operation bit by bit leaves of two bytes, of which one is a
// constant that leaves the other whole, or all ones or zeros.
func (r *reader) masked(op bv.Op, x, y source) source {
	if !x.ok || !y.ok {
		return source{}
	}
	if y.at >= 0 {
		x, y = y, x
	}
	switch {
	case y.at >= 0:
		return source{}
	case x.at < 0:
		switch op {
		case bv.OpAnd:
			return constant(x.val & y.val)
		case bv.OpOr:
			return constant(x.val | y.val)
		}
		return constant(x.val ^ y.val)
	case op == bv.OpAnd && y.val == 0:
		return constant(0)
	case op == bv.OpAnd && y.val == 0xff, op != bv.OpAnd && y.val == 0:
		return x
	}
	return source{}
}

func constant(v byte) source { return source{true, -1, v, -1} }

func (r *reader) packet(at int) source {
	if v, ok := r.c.known(at); ok {
		return constant(v)
	}
	return source{true, at, 0, r.c.input(at)}
}

// value is a term's value where all packets of the class have the same: of
// addresses that follow from the length of an IPv4 header.
func (r *reader) value(t bv.Term) (uint64, bool) {
	b := r.b
	args := b.Args(t)
	v := make([]uint64, len(args))
	for i, a := range args {
		x, ok := r.value(a)
		if !ok {
			return 0, false
		}
		v[i] = x
	}
	m := bv.Mask(b.Width(t))
	switch b.Op(t) {
	case bv.OpConst:
		return b.K(t), true
	case bv.OpAdd:
		return (v[0] + v[1]) & m, true
	case bv.OpSub:
		return (v[0] - v[1]) & m, true
	case bv.OpMul:
		return v[0] * v[1] & m, true
	case bv.OpAnd:
		return v[0] & v[1], true
	case bv.OpOr:
		return v[0] | v[1], true
	case bv.OpShl:
		return v[0] << v[1] & m, true
	case bv.OpLShr:
		return v[0] >> v[1], true
	case bv.OpZExt:
		return v[0], true
	case bv.OpExtract:
		return v[0] >> b.K(t) & m, true
	case bv.OpConcat:
		return v[0]<<b.Width(args[1]) | v[1], true
	case bv.OpFun:
		if id, _ := pathcond.FunParts(b.K(t)); id == pathcond.FunLoad && b.Width(t) == 8 && v[0]-r.data < uint64(r.most) {
			x, ok := r.c.known(int(v[0] - r.data))
			return uint64(x), ok
		}
	}
	return 0, false
}
