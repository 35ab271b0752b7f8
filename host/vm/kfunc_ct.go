package vm

import (
	"encoding/binary"

	"jitnic/host/conntrack"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/mem"
)

// conns are the connections of Options.CT in flat memory: a struct nf_conn each,
// that nothing writes.
type conns struct {
	layout conntrack.Layout
	base   uint64
	stride uint64
	n      int
}

// connsOf says how much memory the connections take; none where no program of
// the object looks any up.
func connsOf(obj *loader.Object, t *conntrack.Table) conns {
	if t == nil {
		return conns{}
	}
	l := conntrack.LayoutOf(obj.Conn)
	return conns{layout: l, stride: (uint64(max(l.Size, 1)) + 63) &^ 63, n: len(t.Conns)}
}

func (c *conns) bytes() uint64 { return uint64(c.n) * c.stride }

// fill writes them.
func (c *conns) fill(arena *mem.Arena, t *conntrack.Table) (err error) {
	if c.n == 0 {
		return nil
	}
	if c.base, err = arena.Alloc(mem.KindOther, 0, c.bytes()); err != nil {
		return err
	}
	for i := range t.Conns {
		at := c.base + uint64(i)*c.stride
		c.layout.Put(arena.B[at:at+c.stride], &t.Conns[i])
	}
	return nil
}

// told says whether the bytes are of one connection, and known.
func (c *conns) told(addr, n uint64) bool {
	off := addr - c.base
	return off < c.bytes() && c.layout.Told(int(off%c.stride), int(n))
}

// IsConn says whether addr lies in what bpf_xdp_ct_lookup finds.
func (s *State) IsConn(addr uint64) bool { return addr-s.conns.base < s.conns.bytes() }

// FindConn is what bpf_xdp_ct_lookup would answer: the address of the
// connection and the direction of the tuple in it, or 0 and an errno.
func (s *State) FindConn(tuple, opts []byte) (at uint64, dir uint8, errno maps.Errno) {
	a := s.Opt.CT.Lookup(tuple, opts)
	if a.Conn < 0 {
		return 0, 0, a.Err
	}
	return s.conns.base + uint64(a.Conn)*s.conns.stride, a.Dir, maps.OK
}

// ctLookup is bpf_xdp_ct_lookup(ctx, tuple, tuple size, opts, opts size).
func ctLookup(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	tuple, f := s.bytes(r[2], uint64(uint32(r[3])), false)
	if f != nil {
		return f
	}
	opts, f := s.bytes(r[4], uint64(uint32(r[5])), true)
	if f != nil {
		return f
	}
	at, dir, e := s.FindConn(tuple, opts)
	switch {
	case e == maps.OK:
		opts[conntrack.OptDir] = dir
	case len(opts) >= conntrack.OptError+4:
		binary.LittleEndian.PutUint32(opts[conntrack.OptError:], uint32(-int32(e)))
	}
	r[0] = at
	return nil
}
