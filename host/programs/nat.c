//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * nat: source NAT for IPv4 and prefix translation for IPv6.
 *
 * A packet from a private address to a public one leaves with our public
 * address and a port of ours; the same inside endpoint keeps the same port
 * whomever it talks to (endpoint-independent mapping, RFC 4787, 4.1). Packets
 * to that address and port find the way back. Ports are tried from a hash of
 * the endpoint onwards. Checksums are updated, not recomputed (RFC 1624).
 *
 * IPv6 needs no state: the inside prefix is exchanged for the outside one and
 * the difference is taken up in the subnet bits, so that no transport checksum
 * changes (NPTv6, RFC 6296, 3.4).
 */
#include "net.h"

#define FIRST_PORT 20000
#define PORTS 40000
#define TRIES 16

struct endpoint {
	__be32 addr;
	__be16 port; /* or identifier of an ICMP echo */
	__u8 proto;
	__u8 pad;
};

struct public_port {
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct mapping {
	__be16 port;
	__u16 pad[3];
	__u64 used;    /* ns, of the last packet out */
	__u64 packets; /* out */
};

struct fragment {
	__be32 saddr;
	__be16 id;
	__u8 proto;
	__u8 pad;
};

enum {
	COUNT_OUT,
	COUNT_IN,
	COUNT_NEW,
	COUNT_NO_MAPPING,
	COUNT_NO_PORT,
	COUNT_PREFIX_OUT,
	COUNT_PREFIX_IN,
	COUNT_UNTOUCHED,
	COUNT_MALFORMED,
	COUNTERS = 16,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct endpoint);
	__type(value, struct mapping);
} outgoing SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct public_port);
	__type(value, struct endpoint);
} incoming SEC(".maps");

/* Where the later fragments of a datagram to us go: they have no ports. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct fragment);
	__type(value, __be32); /* inside address */
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* 203.0.113.1 (RFC 5737). */
const volatile __be32 public_addr = bpf_htonl(0xcb007101);
/* fd00::/48 becomes 2001:db8:1::/48 (RFC 3849). */
const volatile __be16 inside_prefix[3] = { bpf_htons(0xfd00), 0, 0 };
const volatile __be16 outside_prefix[3] = { bpf_htons(0x2001), bpf_htons(0x0db8), bpf_htons(1) };

static __always_inline int count(__u32 id, int action)
{
	__u64 *c = bpf_map_lookup_elem(&counters, &id);

	if (c)
		*c += 1;
	return action;
}

static __noinline int is_private4(__be32 addr)
{
	__u32 a = bpf_ntohl(addr);

	return a >> 24 == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8;
}

/* allocate finds or makes the mapping of the endpoint; 0 where no port is free. */
static __always_inline __be16 allocate(const struct endpoint *from, __u64 now)
{
	struct mapping *m = bpf_map_lookup_elem(&outgoing, from), fresh = {};
	struct public_port key = { .proto = from->proto };
	__u32 hash = (from->addr ^ from->port * 0x9e3779b1) * 0x85ebca6b;
	struct endpoint *back;

	if (m) {
		/* The other table forgets by itself: is the way back still ours? */
		key.port = m->port;
		back = bpf_map_lookup_elem(&incoming, &key);
		if (back && back->addr == from->addr && back->port == from->port) {
			m->used = now;
			__sync_fetch_and_add(&m->packets, 1);
			return m->port;
		}
	}
	hash = (hash ^ hash >> 15) % PORTS;
	for (int i = 0; i < TRIES; i++) {
		key.port = bpf_htons(FIRST_PORT + hash);
		if (!bpf_map_update_elem(&incoming, &key, from, BPF_NOEXIST)) {
			fresh.port = key.port;
			fresh.used = now;
			fresh.packets = 1;
			if (bpf_map_update_elem(&outgoing, from, &fresh, BPF_ANY)) {
				bpf_map_delete_elem(&incoming, &key);
				return 0;
			}
			count(COUNT_NEW, 0);
			return key.port;
		}
		if (++hash == PORTS)
			hash = 0;
	}
	return 0;
}

/* rewrite puts a new address into *addr and, where the packet has a transport
 * header, a new port into *port, and keeps the checksums right. */
static __always_inline int rewrite(struct iphdr *ip, void *l4, void *end, __u8 proto, int source, __be32 addr,
				   __be16 port, int ports)
{
	__be32 old = source ? ip->saddr : ip->daddr;

	if (ports && proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;
		__be16 was;

		if ((void *)(tcp + 1) > end)
			return -1;
		was = source ? tcp->sport : tcp->dport;
		tcp->check = csum_replace(csum_replace(tcp->check, old, addr), was, port);
		if (source)
			tcp->sport = port;
		else
			tcp->dport = port;
	} else if (ports && proto == IPPROTO_UDP) {
		struct udphdr *udp = l4;
		__be16 was;

		if ((void *)(udp + 1) > end)
			return -1;
		was = source ? udp->sport : udp->dport;
		if (udp->check) { /* 0: the sender made none (RFC 768) */
			__u16 check = csum_replace(csum_replace(udp->check, old, addr), was, port);

			udp->check = check ? check : 0xffff;
		}
		if (source)
			udp->sport = port;
		else
			udp->dport = port;
	} else if (ports) {
		struct icmphdr *icmp = l4;

		if ((void *)(icmp + 1) > end)
			return -1;
		icmp->check = csum_replace(icmp->check, icmp->id, port); /* no pseudo-header */
		icmp->id = port;
	}
	ip->check = csum_replace(ip->check, old, addr);
	if (source)
		ip->saddr = addr;
	else
		ip->daddr = addr;
	return 0;
}

