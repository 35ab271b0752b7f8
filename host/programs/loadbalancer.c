//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * loadbalancer: a packet to a virtual address goes, wrapped in an outer
 * header, to one of the backends, and to the same one as long as its flow
 * lives. The backend stands in a ring per VIP that userspace fills by Maglev
 * hashing (Eisenbud et al., NSDI 2016, 3.4); a flow table keeps TCP
 * connections where they are when the ring changes. The outer header is
 * IP in IP (RFC 2003, 4213, 2473), or UDP with the inner packet straight
 * behind it (GUE variant 1, draft-ietf-intarea-gue).
 *
 * Without any VIP in the maps the built-in services are balanced over the
 * built-in backends by rendezvous hashing.
 */
#include "net.h"

#define MAX_VIPS 16
#define RING_SIZE 251 /* a prime */
#define MAX_BACKENDS 256
#define BUILTIN_BACKENDS 4
#define BUILTIN_VIP (MAX_VIPS - 1)
#define GUE_PORT 6080

#define VIP_GUE 1     /* wrap in UDP */
#define VIP_NO_FLOWS 2 /* by the ring alone */

struct vip_key {
	__be32 addr[4]; /* IPv4 mapped: ::ffff:a.b.c.d */
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct vip {
	__u32 id; /* 0 to MAX_VIPS-1: its ring and its counters */
	__u32 flags;
};

struct backend {
	__be32 addr[4];
	__u8 mac[6]; /* of the next hop; all zero: the gateway's */
	__u8 pad[2];
};

struct stats {
	__u64 packets;
	__u64 bytes;
	__u64 new_flows;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_VIPS);
	__type(key, struct vip_key);
	__type(value, struct vip);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_VIPS * RING_SIZE);
	__type(key, __u32);
	__type(value, __u32); /* a backend; 0: none */
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow);
	__type(value, __u32); /* backend; of the built-in ones: MAX_BACKENDS + i */
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_VIPS);
	__type(key, __u32);
	__type(value, struct stats);
} stats SEC(".maps");

/* The outer source addresses and the next hop: 198.18.0.254, 2001:2::fe (RFC
 * 2544, RFC 5180: benchmarking). */
const volatile __be32 own_addr4 = bpf_htonl(0xc61200fe);
const volatile __be32 own_addr6[4] = { bpf_htonl(0x20010002), 0, 0, bpf_htonl(0xfe) };
const volatile __u8 gateway_mac[6] = { 2, 0, 0, 0, 0, 1 };

/* Ports in host order; port 0 ends the list. */
const volatile struct {
	__u16 port;
	__u8 proto;
	__u8 flags;
} builtin_services[4] = {
	{ 80, IPPROTO_TCP, 0 }, { 443, IPPROTO_TCP, 0 }, { 53, IPPROTO_UDP, VIP_GUE | VIP_NO_FLOWS }, { 5201, IPPROTO_TCP, VIP_GUE },
};

const volatile struct backend builtin_backends[BUILTIN_BACKENDS] = {
	{ { 0, 0, bpf_htonl(0xffff), bpf_htonl(0xc6120001) }, { 2, 0, 0, 0, 1, 1 }, {} },
	{ { 0, 0, bpf_htonl(0xffff), bpf_htonl(0xc6120002) }, { 2, 0, 0, 0, 1, 2 }, {} },
	{ { 0, 0, bpf_htonl(0xffff), bpf_htonl(0xc6120003) }, { 2, 0, 0, 0, 1, 3 }, {} },
	{ { bpf_htonl(0x20010002), 0, 0, bpf_htonl(4) }, { 2, 0, 0, 0, 1, 4 }, {} },
};

/* mix32 spreads every bit of x over all (the end of MurmurHash3). */
static __always_inline __u32 mix32(__u32 x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	return x ^ x >> 16;
}

static __noinline __u32 hash_flow(const struct flow *f)
{
	__u32 h = 0x9e3779b9;

	for (int i = 0; i < 4; i++) {
		h = mix32(h ^ f->src[i]);
		h = mix32(h + f->dst[i]);
	}
	h = mix32(h ^ ((__u32)f->sport << 16 | f->dport));
	return mix32(h + f->proto);
}

