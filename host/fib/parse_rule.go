package fib

import (
	"fmt"
	"strings"
)

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
