package text

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// protoNames are protocol numbers (IANA) as people call them.
var protoNames = map[uint64]string{0: "hop-by-hop", 1: "ICMP", 2: "IGMP", 4: "IP-in-IP", 6: "TCP", 17: "UDP", 41: "IPv6", 43: "routing", 44: "fragment",
	47: "GRE", 50: "ESP", 51: "AH", 58: "ICMPv6", 59: "none", 60: "destination options", 132: "SCTP"}

// etherNames are EtherTypes (IEEE 802 numbers, IANA).
var etherNames = map[uint64]string{0x0800: "IPv4", 0x0806: "ARP", 0x8100: "VLAN", 0x88a8: "QinQ", 0x86dd: "IPv6"}

// tcpFlags are the bits of tcp.flags, the lowest first (RFC 9293).
var tcpFlags = [8]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"}

// ValueName is what people call a value of a header field: TCP for ip.proto and 6.
// What has no name is as it was.
func ValueName(field, value string) string {
	k, err := strconv.ParseUint(value, 0, 64)
	if err != nil {
		return value
	}
	header, name, _ := strings.Cut(field, ".")
	header, _, _ = strings.Cut(header, "_")
	var is string
	switch {
	case header == "ip" && name == "proto", name == "next":
		is = protoNames[k]
	case (header == "eth" || header == "vlan" || header == "gre") && name == "type":
		is = etherNames[k]
	}
	if is == "" {
		return value
	}
	return is
}

// MaskName is what people call bits of a header field: SYN for tcp.flags and 2.
func MaskName(field string, mask uint64) string {
	header, name, _ := strings.Cut(field, ".")
	header, _, _ = strings.Cut(header, "_")
	field = header + "." + name
	if field == "tcp.flags" && mask != 0 && mask < 256 {
		var out []string
		for m := mask; m != 0; m &= m - 1 {
			out = append(out, tcpFlags[bits.TrailingZeros64(m)])
		}
		return strings.Join(out, "|")
	}
	if is, ok := parts[field][mask]; ok {
		return is
	}
	return fmt.Sprintf("%#x", mask)
}

// parts names bits of fields that hold several things (RFC 791 3.1, RFC 8200 4.5, IEEE
// 802.1Q 9.6).
var parts = map[string]map[uint64]string{
	"ip.frag":  {0x1fff: "offset", 0x2000: "MF", 0x3fff: "MF|offset", 0x4000: "DF"},
	"frag.off": {0xfff8: "offset", 1: "M", 0xfff9: "M|offset"},
	"vlan.tci": {0xfff: "VID", 0xe000: "PCP", 0x1000: "DEI"},
}
