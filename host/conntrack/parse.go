package conntrack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Load reads the connections at path.
func Load(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(path, f)
}

// Read reads connections; name is for messages.
func Read(name string, in io.Reader) (*Table, error) {
	t := &Table{}
	var at []int // line of each connection
	sc := bufio.NewScanner(in)
	line := 0
	for sc.Scan() {
		line++
		text, _, _ := strings.Cut(sc.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		c, known, err := connection(words)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
		if !known {
			continue
		}
		if other := t.add(c); other >= 0 {
			return nil, fmt.Errorf("%s:%d: the tuple is that of the connection on line %d", name, line, at[other])
		}
		at = append(at, line)
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: a line of more than %d bytes", name, line+1, bufio.MaxScanTokenSize)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// protocols are those conntrack names, by their numbers; 0: told by it alone.
var protocols = map[string]uint8{"tcp": protoTCP, "udp": protoUDP, "icmp": 1, "icmpv6": 58, "udplite": 136, "sctp": 132, "dccp": 33, "gre": 47, "unknown": 0}

// flags are words in brackets, and the bits of the status they stand for.
var flags = map[string]uint32{"[ASSURED]": Assured, "[OFFLOAD]": Offload, "[HW_OFFLOAD]": HWOffload, "[UNREPLIED]": 0}

// over are words with a value that a look-up doesn't see.
var over = map[string]bool{"packets": true, "bytes": true, "use": true, "id": true, "secctx": true, "delta-time": true, "labels": true, "helper": true,
	"type": true, "code": true, "srckey": true, "dstkey": true, "start": true, "stop": true}

// connection reads a line; known is false of a protocol that has no look-up.
func connection(words []string) (c Conn, known bool, err error) {
	if words[0] == "ipv4" || words[0] == "ipv6" { // and the family's number
		words = words[1:]
		if len(words) > 0 && isNumber(words[0]) {
			words = words[1:]
		}
	}
	if len(words) == 0 {
		return c, false, errors.New("a protocol expected")
	}
	proto, ok := protocols[words[0]]
	if !ok {
		return c, false, fmt.Errorf("%q: not a protocol", words[0])
	}
	words = words[1:]
	for i := 0; i < 2 && len(words) > 0 && isNumber(words[0]); i++ { // the protocol's number, seconds
		if n, err := strconv.ParseUint(words[0], 10, 8); i == 0 && (err != nil || proto != 0 && uint8(n) != proto) && len(words) > 1 && isNumber(words[1]) {
			return c, false, fmt.Errorf("protocol number %s: want %d", words[0], proto)
		}
		words = words[1:]
	}
	if len(words) > 0 && isState(words[0]) {
		words = words[1:]
	}
	if proto != protoTCP && proto != protoUDP {
		return c, false, nil
	}
	c.Proto, c.Status = proto, Confirmed|SeenReply
	r := lineReader{c: &c}
	for _, w := range words {
		if err := r.word(w); err != nil {
			return c, false, err
		}
	}
	return c, true, r.end()
}

func isNumber(w string) bool { return strings.Trim(w, "0123456789") == "" }

// isState: TCP's states are written in capitals.
func isState(w string) bool { return strings.Trim(w, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == "" }

// lineReader reads the words of a line after the protocol.
type lineReader struct {
	c      *Conn
	seen   [2]map[string]bool // of the original tuple and of the reply
	dir    int
	status *uint32 // said outright
}

func (r *lineReader) word(w string) error {
	if bit, ok := flags[w]; ok {
		r.c.Status |= bit
		if w == "[UNREPLIED]" {
			r.c.Status &^= SeenReply
		}
		return nil
	}
	name, value, ok := strings.Cut(w, "=")
	switch {
	case !ok:
		return fmt.Errorf("%q: not a word of a connection", w)
	case over[name]:
		return nil
	}
	switch name {
	case "src", "dst", "sport", "dport":
		return r.tuple(name, value)
	case "mark", "zone", "status":
	default:
		return fmt.Errorf("%q: not a word of a connection", name)
	}
	n, err := strconv.ParseUint(value, 0, map[string]int{"mark": 32, "zone": 16, "status": 32}[name])
	if err != nil {
		return fmt.Errorf("%s: %q: not a number it can have", name, value)
	}
	switch name {
	case "mark":
		r.c.Mark = uint32(n)
	case "zone":
		r.c.Zone = uint16(n)
	case "status":
		s := uint32(n)
		r.status = &s
	}
	return nil
}

// tuple reads a word of the original tuple, or, said again, of the reply.
func (r *lineReader) tuple(name, value string) error {
	if r.seen[r.dir][name] {
		if r.dir++; r.dir == len(r.seen) {
			return fmt.Errorf("%s: said a third time", name)
		}
	}
	if r.seen[r.dir] == nil {
		r.seen[r.dir] = map[string]bool{}
	}
	r.seen[r.dir][name] = true
	t := &r.c.Tuples[r.dir]
	switch name {
	case "src", "dst":
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" || a.Is4In6() {
			return fmt.Errorf("%s: %q: not an address", name, value)
		}
		if name == "src" {
			t.Src = a
		} else {
			t.Dst = a
		}
	default:
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return fmt.Errorf("%s: %q: not a port", name, value)
		}
		if name == "sport" {
			t.SrcPort = uint16(n)
		} else {
			t.DstPort = uint16(n)
		}
	}
	return nil
}

// end sees that both tuples are whole, and sets the status.
func (r *lineReader) end() error {
	for dir := 0; dir <= r.dir; dir++ {
		for _, name := range []string{"src", "dst", "sport", "dport"} {
			if !r.seen[dir][name] {
				return fmt.Errorf("no %s of the %s tuple", name, [...]string{"original", "reply"}[dir])
			}
		}
	}
	c := r.c
	if r.dir == 0 {
		c.Tuples[1] = c.Tuples[0].back()
	}
	for _, a := range []netip.Addr{c.Tuples[0].Dst, c.Tuples[1].Src, c.Tuples[1].Dst} {
		if a.Is4() != c.Tuples[0].Src.Is4() {
			return errors.New("addresses of IPv4 and of IPv6")
		}
	}
	straight := c.Tuples[0].back()
	if t := c.Tuples[1]; t.Dst != straight.Dst || t.DstPort != straight.DstPort {
		c.Status |= SrcNAT
	}
	if t := c.Tuples[1]; t.Src != straight.Src || t.SrcPort != straight.SrcPort {
		c.Status |= DstNAT
	}
	if r.status != nil {
		c.Status = *r.status
	}
	return nil
}
