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
//	ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp pim vrrp carp ah esp
//	atalk aarp decnet lat sca moprc mopdl iso clnp esis isis l1 l2 iih lsp snp csnp psnp stp ipx netbeui
//	llc [i|s|u|rr|rnr|rej|ui|ua|disc|sabme|test|xid|frmr]
//	vlan [ID]  mpls [LABEL]  pppoed  pppoes [SESSION]  geneve [VNI]  vxlan [VNI]
//	less N  greater N
//	ARITH RELOP ARITH                            with len, PROTO[ARITH[:SIZE]], numbers and + - * / % & | ^ << >>
//
// Addresses may be short ("net 10", "host 10.1") or one number ("host
// 0x0a000001"). "mpls", "pppoes", "geneve" and "vxlan" shift the offsets of what
// stands to their right as "vlan" does. A Wireshark display filter is refused
// with the words that say the same here.
//
// Not there: names that need a resolver, protochain, wireless, ATM and pflog
// primitives; each is an error that names the column. libpcap's own slips are
// kept, as counts are compared with tcpdump's: in "ip[2:2] - tcp[0]" only the
// left operand's protocol is asked for.
//
// An expression compiles to a flat list of compare-and-branch instructions
// that only jump forward, computed operands to a list of steps on a stack;
// matching allocates nothing.
package filter
