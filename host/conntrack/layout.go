package conntrack

import (
	"encoding/binary"

	"github.com/cilium/ebpf/btf"
)

// Layout is where the fields of struct nf_conn stand that a Table tells of.
type Layout struct {
	Size   int // bytes of the struct; 0: unknown
	fields []field
}

// field is one the table tells of.
type field struct {
	off, n int
	put    func(b []byte, c *Conn)
}

// told are the fields by their names in Linux (include/net/netfilter/nf_conntrack.h,
// nf_conntrack_tuple.h).
var told = func() []struct {
	path []string
	put  func(b []byte, c *Conn)
} {
	type entry = struct {
		path []string
		put  func(b []byte, c *Conn)
	}
	number := func(get func(c *Conn) uint64) func(b []byte, c *Conn) {
		return func(b []byte, c *Conn) {
			var v [8]byte
			binary.LittleEndian.PutUint64(v[:], get(c))
			copy(b, v[:])
		}
	}
	port := func(get func(c *Conn) uint16) func(b []byte, c *Conn) {
		return func(b []byte, c *Conn) { binary.BigEndian.PutUint16(b, get(c)) }
	}
	list := []entry{
		{[]string{"status"}, number(func(c *Conn) uint64 { return uint64(c.Status) })},
		{[]string{"mark"}, number(func(c *Conn) uint64 { return uint64(c.Mark) })},
		{[]string{"zone", "id"}, number(func(c *Conn) uint64 { return uint64(c.Zone) })},
	}
	for dir := range 2 {
		at := func(path ...string) []string {
			return append([]string{"tuplehash", [...]string{"0", "1"}[dir], "tuple"}, path...)
		}
		family := func(c *Conn) uint64 {
			if c.Tuples[dir].Src.Is4() {
				return 2 // AF_INET
			}
			return 10
		}
		list = append(list,
			entry{at("src", "u3"), func(b []byte, c *Conn) { copy(b, c.Tuples[dir].Src.AsSlice()) }},
			entry{at("dst", "u3"), func(b []byte, c *Conn) { copy(b, c.Tuples[dir].Dst.AsSlice()) }},
			entry{at("src", "u"), port(func(c *Conn) uint16 { return c.Tuples[dir].SrcPort })},
			entry{at("dst", "u"), port(func(c *Conn) uint16 { return c.Tuples[dir].DstPort })},
			entry{at("src", "l3num"), number(family)},
			entry{at("dst", "protonum"), number(func(c *Conn) uint64 { return uint64(c.Proto) })},
			entry{at("dst", "dir"), number(func(*Conn) uint64 { return uint64(dir) })},
		)
	}
	return list
}()

// LayoutOf finds the fields in a struct nf_conn; nil has none.
func LayoutOf(s *btf.Struct) Layout {
	if s == nil {
		return Layout{}
	}
	l := Layout{Size: int(s.Size)}
	for _, f := range told {
		if off, n, ok := find(s, f.path); ok && off+n <= l.Size {
			l.fields = append(l.fields, field{off, n, f.put})
		}
	}
	return l
}

// find gives the place of a member: by names, and numbers of an array's elements.
func find(t btf.Type, path []string) (off, n int, ok bool) {
	t = btf.UnderlyingType(t)
	if len(path) == 0 {
		n, err := btf.Sizeof(t)
		return 0, n, err == nil
	}
	var members []btf.Member
	switch t := t.(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	case *btf.Array:
		size, err := btf.Sizeof(t.Type)
		i := int(path[0][0] - '0')
		if err != nil || i >= int(t.Nelems) {
			return 0, 0, false
		}
		off, n, ok = find(t.Type, path[1:])
		return i*size + off, n, ok
	}
	for _, m := range members {
		if m.BitfieldSize > 0 {
			continue
		}
		rest := path[1:]
		if m.Name == "" {
			rest = path // what an unnamed member has is the struct's
		} else if m.Name != path[0] {
			continue
		}
		if off, n, ok = find(m.Type, rest); ok {
			return int(m.Offset.Bytes()) + off, n, true
		}
	}
	return 0, 0, false
}

// Put writes the fields of a connection into a struct of zeros.
func (l Layout) Put(b []byte, c *Conn) {
	for _, f := range l.fields {
		f.put(b[f.off:f.off+f.n], c)
	}
}

// Told says whether the table tells of all n bytes at off.
func (l Layout) Told(off, n int) bool {
	for _, f := range l.fields {
		if off >= f.off && off+n <= f.off+f.n {
			return true
		}
	}
	return false
}