/* Thaler and Ravishankar, 1998: each backend draws, the highest wins. */
static __always_inline __u32 rendezvous(__u32 hash)
{
	__u32 best = 0, most = 0;

	for (__u32 i = 0; i < BUILTIN_BACKENDS; i++) {
		__u32 draw = mix32(hash ^ (i + 1) * 0x9e3779b1);

		if (draw >= most) {
			most = draw;
			best = i;
		}
	}
	return MAX_BACKENDS + best;
}

static __always_inline __u32 pick(__u32 vip, __u32 hash)
{
	__u32 slot = vip * RING_SIZE + hash % RING_SIZE;
	__u32 *b = bpf_map_lookup_elem(&rings, &slot);

	return b && *b ? *b : rendezvous(hash);
}

/* What stands around the inner packet. */
struct outer {
	struct iphdr ip;
	struct udphdr udp;
};

struct outer6 {
	struct ipv6hdr ip;
	struct udphdr udp;
};

static __always_inline void udp_around(struct udphdr *udp, __u32 hash, __u32 inner)
{
	udp->sport = bpf_htons(0xc000 | (hash >> 16 & 0x3fff)); /* spreads over paths: RFC 7510 */
	udp->dport = bpf_htons(GUE_PORT);
	udp->len = bpf_htons(inner + sizeof(*udp));
	udp->check = 0; /* tunnels may: RFC 6935 */
}

/* encapsulate puts the outer header between the L2 header, kept with its VLAN
 * tags, and the inner packet of inner bytes. */
static __always_inline int encapsulate(struct xdp_md *ctx, const struct packet *p, const struct backend *to,
				       enum parsed kind, __u32 flags, __u32 hash, __u32 inner)
{
	int v4 = !to->addr[0] && !to->addr[1] && to->addr[2] == bpf_htonl(0xffff);
	__u32 extra = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 l2len = p->l2len;
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr eth, *out;
	__u32 tags[2];
	__u8 proto;

	if (flags & VIP_GUE) {
		extra += sizeof(struct udphdr);
		proto = IPPROTO_UDP;
	} else {
		proto = kind == PARSED_IPV4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	}
	if (pos + 22 > end)
		return -1;
	__builtin_memcpy(&eth, pos, sizeof(eth));
	__builtin_memcpy(tags, pos + 14, sizeof(tags));

	if (bpf_xdp_adjust_head(ctx, -(int)extra))
		return -1;

	pos = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (pos + 22 > end)
		return -1;
	out = pos;
	__builtin_memcpy(out->src, eth.dst, 6);
	if (to->mac[0] | to->mac[1] | to->mac[2] | to->mac[3] | to->mac[4] | to->mac[5])
		__builtin_memcpy(out->dst, to->mac, 6);
	else
		for (int i = 0; i < 6; i++)
			out->dst[i] = gateway_mac[i];
	out->proto = eth.proto;
	if (l2len > 14)
		*(__u32 *)(pos + 14) = tags[0];
	if (l2len > 18)
		*(__u32 *)(pos + 18) = tags[1];
	/* The last two bytes of the L2 header are the type: perhaps a new one. */
	if (l2len == 14)
		pos += 14;
	else if (l2len == 18)
		pos += 18;
	else
		pos += 22;

	if (v4) {
		struct outer *o = pos;

		if ((void *)(o + 1) > end)
			return -1;
		*(__be16 *)(pos - 2) = bpf_htons(ETH_P_IP);
		o->ip.version_ihl = 0x45;
		o->ip.tos = 0;
		o->ip.tot_len = bpf_htons(inner + extra);
		o->ip.id = 0;
		o->ip.frag_off = bpf_htons(0x4000); /* don't fragment: RFC 6864, 4.1 */
		o->ip.ttl = 64;
		o->ip.protocol = proto;
		o->ip.check = 0;
		o->ip.saddr = own_addr4;
		o->ip.daddr = to->addr[3];
		o->ip.check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&o->ip, sizeof(o->ip), 0));
		if (flags & VIP_GUE)
			udp_around(&o->udp, hash, inner);
	} else {
		struct outer6 *o = pos;

		if ((void *)(o + 1) > end)
			return -1;
		*(__be16 *)(pos - 2) = bpf_htons(ETH_P_IPV6);
		o->ip.version_class_flow = bpf_htonl(0x60000000 | hash >> 12); /* flow label: RFC 6438 */
		o->ip.payload_len = bpf_htons(inner + extra - sizeof(o->ip));
		o->ip.nexthdr = proto;
		o->ip.hop_limit = 64;
		for (int i = 0; i < 4; i++) {
			o->ip.saddr[i] = own_addr6[i];
			o->ip.daddr[i] = to->addr[i];
		}
		if (flags & VIP_GUE)
			udp_around(&o->udp, hash, inner);
	}
	return 0;
}

