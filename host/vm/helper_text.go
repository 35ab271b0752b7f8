package vm

import (
	"bytes"
	"encoding/binary"

	"jitnic/host/maps"
)

// cstring is the string at addr up to its end, which must come within n bytes
// of readable memory.
func (s *State) cstring(addr, n uint64) ([]byte, *Fault) {
	for i := uint64(0); i < n; i++ {
		if !s.Reach(addr+i, 1, false) {
			return nil, badAccess(addr+i, 1, false)
		}
		if s.Mem.B[addr+i] == 0 {
			return s.Mem.B[addr : addr+i], nil
		}
	}
	return s.Mem.B[addr : addr+n], nil
}

// strncmp is bpf_strncmp(s1, s1_sz, s2): -1, 0 or 1.
func strncmp(s *State, r *[11]uint64) *Fault {
	n := uint64(uint32(r[2]))
	a, f := s.bytes(r[1], n, false)
	if f != nil {
		return f
	}
	b, f := s.cstring(r[3], n)
	if f != nil {
		return f
	}
	if i := bytes.IndexByte(a, 0); i >= 0 {
		a = a[:i]
	}
	r[0] = uint64(int64(bytes.Compare(a, b)))
	return nil
}

// strtol is bpf_strtol(buf, len, flags, res).
func strtol(s *State, r *[11]uint64) *Fault { return s.parseNumber(r, true) }

// strtoul is bpf_strtoul(buf, len, flags, res).
func strtoul(s *State, r *[11]uint64) *Fault { return s.parseNumber(r, false) }

// parseNumber is __bpf_strtoull and __bpf_strtoll (kernel/bpf/helpers.c): skips
// white space, reads a sign, and says how many bytes it took.
func (s *State) parseNumber(r *[11]uint64, signed bool) *Fault {
	buf, f := s.bytes(r[1], r[2], false)
	if f != nil {
		return f
	}
	if !s.Reach(r[4], 8, true) {
		return badAccess(r[4], 8, true)
	}
	var v uint64
	r[0], v = ParseNumber(buf, r[3], signed)
	s.Store(r[4], 8, v)
	return nil
}

// ParseNumber is what bpf_strtol (signed) and bpf_strtoul say of a buffer: their
// result, and the number they leave.
func ParseNumber(buf []byte, flags uint64, signed bool) (r0, number uint64) {
	n, v, e := parseNumber(buf, flags, signed)
	if e != 0 {
		return negErrno(e), 0
	}
	return uint64(n), v
}

const erange = maps.Errno(34)

func parseNumber(buf []byte, flags uint64, signed bool) (int, uint64, maps.Errno) {
	base := flags & 31
	if len(buf) == 0 || base != 0 && base != 8 && base != 10 && base != 16 || flags&^31 != 0 {
		return 0, 0, maps.EINVAL
	}
	i := 0
	for i < len(buf) && isSpace(buf[i]) {
		i++
	}
	negative := false
	if i < len(buf) && buf[i] == '-' {
		negative = true
		i++
	}
	if i == len(buf) {
		return 0, 0, maps.EINVAL
	}
	digits := buf[i:]
	hex := len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' && hexDigit(digits[2]) < 16
	if base == 0 {
		switch {
		case hex:
			base = 16
		case digits[0] == '0':
			base = 8
		default:
			base = 10
		}
	}
	skip := 0
	if base == 16 && len(digits) > 1 && digits[0] == '0' && digits[1]|0x20 == 'x' {
		skip = 2
	}
	v, n, over := uint64(0), 0, false
	for _, c := range digits[skip:] {
		d := uint64(hexDigit(c))
		if d >= base {
			break
		}
		if v > (^uint64(0)-d)/base {
			over = true
		}
		v = v*base + d
		n++
	}
	switch {
	case n == 0:
		return 0, 0, maps.EINVAL
	case over:
		return 0, 0, erange
	case signed && negative && v > 1<<63, signed && !negative && v > 1<<63-1:
		return 0, 0, erange
	case !signed && negative:
		return 0, 0, maps.EINVAL
	}
	if negative {
		v = -v
	}
	return i + skip + n, v, 0
}

