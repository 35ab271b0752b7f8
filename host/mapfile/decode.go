package mapfile

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// render is the JSON text of value b of type t: such that encode gives b
// again. Where fields can't say all of b (padding that isn't zero, a type that
// is not written by fields) it is hex.
func render(b []byte, t btf.Type) string {
	s := renderAs(b, t)
	if n, err := parseJSON([]byte(s)); err == nil {
		again := make([]byte, len(b))
		// A data section's left-out variables keep their value; all are
		// written here, so what is not is padding.
		if encode(n, t, again) == nil && string(again) == string(b) {
			return s
		}
	}
	return fmt.Sprintf(`{"hex": "%x"}`, b)
}

func quote(s string) string {
	b, _ := json.Marshal(s) // of a string it doesn't fail
	return string(b)
}

func renderAs(b []byte, t btf.Type) string {
	if s, ok := renderNamed(b, t); ok {
		return s
	}
	switch u := underlying(t).(type) {
	case *btf.Int:
		if len(b) > 8 {
			break
		}
		if u.Encoding == btf.Bool && len(b) == 1 && b[0] <= 1 {
			return fmt.Sprint(b[0] == 1)
		}
		return renderInt(b, u.Encoding == btf.Signed)
	case *btf.Pointer:
		return renderInt(b, false)
	case *btf.Enum:
		v := load(b, u.Signed)
		for _, e := range u.Values {
			if e.Value == v {
				return quote(e.Name)
			}
		}
		return renderInt(b, u.Signed)
	case *btf.Array:
		return renderArray(b, u)
	case *btf.Struct:
		return renderFields(b, u.Members)
	case *btf.Union:
		return renderUnion(b, u.Members)
	case *btf.Datasec:
		var out []string
		for _, v := range u.Vars {
			va, ok := v.Type.(*btf.Var)
			if !ok || uint64(v.Offset)+uint64(v.Size) > uint64(len(b)) {
				continue
			}
			out = append(out, quote(va.Name)+": "+render(b[v.Offset:][:v.Size], va.Type))
		}
		return "{" + strings.Join(out, ", ") + "}"
	case *btf.Var:
		return render(b, u.Type)
	case nil:
		if len(b) == 1 || len(b) == 2 || len(b) == 4 || len(b) == 8 {
			return renderInt(b, false)
		}
	}
	return quote(hex.EncodeToString(b))
}

// renderNamed writes the types whose name says what they hold.
func renderNamed(b []byte, t btf.Type) (string, bool) {
	for t != nil {
		switch u := t.(type) {
		case *btf.Typedef:
			switch {
			case u.Name == "__be16" && len(b) == 2:
				return fmt.Sprintf(`{"be16": %d}`, binary.BigEndian.Uint16(b)), true
			case u.Name == "__be32" && len(b) == 4:
				return quote(netip.AddrFrom4([4]byte(b)).String()), true
			case u.Name == "__be64" && len(b) == 8:
				return fmt.Sprintf(`{"be64": %d}`, binary.BigEndian.Uint64(b)), true
			}
			t = u.Type
			continue
		case *btf.Const:
			t = u.Type
			continue
		case *btf.Volatile:
			t = u.Type
			continue
		case *btf.Struct:
			switch {
			case u.Name == "in6_addr" && len(b) == 16:
				return quote(netip.AddrFrom16([16]byte(b)).String()), true
			case u.Name == "in_addr" && len(b) == 4:
				return quote(netip.AddrFrom4([4]byte(b)).String()), true
			}
		}
		break
	}
	return "", false
}

// load reads a little-endian integer; a signed one is extended.
func load(b []byte, signed bool) uint64 {
	v := uint64(0)
	for i := len(b) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	if shift := 64 - 8*len(b); signed && shift >= 0 && shift < 64 {
		v = uint64(int64(v<<shift) >> shift)
	}
	return v
}

func renderInt(b []byte, signed bool) string {
	if v := load(b, signed); signed {
		return fmt.Sprint(int64(v))
	} else {
		return fmt.Sprint(v)
	}
}

func renderArray(b []byte, t *btf.Array) string {
	if u, ok := underlying(t.Type).(*btf.Int); (ok && u.Size == 1) || t.Nelems == 0 {
		return quote(hex.EncodeToString(b)) // bytes and text
	}
	size := len(b) / int(t.Nelems)
	out := make([]string, 0, t.Nelems)
	for i := range int(t.Nelems) {
		out = append(out, render(b[i*size:][:size], t.Type))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func renderFields(b []byte, members []btf.Member) string {
	var out []string
	collect(b, members, 0, &out)
	return "{" + strings.Join(out, ", ") + "}"
}

// collect renders members, those of anonymous structs as if they were the
// outer struct's; of an anonymous union the first that says it all.
func collect(b []byte, members []btf.Member, at btf.Bits, out *[]string) {
	for _, m := range members {
		off := at + m.Offset
		if m.Name == "" {
			if _, ok := underlying(m.Type).(*btf.Union); ok {
				*out = append(*out, anonymousUnion(b, membersOf(m.Type), off)...)
			} else {
				collect(b, membersOf(m.Type), off, out)
			}
			continue
		}
		if s, ok := renderMember(b, m, off); ok {
			*out = append(*out, s)
		}
	}
}

func renderMember(b []byte, m btf.Member, off btf.Bits) (string, bool) {
	if m.BitfieldSize != 0 {
		v := uint64(0)
		for i := range int(m.BitfieldSize) {
			bit := int(off) + i
			if bit/8 >= len(b) || i > 63 {
				return "", false
			}
			v |= uint64(b[bit/8]>>(bit%8)&1) << i
		}
		if n := uint(m.BitfieldSize); n == 64 && v>>63 != 0 {
			return fmt.Sprintf("%s: %d", quote(m.Name), int64(v)), true
		}
		return fmt.Sprintf("%s: %d", quote(m.Name), v), true
	}
	size, err := btf.Sizeof(m.Type)
	if err != nil || off%8 != 0 || int(off/8)+size > len(b) {
		return "", false
	}
	return quote(m.Name) + ": " + render(b[off/8:][:size], m.Type), true
}

// widest is the first of the largest members: what it leaves out is padding.
func widest(members []btf.Member) int {
	best, most := -1, -1
	for i, m := range members {
		if n, err := btf.Sizeof(m.Type); err == nil && n > most {
			best, most = i, n
		}
	}
	return best
}

func anonymousUnion(b []byte, members []btf.Member, at btf.Bits) []string {
	var out []string
	if i := widest(members); i >= 0 {
		collect(b, members[i:i+1], at, &out)
	}
	return out
}

func renderUnion(b []byte, members []btf.Member) string {
	var out []string
	if i := widest(members); i >= 0 {
		collect(b, members[i:i+1], 0, &out)
	}
	if len(out) > 1 { // an anonymous struct: more than one member to encode
		return fmt.Sprintf(`{"hex": "%x"}`, b)
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// renderPrefix is the key of an LPM trie of IPv4 or IPv6 addresses.
func renderPrefix(key []byte) (string, bool) {
	bits := binary.LittleEndian.Uint32(key)
	a, ok := netip.AddrFromSlice(key[4:])
	if !ok || int(bits) > a.BitLen() {
		return "", false
	}
	s := quote(netip.PrefixFrom(a, int(bits)).String())
	n, err := parseJSON([]byte(s))
	if err != nil {
		return "", false
	}
	again := make([]byte, len(key))
	if done, err := encodePrefix(n, again); !done || err != nil || string(again) != string(key) {
		return "", false
	}
	return s, true
}
