package fib

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// json takes one JSON value of `ip -j`, a list of objects or one, and returns
// how many bytes it had. n is the line it begins in.
func (r *reader) json(b []byte, n int) (used int, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return 0, fmt.Errorf("not JSON: %w", err)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for i, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			return 0, fmt.Errorf("item %d of the JSON list: want an object as ip -j prints it", i+1)
		}
		if len(o) == 0 {
			continue // some versions of ip print them
		}
		if err := r.object(object(o), n); err != nil {
			return 0, fmt.Errorf("item %d of the JSON list: %w", i+1, err)
		}
	}
	return int(d.InputOffset()), nil
}

// object is one object of `ip -j`.
type object map[string]any

func (o object) text(key string) string {
	switch v := o[key].(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

func (o object) has(key string) bool { _, ok := o[key]; return ok }

// list are the strings of a list.
func (o object) list(key string) []string {
	var out []string
	l, _ := o[key].([]any)
	for _, v := range l {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// objects are the objects of a list.
func (o object) objects(key string) []object {
	var out []object
	l, _ := o[key].([]any)
	for _, v := range l {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// object makes lines of an object by what it has.
func (r *reader) object(o object, n int) error {
	switch {
	case o.has("ifname"):
		r.jsonLink(o, n)
	case o.has("dst") && (o.has("lladdr") || o.has("state")):
		out := []string{"neigh", o.text("dst"), "dev", o.text("dev")}
		if o.has("lladdr") {
			out = append(out, "lladdr", o.text("lladdr"))
		}
		r.add(append(out, o.list("state")...), n, true)
	case o.has("dst"):
		return r.jsonRoute(o, n)
	case o.has("priority"):
		return r.jsonRule(o, n)
	case o.has("id"):
		r.jsonNexthop(o, n)
	default:
		return fmt.Errorf("neither a link, an address, a route, a neighbour, a rule nor a nexthop: it has %s", strings.Join(slices.Sorted(maps.Keys(o)), ", "))
	}
	return nil
}

func (r *reader) jsonLink(o object, n int) {
	out := []string{"link", o.text("ifindex"), o.text("ifname"), upOrDown(o.list("flags"))}
	if o.has("mtu") {
		out = append(out, "mtu", o.text("mtu"))
	}
	if t := o.text("link_type"); t == "ether" || t == "loopback" {
		out = append(out, "address", o.text("address"))
	}
	r.add(out, n, true)
	r.link = -1 // it has all its details
	for _, a := range o.objects("addr_info") {
		if !a.has("local") {
			continue
		}
		own, peer := a.text("local"), a.text("address")
		out := []string{"address", own + "/" + a.text("prefixlen")}
		if peer != "" {
			out = []string{"address", own, "peer", peer + "/" + a.text("prefixlen")}
		}
		out = append(out, "dev", o.text("ifname"))
		for _, k := range []string{"scope", "metric"} {
			if a.has(k) {
				out = append(out, k, a.text(k))
			}
		}
		for _, k := range []string{"secondary", "noprefixroute"} {
			if a[k] == true {
				out = append(out, k)
			}
		}
		r.add(out, n, true)
	}
}

// jsonHop are the words of a next hop.
func jsonHop(o object) []string {
	var out []string
	if g := o.text("gateway"); g != "" {
		out = append(out, "via", g)
	}
	if v, ok := o["via"].(map[string]any); ok { // of another family than the route
		out = append(out, "via", object(v).text("family"), object(v).text("host"))
	}
	if d := o.text("dev"); d != "" {
		out = append(out, "dev", d)
	}
	return out
}

// jsonRouteWords are a route's members that have a word with one argument.
var jsonRouteWords = [][2]string{
	{"nhid", "nhid"}, {"table", "table"}, {"metric", "metric"}, {"prefsrc", "src"}, {"tos", "tos"}, {"pref", "pref"},
	{"protocol", "proto"}, {"scope", "scope"}, {"encap", "encap"},
}

func (r *reader) jsonRoute(o object, n int) error {
	out := []string{"route"}
	if t := o.text("type"); t != "" {
		if _, ok := routeTypes[t]; !ok {
			return fmt.Errorf("a route of type %q", t)
		}
		out = append(out, t)
	}
	out = append(out, o.text("dst"))
	for _, w := range jsonRouteWords {
		if o.has(w[0]) {
			out = append(out, w[1], o.text(w[0]))
		}
	}
	for _, m := range o.objects("metrics") {
		if m.has("mtu") {
			out = append(out, "mtu")
			if slices.Contains(o.list("lock"), "mtu") || slices.Contains(m.list("lock"), "mtu") {
				out = append(out, "lock")
			}
			out = append(out, m.text("mtu"))
		}
	}
	out = append(out, jsonHop(o)...)
	for _, h := range o.objects("nexthops") {
		out = append(append(out, "nexthop"), jsonHop(h)...)
		if h.has("weight") {
			out = append(out, "weight", h.text("weight"))
		}
	}
	r.add(out, n, true)
	return nil
}

// jsonRuleWords are a rule's members by their words.
var jsonRuleWords = [][2]string{{"iif", "iif"}, {"oif", "oif"}, {"tos", "tos"}, {"table", "lookup"}}

func (r *reader) jsonRule(o object, n int) error {
	out := []string{"rule", o.text("priority") + ":"}
	for _, k := range [][3]string{{"src", "from", "srclen"}, {"dst", "to", "dstlen"}} {
		if !o.has(k[0]) {
			continue
		}
		v := o.text(k[0])
		if o.has(k[2]) {
			v += "/" + o.text(k[2])
		}
		out = append(out, k[1], v)
	}
	if o.has("fwmark") {
		v := o.text("fwmark")
		if o.has("fwmask") {
			v += "/" + o.text("fwmask")
		}
		out = append(out, "fwmark", v)
	}
	for _, k := range jsonRuleWords {
		if o.has(k[0]) {
			out = append(out, k[1], o.text(k[0]))
		}
	}
	if a := o.text("action"); a != "" {
		out = append(out, a)
	}
	for _, k := range []string{"not", "l3mdev", "suppress_prefixlen", "uid_start", "ipproto", "sport", "dport", "tun_id"} {
		if o.has(k) {
			return fmt.Errorf("a rule with %q", k)
		}
	}
	r.add(out, n, true)
	return nil
}

func (r *reader) jsonNexthop(o object, n int) {
	out := append([]string{"object", o.text("id")}, jsonHop(o)...)
	if o.has("blackhole") {
		out = append(out, "blackhole")
	}
	var group []string
	for _, m := range o.objects("group") {
		one := m.text("id")
		if m.has("weight") {
			one += "," + m.text("weight")
		}
		group = append(group, one)
	}
	if group != nil {
		out = append(out, "group", strings.Join(group, "/"))
	}
	r.add(out, n, true)
}
