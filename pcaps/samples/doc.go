// Package samples holds captures that this project recorded itself: real
// clients and servers (curl and nginx, dig and dnsmasq, iperf3, ssh, ping, and
// a few talkers of peers.py) in network namespaces of one Linux machine,
// joined by veth pairs with all offloads off, so that the frames are those of
// a wire. They are embedded in the binary: a path "sample:lab" opens one
// anywhere, `jitnic samples` lists them.
//
// record.sh draws the lab and records all of them again in half a minute
// (root needed). The same packets don't come again, as clocks, ports and
// sequence numbers differ, but traffic of the same kinds does; the counts in
// List then have to follow what it prints.
//
//	lan    clients: 10/8, 192.168.1/24, fd00:0:0:1::/64, guests 10.99/16 ---+
//	vlans  802.1Q 10 and 20, 802.1ad 100 with 30 in it --------------------- router
//	dmz    servers: 192.0.2.0/24, fd00::/64 --------------------------------+  |
//	net    the world: 203.0.113/24, 198.51.100/24, 3fff::/20 ----- provider ---+
//
// The addresses are those that the sample programs of host/programs have in
// their maps, so each program sees both what its rules name and what they
// don't: virtual and plain servers, refused and allowed prefixes, known and
// unknown routes, inside and outside. Nothing in the lab itself filters,
// balances or translates. "lab" and "ipv6" hold what arrived at the router's
// ports, which is what XDP programs there would have been given: each
// forwarded packet once.
package samples
