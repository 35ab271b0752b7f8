package filter

import (
	"fmt"
	"regexp"
	"strings"
)

// displayWords are fields of Wireshark's display filters, with the words of
// this language that ask the same of a value; %s is the value.
var displayWords = map[string]string{
	"ip.addr": "host %s", "ip.src": "src host %s", "ip.dst": "dst host %s", "ip.host": "host %s",
	"ipv6.addr": "host %s", "ipv6.src": "src host %s", "ipv6.dst": "dst host %s",
	"eth.addr": "ether host %s", "eth.src": "ether src %s", "eth.dst": "ether dst %s", "eth.type": "ether proto %s",
	"tcp.port": "tcp port %s", "tcp.srcport": "tcp src port %s", "tcp.dstport": "tcp dst port %s",
	"udp.port": "udp port %s", "udp.srcport": "udp src port %s", "udp.dstport": "udp dst port %s",
	"sctp.port": "sctp port %s", "ip.proto": "ip proto %s", "ipv6.nxt": "ip6 proto %s", "vlan.id": "vlan %s",
	"icmp.type": "icmp[icmptype] == %s", "icmp.code": "icmp[icmpcode] == %s", "icmpv6.type": "icmp6[icmp6type] == %s",
	"ip.ttl": "ip[8] == %s", "ip.len": "ip[2:2] == %s", "ip.tos": "ip[1] == %s", "tcp.flags": "tcp[tcpflags] == %s",
	"mpls.label": "mpls %s", "vxlan.vni": "vxlan %s", "geneve.vni": "geneve %s", "pppoe.session_id": "pppoes %s",
	"arp.opcode": "arp[6:2] == %s", "frame.len": "len == %s",
}

// displayFlags are fields that are true or false.
var displayFlags = map[string]string{
	"tcp.flags.syn": "tcp[tcpflags] & tcp-syn", "tcp.flags.ack": "tcp[tcpflags] & tcp-ack", "tcp.flags.fin": "tcp[tcpflags] & tcp-fin",
	"tcp.flags.reset": "tcp[tcpflags] & tcp-rst", "tcp.flags.push": "tcp[tcpflags] & tcp-push", "tcp.flags.urg": "tcp[tcpflags] & tcp-urg",
	"ip.flags.df": "ip[6] & 0x40", "ip.flags.mf": "ip[6] & 0x20",
}

// displayNames are protocols that display filters name and this language has no
// word for.
var displayNames = map[string]string{
	"dns": "port 53", "mdns": "udp port 5353", "http": "tcp port 80", "tls": "tcp port 443", "ssl": "tcp port 443", "ssh": "tcp port 22",
	"ntp": "udp port 123", "dhcp": "udp port 67 or udp port 68", "bootp": "udp port 67 or udp port 68", "snmp": "udp port 161", "quic": "udp port 443",
	"bgp": "tcp port 179", "smb": "tcp port 445", "smb2": "tcp port 445", "ipv6": "ip6", "icmpv6": "icmp6", "eth": "ether", "lldp": "ether proto 0x88cc",
	"ospf": "ip proto 89", "gre": "ip proto 47", "sip": "udp port 5060", "rtp": "udp", "ftp": "tcp port 21", "telnet": "tcp port 23", "smtp": "tcp port 25",
}

var (
	displayTest  = regexp.MustCompile(`([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+)(?:\s*(==|!=|>=|<=|>|<|\beq\b|\bne\b|\bgt\b|\blt\b|\bge\b|\ble\b|\bcontains\b|\bmatches\b|\bin\b)\s*("[^"]*"|\{[^}]*\}|[^\s()]+))?`)
	displayName  = regexp.MustCompile(`\b[a-z][a-z0-9]*\b`)
	displayWord  = map[string]string{"eq": "==", "ne": "!=", "gt": ">", "lt": "<", "ge": ">=", "le": "<="}
	displayField = regexp.MustCompile(`\b(ip|ipv6|eth|tcp|udp|sctp|frame|icmp|icmpv6|arp|vlan|dns|http|tls|mpls|vxlan|geneve|pppoe|gre|ssl|quic|dhcp|bootp)\.[a-z]`)
)

// displayFilter answers a Wireshark display filter with the words to use, where
// expr is one: another language, which is taken for this one every day.
func displayFilter(expr string, err *Error) *Error {
	name := strings.TrimSpace(expr)
	words, ok := displayNames[name]
	if !ok && !displayField.MatchString(expr) {
		return err
	}
	whole := true
	if !ok {
		words, whole = translate(expr)
	}
	msg := "a Wireshark display filter, which is another language"
	if words != "" {
		msg += fmt.Sprintf(": say %q", words)
	}
	if !whole {
		msg += " (not all of it has words here)"
	}
	return &Error{Expr: err.Expr, Column: 1, Msg: msg}
}

// translate puts comparisons of known fields into this language's words; whole
// says that it knew all of them.
func translate(expr string) (words string, whole bool) {
	whole = true
	out := displayTest.ReplaceAllStringFunc(expr, func(s string) string {
		m := displayTest.FindStringSubmatch(s)
		w, ok := one(m[1], m[2], m[3])
		if !ok {
			whole = false
			return s
		}
		return w
	})
	out = displayName.ReplaceAllStringFunc(out, func(s string) string {
		if w, ok := displayNames[s]; ok && !strings.Contains(out, s+".") {
			return w
		}
		return s
	})
	if _, err := compile(out); err != nil || !whole {
		return "", false
	}
	return out, true
}

// one is one comparison.
func one(field, op, value string) (string, bool) {
	if w, ok := displayWord[op]; ok {
		op = w
	}
	value = strings.Trim(value, `"`)
	if flag, ok := displayFlags[field]; ok {
		set := op == "" || (op == "==") == (value == "1" || strings.EqualFold(value, "true"))
		if set {
			return flag + " != 0", true
		}
		return flag + " == 0", true
	}
	w, ok := displayWords[field]
	if !ok {
		return "", false
	}
	if strings.Contains(value, "/") {
		w = strings.Replace(w, "host", "net", 1)
	}
	computed := strings.Contains(w, "== %s")
	switch {
	case op == "==":
		return fmt.Sprintf(w, value), true
	case op == "!=" && !computed:
		return "not " + fmt.Sprintf(w, value), true
	case computed && (op == "!=" || op == ">" || op == "<" || op == ">=" || op == "<="):
		return fmt.Sprintf(strings.Replace(w, "==", op, 1), value), true
	}
	return "", false
}
