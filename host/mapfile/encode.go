package mapfile

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// encode writes value n of type t (nil where nothing is known of it) to dst. Of
// fields, items and variables that n leaves out dst keeps what it has.
func encode(n *node, t btf.Type, dst []byte) error {
	if n.kind == isNull {
		return n.wrong("null: want a value of %d bytes", len(dst))
	}
	if hexBytesOf(n, dst) {
		return nil
	}
	// An explicit form or address fits any type of its size, but a struct's own
	// field of that name comes first.
	if !hasField(n, t) {
		if done, err := explicit(n, dst); done || err != nil {
			return err
		}
	}
	switch u := underlying(t).(type) {
	case *btf.Int:
		return encodeInt(n, dst, u.Encoding == btf.Signed, u.Encoding == btf.Bool)
	case *btf.Pointer:
		return encodeInt(n, dst, false, false)
	case *btf.Enum:
		if n.kind == isString {
			for _, v := range u.Values {
				if v.Name == n.text {
					putInt(dst, v.Value)
					return nil
				}
			}
		}
		return encodeInt(n, dst, u.Signed, false)
	case *btf.Array:
		if n.kind == isList {
			return encodeArray(n, u, dst)
		}
	case *btf.Struct:
		if n.kind == isObject {
			return encodeFields(n, u, u.Members, dst)
		}
	case *btf.Union:
		if n.kind == isObject {
			if len(n.keys) > 1 {
				return n.wrong("%d members of a union", len(n.keys))
			}
			return encodeFields(n, u, u.Members, dst)
		}
	case *btf.Datasec:
		if n.kind == isObject {
			return encodeVars(n, u, dst)
		}
	case *btf.Var:
		return encode(n, u.Type, dst)
	}
	return encodeBytes(n, dst)
}

// hasField says whether n is an object whose one key is a member of t.
func hasField(n *node, t btf.Type) bool {
	if n.kind != isObject || len(n.keys) != 1 {
		return false
	}
	_, _, ok := findMember(membersOf(t), n.keys[0], 0)
	return ok
}

func underlying(t btf.Type) btf.Type {
	if t == nil {
		return nil
	}
	return btf.UnderlyingType(t)
}

// putInt writes v in the machine's (little-endian) order.
func putInt(dst []byte, v uint64) {
	for i := range dst {
		dst[i] = byte(v)
		v >>= 8
	}
}

func putBig(dst []byte, v uint64) {
	putInt(dst, v)
	slices.Reverse(dst)
}

// integer reads a number or a string with one, as size bytes wide.
func integer(n *node, size int, signed bool) (uint64, error) {
	if n.kind != isNumber && n.kind != isString {
		return 0, n.wrong("%v: want an integer", n.kind)
	}
	if len(n.text) > 80 {
		return 0, n.wrong("%.20s…: doesn't fit in %d bytes", n.text, size)
	}
	v, ok := new(big.Int).SetString(n.text, 10)
	if !ok && n.kind == isString {
		v, ok = new(big.Int).SetString(n.text, 0)
	}
	if !ok {
		return 0, n.wrong("%q: want an integer", n.text)
	}
	bits := 8 * size
	// A negative number is welcome in an unsigned type, as in C.
	low := new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	high := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	if signed {
		high.Rsh(high, 1)
	}
	if v.Cmp(low) < 0 || v.Cmp(high) >= 0 {
		return 0, n.wrong("%s: doesn't fit in %d bytes", n.text, size)
	}
	if v.Sign() < 0 {
		if n.key && !signed {
			return 0, n.wrong("%s: a negative number in a key without sign", n.text)
		}
		v.Add(v, new(big.Int).Lsh(big.NewInt(1), uint(bits)))
	}
	return v.Uint64(), nil
}

func encodeInt(n *node, dst []byte, signed, boolean bool) error {
	if len(dst) == 0 {
		return n.wrong("%v in no bytes", n.kind)
	}
	if n.kind == isBool {
		putInt(dst, 0)
		if n.yes {
			dst[0] = 1
		}
		return nil
	}
	if n.kind == isList || n.kind == isObject {
		return encodeBytes(n, dst)
	}
	if len(dst) > 8 {
		if n.kind == isString {
			return encodeBytes(n, dst)
		}
		return n.wrong("a number in %d bytes: write hex digits", len(dst))
	}
	v, err := integer(n, len(dst), signed)
	if err != nil {
		return err
	}
	if boolean && v > 1 {
		return n.wrong("%s: want true or false", n.text)
	}
	putInt(dst, v)
	return nil
}

func encodeArray(n *node, t *btf.Array, dst []byte) error {
	size := 0
	if t.Nelems > 0 {
		size = len(dst) / int(t.Nelems)
	}
	if len(n.list) > int(t.Nelems) || size == 0 {
		return n.wrong("%d items: the array has %d", len(n.list), t.Nelems)
	}
	for i, c := range n.list {
		if err := encode(c, t.Type, dst[i*size:][:size]); err != nil {
			return err
		}
	}
	return nil
}

