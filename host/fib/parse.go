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

var routeTypes = map[string]rtype{
	"unicast": unicast, "local": local, "broadcast": local, "multicast": local, "anycast": local,
	"blackhole": blackhole, "unreachable": unreachable, "prohibit": prohibit, "throw": throw,
}

// routeWords is a route while its line is read.
type routeWords struct {
	route
	one    hop    // that the route itself names; link -1, viaFam 0: none
	object string // the nexthop object it names
	wide   bool   // default, of either family
	metric bool   // is said
}

func (p *parser) route(w *words) error {
	r := routeWords{route: route{table: tableMain, line: w.line}, one: hop{link: -1}}
	r.family = w.familyWord()
	if err := r.destination(w); err != nil {
		return err
	}
	for w.more() {
		if err := p.routeWord(w, w.next(), &r); err != nil {
			return err
		}
	}
	if r.object != "" && len(r.hops) == 0 && !r.one.said() {
		if err := p.resolve(&r.route, r.object); err != nil {
			return err
		}
	}
	if err := r.complete(); err != nil {
		return err
	}
	for i := range r.hops {
		if err := p.finish(&r.route, &r.hops[i]); err != nil {
			return err
		}
		r.weight += r.hops[i].weight
	}
	return p.add(r.route)
}

// said says whether a hop was named at all.
func (h *hop) said() bool { return h.link >= 0 || h.viaFam != 0 }

// destination reads a route's type and where it leads.
func (r *routeWords) destination(w *words) error {
	dst := w.next()
	if typ, named := routeTypes[dst]; named {
		r.typ = typ
		if typ == local {
			r.table = tableLocal
		}
		dst = w.next()
	}
	if r.wide = dst == "default" || dst == "all"; r.wide {
		return nil
	}
	net, err := prefixOf(dst, &r.family, "family said")
	r.dst = net
	return err
}

// ignored are words about a route that decide nothing here; they have a word
// behind them, or lock and a word.
var ignored = []string{"proto", "protocol", "scope", "expires", "error", "realm", "realms", "ttl-propagate", "congctl", "features",
	"advmss", "hoplimit", "window", "rtt", "rttvar", "rto_min", "cwnd", "initcwnd", "initrwnd", "ssthresh", "reordering", "quickack", "fastopen_no_cookie"}

// routeFlags likewise, alone.
var routeFlags = []string{"onlink", "linkdown", "dead", "pervasive", "cache", "offload", "trap", "notify", "unresolved", "rt_offload", "rt_trap", "offload_failed"}

// routeWord reads word k of a route and what belongs to it.
func (p *parser) routeWord(w *words, k string, r *routeWords) (err error) {
	var x uint32
	switch k {
	case "via", "dev":
		return p.hopWord(w, k, &r.one)
	case "nexthop":
		h, err := p.nextHop(w)
		r.hops = append(r.hops, h)
		return err
	case "metric", "priority":
		r.metric = true
		r.route.metric, err = w.number(k, 1<<32-1)
	case "tos", "dsfield":
		x, err = w.number(k, 255)
		r.tos = uint8(x) & 0xfc
	case "mtu":
		locked := w.more() && w.all[w.at] == "lock"
		if locked {
			w.next()
			k = "lock"
		}
		if x, err = w.number(k, 65535); locked { // any other only bounds what this machine sends itself
			r.mtu = x
		}
	case "pref": // only IPv6 routes have one
		if w.next(); r.wide && r.family == 0 {
			r.family = afInet6
		}
	case "encap":
		return fmt.Errorf("%q: not supported", k)
	default:
		return r.named(w, k)
	}
	return err
}

// named is routeWord for what has a word that is no number, or none.
func (r *routeWords) named(w *words, k string) error {
	if slices.Contains(routeFlags, k) {
		return nil
	}
	if k != "table" && k != "src" && k != "nhid" && !slices.Contains(ignored, k) {
		return fmt.Errorf("%q: want via, dev, metric, src, table, tos, mtu or nexthop", k)
	}
	v, err := w.arg(k)
	if err != nil {
		return err
	}
	switch k {
	case "table":
		r.table, err = parseTable(v)
	case "nhid":
		r.object = v
	case "src":
		var family uint8
		if r.src, family, err = parseAddr(v); err != nil {
			return err
		}
		if r.family == 0 {
			r.family = family
		}
		if family != r.family {
			return fmt.Errorf("src %q: not of the route's family", v)
		}
		r.hasSrc = true
	default:
		if v == "lock" { // a metric that may not be learnt
			w.next()
		}
	}
	return err
}

