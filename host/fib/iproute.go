package fib

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// reader turns a file into lines of one grammar: the package's own words, what
// iproute2 prints, and its JSON.
type reader struct {
	lines []words
	route int    // line that nexthops are added to, -1 none
	link  int    // line of the pasted link that details are added to, -1 none
	dev   string // its name
}

// own are the words that begin a line of the package's own grammar.
var own = []string{"forwarding", "link", "address", "addr", "route", "neigh", "neighbor", "neighbour", "rule", "nexthop"}

// states are the neighbour states as `ip neigh` prints them, in capitals.
var states = []string{"PERMANENT", "NOARP", "REACHABLE", "STALE", "PROBE", "DELAY", "FAILED", "INCOMPLETE", "NONE"}

// read splits a file. The error's line is 0 where the message has it.
func (r *reader) read(b []byte) (line int, err error) {
	r.route, r.link = -1, -1
	for n := 1; len(b) > 0; n++ {
		if t := bytes.TrimLeft(b, " \t\r"); len(t) > 0 && (t[0] == '[' || t[0] == '{') {
			used, err := r.json(t, n)
			if err != nil {
				return n, err
			}
			n += bytes.Count(t[:used], []byte("\n"))
			b = t[used:]
			if rest, _, _ := bytes.Cut(b, []byte("\n")); len(bytes.TrimSpace(rest)) > 0 {
				n-- // more on the same line
				continue
			}
		}
		text, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		plain, _, _ := strings.Cut(string(text), "#")
		for i, part := range strings.Split(plain, "\\") { // `ip -o` folds lines
			if err := r.line(part, i > 0, n); err != nil {
				return n, err
			}
		}
	}
	return 0, nil
}

// line takes one line; folded says that it stood behind another.
func (r *reader) line(text string, folded bool, n int) error {
	all := strings.Fields(text)
	if len(all) == 0 {
		return nil
	}
	indented := folded || text[0] == ' ' || text[0] == '\t'
	first := all[0]
	switch {
	case first == "nexthop":
		if r.route < 0 {
			return fmt.Errorf("nexthop: no route stands before it")
		}
		r.lines[r.route].all = append(r.lines[r.route].all, all...)
	case first == "nh_info", first == "valid_lft":
	case strings.HasPrefix(first, "link/"):
		return r.linkAddress(all)
	case first == "inet" || first == "inet6":
		if r.dev == "" {
			return fmt.Errorf("%s: no link stands before it", first)
		}
		r.inet(all, n)
	case slices.Contains(own, first):
		r.add(all, n, false)
	case r.link >= 0 && indented: // a link's details, which no lookup depends on
	case strings.HasSuffix(first, ":") && len(all) > 1:
		return r.numbered(all, n)
	case first == "id" && len(all) > 2:
		r.add(append([]string{"object"}, all[1:]...), n, true)
	case isNeigh(all):
		r.add(append([]string{"neigh"}, all...), n, true)
	case isRoute(all):
		r.add(append([]string{"route"}, all...), n, true)
	default:
		return fmt.Errorf("%s: want forwarding, link, address, route, neigh or rule, or a line as ip(8) prints it", first)
	}
	return nil
}

func (r *reader) add(all []string, n int, pasted bool) {
	r.route, r.link = -1, -1
	switch all[0] {
	case "route":
		r.route = len(r.lines)
	case "link":
		if pasted {
			r.link = len(r.lines)
		}
	}
	r.lines = append(r.lines, words{all: all, line: n, pasted: pasted})
}

// numbered takes the lines of `ip link`, `ip -o addr` and `ip rule`.
func (r *reader) numbered(all []string, n int) error {
	name, _, _ := strings.Cut(strings.TrimSuffix(all[1], ":"), "@")
	switch {
	case len(all) > 2 && (all[2] == "inet" || all[2] == "inet6"):
		r.dev = name
		r.add([]string{"link", all[0], name}, n, true)
		r.inet(all[2:], n)
		return nil
	case strings.HasSuffix(all[1], ":"):
		r.pasteLink(all[0], name, all[2:], n)
		return nil
	}
	r.add(append([]string{"rule"}, all...), n, true)
	return nil
}

// pasteLink is `2: eth0@if3: <BROADCAST,UP> mtu 1500 …`.
func (r *reader) pasteLink(index, name string, rest []string, n int) {
	out := []string{"link", index, name}
	for i, w := range rest {
		switch {
		case strings.HasPrefix(w, "<"):
			out = append(out, upOrDown(strings.Split(strings.Trim(w, "<>"), ",")))
		case w == "mtu" && i+1 < len(rest):
			out = append(out, "mtu", rest[i+1])
		}
	}
	r.dev = name
	r.add(out, n, true)
}

func upOrDown(flags []string) string {
	if slices.Contains(flags, "UP") {
		return "up"
	}
	return "down"
}

// linkAddress is `link/ether 02:… brd …` behind a link; other kinds of links
// have no MAC address.
func (r *reader) linkAddress(all []string) error {
	if r.link < 0 {
		return fmt.Errorf("%s: no link stands before it", all[0])
	}
	if len(all) > 1 && (all[0] == "link/ether" || all[0] == "link/loopback") {
		l := &r.lines[r.link]
		l.all = append(l.all, "address", all[1])
	}
	return nil
}

// inet is `inet 10.0.0.1/24 brd 10.0.0.255 scope global dynamic eth0`: the last
// word may be a label.
func (r *reader) inet(all []string, n int) {
	link := r.link
	out := append([]string{"address"}, all[1:]...)
	if label := out[len(out)-1]; len(out) > 2 && (label == r.dev || strings.HasPrefix(label, r.dev+":")) {
		out = out[:len(out)-1]
	}
	r.add(append(out, "dev", r.dev), n, true)
	r.link = link // its details go on
}

// isNeigh tells `ip neigh`'s lines from `ip route`'s: only they have a link
// layer address or a state.
func isNeigh(all []string) bool {
	if _, err := netip.ParseAddr(all[0]); err != nil {
		return false
	}
	return slices.Contains(all, "lladdr") || slices.Contains(states, all[len(all)-1])
}

func isRoute(all []string) bool {
	dst := all[0]
	if _, ok := routeTypes[dst]; ok && len(all) > 1 {
		dst = all[1]
	}
	if dst == "default" {
		return true
	}
	_, _, _, err := parsePrefix(dst)
	return err == nil
}
