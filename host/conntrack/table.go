package conntrack

import (
	"encoding/binary"
	"net/netip"

	"jitnic/host/maps"
)

// Bits of Conn.Status (uapi/linux/netfilter/nf_conntrack_common.h).
const (
	SeenReply = 1 << 1
	Assured   = 1 << 2
	Confirmed = 1 << 3
	SrcNAT    = 1 << 4
	DstNAT    = 1 << 5
	Offload   = 1 << 14
	HWOffload = 1 << 15
)

// Protocols whose connections are looked up.
const (
	protoTCP = 6
	protoUDP = 17
)

// Tuple is one direction of a connection.
type Tuple struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
}

// back is the tuple of packets the other way.
func (t Tuple) back() Tuple { return Tuple{t.Dst, t.Src, t.DstPort, t.SrcPort} }

// Conn is a connection.
type Conn struct {
	Proto  uint8
	Zone   uint16
	Tuples [2]Tuple // original, reply
	Status uint32
	Mark   uint32
}

// Table is what connections there are; nil: none.
type Table struct {
	Conns []Conn
	at    map[key]place
}

// key is what a look-up asks for.
type key struct {
	src, dst         [16]byte
	srcPort, dstPort uint16
	zone             uint16
	proto            uint8
	v6               bool
}

type place struct {
	conn int32
	dir  uint8
}

func (c *Conn) key(dir int) key {
	t := c.Tuples[dir]
	return key{src: t.Src.As16(), dst: t.Dst.As16(), srcPort: t.SrcPort, dstPort: t.DstPort, zone: c.Zone, proto: c.Proto, v6: t.Src.Is6()}
}

// add enters a connection; other is one that has a tuple of it already, or -1.
func (t *Table) add(c Conn) (other int) {
	for dir := range c.Tuples {
		if p, ok := t.at[c.key(dir)]; ok {
			return int(p.conn)
		}
	}
	if t.at == nil {
		t.at = map[key]place{}
	}
	for dir := range c.Tuples {
		if _, ok := t.at[c.key(dir)]; !ok { // one to itself is found as the original
			t.at[c.key(dir)] = place{int32(len(t.Conns)), uint8(dir)}
		}
	}
	t.Conns = append(t.Conns, c)
	return -1
}

// Answer is what a look-up says: a connection and the direction of the tuple in
// it, or an error.
type Answer struct {
	Conn int // index in Table.Conns, or -1
	Dir  uint8
	Err  maps.Errno
}

// Sizes of struct bpf_sock_tuple's two forms and of struct bpf_ct_opts, which
// grew in Linux 6.11.
const (
	TupleIPv4 = 12
	TupleIPv6 = 36
	OptsOld   = 12
	Opts      = 16
)

// Offsets in struct bpf_ct_opts.
const (
	OptError = 4 // of a look-up that fails, where the struct has it
	OptDir   = 9 // of one that finds something
	optNetNS = 0
	optProto = 8
	optZone  = 10
	optRest  = 13
)

const (
	eProto       = maps.Errno(71)
	eNoNet       = maps.Errno(64)
	eAFNoSupport = maps.Errno(97)
)

// Lookup is __bpf_nf_ct_lookup: tuple is a struct bpf_sock_tuple, opts a struct
// bpf_ct_opts, of the sizes the program gives. It writes nothing.
func (t *Table) Lookup(tuple, opts []byte) Answer {
	fail := func(e maps.Errno) Answer { return Answer{Conn: -1, Err: e} }
	var k key
	switch {
	case len(opts) != Opts && len(opts) != OptsOld:
		return fail(maps.EINVAL)
	case len(opts) == OptsOld && binary.LittleEndian.Uint16(opts[optZone:]) != 0,
		len(opts) == Opts && (opts[optRest] != 0 || opts[optRest+1] != 0 || opts[optRest+2] != 0):
		return fail(maps.EINVAL)
	}
	netns := int32(binary.LittleEndian.Uint32(opts[optNetNS:]))
	k.proto, k.zone = opts[optProto], binary.LittleEndian.Uint16(opts[optZone:])
	switch {
	case k.proto != protoTCP && k.proto != protoUDP:
		return fail(eProto)
	case netns < -1: // BPF_F_CURRENT_NETNS
		return fail(maps.EINVAL)
	}
	switch len(tuple) {
	case TupleIPv4:
		k.src = netip.AddrFrom4([4]byte(tuple)).As16()
		k.dst = netip.AddrFrom4([4]byte(tuple[4:])).As16()
		tuple = tuple[8:]
	case TupleIPv6:
		k.src, k.dst, k.v6 = [16]byte(tuple), [16]byte(tuple[16:]), true
		tuple = tuple[32:]
	default:
		return fail(eAFNoSupport)
	}
	k.srcPort, k.dstPort = binary.BigEndian.Uint16(tuple), binary.BigEndian.Uint16(tuple[2:])
	if netns >= 0 { // no namespace has been given a number
		return fail(eNoNet)
	}
	if t == nil {
		return fail(maps.ENOENT)
	}
	p, ok := t.at[k]
	if !ok {
		return fail(maps.ENOENT)
	}
	return Answer{Conn: int(p.conn), Dir: p.dir}
}
