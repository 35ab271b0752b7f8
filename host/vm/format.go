package vm

import (
	"bytes"
	"strconv"

	"jitnic/host/maps"
)

// maxArgs is how many arguments a format takes (MAX_BPRINTF_VARARGS).
const maxArgs = 12

// maxText is where the kernel cuts what it prints (MAX_BPRINTF_BUF).
const maxText = 1024

// ArgKind is what a conversion makes of its argument.
type ArgKind uint8

// The kinds of argument.
const (
	ArgNumber ArgKind = iota // prints the value itself, an address too
	ArgString                // prints the string at it
	ArgIPv4                  // prints the 4 bytes at it
	ArgIPv6                  // prints the 16 bytes at it
)

// Bytes is how many bytes of memory are printed of an argument; -1: a string.
func (k ArgKind) Bytes() int {
	return [...]int{ArgNumber: 0, ArgString: -1, ArgIPv4: 4, ArgIPv6: 16}[k]
}

// MaxString is how many bytes of a string are printed (MAX_BPRINTF_BIN_ARGS).
const MaxString = 512

// conversion is one of a format.
type conversion struct {
	spec
	kind  ArgKind
	verb  byte // d, u, x, X, c or p of a number
	long  bool
	plain bool // of an IP address: %pi
}

// ArgKinds are what the conversions of a format make of their arguments; those up
// to where it is no format.
func ArgKinds(text []byte) (kinds []ArgKind) {
	for i := 0; i < len(text) && text[i] != 0; i++ {
		if text[i] != '%' {
			continue
		}
		if i++; i < len(text) && text[i] == '%' {
			continue
		}
		c, next, e := readConversion(text, i)
		if e != 0 {
			break
		}
		kinds = append(kinds, c.kind)
		i = next - 1
	}
	return kinds
}

// readConversion reads what stands behind a percent sign (bpf_bprintf_prepare,
// kernel/bpf/helpers.c), and says where the text goes on.
func readConversion(text []byte, i int) (c conversion, next int, e maps.Errno) {
	at := func(k int) byte {
		if k < len(text) {
			return text[k]
		}
		return 0
	}
	i = c.flags(text, i)
	c.verb = at(i)
	switch c.verb {
	case 'p':
		next, e = c.pointer(text, i+1)
		return c, next, e
	case 's':
		c.kind = ArgString
		return c, i + 1, endsWord(at(i + 1))
	case 'c':
		return c, i + 1, 0
	}
	for n := 0; n < 2 && at(i) == 'l'; n++ {
		c.long = true
		i++
	}
	switch c.verb = at(i); c.verb {
	case 'd', 'i', 'u', 'x', 'X':
		return c, i + 1, 0
	}
	return c, i, maps.EINVAL
}

// format makes a text as bpf_trace_printk and bpf_snprintf do: text ends with a
// zero byte; %d %i %u %x %X %c %s %p with l and ll, a width and flags, and
// %pI4, %pi4, %pI6, %pi6, %pks, %pus. The result is good until the next call.
// Pointers print as the address the program sees. What lies behind an argument is
// read from memory, or is in behind, where that isn't nil.
func (s *State) format(text []byte, args []uint64, behind [][]byte) ([]byte, maps.Errno) {
	if len(text) == 0 || text[len(text)-1] != 0 {
		return nil, maps.EINVAL
	}
	text = text[:len(text)-1]
	out := s.text[:0]
	next := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == 0 {
			break
		}
		if c >= 0x80 || c < ' ' && !isSpace(c) {
			return nil, maps.EINVAL
		}
		if c != '%' {
			out = append(out, c)
			continue
		}
		if i++; i < len(text) && text[i] == '%' {
			out = append(out, '%')
			continue
		}
		if next >= len(args) {
			return nil, maps.EINVAL
		}
		conv, goOn, e := readConversion(text, i)
		if e != 0 {
			return nil, e
		}
		i = goOn - 1
		var mem []byte
		switch {
		case conv.kind == ArgNumber:
		case behind != nil:
			mem = behind[next]
		default:
			mem = s.behind(conv.kind, args[next])
		}
		out = conv.print(out, args[next], mem)
		next++
	}
	if len(out) > maxText-1 {
		out = out[:maxText-1]
	}
	s.text = out
	return out, 0
}

// behind is what lies at addr that is printed; nothing, or zeros, where the program
// can't read it.
func (s *State) behind(kind ArgKind, addr uint64) []byte {
	if kind == ArgString {
		b, f := s.cstring(addr, MaxString)
		if f != nil {
			return nil
		}
		return b
	}
	b, _ := s.bytes(addr, uint64(kind.Bytes()), false)
	return b
}

