package fib

import (
	"fmt"
	"strings"
)

// object is a nexthop object, as `ip nexthop` prints it:
//
//	id 12 via 10.1.0.1 dev eth0 scope link
//	id 20 group 12/13,3
//	id 30 blackhole
func (p *parser) object(w *words) error {
	id := w.next()
	if _, dup := p.objects[id]; dup {
		return fmt.Errorf("id %s twice", id)
	}
	h := hop{link: -1, weight: 1}
	var hops []hop
	for w.more() {
		switch k := w.next(); k {
		case "via", "dev":
			if err := p.hopWord(w, k, &h); err != nil {
				return err
			}
		case "group":
			v, err := w.arg(k)
			if err != nil {
				return err
			}
			if hops, err = p.group(v); err != nil {
				return err
			}
		case "blackhole":
			p.objects[id] = nil
			return nil
		case "scope", "proto", "protocol", "type":
			w.next()
		case "onlink", "linkdown", "dead", "fdb", "offload", "trap":
		default:
			return fmt.Errorf("%q: want via, dev, group or blackhole", k)
		}
	}
	if hops == nil {
		hops = []hop{h}
	}
	p.objects[id] = hops
	return nil
}

// group is 12/13,3: identifiers, each perhaps with a weight.
func (p *parser) group(s string) ([]hop, error) {
	var out []hop
	for _, one := range strings.Split(s, "/") {
		id, weight, weighted := strings.Cut(one, ",")
		hops, ok := p.objects[id]
		if !ok || len(hops) != 1 {
			return nil, fmt.Errorf("group %s: no nexthop %s before it", s, id)
		}
		h := hops[0]
		if weighted {
			var err error
			if h.weight, err = number(weight, 65536); err != nil {
				return nil, err
			}
		}
		out = append(out, h)
	}
	return out, nil
}

// resolve gives a route that names a nexthop object and no hop of its own the
// object's.
func (p *parser) resolve(r *route, id string) error {
	hops, ok := p.objects[id]
	if !ok {
		return fmt.Errorf("nhid %s: neither via nor dev stands on the line, nor is there a line of `ip nexthop` for it", id)
	}
	if hops == nil {
		r.typ = blackhole
	}
	r.hops = append(r.hops, hops...)
	return nil
}
