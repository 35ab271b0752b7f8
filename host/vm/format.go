package vm

import (
	"strconv"

	"jitnic/host/maps"
)

// maxArgs is how many arguments a format takes (MAX_BPRINTF_VARARGS).
const maxArgs = 12

// maxText is where the kernel cuts what it prints (MAX_BPRINTF_BUF).
const maxText = 1024

// format makes a text as bpf_trace_printk and bpf_snprintf do: text ends with a
// zero byte; %d %i %u %x %X %c %s %p with l and ll, a width and flags, and
// %pI4, %pi4, %pI6, %pi6, %pks, %pus (kernel/bpf/helpers.c,
// bpf_bprintf_prepare). The result is good until the next call. Pointers print
// as the address the program sees.
func (s *State) format(text []byte, args []uint64) ([]byte, maps.Errno) {
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
		i++
		at := func(k int) byte {
			if k < len(text) {
				return text[k]
			}
			return 0
		}
		if at(i) == '%' {
			out = append(out, '%')
			continue
		}
		if next >= len(args) {
			return nil, maps.EINVAL
		}
		arg := args[next]
		next++
		var sp spec
		i = sp.flags(text, i)
		if at(i) == 'p' {
			n, e := s.pointer(&out, text[i+1:], arg)
			if e != 0 {
				return nil, e
			}
			i += n
			continue
		}
		if at(i) == 's' {
			out = s.appendString(out, arg)
			continue
		}
		if at(i) == 'c' {
			out = sp.pad(out, []byte{byte(arg)})
			continue
		}
		size := 4
		for at(i) == 'l' {
			size = 8
			i++
		}
		switch at(i) {
		case 'd', 'i':
			v := int64(arg)
			if size == 4 {
				v = int64(int32(arg))
			}
			var buf [32]byte
			out = sp.pad(out, strconv.AppendInt(buf[:0], v, 10))
		case 'u', 'x', 'X':
			v := arg
			if size == 4 {
				v = uint64(uint32(arg))
			}
			var buf [32]byte
			b := buf[:0]
			if at(i) == 'u' {
				b = strconv.AppendUint(b, v, 10)
			} else {
				b = strconv.AppendUint(b, v, 16)
				if at(i) == 'X' {
					for j := range b {
						if b[j] >= 'a' {
							b[j] -= 'a' - 'A'
						}
					}
				}
			}
			out = sp.pad(out, b)
		default:
			return nil, maps.EINVAL
		}
	}
	if len(out) > maxText-1 {
		out = out[:maxText-1]
	}
	s.text = out
	return out, 0
}

// spec is the flags and width of one conversion.
type spec struct {
	width            int
	zero, left, plus bool
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

func (sp *spec) pad(out, b []byte) []byte {
	if sp.plus && len(b) > 0 && b[0] != '-' {
		out = append(out, '+')
		sp.width--
	}
	fill := byte(' ')
	if sp.zero && !sp.left {
		fill = '0'
		if len(b) > 0 && b[0] == '-' {
			out = append(out, '-')
			b = b[1:]
			sp.width--
		}
	}
	n := sp.width - len(b)
	if !sp.left {
		for ; n > 0; n-- {
			out = append(out, fill)
		}
	}
	out = append(out, b...)
	for ; n > 0; n-- {
		out = append(out, ' ')
	}
	return out
}

// pointer prints a %p and says how many letters after the p it took.
func (s *State) pointer(out *[]byte, rest []byte, arg uint64) (int, maps.Errno) {
	at := func(k int) byte {
		if k < len(rest) {
			return rest[k]
		}
		return 0
	}
	switch c := at(0); c {
	case 'k', 'u':
		if at(1) != 's' {
			return 0, maps.EINVAL
		}
		*out = s.appendString(*out, arg)
		return 2, 0
	case 'i', 'I':
		switch at(1) {
		case '4':
			b, f := s.bytes(arg, 4, false)
			if f != nil {
				b = make([]byte, 4)
			}
			*out = appendIPv4(*out, b, c == 'i')
		case '6':
			b, f := s.bytes(arg, 16, false)
			if f != nil {
				b = make([]byte, 16)
			}
			*out = appendIPv6(*out, b, c == 'i')
		default:
			return 0, maps.EINVAL
		}
		return 2, 0
	}
	n := 0
	switch at(0) {
	case 'K', 'x', 'B', 'S', 's':
		n = 1
	}
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		*out = append(*out, digits[arg>>shift&15])
	}
	return n, 0
}

func (s *State) appendString(out []byte, addr uint64) []byte {
	b, f := s.cstring(addr, 512)
	if f != nil {
		return out
	}
	return append(out, b...)
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
