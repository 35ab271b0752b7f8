//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * router: forwards IPv4 and IPv6 by longest prefix (RFC 1812, 5.2), hands to
 * the kernel what a fast path should not answer (TTL at its end, link-local
 * and multicast, its own addresses, unknown neighbours) and sends the rest out of a device map's port,
 * or back out of the port it came in by (port 0, a router on a stick), with
 * the VLAN tag rewritten where the route says so.
 *
 * Without a route the built-in gateway on the same port takes the packet.
 */
#include "net.h"

#define MAX_PORTS 64

#define ROUTE_LOCAL 1     /* to this host */
#define ROUTE_BLACKHOLE 2 /* dropped */

struct prefix4 {
	__u32 prefixlen; /* bits */
	__be32 addr;
};

struct prefix6 {
	__u32 prefixlen; /* bits */
	__be32 addr[4];
};

struct route {
	__be32 gateway[4]; /* IPv4 mapped; all zero: the destination is on the link */
	__u32 port;        /* key of ports; 0: the port of arrival */
	__u16 vlan;        /* VLAN identifier for a tagged packet; 0: as it came */
	__u16 flags;
};

struct neighbour_key {
	__be32 addr[4];
};

struct neighbour {
	__u8 dst[6]; /* the neighbour's MAC address */
	__u8 src[6]; /* ours on that link */
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

enum {
	COUNT_FORWARDED,
	COUNT_MALFORMED,
	COUNT_NOT_IP,
	COUNT_LOCAL,
	COUNT_TTL,
	COUNT_BLACKHOLE,
	COUNT_NO_NEIGHBOUR,
	COUNT_BUILTIN,
	COUNTERS,
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, struct route);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, struct route);
} routes6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct neighbour_key);
	__type(value, struct neighbour);
} neighbours SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, MAX_PORTS);
	__type(key, __u32);
	__type(value, __u32); /* ifindex */
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* Where packets without a route go; gateway_on = 0: to the kernel. */
const volatile __u32 gateway_on = 1;
const volatile struct neighbour gateway = { { 2, 0, 0, 0, 0, 1 }, { 2, 0, 0, 0, 0, 2 } };

static __always_inline int count(__u32 id, __u32 bytes, int action)
{
	struct counter *c = bpf_map_lookup_elem(&counters, &id);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	return action;
}

/* Destinations that no router forwards: RFC 1812, 5.3; RFC 4291, 2.5.6. */
static __always_inline int is_local4(__be32 daddr)
{
	__u32 d = bpf_ntohl(daddr);

	return d >= 0xe0000000 || d >> 24 == 127 || d >> 24 == 0 || d >> 16 == 0xa9fe;
}

static __always_inline int is_local6(const __be32 *d)
{
	__u32 first = bpf_ntohl(d[0]);

	return first >> 24 == 0xff || first >> 22 == 0xfe80 >> 6 ||
	       (!d[0] && !d[1] && !d[2] && bpf_ntohl(d[3]) <= 1);
}

SEC("xdp")
int router(struct xdp_md *ctx)
{
	struct packet p;
	struct neighbour_key hop = {};
	struct neighbour *n;
	struct route *route;
	enum parsed kind = parse_packet(ctx, &p);
	__u32 len = ctx->data_end - ctx->data;
	__u32 port = 0, vlan = 0, id = COUNT_FORWARDED;

	if (kind == PARSED_BAD)
		return count(COUNT_MALFORMED, len, XDP_DROP);
	if (kind == PARSED_OTHER)
		return count(COUNT_NOT_IP, len, XDP_PASS);
	if (p.eth->dst[0] & 1)
		return count(COUNT_LOCAL, len, XDP_PASS); /* L2 broadcast or multicast */

	if (kind == PARSED_IPV4) {
		struct iphdr *ip = p.l3;
		struct prefix4 key = { .prefixlen = 32, .addr = ip->daddr };

		if (is_local4(ip->daddr))
			return count(COUNT_LOCAL, len, XDP_PASS);
		if (ip->ttl <= 1)
			return count(COUNT_TTL, len, XDP_PASS);
		route = bpf_map_lookup_elem(&routes4, &key);
		map_ipv4(hop.addr, ip->daddr);
	} else {
		struct ipv6hdr *ip = p.l3;
		struct prefix6 key = { .prefixlen = 128 };

		if (is_local6(ip->daddr))
			return count(COUNT_LOCAL, len, XDP_PASS);
		if (ip->hop_limit <= 1)
			return count(COUNT_TTL, len, XDP_PASS);
		copy_addr(key.addr, ip->daddr);
		route = bpf_map_lookup_elem(&routes6, &key);
		copy_addr(hop.addr, ip->daddr);
	}

	if (route) {
		if (route->flags & ROUTE_BLACKHOLE)
			return count(COUNT_BLACKHOLE, len, XDP_DROP);
		if (route->flags & ROUTE_LOCAL)
			return count(COUNT_LOCAL, len, XDP_PASS);
		if (route->gateway[0] | route->gateway[1] | route->gateway[2] | route->gateway[3])
			copy_addr(hop.addr, route->gateway);
		n = bpf_map_lookup_elem(&neighbours, &hop);
		if (!n)
			return count(COUNT_NO_NEIGHBOUR, len, XDP_PASS); /* the kernel asks for it */
		port = route->port;
		vlan = route->vlan;
		__builtin_memcpy(p.eth->dst, n->dst, 6);
		__builtin_memcpy(p.eth->src, n->src, 6);
	} else {
		if (!gateway_on)
			return count(COUNT_BUILTIN, len, XDP_PASS);
		id = COUNT_BUILTIN;
		for (int i = 0; i < 6; i++) {
			p.eth->dst[i] = gateway.dst[i];
			p.eth->src[i] = gateway.src[i];
		}
	}
	if (vlan && p.l2len > sizeof(struct ethhdr)) {
		struct vlanhdr *tag = (void *)(p.eth + 1);

		if ((void *)(tag + 1) > p.end)
			return XDP_ABORTED;
		tag->tci = (tag->tci & bpf_htons(0xf000)) | bpf_htons(vlan & 0xfff);
	}

	if (kind == PARSED_IPV4) {
		struct iphdr *ip = p.l3;
		__u16 old = *(__u16 *)&ip->ttl;

		ip->ttl--;
		ip->check = csum_replace(ip->check, old, *(__u16 *)&ip->ttl);
	} else {
		((struct ipv6hdr *)p.l3)->hop_limit--;
	}
	if (!port)
		return count(id, len, XDP_TX);
	count(id, len, 0);
	return bpf_redirect_map(&ports, port, XDP_DROP); /* a port that is down: dropped */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