// nextHop reads what stands behind nexthop.
func (p *parser) nextHop(w *words) (h hop, err error) {
	h = hop{link: -1, weight: 1}
	for w.more() && w.all[w.at] != "nexthop" {
		switch k := w.next(); k {
		case "via", "dev":
			if err := p.hopWord(w, k, &h); err != nil {
				return h, err
			}
		case "weight":
			v, err := w.arg(k)
			if err != nil {
				return h, err
			}
			if h.weight, err = number(v, 256); err != nil || h.weight == 0 {
				return h, fmt.Errorf("%q: want a weight from 1 to 256", v)
			}
		case "onlink", "linkdown", "dead", "pervasive", "offload", "trap", "unresolved":
		case "realm", "realms":
			w.next()
		case "encap":
			return h, fmt.Errorf("%q: not supported", k)
		default:
			return h, fmt.Errorf("%q: want via, dev or weight", k)
		}
	}
	return h, nil
}

// complete checks a route as a whole and puts in what it left out.
func (r *routeWords) complete() error {
	switch {
	case len(r.hops) > 0 && r.one.said():
		return fmt.Errorf("both a next hop and nexthops")
	case len(r.hops) == 0 && r.typ <= local:
		r.one.weight = 1
		r.hops = []hop{r.one}
	case r.typ > local && (len(r.hops) > 0 || r.one.viaFam != 0):
		return fmt.Errorf("a %s route has no next hop", typeNames[r.typ])
	}
	for i := range r.hops {
		h := &r.hops[i]
		if r.wide && r.family == 0 && h.viaFam != 0 {
			if r.family = h.viaFam; h.foreign {
				r.family = afInet // the one family whose routes take gateways of another
			}
		}
	}
	if r.family == 0 {
		r.family = afInet
	}
	if r.family == afInet6 && (!r.metric || r.route.metric == 0) {
		r.route.metric = 1024 // IP6_RT_PRIO_USER
		if r.table == tableLocal {
			r.route.metric = 0
		}
	}
	return nil
}

// routeKey is what the kernel tells routes of a table apart by.
type routeKey struct {
	family uint8
	dst    prefix
	table  uint32
	metric uint32
	tos    uint8
}

// add puts a route in, or in place of the one an address brought: it was
// pasted from `ip route show`.
func (p *parser) add(r route) error {
	k := routeKey{r.family, r.dst, r.table, r.metric, r.tos}
	for _, i := range p.have[k] {
		o := &p.t.all[i]
		if o.auto {
			if !r.hasSrc {
				r.src, r.hasSrc = o.src, o.hasSrc
			}
			*o = r
			return nil
		}
		if r.family == afInet || len(r.hops) == 0 || len(o.hops) == 0 || r.hops[0].link == o.hops[0].link {
			return fmt.Errorf("line %d has this route already", o.line)
		}
	}
	p.have[k] = append(p.have[k], len(p.t.all))
	p.t.all = append(p.t.all, r)
	return nil
}

func (p *parser) hopWord(w *words, k string, h *hop) (err error) {
	if k == "dev" {
		h.link, err = p.dev(w)
		return err
	}
	v, err := w.arg(k)
	if err != nil {
		return err
	}
	if v == "inet6" || v == "inet" {
		h.foreign = v == "inet6"
		if v, err = w.arg(v); err != nil {
			return err
		}
	}
	h.via, h.viaFam, err = parseAddr(v)
	return err
}

// finish checks a hop and finds the link that was left out.
func (p *parser) finish(r *route, h *hop) error {
	if r.family == afInet6 && h.viaFam == afInet {
		return fmt.Errorf("an IPv6 route by an IPv4 gateway")
	}
	if h.link >= 0 {
		return nil
	}
	if h.viaFam == 0 {
		return fmt.Errorf("want via or dev")
	}
	for i := range p.t.links {
		for _, a := range p.t.links[i].addrs {
			if a.family == h.viaFam && a.net.has(h.via) {
				h.link = i
				return nil
			}
		}
	}
	return fmt.Errorf("no link has the gateway in its network: say dev")
}

func (p *parser) neigh(w *words) error {
	w.familyWord()
	a, family, err := parseAddr(w.next())
	if err != nil {
		return err
	}
	at := -1
	var ll [6]byte
	have, valid := false, true
	for w.more() {
		switch k := w.next(); k {
		case "dev":
			if at, err = p.dev(w); err != nil {
				return err
			}
		case "lladdr":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if ll, err = mac(v); err != nil {
				return err
			}
			have = true
		case "nud":
			k = w.next()
			fallthrough
		default:
			switch strings.ToLower(k) {
			case "permanent", "noarp", "reachable", "stale", "probe", "delay":
			case "failed", "incomplete", "none":
				valid = false // not NUD_VALID
			case "router", "proxy", "extern_learn":
			default:
				return fmt.Errorf("%q: want dev, lladdr or a state", k)
			}
		}
	}
	switch {
	case at < 0:
		return fmt.Errorf("want dev and a link's name")
	case !valid:
		return nil
	case !have:
		return fmt.Errorf("want lladdr and a MAC address")
	}
	p.t.neighs[neighKey{a, family, int32(at)}] = ll
	return nil
}