// encodeFields writes an object's members into a struct or union.
func encodeFields(n *node, t btf.Type, members []btf.Member, dst []byte) error {
	for i, name := range n.keys {
		m, at, ok := findMember(members, name, 0)
		if !ok {
			return n.list[i].wrong("no such field: %s has %s", describe(t), fieldNames(members))
		}
		if err := encodeMember(n.list[i], m, at, dst); err != nil {
			return err
		}
	}
	return nil
}

// findMember finds a member by name, inside anonymous structs and unions too;
// at is its offset in bits.
func findMember(members []btf.Member, name string, at btf.Bits) (btf.Member, btf.Bits, bool) {
	for _, m := range members {
		if m.Name == name && name != "" {
			return m, at + m.Offset, true
		}
		if m.Name != "" {
			continue
		}
		if f, off, ok := findMember(membersOf(m.Type), name, at+m.Offset); ok {
			return f, off, true
		}
	}
	return btf.Member{}, 0, false
}

func membersOf(t btf.Type) []btf.Member {
	switch t := underlying(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

func encodeMember(n *node, m btf.Member, at btf.Bits, dst []byte) error {
	if m.BitfieldSize != 0 {
		v, err := bitfield(n, m)
		if err != nil {
			return err
		}
		for i := range int(m.BitfieldSize) {
			b := int(at) + i
			if b/8 >= len(dst) {
				return n.wrong("the field ends after the value's %d bytes", len(dst))
			}
			dst[b/8] = dst[b/8]&^(1<<(b%8)) | byte(v>>i&1)<<(b%8)
		}
		return nil
	}
	size, err := btf.Sizeof(m.Type)
	if err != nil || at%8 != 0 || int(at/8)+size > len(dst) {
		return n.wrong("the field doesn't lie in the value's %d bytes", len(dst))
	}
	return encode(n, m.Type, dst[at/8:][:size])
}

func bitfield(n *node, m btf.Member) (uint64, error) {
	if n.kind == isBool {
		if n.yes {
			return 1, nil
		}
		return 0, nil
	}
	v, err := integer(n, 8, true)
	if err != nil {
		return 0, err
	}
	if bits := uint(m.BitfieldSize); bits < 63 && (int64(v) >= 1<<bits || int64(v) < -(1<<(bits-1))) {
		return 0, n.wrong("%s: doesn't fit in %d bits", n.text, bits)
	}
	return v, nil
}

// encodeVars writes the variables of a data section that n names.
func encodeVars(n *node, t *btf.Datasec, dst []byte) error {
next:
	for i, name := range n.keys {
		var names []string
		for _, v := range t.Vars {
			va, ok := v.Type.(*btf.Var)
			if !ok {
				continue
			}
			names = append(names, va.Name)
			if va.Name != name {
				continue
			}
			if uint64(v.Offset)+uint64(v.Size) > uint64(len(dst)) {
				return n.list[i].wrong("the variable ends after the section's %d bytes", len(dst))
			}
			if err := encode(n.list[i], va.Type, dst[v.Offset:][:v.Size]); err != nil {
				return err
			}
			continue next
		}
		return n.list[i].wrong("no such variable: %s has %s", t.Name, strings.Join(names, ", "))
	}
	return nil
}

func describe(t btf.Type) string {
	switch t := t.(type) {
	case *btf.Union:
		if t.Name == "" {
			return "the union"
		}
		return "union " + t.Name
	case *btf.Struct:
		if t.Name == "" {
			return "the struct"
		}
		return "struct " + t.Name
	}
	return "the type"
}

func fieldNames(members []btf.Member) string {
	var out []string
	for _, m := range members {
		if m.Name == "" {
			if in := fieldNames(membersOf(m.Type)); in != "" {
				out = append(out, in)
			}
			continue
		}
		out = append(out, m.Name)
	}
	return strings.Join(out, ", ")
}

// forms are the objects that say how their bytes are meant: name to size, 0
// for any.
var forms = map[string]int{
	"ip4": 4, "ip6": 16, "mac": 6, "hex": 0, "text": 0,
	"be16": 2, "be32": 4, "be64": 8, "u8": 1, "u16": 2, "u32": 4, "u64": 8,
}

// form reports the form's name when n is an explicit form.
func form(n *node) (string, bool) {
	if n.kind != isObject || len(n.keys) != 1 {
		return "", false
	}
	_, ok := forms[n.keys[0]]
	return n.keys[0], ok
}

// explicit writes n if it is an explicit form or an address. Of a form whose
// size isn't dst's it says so.
func explicit(n *node, dst []byte) (bool, error) {
	if n.kind == isString {
		switch {
		case len(dst) == 6 && strings.Count(n.text, ":") == 5:
			mac, err := net.ParseMAC(n.text)
			if err != nil {
				return false, n.wrong("%q: not a MAC address", n.text)
			}
			copy(dst, mac)
			return true, nil
		case (len(dst) == 4 || len(dst) == 16) && strings.ContainsAny(n.text, ".:"):
			a, err := netip.ParseAddr(n.text)
			if err != nil || a.BitLen() != 8*len(dst) || a.Zone() != "" {
				return false, n.wrong("%q: not an address of %d bytes", n.text, len(dst))
			}
			copy(dst, a.AsSlice())
			return true, nil
		}
		return false, nil
	}
	name, ok := form(n)
	if !ok {
		return false, nil
	}
	v := n.list[0]
	size := forms[name]
	if size == 0 {
		b, err := formBytes(v, name, len(dst))
		if err != nil {
			return false, err
		}
		clear(dst)
		copy(dst, b)
		return true, nil
	}
	// A number of fewer bytes would leave the rest in doubt.
	if size != len(dst) {
		return false, n.wrong("%q has %d bytes: want %d", name, size, len(dst))
	}
	return true, encodeForm(v, name, dst)
}

// formBytes are the bytes of a "hex" or "text" form, at most n of them.
func formBytes(v *node, name string, n int) ([]byte, error) {
	if v.kind != isString {
		return nil, v.wrong("%v: want a string", v.kind)
	}
	if name == "text" {
		if len(v.text) > n {
			return nil, v.wrong("%d characters: at most %d", len(v.text), n)
		}
		return []byte(v.text), nil
	}
	return hexBytes(v, n)
}

// hexBytes are exactly n bytes written in hex, perhaps with blanks.
func hexBytes(v *node, n int) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(v.text, " ", ""))
	if err != nil {
		return nil, v.wrong("%q: not hex digits", clip(v.text))
	}
	if len(b) != n {
		return nil, v.wrong("%d bytes of hex: want %d", len(b), n)
	}
	return b, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func encodeForm(v *node, name string, dst []byte) error {
	switch name {
	case "ip4", "ip6", "mac":
		if v.kind == isString {
			if done, err := explicit(v, dst); done || err != nil {
				return err
			}
		}
		return v.wrong("want an address")
	}
	x, err := integer(v, len(dst), false)
	if err != nil {
		return err
	}
	if strings.HasPrefix(name, "be") {
		putBig(dst, x)
	} else {
		putInt(dst, x)
	}
	return nil
}

// encodeBytes writes what is not typed: integers, hex digits, lists.
func encodeBytes(n *node, dst []byte) error {
	switch n.kind {
	case isNumber, isBool:
		if len(dst) > 8 || len(dst) == 0 {
			return n.wrong("%v in %d bytes: write hex digits or fields", n.kind, len(dst))
		}
		return encodeInt(n, dst, false, false)
	case isString:
		if strings.HasPrefix(n.text, "0x") || strings.HasPrefix(n.text, "-") {
			if len(dst) > 8 {
				return n.wrong("an integer in %d bytes: write bytes as hex digits without 0x", len(dst))
			}
			return encodeInt(n, dst, false, false)
		}
		b, err := hexBytes(n, len(dst))
		if err != nil {
			return err
		}
		copy(dst, b)
		return nil
	case isList:
		at := 0
		for _, c := range n.list {
			size := 1
			if name, ok := form(c); ok {
				if size = forms[name]; size == 0 {
					size = formLen(c, name)
				}
			}
			if at+size > len(dst) {
				return c.wrong("ends after the %d bytes there are", len(dst))
			}
			if err := encode(c, nil, dst[at:][:size]); err != nil {
				return err
			}
			at += size
		}
		if at != len(dst) {
			return n.wrong("%d bytes: want %d", at, len(dst))
		}
		return nil
	}
	return n.wrong("%v: the type's fields are not known; want hex digits, a list of bytes or one of %s", n.kind, formNames())
}

// formLen is the length of a "hex" or "text" form in a list.
func formLen(n *node, name string) int {
	s := n.list[0].text
	if name == "text" {
		return len(s)
	}
	return len(strings.ReplaceAll(s, " ", "")) / 2
}

func formNames() string {
	var out []string
	for k := range forms {
		out = append(out, fmt.Sprintf("{%q: …}", k))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// encodePrefix writes the key of an LPM trie given as "10.0.0.0/8".
func encodePrefix(n *node, dst []byte) (bool, error) {
	if n.kind != isString || !strings.Contains(n.text, "/") {
		return false, nil
	}
	p, err := netip.ParsePrefix(n.text)
	if err != nil || 4+p.Addr().BitLen()/8 != len(dst) {
		return false, n.wrong("%q: not a prefix of %d bytes", n.text, len(dst)-4)
	}
	binary.LittleEndian.PutUint32(dst, uint32(p.Bits()))
	copy(dst[4:], p.Addr().AsSlice())
	return true, nil
}
