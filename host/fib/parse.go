package fib

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Load reads the routing table at path.
func Load(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(path, f)
}

// Read reads a routing table; name is for messages. Links may be named before
// the line that makes them.
func Read(name string, in io.Reader) (*Table, error) {
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var r reader
	if line, err := r.read(b); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", name, line, err)
	}
	p := &parser{t: newTable(), byName: map[string]int{"lo": 0}, have: map[routeKey][]int{}, objects: map[string][]hop{}}
	for i, kinds := range rounds {
		for l := range r.lines {
			w := &r.lines[l]
			if k := w.all[0]; (kinds == nil && w.at == 0) || slices.Contains(kinds, k) {
				if err := p.parse(w); err != nil {
					return nil, fmt.Errorf("%s:%d: %s: %w", name, w.line, k, err)
				}
			}
		}
		if i == 0 {
			p.forwarding()
		}
	}
	p.standingRules()
	p.t.build()
	return p.t, nil
}

// rounds are the kinds of lines in the order they are read, and last all others:
// everything names links, routes may name objects, and what they leave out is
// found through addresses.
var rounds = [][]string{{"link", "forwarding"}, {"address", "addr"}, {"object"}, nil}

// forwarding sets what links were not told themselves.
func (p *parser) forwarding() {
	for i := range p.t.links {
		l := &p.t.links[i]
		for f := range l.forward {
			if !l.said[f] {
				l.forward[f] = p.forward != "off"
			}
		}
	}
}

type parser struct {
	t       *Table
	byName  map[string]int
	forward string // "on", "off" or not said
	have    map[routeKey][]int
	objects map[string][]hop // nexthop objects by their id; nil hops: a blackhole
}

// words are those of a line; next takes one.
type words struct {
	all    []string
	at     int
	line   int
	pasted bool // as ip(8) prints it
}

func (w *words) next() string {
	if w.at >= len(w.all) {
		return ""
	}
	w.at++
	return w.all[w.at-1]
}

func (w *words) more() bool { return w.at < len(w.all) }

// arg is the word after key, which must be there.
func (w *words) arg(key string) (string, error) {
	if !w.more() {
		return "", fmt.Errorf("want a word after %q", key)
	}
	return w.next(), nil
}

// number is the number after key, up to top.
func (w *words) number(key string, top uint64) (uint32, error) {
	v, err := w.arg(key)
	if err != nil {
		return 0, err
	}
	return number(v, top)
}

func (p *parser) parse(w *words) error {
	switch w.next() {
	case "forwarding":
		v := w.next()
		if v != "on" && v != "off" || w.more() {
			return fmt.Errorf("want on or off")
		}
		p.forward = v
		return nil
	case "link":
		return p.link(w)
	case "address", "addr":
		return p.address(w)
	case "route":
		return p.route(w)
	case "neigh", "neighbor", "neighbour":
		return p.neigh(w)
	case "rule":
		return p.rule(w)
	case "object":
		return p.object(w)
	}
	return fmt.Errorf("want forwarding, link, address, route, neigh or rule")
}

func number(s string, high uint64) (uint32, error) {
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil || v > high {
		return 0, fmt.Errorf("%q: want a number up to %d", s, high)
	}
	return uint32(v), nil
}

