package fib

import (
	"fmt"
	"slices"
)

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