// ruleWords is a rule while its line is read.
type ruleWords struct {
	rule
	said  bool // its family
	acted bool // what it does
}

func (p *parser) rule(w *words) error {
	u := ruleWords{rule: rule{family: w.familyWord(), pref: 1 << 31}}
	u.said = u.family != 0
	if w.more() && strings.HasSuffix(w.all[w.at], ":") {
		// As `ip rule show` prints it.
		v, err := number(strings.TrimSuffix(w.next(), ":"), 1<<32-1)
		if err != nil {
			return err
		}
		u.pref = v
	}
	for w.more() {
		if err := p.ruleWord(w, w.next(), &u); err != nil {
			return err
		}
	}
	if !u.acted {
		return fmt.Errorf("want lookup and a table, blackhole, unreachable or prohibit")
	}
	for i, family := range []uint8{afInet, afInet6} {
		if u.said && family != u.family {
			continue
		}
		v := u.rule
		v.family = family
		if standing(&v) {
			continue
		}
		if v.pref == 1<<31 { // before those there are, as `ip rule add` does
			v.pref = 32765
			for _, o := range p.t.rules[i] {
				v.pref = min(v.pref, o.pref-1)
			}
		}
		p.t.rules[i] = append(p.t.rules[i], v)
		p.t.custom[i] = true
	}
	return nil
}

// ruleWord reads word k of a rule and what belongs to it.
func (p *parser) ruleWord(w *words, k string, u *ruleWords) error {
	switch k {
	case "blackhole", "unreachable", "prohibit":
		u.action, u.acted = routeTypes[k], true
		return nil
	}
	v, err := w.arg(k)
	if err != nil {
		return err
	}
	switch k {
	case "pref", "priority", "preference", "order":
		u.pref, err = number(v, 1<<32-1)
	case "from", "to":
		if v != "all" && v != "any" {
			err = u.end(k, v)
		}
	case "iif", "oif", "dev":
		i, ok := p.byName[v]
		if !ok {
			return fmt.Errorf("no link %q", v)
		}
		if k == "oif" {
			u.oif = p.t.links[i].index
		} else {
			u.iif = p.t.links[i].index
		}
	case "fwmark":
		m, mask, hasMask := strings.Cut(v, "/")
		if u.mark, err = number(m, 1<<32-1); err != nil {
			return err
		}
		if u.mask = 1<<32 - 1; hasMask {
			u.mask, err = number(mask, 1<<32-1)
		}
	case "tos", "dsfield":
		var x uint32
		x, err = number(v, 255)
		u.tos = uint8(x)
	case "lookup", "table":
		u.table, err = parseTable(v)
		u.acted = true
	case "proto", "protocol":
	default:
		return fmt.Errorf("%q: want pref, from, to, iif, oif, fwmark, tos or lookup", k)
	}
	return err
}

// end is where packets of a rule come from, or go to.
func (u *ruleWords) end(k, v string) error {
	net, err := prefixOf(v, &u.family, "rule's family")
	if err != nil {
		return err
	}
	u.said = true
	if k == "from" {
		u.from, u.hasFrom = net, net.bits > 0
	} else {
		u.to, u.hasTo = net, net.bits > 0
	}
	return nil
}

// standing says whether a rule is one of those every namespace has.
func standing(u *rule) bool {
	plain := !u.hasFrom && !u.hasTo && u.iif == 0 && u.oif == 0 && u.mask == 0 && u.tos == 0 && u.action == unicast
	return plain && (u.pref == 0 && u.table == tableLocal || u.pref == 32766 && u.table == tableMain ||
		u.pref == 32767 && u.table == tableDefault)
}

// standingRules puts the rules every namespace has beside one's own.
func (p *parser) standingRules() {
	for i, family := range []uint8{afInet, afInet6} {
		if !p.t.custom[i] {
			continue
		}
		all := []rule{{family: family, pref: 0, table: tableLocal}}
		all = append(all, p.t.rules[i]...)
		all = append(all, rule{family: family, pref: 32766, table: tableMain})
		if family == afInet {
			all = append(all, rule{family: family, pref: 32767, table: tableDefault})
		}
		p.t.rules[i] = all
	}
}