func (p *parser) link(w *words) error {
	index, err := number(strings.TrimSuffix(w.next(), ":"), 1<<31-1)
	if err != nil || index == 0 {
		return fmt.Errorf("want an interface index from 1 and a name")
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(w.next(), ":"), "@")
	if name == "" {
		return fmt.Errorf("want a name after the index")
	}
	i, known := p.t.byIfx[index]
	if j, dup := p.byName[name]; dup && (!known || i != j) {
		return fmt.Errorf("%q twice", name)
	}
	if !known {
		i = len(p.t.links)
		p.t.links = append(p.t.links, link{index: index, mtu: 1500})
		p.t.byIfx[index] = i
	} else if !(w.pasted && p.t.links[i].name == name) && (i != 0 || p.t.links[0].name != "lo" || name != "lo") {
		return fmt.Errorf("index %d twice", index)
	}
	l := &p.t.links[i]
	l.name = name
	p.byName[name] = i
	for w.more() {
		switch k := w.next(); k {
		case "address", "lladdr", "mac", "link/ether":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if l.mac, err = mac(v); err != nil {
				return err
			}
		case "mtu":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if l.mtu, err = number(v, 1<<31-1); err != nil {
				return err
			}
		case "up", "down":
			l.down = k == "down"
		case "forwarding", "forwarding4", "forwarding6":
			v := w.next()
			if v != "on" && v != "off" {
				return fmt.Errorf("want on or off after %q", k)
			}
			for f := range l.forward {
				if k == "forwarding" || k == []string{"forwarding4", "forwarding6"}[f] {
					l.forward[f], l.said[f] = v == "on", true
				}
			}
		default:
			return fmt.Errorf("%q: want address, mtu, up, down or forwarding", k)
		}
	}
	return nil
}

func mac(s string) (out [6]byte, err error) {
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 {
		return out, fmt.Errorf("%q: not a MAC address", s)
	}
	return [6]byte(m), nil
}

func (p *parser) dev(w *words) (int, error) {
	name, err := w.arg("dev")
	if err != nil {
		return 0, err
	}
	i, ok := p.byName[name]
	if !ok {
		return 0, fmt.Errorf("no link %q", name)
	}
	return i, nil
}

func parseAddr(s string) (addr, uint8, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return addr{}, 0, fmt.Errorf("%q: not an address", s)
	}
	if a.Is4() {
		b := a.As4()
		return addr4(b[:]), afInet, nil
	}
	b := a.As16()
	return addr6(b[:]), afInet6, nil
}

// parsePrefix reads "10.0.0.0/8" or a bare address; the address keeps all its
// bits beside the prefix that is cut.
func parsePrefix(s string) (addr, prefix, uint8, error) {
	text, bits, slash := strings.Cut(s, "/")
	a, family, err := parseAddr(text)
	if err != nil {
		return a, prefix{}, 0, err
	}
	n := uint64(32)
	if family == afInet6 {
		n = 128
	}
	if slash {
		high := n
		if n, err = strconv.ParseUint(bits, 10, 8); err != nil || n > high {
			return a, prefix{}, 0, fmt.Errorf("%q: want a prefix length up to %d", s, high)
		}
	}
	return a, prefix{a.cut(uint8(n)), uint8(n)}, family, nil
}

// prefixOf reads a prefix of a family that is known, or becomes known by it; whose
// is for messages.
func prefixOf(s string, family *uint8, whose string) (prefix, error) {
	_, net, is, err := parsePrefix(s)
	if err != nil {
		return net, err
	}
	if *family != 0 && *family != is {
		return net, fmt.Errorf("%q: not of the %s", s, whose)
	}
	*family = is
	return net, nil
}

func parseScope(s string) (uint8, error) {
	switch s {
	case "global", "universe", "site":
		return scopeUniverse, nil
	case "link":
		return scopeLink, nil
	case "host":
		return scopeHost, nil
	}
	return 0, fmt.Errorf("%q: want scope global, link or host", s)
}