func isSpace(c byte) bool { return c == ' ' || c >= 9 && c <= 13 || c == 0xa0 }

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return 99
}

// tracePrintk is bpf_trace_printk(fmt, fmt_size, a1, a2, a3): the number of
// bytes printed.
func tracePrintk(s *State, r *[11]uint64) *Fault {
	text, f := s.bytes(r[1], uint64(uint32(r[2])), false)
	if f != nil {
		return f
	}
	var args [3]uint64
	copy(args[:], r[3:6])
	return s.print(r, text, args[:])
}

// traceVprintk is bpf_trace_vprintk(fmt, fmt_size, args, args_len).
func traceVprintk(s *State, r *[11]uint64) *Fault {
	text, f := s.bytes(r[1], uint64(uint32(r[2])), false)
	if f != nil {
		return f
	}
	var args [maxArgs]uint64
	n, e, f := s.formatArgs(&args, r[3], uint64(uint32(r[4])))
	if f != nil {
		return f
	}
	if e != 0 {
		r[0] = negErrno(e)
		return nil
	}
	return s.print(r, text, args[:n])
}

// formatArgs reads an array of arguments.
func (s *State) formatArgs(args *[maxArgs]uint64, addr, size uint64) (int, maps.Errno, *Fault) {
	if size%8 != 0 || size > 8*maxArgs || size > 0 && addr == 0 {
		return 0, maps.EINVAL, nil
	}
	mem, f := s.bytes(addr, size, false)
	if f != nil {
		return 0, 0, f
	}
	for i := 0; i < len(mem); i += 8 {
		args[i/8] = binary.LittleEndian.Uint64(mem[i:])
	}
	return len(mem) / 8, 0, nil
}

func (s *State) print(r *[11]uint64, text []byte, args []uint64) *Fault {
	out, e := s.format(text, args, nil)
	if e != 0 {
		r[0] = negErrno(e)
		return nil
	}
	s.Printed++
	if s.Opt.Print != nil {
		s.Opt.Print(out)
	}
	r[0] = uint64(len(out))
	return nil
}

// snprintf is bpf_snprintf(str, str_size, fmt, args, args_len): the length the
// whole text would have, with its final zero.
func snprintf(s *State, r *[11]uint64) *Fault {
	size := uint64(uint32(r[2]))
	dst, f := s.bytes(r[1], size, true)
	if f != nil {
		return f
	}
	text, f := s.cstring(r[3], 4096)
	if f != nil {
		return f
	}
	var args [maxArgs]uint64
	n, e, f := s.formatArgs(&args, r[4], uint64(uint32(r[5])))
	if f != nil {
		return f
	}
	var out []byte
	if e == 0 {
		// format wants the zero that ends the text.
		out, e = s.format(s.Mem.B[r[3]:r[3]+uint64(len(text))+1], args[:n], nil)
	}
	if e != 0 {
		r[0] = negErrno(e)
		return nil
	}
	r[0] = putText(dst, out)
	return nil
}

// putText leaves what fits of a text, and says how long it is with its zero.
func putText(dst, text []byte) uint64 {
	if len(dst) > 0 {
		k := copy(dst[:len(dst)-1], text)
		dst[k] = 0
	}
	return uint64(len(text) + 1)
}

// Text is what bpf_snprintf makes of dst, and its result; text ends with a zero.
// Behind is what lies at each argument that is no number ([ArgKinds]).
func (s *State) Text(dst, text []byte, args []uint64, behind [][]byte) uint64 {
	out, e := s.format(text, args, behind)
	if e != 0 {
		return negErrno(e)
	}
	return putText(dst, out)
}

// TextLen is the result of bpf_trace_printk and bpf_trace_vprintk.
func (s *State) TextLen(text []byte, args []uint64, behind [][]byte) uint64 {
	out, e := s.format(text, args, behind)
	if e != 0 {
		return negErrno(e)
	}
	return uint64(len(out))
}