// print appends what the conversion makes of a value, or of the memory behind it.
func (c *conversion) print(out []byte, v uint64, mem []byte) []byte {
	var buf [32]byte
	b := buf[:0]
	switch {
	case c.kind == ArgString:
		return c.pad(out, mem)
	case c.kind == ArgIPv4:
		var zeros [4]byte
		copy(zeros[:], mem)
		return appendIPv4(out, zeros[:], c.plain)
	case c.kind == ArgIPv6:
		var zeros [16]byte
		copy(zeros[:], mem)
		return appendIPv6(out, zeros[:], c.plain)
	case c.verb == 'p':
		const digits = "0123456789abcdef"
		for shift := 60; shift >= 0; shift -= 4 {
			out = append(out, digits[v>>shift&15])
		}
		return out
	case c.verb == 'c':
		return c.pad(out, append(b, byte(v)))
	case c.verb == 'd' || c.verb == 'i':
		if !c.long {
			v = uint64(int64(int32(v)))
		}
		return c.number(out, strconv.AppendInt(b, int64(v), 10), true)
	}
	if !c.long {
		v = uint64(uint32(v))
	}
	if c.verb == 'u' {
		return c.number(out, strconv.AppendUint(b, v, 10), false)
	}
	b = strconv.AppendUint(b, v, 16)
	if c.verb == 'X' {
		b = bytes.ToUpper(b)
	}
	return c.number(out, b, false)
}

// spec is the flags and width of one conversion.
type spec struct {
	width                   int
	zero, left, plus, space bool
}

// endsWord: behind a string or an address no word may go on.
func endsWord(c byte) maps.Errno {
	if c == 0 || isSpace(c) || isPunct(c) {
		return 0
	}
	return maps.EINVAL
}

func isPunct(c byte) bool {
	return c > ' ' && c < 0x7f && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
}

// flags reads them and returns where the conversion goes on.
func (sp *spec) flags(text []byte, i int) int {
	for ; i < len(text); i++ {
		switch text[i] {
		case '0':
			sp.zero = true
		case '-':
			sp.left = true
		case '+':
			sp.plus = true
		case ' ':
			sp.space = true
		default:
			for i < len(text) && text[i] >= '0' && text[i] <= '9' {
				sp.width = min(sp.width*10+int(text[i]-'0'), maxText)
				i++
			}
			return i
		}
	}
	return i
}

// pad appends b, with blanks up to the width.
func (sp *spec) pad(out, b []byte) []byte {
	n := sp.width - len(b)
	if sp.left {
		out = append(out, b...)
	}
	for ; n > 0; n-- {
		out = append(out, ' ')
	}
	if !sp.left {
		out = append(out, b...)
	}
	return out
}

// number appends the digits of a number, which a sign may stand before (number,
// lib/vsprintf.c).
func (sp *spec) number(out, b []byte, signed bool) []byte {
	sign := byte(0)
	switch {
	case b[0] == '-':
		sign, b = '-', b[1:]
	case signed && sp.plus:
		sign = '+'
	case signed && sp.space:
		sign = ' '
	}
	if n := sp.width - len(b) - min(int(sign), 1); sp.zero && !sp.left && n > 0 {
		b = append(bytes.Repeat([]byte{'0'}, n), b...)
	}
	if sign != 0 {
		b = append([]byte{sign}, b...)
	}
	return sp.pad(out, b)
}

// pointer reads what stands behind %p, from i on, and says where the text goes on.
func (c *conversion) pointer(text []byte, i int) (next int, e maps.Errno) {
	at := func(k int) byte {
		if k < len(text) {
			return text[k]
		}
		return 0
	}
	switch k := at(i); {
	case (k == 'k' || k == 'u') && at(i+1) == 's':
		c.kind = ArgString
		return i + 2, endsWord(at(i + 2))
	case k == 'K' || k == 'x' || k == 's' || k == 'S' || k == 'B':
		return i + 1, 0
	case endsWord(k) == 0:
		return i, 0
	case (k == 'i' || k == 'I') && at(i+1) == '4':
		c.kind, c.plain = ArgIPv4, k == 'i'
	case (k == 'i' || k == 'I') && at(i+1) == '6':
		c.kind, c.plain = ArgIPv6, k == 'i'
	default:
		return i, maps.EINVAL
	}
	return i + 2, 0
}

// appendIPv4 prints an address; with zeros in front of short numbers for %pi4.
func appendIPv4(out, b []byte, zeros bool) []byte {
	for i, v := range b {
		if i > 0 {
			out = append(out, '.')
		}
		if zeros {
			out = append(out, '0'+v/100, '0'+v/10%10, '0'+v%10)
		} else {
			out = strconv.AppendUint(out, uint64(v), 10)
		}
	}
	return out
}

func appendIPv6(out, b []byte, plain bool) []byte {
	const digits = "0123456789abcdef"
	for i, v := range b {
		if i > 0 && i%2 == 0 && !plain {
			out = append(out, ':')
		}
		out = append(out, digits[v>>4], digits[v&15])
	}
	return out
}
