package filter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a parameter stands for.
type Kind uint8

// The kinds of parameters.
const (
	Number  Kind = iota // in arithmetic: 32 bits
	Port                // 0 to 65535
	Host                // an IPv4 address
	Host6               // an IPv6 address
	Network             // a network of either family, of Bits bits
)

var kindNames = [...]string{"number", "port", "IPv4 address", "IPv6 address", "network"}

func (k Kind) String() string { return kindNames[k] }

// Param is a parameter of an expression that was compiled without its value:
// "$a" in "host $a and port $b".
type Param struct {
	Name string
	Kind Kind
	Bits int  // of a Network: its prefix length
	Six  bool // of a Network: IPv6
}

// paramName is the name that s begins with: letters, digits and underscores.
func paramName(s string) string {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	return s[:n]
}

// Values are parameters' values by name, as they would stand in an expression.
type Values map[string]string

// ParseValues reads NAME=VALUE settings.
func ParseValues(list []string) (Values, error) {
	v := Values{}
	for _, s := range list {
		name, value, ok := strings.Cut(s, "=")
		switch {
		case !ok || name == "" || paramName(name) != name:
			return nil, fmt.Errorf("%q: want NAME=VALUE", s)
		case value == "" || strings.ContainsAny(value, "$ \t\n()"):
			return nil, fmt.Errorf("%s=%q: a value is one address, network or number", name, value)
		}
		if _, twice := v[name]; twice {
			return nil, fmt.Errorf("%s: it has a value already", name)
		}
		v[name] = value
	}
	return v, nil
}

// Fold puts the values in the place of parameters: the expression that is
// specialised for them. It fails where the expression has no such parameter;
// parameters without a value stay.
func (v Values) Fold(expr string) (string, error) {
	var out strings.Builder
	used := map[string]bool{}
	for rest := expr; ; {
		before, after, ok := strings.Cut(rest, "$")
		out.WriteString(before)
		if !ok {
			break
		}
		name := paramName(after)
		if value, has := v[name]; has {
			out.WriteString(value)
			used[name] = true
		} else {
			out.WriteString("$" + name)
		}
		rest = after[len(name):]
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !used[name] {
			return "", fmt.Errorf("filter %q: no parameter $%s in it", expr, name)
		}
	}
	return out.String(), nil
}

// CompileGeneric compiles an expression whose parameters keep no value: where it
// matches depends on words given then (MatchWith). values say what cannot be
// seen in the expression, whether an address is IPv4's or IPv6's and how long a
// network's prefix is; without them an address is IPv4's.
func CompileGeneric(expr string, values Values) (*Program, error) {
	ps := &parser{expr: expr, at: ethernet(), generic: true, shapes: map[string]Param{}}
	for name, value := range values {
		ps.shapes[name] = shapeOf(name, value)
	}
	p, err := ps.compile()
	if err != nil {
		return nil, displayFilter(expr, err)
	}
	return p, nil
}

// shapeOf is what a value is, as far as its own text tells.
func shapeOf(name, value string) Param {
	s := Param{Name: name}
	if pre, err := netip.ParsePrefix(value); err == nil {
		s.Kind, s.Bits, s.Six = Network, pre.Bits(), pre.Addr().Is6()
	} else if addr, err := netip.ParseAddr(value); err == nil {
		s.Kind = Host
		if addr.Is6() {
			s.Kind, s.Six = Host6, true
		}
	}
	return s
}

// param takes a parameter that stands for such a thing, and gives its number
// from 1.
func (p *parser) param(k Kind) uint8 {
	t := p.take()
	want := Param{Name: t.text, Kind: k}
	if k == Network {
		want.Bits, want.Six = p.shapes[t.text].Bits, p.shapes[t.text].Six
	}
	for i, have := range p.params {
		if have.Name != t.text {
			continue
		}
		if have != want {
			p.fail(t.col, "parameter $%s: %s here, %s before", t.text, want.Kind, have.Kind)
		}
		return uint8(i + 1)
	}
	if len(p.params) == maxParams {
		p.fail(t.col, "more than %d parameters", maxParams)
	}
	p.params = append(p.params, want)
	return uint8(len(p.params))
}

const maxParams = 16

// paramID compares with a parameter.
func (p *parser) paramID(q qualifiers, head token) *node {
	t := p.peek()
	shape, known := p.shapes[t.text]
	defer func() { p.at.par = 0 }()
	switch {
	case q.typ == "port":
		p.at.par = p.param(Port)
		protos := []uint32{protoTCP, protoUDP, protoSCTP}
		switch q.proto {
		case "":
		case "tcp", "udp", "sctp":
			protos = []uint32{protocols[q.proto]}
		default:
			p.fail(head.col, "%s does not go with %s", q.proto, q.typ)
		}
		return p.at.port(protos, q.dir, 0, 0)
	case q.typ == "host" && q.proto != "ether":
		six := q.proto == "ip6" || known && shape.Six
		if known && shape.Kind == Network {
			p.fail(t.col, "parameter $%s: a network, not a host", t.text)
		}
		if six {
			p.at.par = p.param(Host6)
			return p.hosts(q, head, netip.PrefixFrom(netip.IPv6Unspecified(), 128))
		}
		p.at.par = p.param(Host)
		return p.hosts(q, head, netip.PrefixFrom(netip.IPv4Unspecified(), 32))
	case q.typ == "net" && known && shape.Kind == Network:
		p.at.par = p.param(Network)
		addr := netip.IPv4Unspecified()
		if shape.Six {
			addr = netip.IPv6Unspecified()
		}
		return p.hosts(q, head, netip.PrefixFrom(addr, shape.Bits))
	}
	p.fail(t.col, "parameter $%s: what stands for a %s here needs its value", t.text, q.typ)
	return nil
}

// Words reads a value for the parameter, as an expression would.
func (s Param) Words(value string) ([ParamWords]uint32, error) {
	var b [16]byte
	fail := func() ([ParamWords]uint32, error) {
		return words(b), fmt.Errorf("parameter %s=%s: not what a filter calls %s", s.Name, value, s.Kind)
	}
	switch s.Kind {
	case Number, Port:
		v, err := strconv.ParseUint(value, 0, 32)
		if service, ok := services[value]; ok && s.Kind == Port {
			v, err = uint64(service), nil
		}
		if err != nil || s.Kind == Port && v > 65535 {
			return fail()
		}
		binary.BigEndian.PutUint32(b[:], uint32(v))
		return words(b), nil
	case Network:
		pre, err := netip.ParsePrefix(value)
		switch {
		case err != nil || pre.Addr().Is6() != s.Six:
			return fail()
		case pre.Bits() != s.Bits:
			return words(b), fmt.Errorf("parameter %s=%s: its prefix is %d bits, of the program's %d", s.Name, value, pre.Bits(), s.Bits)
		case pre.Masked() != pre:
			return words(b), errors.New("parameter " + s.Name + "=" + value + ": bits set behind the prefix")
		}
		copy(b[:], pre.Addr().AsSlice())
		return words(b), nil
	}
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Is6() != (s.Kind == Host6) || addr.Zone() != "" {
		return fail()
	}
	copy(b[:], addr.AsSlice())
	return words(b), nil
}

// ParamWords is how many words a parameter has: an IPv6 address fills them all,
// the most significant first; anything else is the first.
const ParamWords = 4

// words are those of a parameter's value.
func words(b [16]byte) (w [ParamWords]uint32) {
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}
