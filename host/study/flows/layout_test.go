package flows

import (
	"strings"
	"testing"
)

// key makes a layout of words: two hex digits are a constant, sN and dN bytes of the
// addresses, pN and qN of the ports, x any byte; behind = the values seen.
func key(kind Kind, words string) Layout {
	l := Layout{Kind: kind}
	addr := 4
	if kind == Addrs6 || kind == Ports6 {
		addr = 16
	}
	for _, w := range strings.Fields(words) {
		name, values, _ := strings.Cut(w, "=")
		b := Byte{Input: -1}
		at := 0
		if len(name) > 1 {
			at = int(name[1] - '0')
		}
		switch name[0] {
		case 's':
			b.Input = at
		case 'd':
			b.Input = addr + at
		case 'p':
			b.Input = 2*addr + at
		case 'q':
			b.Input = 2*addr + 2 + at
		case 'c':
			values = name[1:]
		}
		if values != "" {
			b.Seen = &Values{}
			for _, v := range []byte(values) {
				b.Seen.add(v)
			}
		}
		l.Bytes = append(l.Bytes, b)
	}
	return l
}

// TestApart holds what is said of keys: by hand, each with a twin that is wrong.
func TestApart(t *testing.T) {
	const (
		tuple   = "s0 s1 s2 s3 d0 d1 d2 d3 p0 p1 q0 q1"
		back    = "d0 d1 d2 d3 s0 s1 s2 s3 q0 q1 p0 p1"
		sources = "s0 s1 s2 s3 c0 c0 c0 c0 c0 c0 c0 c0"
		pair    = "s0 s1 s2 s3 d0 d1 d2 d3 c0 c0 c0 c0"
	)
	room := func(l ...Layout) []Map {
		return []Map{{Name: "m", Type: "LRUHash", Changed: true, Room: 100, Start: 10, Peak: 50, Layouts: l}}
	}
	for _, c := range []struct {
		name  string
		parts [][]Map
		want  string // "": they may stand apart
	}{
		{"the 4-tuple", [][]Map{room(key(Ports4, tuple)), room(key(Ports4, tuple))}, ""},
		{"no ports where they are hashed", [][]Map{room(key(Ports4, pair))}, "keys for packets hashed as IPv4 with ports don't tell the source port, destination port, which the queue follows from"},
		{"no ports where they aren't", [][]Map{room(key(Addrs4, pair))}, ""},
		{"the source alone", [][]Map{room(key(Addrs4, sources))}, "don't tell the destination address, which"},
		{"a byte is lost", [][]Map{room(key(Ports4, "s0 s1 s2 s3 d0 d1 x d3 p0 p1 q0 q1"))}, "don't tell the destination address, which"},
		{"both directions", [][]Map{room(key(Ports4, tuple), key(Ports4, back))}, "hold source address, destination address, source port, destination port in more than one order"},
		{"both directions, each in a part", [][]Map{room(key(Ports4, tuple)), room(key(Ports4, back))}, "in more than one order"},
		{"directions that a byte tells apart", [][]Map{room(key(Ports4, tuple+" cA"), key(Ports4, back+" cB"))}, ""},
		{"and one that doesn't", [][]Map{room(key(Ports4, tuple+" cA"), key(Ports4, back+" x"))}, "in more than one order"},
		{"TCP and ICMP by their protocol", [][]Map{room(key(Ports4, tuple+" c6"), key(Addrs4, pair+" c1"))}, ""},
		{"without", [][]Map{room(key(Ports4, tuple), key(Addrs4, pair))}, "packets hashed as IPv4 with ports and as IPv4 may come to one entry"},
		{"values that were seen tell them apart", [][]Map{room(key(Ports4, "s0=AB s1 s2 s3 d0 d1 d2 d3 p0 p1 q0 q1"), key(Ports4, "d0=CD d1 d2 d3 s0 s1 s2 s3 q0 q1 p0 p1"))}, ""},
		{"and don't", [][]Map{room(key(Ports4, "s0=AB s1 s2 s3 d0 d1 d2 d3 p0 p1 q0 q1"), key(Ports4, "d0=BC d1 d2 d3 s0 s1 s2 s3 q0 q1 p0 p1"))}, "in more than one order"},
		{"packets without a hash are all of one queue", [][]Map{room(key(None, "c0 x x"))}, ""},
		{"a path that is no trace", [][]Map{room(key(Ports4, tuple)), {{Name: "m", Room: 100, Bad: "packet 7"}}}, "between queues: packet 7"},
		{"an array", [][]Map{{{Name: "m", Type: "Array", Changed: true, Room: 4, Start: 4, Peak: 4}}}, "a map of type Array has no keys that tell them apart"},
		{"one that nobody changed", [][]Map{{{Name: "m", Type: "Array", Room: 4, Start: 4, Peak: 4, Layouts: []Layout{key(Ports4, sources)}}}}, ""},
		{"room for all", [][]Map{room(), room()}, ""},
		{"no room for all", [][]Map{room(), room(), room()}, "130 entries of all queues together may not find room"},
	} {
		got := Apart(c.parts)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) || got != "" && !strings.HasPrefix(got, "split flows: map m is changed by the program and shared between queues: ") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
