// Package filter chooses packets by tcpdump's expressions, without libpcap.
//
// The language is the part of pcap-filter(7) that fits Ethernet captures, with
// its meanings down to the odd ones: "and" and "or" have the same precedence
// and group from the left, "not" binds tightest; an id without qualifiers
// takes those of the one before ("port 80 or 443"); "vlan" shifts the offsets
// of everything to the right of it; transport protocols are looked for right
// behind an IPv6 header or a fragment header; ports of IPv4 fragments other than
// the first don't match; and a packet too short for a field that is looked at
// does not match, whatever stands around it.
//
//	host A, net N[/len], net N mask M            with [ip|arp|rarp|ip6] [src|dst|src or dst|src and dst]
//	port P, portrange P-Q                        with [tcp|udp|sctp] and a direction
//	ether host|src|dst M, ether proto P          ether broadcast, ether multicast
//	ip proto P, ip6 proto P, proto P             ip multicast, ip6 multicast
//	ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp pim vrrp ah esp
//	vlan [ID]  less N  greater N
//	PROTO[OFF[:SIZE]] [& MASK] RELOP VALUE       len RELOP VALUE
//
// Not there: names that need a resolver, protochain, MPLS, PPPoE, wireless and
// pflog primitives, and arithmetic beyond a mask; each is an error that names
// the column.
//
// An expression compiles to a flat list of compare-and-branch instructions
// that only jump forward; matching neither allocates nor calls.
package filter