func (p *parser) address(w *words) error {
	said := w.familyWord()
	text := w.next()
	a, net, family, err := parsePrefix(text)
	if err != nil {
		return err
	}
	if said != 0 && said != family {
		return fmt.Errorf("%q: not of the family said", text)
	}
	ifa := ifaddr{family: family, local: a, net: net, line: w.line}
	switch {
	case family == afInet && a.hi>>56 == 127, family == afInet6 && a == addr{lo: 1}:
		ifa.scope = scopeHost
	case family == afInet6 && a.hi>>54 == 0xfe80>>6:
		ifa.scope = scopeLink
	}
	at := -1
	for w.more() {
		switch k := w.next(); k {
		case "dev":
			if at, err = p.dev(w); err != nil {
				return err
			}
		case "scope":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if ifa.scope, err = parseScope(v); err != nil {
				return err
			}
		case "peer", "remote":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if _, ifa.net, _, err = parsePrefix(v); err != nil {
				return err
			}
		case "metric", "priority":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if ifa.metric, err = number(v, 1<<32-1); err != nil {
				return err
			}
		case "noprefixroute":
			ifa.noPrefix = true
		case "brd", "broadcast", "label", "valid_lft", "preferred_lft", "proto", "any", "anycast":
			w.next()
		case "dynamic", "permanent", "secondary", "temporary", "tentative", "deprecated", "dadfailed", "nodad", "optimistic",
			"mngtmpaddr", "home", "autojoin", "stable-privacy":
		default:
			return fmt.Errorf("%q: want dev or scope", k)
		}
	}
	if at < 0 {
		return fmt.Errorf("want dev and a link's name")
	}
	l := &p.t.links[at]
	for _, o := range l.addrs {
		if o.local == a && o.family == family {
			if w.pasted { // of ip addr and ip -6 addr
				return nil
			}
			return fmt.Errorf("the address stands twice")
		}
		ifa.secondary = ifa.secondary || family == afInet && o.net == net
	}
	l.addrs = append(l.addrs, ifa)
	p.addressRoutes(at, &ifa)
	return nil
}

// addressRoutes makes the routes the kernel makes for an address
// (fib_add_ifaddr, addrconf_prefix_route, __ipv6_ifa_notify).
func (p *parser) addressRoutes(at int, ifa *ifaddr) {
	whole := uint8(32)
	if ifa.family == afInet6 {
		whole = 128
	}
	add := func(typ rtype, dst prefix, table, metric uint32) {
		k := routeKey{family: ifa.family, dst: dst, table: table, metric: metric}
		p.have[k] = append(p.have[k], len(p.t.all))
		p.t.all = append(p.t.all, route{
			family: ifa.family, typ: typ, dst: dst, table: table, metric: metric,
			hops: []hop{{link: at, weight: 1}}, weight: 1, auto: true, line: ifa.line,
			src: ifa.local, hasSrc: ifa.family == afInet,
		})
	}
	add(local, prefix{ifa.local, whole}, tableLocal, 0)
	if ifa.family == afInet6 {
		if ifa.net.bits < whole && at != 0 {
			if !ifa.noPrefix {
				add(unicast, ifa.net, tableMain, cmp.Or(ifa.metric, 256))
			}
			if p.t.links[at].forward[1] && ifa.net.bits < 127 {
				add(local, prefix{ifa.net.addr, whole}, tableLocal, 0) // subnet-router anycast
			}
		}
		return
	}
	if ifa.secondary || ifa.net.bits == whole || ifa.net.hi>>56 == 0 {
		return
	}
	switch {
	case ifa.noPrefix:
	case at == 0:
		add(local, ifa.net, tableLocal, ifa.metric)
	default:
		add(unicast, ifa.net, tableMain, ifa.metric)
	}
	if ifa.net.bits < 31 {
		last := addr{hi: (ifa.net.hi | (1<<(64-ifa.net.bits) - 1)) &^ (1<<32 - 1)}
		add(local, prefix{last, 32}, tableLocal, 0) // broadcast
	}
}

var tableNames = map[string]uint32{"local": tableLocal, "main": tableMain, "default": tableDefault}

func parseTable(s string) (uint32, error) {
	if id, ok := tableNames[s]; ok {
		return id, nil
	}
	v, err := number(s, 1<<32-1)
	if err != nil || v == 0 {
		return 0, fmt.Errorf("%q: want a table's number, local, main or default", s)
	}
	return v, nil
}

// familyWord takes a -4 or -6.
func (w *words) familyWord() uint8 {
	if w.more() {
		switch w.all[w.at] {
		case "-4":
			w.at++
			return afInet
		case "-6":
			w.at++
			return afInet6
		}
	}
	return 0
}
