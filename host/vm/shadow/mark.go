package shadow

import "strings"

// Mark says why a byte may be another in the kernel. Marks add up.
type Mark uint8

// The marks.
const (
	Unset   Mark = 1 << iota // nobody initialised it
	Packet                   // part of an address in the packet
	Stack                    // of one on the stack
	Value                    // of one of a map value
	Other                    // of the context, a map, a function, a socket
	Foreign                  // depends on what the kernel couldn't be given

	pointer = Packet | Stack | Value | Other
)

// The kinds of reason, as reports have them.
const (
	KindUnset   = "uninitialised bytes"
	KindPointer = "addresses"
	KindForeign = "state the kernel can't be given"
)

// Kind is the gravest reason among the marks; "" for none.
func (m Mark) Kind() string {
	switch {
	case m&Foreign != 0:
		return KindForeign
	case m&Unset != 0:
		return KindUnset
	case m != 0:
		return KindPointer
	}
	return ""
}

func (m Mark) String() string {
	var out []string
	for i, name := range [...]string{"unset", "packet", "stack", "value", "other", "foreign"} {
		if m&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return strings.Join(out, "+")
}

// lanes are the marks of a register's eight bytes, byte 0 in the low bits.
type lanes uint64

// all puts one mark on all bytes.
func all(m Mark) lanes { return lanes(m) * 0x0101010101010101 }

// union is the sum of the marks of all bytes.
func (w lanes) union() Mark {
	w |= w >> 32
	w |= w >> 16
	w |= w >> 8
	return Mark(w)
}

// up spreads marks to all higher bytes, as carries do.
func (w lanes) up() lanes {
	w |= w << 8
	w |= w << 16
	return w | w<<32
}

// first keeps the low n bytes.
func (w lanes) first(n int) lanes {
	if n >= 8 {
		return w
	}
	return w & (1<<(8*n) - 1)
}

// extended is what sign extension from n bytes leaves.
func (w lanes) extended(n int) lanes {
	if n >= 8 {
		return w
	}
	top := Mark(w >> (8 * (n - 1)))
	return w.first(n) | all(top)&^(1<<(8*n)-1)
}

// onlyClass says which one class of address all marks are of; 0 if there is
// anything else.
func (w lanes) onlyClass() Mark {
	switch m := w.union(); m {
	case Packet, Stack, Value, Other:
		return m
	}
	return 0
}