static __always_inline int nat4(struct packet *p)
{
	struct iphdr *ip = p->l3;
	struct endpoint from = { .addr = ip->saddr, .proto = p->l4proto }, *back;
	struct public_port to = { .proto = p->l4proto };
	struct fragment frag = { .saddr = ip->saddr, .id = ip->id, .proto = p->l4proto };
	int out = is_private4(ip->saddr) && !is_private4(ip->daddr);
	__be32 addr = public_addr;
	__u32 first = bpf_ntohl(ip->daddr) >> 28;
	__be16 port;

	if (ip->daddr == addr)
		out = 0;
	else if (!out || first >= 0xe)
		return count(COUNT_UNTOUCHED, XDP_PASS);

	if (p->frag == FRAG_LATER) {
		if (!out) {
			__be32 *inside = bpf_map_lookup_elem(&fragments, &frag);

			if (!inside)
				return count(COUNT_NO_MAPPING, XDP_DROP);
			addr = *inside;
		}
		rewrite(ip, NULL, NULL, p->l4proto, out, addr, 0, 0);
		return count(out ? COUNT_OUT : COUNT_IN, XDP_PASS);
	}

	if (p->l4proto == IPPROTO_TCP || p->l4proto == IPPROTO_UDP) {
		__be16 *ports = p->l4;

		if (p->l4 + 8 > p->end)
			return count(COUNT_MALFORMED, XDP_DROP);
		from.port = ports[0];
		to.port = ports[1];
	} else if (p->l4proto == IPPROTO_ICMP) {
		struct icmphdr *icmp = p->l4;

		if ((void *)(icmp + 1) > p->end)
			return count(COUNT_MALFORMED, XDP_DROP);
		if (icmp->type != (out ? ICMP_ECHO : ICMP_ECHOREPLY))
			return count(COUNT_UNTOUCHED, XDP_PASS);
		from.port = icmp->id;
		to.port = icmp->id;
	} else {
		return count(COUNT_UNTOUCHED, XDP_PASS);
	}

	if (out) {
		port = allocate(&from, bpf_ktime_get_ns());
		if (!port)
			return count(COUNT_NO_PORT, XDP_DROP);
		if (rewrite(ip, p->l4, p->end, p->l4proto, 1, addr, port, 1))
			return count(COUNT_MALFORMED, XDP_DROP);
		return count(COUNT_OUT, XDP_PASS);
	}
	back = bpf_map_lookup_elem(&incoming, &to);
	if (!back)
		return count(COUNT_NO_MAPPING, XDP_PASS); /* to this host itself */
	addr = back->addr;
	if (p->frag == FRAG_FIRST)
		bpf_map_update_elem(&fragments, &frag, &addr, BPF_ANY);
	if (rewrite(ip, p->l4, p->end, p->l4proto, 0, addr, back->port, 1))
		return count(COUNT_MALFORMED, XDP_DROP);
	return count(COUNT_IN, XDP_PASS);
}

static __always_inline int has_prefix(const __be16 *addr, const volatile __be16 *prefix)
{
	return addr[0] == prefix[0] && addr[1] == prefix[1] && addr[2] == prefix[2];
}

/* exchange is RFC 6296, 3.4: word 3 takes up what the prefix changed. */
static __always_inline int exchange(__be16 *addr, const volatile __be16 *from, const volatile __be16 *to)
{
	__u32 sum;

	if (addr[3] == 0xffff)
		return -1; /* 3.4: can't be mapped back */
	sum = addr[3];
	for (int i = 0; i < 3; i++)
		sum += from[i] + (__u16)~to[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	if (sum == 0xffff)
		sum = 0;
	for (int i = 0; i < 3; i++)
		addr[i] = to[i];
	addr[3] = sum;
	return 0;
}

static __always_inline int nat6(struct packet *p)
{
	struct ipv6hdr *ip = p->l3;
	__be16 *src = (__be16 *)ip->saddr, *dst = (__be16 *)ip->daddr;

	/* Multicast and link-local stay on the link. */
	if ((dst[0] & 0xff) == 0xff || (dst[0] & bpf_htons(0xffc0)) == bpf_htons(0xfe80))
		return count(COUNT_UNTOUCHED, XDP_PASS);
	if (has_prefix(src, inside_prefix) && !has_prefix(dst, inside_prefix)) {
		if (exchange(src, inside_prefix, outside_prefix))
			return count(COUNT_NO_MAPPING, XDP_DROP);
		return count(COUNT_PREFIX_OUT, XDP_PASS);
	}
	if (has_prefix(dst, outside_prefix)) {
		if (exchange(dst, outside_prefix, inside_prefix))
			return count(COUNT_NO_MAPPING, XDP_DROP);
		return count(COUNT_PREFIX_IN, XDP_PASS);
	}
	return count(COUNT_UNTOUCHED, XDP_PASS);
}

SEC("xdp")
int nat(struct xdp_md *ctx)
{
	struct packet p;

	switch (parse_packet(ctx, &p)) {
	case PARSED_IPV4:
		return nat4(&p);
	case PARSED_IPV6:
		return nat6(&p);
	case PARSED_OTHER:
		return count(COUNT_UNTOUCHED, XDP_PASS);
	default:
		return count(COUNT_MALFORMED, XDP_DROP);
	}
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
