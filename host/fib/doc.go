// Package fib answers bpf_fib_lookup from a routing table in a file, as the
// kernel answers it from its own (net/core/filter.c, bpf_ipv4_fib_lookup and
// bpf_ipv6_fib_lookup of Linux 6.18).
//
// The file speaks iproute2's words, one thing a line:
//
//	forwarding on                  # of all links, unless the link says otherwise; on when not said
//	link 2 eth0 address 02:00:00:00:00:02 mtu 1500
//	link 3 eth1 address 02:00:00:00:00:03 forwarding off
//	address 10.0.0.1/24 dev eth0   # brings its local, connected and broadcast routes
//	route 192.0.2.0/24 via 10.0.0.254 dev eth0 metric 100 src 10.0.0.1 mtu lock 1400
//	route default via fe80::1 dev eth0
//	route blackhole 198.51.100.0/24
//	route 203.0.113.0/24 nexthop via 10.0.0.2 dev eth0 weight 1 nexthop via 10.0.0.3 dev eth0 weight 2
//	route 10.9.0.0/16 dev eth1 table 100
//	neigh 10.0.0.254 dev eth0 lladdr 02:00:00:00:00:fe
//	rule pref 100 fwmark 0x1/0xff lookup 100
//
// What `ip link`, `ip addr`, `ip route show table all`, `ip neigh`, `ip rule` and
// `ip nexthop` print is taken as it is, with -o, with -j and with neither, one
// after the other in any order: links of several lines, nexthops on lines of
// their own, routes of FRR with the number of a nexthop object. Routes that an
// address brings and that are printed too stand once.
//
// Where the address family doesn't show, -4 or -6 after the first word says
// it. Words that change nothing here (proto, scope of a route, onlink, pref of
// a route, dead, linkdown, …) are read over. The loopback link 1, lo, is there
// without being named. With no file there is nothing else, and forwarding is
// off: a fresh network namespace.
//
// It is exact but for three things. Which next hop of a multipath route is
// taken depends in the kernel on a secret drawn at boot; here it is a fixed
// hash of the addresses. Source addresses for IPv6 (BPF_FIB_LOOKUP_SRC) follow
// RFC 6724 in scope, interface and common prefix only. VRFs and lightweight
// tunnels are not known: they are refused.
package fib
