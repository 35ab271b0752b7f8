// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Puts packets to a service (address, port, protocol, family) into a tunnel:
 * IPv4 or IPv6 in IPv4 or IPv6, with new headers in front, and sends them out.
 */
#include "xdp.h"

#define INET 2
#define INET6 10
#define DEEPEST 14

struct service {
	union {
		__u32 v6[4];
		__u32 v4;
	} addr;
	__u16 port;
	__u16 family;
	__u8 proto;
};

struct tunnel {
	union {
		__u32 v6[4];
		__u32 v4;
	} saddr, daddr;
	__u16 family;
	__u8 mac[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} sent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct service);
	__type(value, struct tunnel);
} services SEC(".maps");

/* port_of is the destination port, network order; -1: cut short, 0: has none. */
static __always_inline int port_of(void *l4, void *end, __u8 proto)
{
	struct ports *p = l4;

	switch (proto) {
	case 6:
		if (l4 + 20 > end)
			return -1;
		return p->dport;
	case 17:
		if (l4 + 8 > end)
			return -1;
		return p->dport;
	}
	return 0;
}

static __always_inline void new_eth(struct eth *eth, const struct eth *old, const struct tunnel *t, __be16 proto)
{
	__builtin_memcpy(eth->src, old->dst, 6);
	__builtin_memcpy(eth->dst, t->mac, 6);
	eth->proto = proto;
}

static __always_inline int over4(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct ip4 *ip = data + sizeof(struct eth);
	struct service s = {};
	struct eth *eth, *old;
	struct tunnel *t;
	__u16 *word, len;
	__u32 sum = 0;
	int port;

	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	port = port_of(ip + 1, end, ip->protocol);
	if (port == -1)
		return XDP_DROP;
	s.proto = ip->protocol;
	s.family = INET;
	s.addr.v4 = ip->daddr;
	s.port = port;
	len = bpf_ntohs(ip->tot_len);
	t = bpf_map_lookup_elem(&services, &s);
	if (!t || t->family != INET)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, 0 - (int)sizeof(*ip)))
		return XDP_DROP;
	data = start(ctx);
	end = finish(ctx);
	eth = data;
	ip = data + sizeof(*eth);
	old = data + sizeof(*ip);
	if ((void *)(eth + 1) > end || (void *)(old + 1) > end || (void *)(ip + 1) > end)
		return XDP_DROP;
	new_eth(eth, old, t, bpf_htons(0x0800));
	ip->version_ihl = 0x45;
	ip->frag_off = 0;
	ip->protocol = 4;
	ip->check = 0;
	ip->tos = 0;
	ip->tot_len = bpf_htons(len + sizeof(*ip));
	ip->daddr = t->daddr.v4;
	ip->saddr = t->saddr.v4;
	ip->ttl = 64;
	word = (__u16 *)ip;
#pragma unroll
	for (int i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += *word++;
	ip->check = ~((sum & 0xffff) + (sum >> 16));
	count(&sent, &(__u32){s.proto});
	return XDP_TX;
}

static __always_inline int over6(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct ip6 *ip = data + sizeof(struct eth);
	struct service s = {};
	struct eth *eth, *old;
	struct tunnel *t;
	__u16 len;
	int port;

	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	port = port_of(ip + 1, end, ip->nexthdr);
	if (port == -1)
		return XDP_DROP;
	s.proto = ip->nexthdr;
	s.family = INET6;
	__builtin_memcpy(s.addr.v6, ip->daddr, sizeof(s.addr.v6));
	s.port = port;
	len = ip->payload_len;
	t = bpf_map_lookup_elem(&services, &s);
	if (!t || t->family != INET6)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, 0 - (int)sizeof(*ip)))
		return XDP_DROP;
	data = start(ctx);
	end = finish(ctx);
	eth = data;
	ip = data + sizeof(*eth);
	old = data + sizeof(*ip);
	if ((void *)(eth + 1) > end || (void *)(old + 1) > end || (void *)(ip + 1) > end)
		return XDP_DROP;
	new_eth(eth, old, t, bpf_htons(0x86dd));
	ip->first = 0x60;
	ip->payload_len = bpf_htons(bpf_ntohs(len) + sizeof(*ip));
	ip->nexthdr = 41;
	ip->hop_limit = 64;
	__builtin_memcpy(ip->saddr, t->saddr.v6, 16);
	__builtin_memcpy(ip->daddr, t->daddr.v6, 16);
	count(&sent, &(__u32){s.proto});
	return XDP_TX;
}

SEC("xdp") int tunnel(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct eth *eth = data;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->proto == bpf_htons(0x0800))
		return over4(ctx);
	if (eth->proto == bpf_htons(0x86dd))
		return over6(ctx);
	return XDP_PASS;
}
