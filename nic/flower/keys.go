package flower

import (
	"math/bits"
	"slices"
)

// Key is a header field that rules ask for, or set.
type Key uint8

// The keys.
const (
	EthDst Key = iota
	EthSrc
	VlanTCI // of the only tag asked for: priority and number
	Proto   // IPv4's protocol, or IPv6's next header
	TTL     // or IPv6's hop limit
	TOS
	IPSrc
	IPDst
	IP6Src
	IP6Dst
	SPort // of TCP, UDP or SCTP
	DPort
	TCPFlags
	ICMPType // of ICMP or ICMPv6
	ICMPCode
	keys
)

// masks says which bits of a field can be asked for alone.
type masks uint8

const (
	exact  masks = iota // none: the whole field
	prefix              // the first so many
	any8                // any
	tag                 // priority, number, or both
	tos                 // DSCP, ECN, or both
)

// keyInfo is what there is to know of a key. Masks are those that tc(8) takes of
// flower (iproute2's f_flower.c), and ovs-fields(7) of Open vSwitch.
var keyInfo = [keys]struct {
	name  string // in the words of conditions
	bytes int
	masks masks
}{
	EthDst: {"eth.dst", 6, any8}, EthSrc: {"eth.src", 6, any8}, VlanTCI: {"vlan.tci", 2, tag}, Proto: {"ip.proto", 1, exact}, TTL: {"ip.ttl", 1, any8}, TOS: {"ip.tos", 1, tos},
	IPSrc: {"ip.src", 4, prefix}, IPDst: {"ip.dst", 4, prefix}, IP6Src: {"ip6.src", 16, prefix}, IP6Dst: {"ip6.dst", 16, prefix},
	SPort: {"sport", 2, any8}, DPort: {"dport", 2, any8}, TCPFlags: {"tcp.flags", 1, any8}, ICMPType: {"icmp.type", 1, exact}, ICMPCode: {"icmp.code", 1, exact},
}

// Bytes are those of a field in network order, as many as the key has.
type Bytes [16]byte

// Ternary is what a field must be: the bits that are set in Mask.
type Ternary struct{ Value, Mask Bytes }

// Asked says whether the field counts at all.
func (t *Ternary) Asked() bool { return t.Mask != Bytes{} }

// number is the field's value as a number, of a key of up to 8 bytes.
func (b *Bytes) number(k Key) uint64 { return number(b[:keyInfo[k].bytes]) }

func toBytes(v uint64, n int) (b Bytes) {
	for i := n - 1; i >= 0; i-- {
		b[i], v = byte(v), v>>8
	}
	return b
}

// full is the mask of a whole field.
func full(k Key) (b Bytes) {
	for i := range keyInfo[k].bytes {
		b[i] = 0xff
	}
	return b
}

// and asks for more; ok is false where no packet is left.
func (t Ternary) and(o Ternary) (out Ternary, ok bool) {
	out = t
	for i := range t.Mask {
		if (t.Value[i]^o.Value[i])&t.Mask[i]&o.Mask[i] != 0 {
			return t, false
		}
		out.Value[i] |= o.Value[i] & o.Mask[i]
		out.Mask[i] |= o.Mask[i]
	}
	return out, true
}

func (t *Ternary) takes(v *Bytes) bool {
	for i := range t.Mask {
		if v[i]&t.Mask[i] != t.Value[i] {
			return false
		}
	}
	return true
}

// allowed says whether a key can be asked with a mask.
func (k Key) allowed(mask *Bytes) bool {
	switch keyInfo[k].masks {
	case exact:
		return *mask == full(k)
	case prefix:
		_, ok := prefixLen(mask[:keyInfo[k].bytes])
		return ok
	case tag:
		return slices.Contains([]uint64{0x0fff, 0xe000, 0xefff}, mask.number(k))
	case tos:
		return slices.Contains([]uint64{0xff, 0xfc, 0x03}, mask.number(k))
	}
	return true
}

// prefixLen is how many bits a mask has, if they are the first ones.
func prefixLen(mask []byte) (n int, ok bool) {
	for _, b := range mask {
		n += bits.OnesCount8(b)
	}
	for i, b := range mask {
		if want := byte(0xff) << (8 - min(max(n-8*i, 0), 8)); b != want {
			return n, false
		}
	}
	return n, true
}

// within covers the numbers from lo to hi of a field of n bytes, at most 4, with
// masks. Of hi below 0 there are none.
func within(lo, hi uint64, n int) (out []Ternary) {
	for lo <= hi && hi < 1<<(8*n) {
		size := uint64(1) << (8 * n)
		if lo != 0 {
			size = lo & -lo
		}
		for size > hi-lo+1 {
			size /= 2
		}
		out = append(out, Ternary{Value: toBytes(lo, n), Mask: toBytes(1<<(8*n)-size, n)})
		lo += size
	}
	return out
}