SEC("xdp")
int loadbalancer(struct xdp_md *ctx)
{
	struct packet p;
	struct flow f = {};
	struct vip_key key = {};
	struct backend to;
	struct vip *vip;
	struct stats *s;
	enum parsed kind = parse_packet(ctx, &p);
	__u32 len = ctx->data_end - ctx->data;
	__u32 id, flags, hash, index, inner, fresh = 0, opening = 0, *known = NULL;

	if (kind == PARSED_BAD)
		return XDP_DROP;
	if (kind == PARSED_OTHER || p.frag != FRAG_NONE)
		return XDP_PASS; /* fragments go to the host, which puts them together */
	flow_addrs(&f, &p, kind);
	f.proto = p.l4proto;
	if (p.l4proto == IPPROTO_TCP) {
		struct tcphdr *tcp = p.l4;

		if ((void *)(tcp + 1) > p.end)
			return XDP_DROP;
		f.sport = tcp->sport;
		f.dport = tcp->dport;
		opening = (tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	} else if (p.l4proto == IPPROTO_UDP) {
		struct udphdr *udp = p.l4;

		if ((void *)(udp + 1) > p.end)
			return XDP_DROP;
		f.sport = udp->sport;
		f.dport = udp->dport;
	} else {
		return XDP_PASS;
	}

	copy_addr(key.addr, f.dst);
	key.port = f.dport;
	key.proto = f.proto;
	vip = bpf_map_lookup_elem(&vips, &key);
	if (vip) {
		id = vip->id;
		flags = vip->flags;
	} else {
		id = MAX_VIPS;
		flags = 0;
		for (int i = 0; i < 4; i++)
			if (builtin_services[i].port == bpf_ntohs(f.dport) && builtin_services[i].proto == f.proto) {
				id = BUILTIN_VIP;
				flags = builtin_services[i].flags;
				break;
			}
	}
	if (id >= MAX_VIPS)
		return XDP_PASS;
	s = bpf_map_lookup_elem(&stats, &id);
	if (!s)
		return XDP_ABORTED;
	s->packets++;
	s->bytes += len;

	hash = hash_flow(&f);
	if (!(flags & VIP_NO_FLOWS) && f.proto == IPPROTO_TCP && !opening)
		known = bpf_map_lookup_elem(&flows, &f);
	if (known) {
		index = *known;
	} else {
		index = pick(id, hash);
		fresh = !(flags & VIP_NO_FLOWS) && f.proto == IPPROTO_TCP;
	}

	if (index >= MAX_BACKENDS) {
		for (int i = 0; i < 4; i++)
			to.addr[i] = builtin_backends[index & (BUILTIN_BACKENDS - 1)].addr[i];
		for (int i = 0; i < 6; i++)
			to.mac[i] = builtin_backends[index & (BUILTIN_BACKENDS - 1)].mac[i];
	} else {
		struct backend *b = bpf_map_lookup_elem(&backends, &index);

		if (!b)
			return XDP_ABORTED;
		to = *b;
	}
	if (!to.addr[0] && !to.addr[3]) {
		s->dropped++; /* the ring names a backend that isn't there */
		return XDP_DROP;
	}
	if (fresh) {
		s->new_flows++;
		bpf_map_update_elem(&flows, &f, &index, BPF_ANY);
	}

	if (kind == PARSED_IPV4)
		inner = bpf_ntohs(((struct iphdr *)p.l3)->tot_len);
	else
		inner = bpf_ntohs(((struct ipv6hdr *)p.l3)->payload_len) + sizeof(struct ipv6hdr);
	if (encapsulate(ctx, &p, &to, kind, flags, hash, inner)) {
		s->dropped++;
		return XDP_DROP;
	}
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
