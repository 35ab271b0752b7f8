//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * katran: a layer-4 load balancer that takes, in this order, the steps of
 * Facebook's Katran (Shirokov and Dasineni, "Open-sourcing Katran, a scalable
 * network load balancer", 2018): virtual addresses with a port or without, a
 * connection table that is an LRU map, a consistent ring behind it, limits on
 * new entries a second, lifetimes of UDP flows, the server's number in a QUIC
 * connection ID, answers to pings, path MTU messages that follow the flow they
 * are about, IP in IP towards the real servers and the end of such tunnels.
 * It is written from that description and shares no code with it.
 *
 * As Katran it knows no VLAN tags, and drops IPv4 options and fragments.
 * Userspace fills its maps; without any the packets pass.
 */
#include "net.h"

#define MAX_VIPS 16
#define RING_SIZE 251 /* a prime; Katran's is 65537 */
#define MAX_REALS 256
#define MAX_QUIC 256
#define MAX_PACKET 1514
#define MAX_NEW 125000 /* entries of the connection table a second and CPU */
#define UDP_LIFE 30000000000ULL
#define SECOND 1000000000ULL

/* Flags of a VIP. */
#define NO_SRC_PORT 1 /* all connections of a client go to one server */
#define NO_TABLE 2    /* by the ring alone */
#define QUIC 4
#define DST_PORT_ONLY 8 /* hashed alone */

struct vip_key {
	__be32 addr[4]; /* IPv4 mapped: ::ffff:a.b.c.d */
	__be16 port;    /* 0: all */
	__u8 proto;
	__u8 pad;
};

struct vip {
	__u32 flags;
	__u32 id; /* 0 to MAX_VIPS-1: its ring and its counters */
};

struct known {
	__u32 real;
	__u32 pad;
	__u64 at; /* of UDP: when a packet came last */
};

struct real {
	__be32 addr[4];
};

struct counter {
	__u64 a;
	__u64 b;
};

/* Counters behind those of the VIPs. */
enum {
	CNT_TABLE = MAX_VIPS, /* packets to VIPs; of these, that the table didn't know */
	CNT_TCP,              /* of these: openings, others */
	CNT_RATE,             /* new entries in this second; when it began */
	CNT_QUIC,             /* by the ring; by the connection ID */
	CNT_ICMP,             /* answered; about a flow */
	CNT_DECAP,            /* IPv4 and IPv6 */
	CNT_ALL,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct vip_key);
	__type(value, struct vip);
} vip_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct flow);
	__type(value, struct known);
} lru_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_VIPS * RING_SIZE);
	__type(key, __u32);
	__type(value, __u32); /* a real; 0: none */
} ch_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_REALS);
	__type(key, __u32);
	__type(value, struct real);
} reals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_QUIC);
	__type(key, __u32);
	__type(value, __u32); /* a real; 0: none */
} server_ids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CNT_ALL);
	__type(key, __u32);
	__type(value, struct counter);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, __be32[4]);
	__type(value, __u32);
} decap_dst SEC(".maps");

struct gateway {
	__u8 mac[6];
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gateway);
} ctl_array SEC(".maps");

/* What is known of a packet. */
struct desc {
	struct flow f;
	__u32 bytes;  /* from the IP header on */
	__u8 v6;
	__u8 opening; /* SYN */
	__u8 quoted;  /* the flow stands in an ICMP message */
};

/* Not a verdict: go on. */
#define ON -1

static __always_inline void count(__u32 which, __u64 a, __u64 b)
{
	struct counter *c = bpf_map_lookup_elem(&stats, &which);

	if (c) {
		c->a += a;
		c->b += b;
	}
}

static __always_inline __u32 rol(__u32 x, int n)
{
	return x << n | x >> (32 - n);
}

/* The end of Jenkins' lookup3 (2006, public domain), which the kernel's
 * jhash_3words is. */
static __always_inline __u32 hash3(__u32 a, __u32 b, __u32 c)
{
	c ^= b; c -= rol(b, 14);
	a ^= c; a -= rol(c, 11);
	b ^= a; b -= rol(a, 25);
	c ^= b; c -= rol(b, 16);
	a ^= c; a -= rol(c, 4);
	b ^= a; b -= rol(a, 14);
	c ^= b; c -= rol(b, 24);
	return c;
}

static __noinline __u32 hash_flow(const struct flow *f, __u32 dst_only)
{
	__u32 ports = (__u32)f->sport << 16 | f->dport, h;

	if (dst_only)
		return hash3(f->dport, 0xdeadbeef, 12);
	if (f->src[2] == bpf_htonl(0xffff))
		return hash3(f->src[3], ports, 24);
	h = hash3(f->src[0], f->src[1], f->src[2]);
	return hash3(h, f->src[3], ports);
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	__u8 tmp[6];

	__builtin_memcpy(tmp, eth->dst, 6);
	__builtin_memcpy(eth->dst, eth->src, 6);
	__builtin_memcpy(eth->src, tmp, 6);
}

static __always_inline int icmp4(struct ethhdr *eth, struct iphdr *ip, void *end, struct desc *d)
{
	struct icmphdr *icmp = (void *)(ip + 1);
	struct iphdr *inner = (void *)(icmp + 1);
	__be32 addr;

	if ((void *)(icmp + 1) > end)
		return XDP_DROP;
	if (icmp->type == ICMP_ECHO) {
		icmp->type = ICMP_ECHOREPLY;
		icmp->check = csum_replace(icmp->check, bpf_htons(ICMP_ECHO << 8), 0);
		addr = ip->saddr;
		ip->saddr = ip->daddr; /* the sum stays */
		ip->daddr = addr;
		ip->check = csum_replace(ip->check, bpf_htons(ip->ttl << 8), bpf_htons(64 << 8));
		ip->ttl = 64;
		swap_macs(eth);
		count(CNT_ICMP, 1, 0);
		return XDP_TX;
	}
	/* Fragmentation needed: path MTU discovery of who talks to the VIP. */
	if (icmp->type != ICMP_UNREACH || icmp->code != 4)
		return XDP_PASS;
	if ((void *)(inner + 1) > end || inner->version_ihl != 0x45)
		return XDP_DROP;
	d->f.proto = inner->protocol;
	map_ipv4(d->f.src, inner->daddr);
	map_ipv4(d->f.dst, inner->saddr);
	d->quoted = 1;
	return ON;
}

static __always_inline int icmp6(struct ethhdr *eth, struct ipv6hdr *ip, void *end, struct desc *d)
{
	struct icmphdr *icmp = (void *)(ip + 1);
	struct ipv6hdr *inner = (void *)(icmp + 1);
	__be32 addr[4];

	if ((void *)(icmp + 1) > end)
		return XDP_DROP;
	if (icmp->type == ICMPV6_ECHO) {
		icmp->type = ICMPV6_ECHOREPLY;
		icmp->check = csum_replace(icmp->check, bpf_htons(ICMPV6_ECHO << 8), bpf_htons(ICMPV6_ECHOREPLY << 8));
		copy_addr(addr, ip->saddr);
		copy_addr(ip->saddr, ip->daddr);
		copy_addr(ip->daddr, addr);
		ip->hop_limit = 64;
		swap_macs(eth);
		count(CNT_ICMP, 1, 0);
		return XDP_TX;
	}
	if (icmp->type != 2) /* packet too big */
		return XDP_PASS;
	if ((void *)(inner + 1) > end)
		return XDP_DROP;
	d->f.proto = inner->nexthdr;
	copy_addr(d->f.src, inner->daddr);
	copy_addr(d->f.dst, inner->saddr);
	d->quoted = 1;
	return ON;
}

/* The connection ID that a server of ours has given out: two bits of version 1,
 * then 16 bits of the server's number (Katran's convention). */
static __always_inline __u32 quic_real(const __u8 *payload, void *end)
{
	const __u8 *id = payload + 1; /* short header: the ID follows at once */
	__u32 server, *real;

	if ((void *)(payload + 1) > end)
		return 0;
	if (*payload & 0x80) { /* long header: type in bits 4 and 5 */
		if ((*payload & 0x30) < 0x20)
			return 0; /* initial, 0-RTT: the client chose the ID */
		if ((void *)(payload + 6) > end || payload[5] < 8)
			return 0;
		id = payload + 6;
	}
	if ((void *)(id + 3) > end || id[0] >> 6 != 1)
		return 0;
	server = (__u32)(id[0] & 0x3f) << 10 | (__u32)id[1] << 2 | id[2] >> 6;
	real = bpf_map_lookup_elem(&server_ids, &server);
	return real ? *real : 0;
}

/* limited counts a new entry, and says whether there are too many. */
static __always_inline int limited(__u64 now)
{
	__u32 which = CNT_RATE;
	struct counter *c = bpf_map_lookup_elem(&stats, &which);

	if (!c)
		return 1;
	if (now - c->b > SECOND) {
		c->a = 1;
		c->b = now;
		return 0;
	}
	c->a++;
	return c->a > MAX_NEW;
}

static __always_inline __u32 from_table(const struct flow *f)
{
	struct known *k = bpf_map_lookup_elem(&lru_cache, f);

	if (!k)
		return 0;
	if (f->proto == IPPROTO_UDP) {
		__u64 now = bpf_ktime_get_ns();

		if (now - k->at > UDP_LIFE)
			return 0;
		k->at = now;
	}
	return k->real;
}

static __always_inline __u32 from_ring(struct desc *d, const struct vip *vip)
{
	__u32 hash = hash_flow(&d->f, vip->flags & DST_PORT_ONLY);
	__u32 slot = vip->id * RING_SIZE + hash % RING_SIZE;
	__u32 *real = bpf_map_lookup_elem(&ch_rings, &slot);
	struct known fresh = {};
	__u64 now;

	if (!real || !*real)
		return 0;
	if (vip->flags & NO_TABLE)
		return *real;
	now = bpf_ktime_get_ns();
	if (limited(now))
		return *real;
	fresh.real = *real;
	if (d->f.proto == IPPROTO_UDP)
		fresh.at = now;
	bpf_map_update_elem(&lru_cache, &d->f, &fresh, BPF_ANY);
	return *real;
}

/* wrap puts the outer header in front. Its source tells flows apart, so that
 * the servers' receive queues share them. */
static __always_inline int wrap(struct xdp_md *ctx, const struct desc *d, const struct real *to)
{
	int v4 = !to->addr[0] && !to->addr[1] && to->addr[2] == bpf_htonl(0xffff);
	__u32 extra = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr), zero = 0;
	struct gateway *gw = bpf_map_lookup_elem(&ctl_array, &zero);
	void *pos, *end;
	struct ethhdr *eth, *old;

	if (!gw || (v4 && d->v6))
		return -1;
	if (bpf_xdp_adjust_head(ctx, -(int)extra))
		return -1;
	pos = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (pos + extra + sizeof(*old) > end || pos + 54 > end)
		return -1;
	eth = pos;
	old = pos + extra;
	__builtin_memcpy(eth->src, old->dst, 6);
	__builtin_memcpy(eth->dst, gw->mac, 6);
	if (v4) {
		struct iphdr *ip = (void *)(eth + 1);

		eth->proto = bpf_htons(ETH_P_IP);
		ip->version_ihl = 0x45;
		ip->tos = 0;
		ip->tot_len = bpf_htons(d->bytes + sizeof(*ip));
		ip->id = 0;
		ip->frag_off = 0;
		ip->ttl = 64;
		ip->protocol = IPPROTO_IPIP;
		ip->check = 0;
		ip->saddr = bpf_htonl(0xac100000) | ((d->f.src[3] ^ (__u32)d->f.sport << 16) & 0xffff0000); /* 172.16.x.y */
		ip->daddr = to->addr[3];
		ip->check = csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
	} else {
		struct ipv6hdr *ip = (void *)(eth + 1);

		eth->proto = bpf_htons(ETH_P_IPV6);
		ip->version_class_flow = bpf_htonl(0x60000000);
		ip->payload_len = bpf_htons(d->bytes);
		ip->nexthdr = d->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
		ip->hop_limit = 64;
		ip->saddr[0] = bpf_htonl(0x01000000); /* 100::/64: RFC 6666 */
		ip->saddr[1] = 0;
		ip->saddr[2] = 0;
		ip->saddr[3] = d->f.src[3] ^ d->f.sport;
		copy_addr(ip->daddr, to->addr);
	}
	return 0;
}

/* unwrap takes the outer header of a tunnel that ends here off. */
static __always_inline int unwrap(struct xdp_md *ctx, __u32 outer, __u16 proto)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr eth, *out;

	if (pos + sizeof(eth) > end)
		return XDP_DROP;
	__builtin_memcpy(&eth, pos, sizeof(eth));
	eth.proto = proto;
	if (bpf_xdp_adjust_head(ctx, outer))
		return XDP_DROP;
	pos = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	out = pos;
	if ((void *)(out + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(out, &eth, sizeof(eth));
	return XDP_PASS;
}

static __always_inline int l3_v4(struct xdp_md *ctx, struct ethhdr *eth, void *end, struct desc *d)
{
	struct iphdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	if (ip->version_ihl != 0x45 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return XDP_DROP;
	d->bytes = bpf_ntohs(ip->tot_len);
	d->f.proto = ip->protocol;
	if (ip->protocol == IPPROTO_ICMP)
		return icmp4(eth, ip, end, d);
	map_ipv4(d->f.src, ip->saddr);
	map_ipv4(d->f.dst, ip->daddr);
	if (ip->protocol == IPPROTO_IPIP && bpf_map_lookup_elem(&decap_dst, d->f.dst)) {
		count(CNT_DECAP, 1, 0);
		return unwrap(ctx, sizeof(*ip), bpf_htons(ETH_P_IP));
	}
	return ON;
}

static __always_inline int l3_v6(struct xdp_md *ctx, struct ethhdr *eth, void *end, struct desc *d)
{
	struct ipv6hdr *ip = (void *)(eth + 1);

	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	if (ip->nexthdr == IPPROTO_FRAGMENT)
		return XDP_DROP;
	d->v6 = 1;
	d->bytes = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	d->f.proto = ip->nexthdr;
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return icmp6(eth, ip, end, d);
	copy_addr(d->f.src, ip->saddr);
	copy_addr(d->f.dst, ip->daddr);
	if ((ip->nexthdr == IPPROTO_IPIP || ip->nexthdr == IPPROTO_IPV6) && bpf_map_lookup_elem(&decap_dst, d->f.dst)) {
		count(CNT_DECAP, 0, 1);
		return unwrap(ctx, sizeof(*ip), ip->nexthdr == IPPROTO_IPIP ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6));
	}
	return ON;
}

/* ports reads the transport header, of a quoted one with the sides changed. */
static __always_inline int ports(void *l4, void *end, struct desc *d)
{
	struct udphdr *udp = l4; /* TCP's ports stand where UDP's do */
	struct tcphdr *tcp = l4;

	if ((void *)(udp + 1) > end)
		return XDP_DROP;
	if (d->quoted) { /* eight bytes are all that must be there */
		d->f.sport = udp->dport;
		d->f.dport = udp->sport;
		return ON;
	}
	if (d->f.proto == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return XDP_DROP;
		d->opening = !!(tcp->flags & TCP_SYN);
	}
	d->f.sport = udp->sport;
	d->f.dport = udp->dport;
	return ON;
}

SEC("xdp")
int katran(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct vip_key key = {};
	struct desc d = {};
	struct vip *vip;
	struct real *to;
	__u32 index = 0, off;
	void *l4;
	int act;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->proto == bpf_htons(ETH_P_IP)) {
		act = l3_v4(ctx, eth, end, &d);
		off = sizeof(*eth) + sizeof(struct iphdr);
		if (d.quoted)
			off += sizeof(struct icmphdr) + sizeof(struct iphdr);
	} else if (eth->proto == bpf_htons(ETH_P_IPV6)) {
		act = l3_v6(ctx, eth, end, &d);
		off = sizeof(*eth) + sizeof(struct ipv6hdr);
		if (d.quoted)
			off += sizeof(struct icmphdr) + sizeof(struct ipv6hdr);
	} else {
		return XDP_PASS;
	}
	if (act != ON)
		return act;
	if (d.f.proto != IPPROTO_TCP && d.f.proto != IPPROTO_UDP)
		return XDP_PASS;
	end = (void *)(long)ctx->data_end;
	l4 = (void *)(long)ctx->data + off;
	act = ports(l4, end, &d);
	if (act != ON)
		return act;

	copy_addr(key.addr, d.f.dst);
	key.port = d.f.dport;
	key.proto = d.f.proto;
	vip = bpf_map_lookup_elem(&vip_map, &key);
	if (!vip) {
		key.port = 0;
		vip = bpf_map_lookup_elem(&vip_map, &key);
		if (!vip)
			return XDP_PASS;
		if (!(vip->flags & (DST_PORT_ONLY | QUIC)))
			d.f.dport = 0; /* all ports of a client to one server */
	}
	if (end - (void *)(long)ctx->data > MAX_PACKET || vip->id >= MAX_VIPS)
		return XDP_DROP;
	if (d.quoted)
		count(CNT_ICMP, 0, 1);
	if (vip->flags & NO_SRC_PORT)
		d.f.sport = 0;
	if ((vip->flags & QUIC) && d.f.proto == IPPROTO_UDP && !d.quoted) {
		index = quic_real(l4 + sizeof(struct udphdr), end);
		count(CNT_QUIC, !index, !!index);
	}
	if (!index) {
		if (!d.opening && !(vip->flags & NO_TABLE))
			index = from_table(&d.f);
		if (!index) {
			if (d.f.proto == IPPROTO_TCP)
				count(CNT_TCP, d.opening, !d.opening);
			index = from_ring(&d, vip);
			if (!index)
				return XDP_DROP;
			count(CNT_TABLE, 1, 1);
		} else {
			count(CNT_TABLE, 1, 0);
		}
	}
	to = bpf_map_lookup_elem(&reals, &index);
	if (!to)
		return XDP_DROP;
	if (wrap(ctx, &d, to))
		return XDP_DROP;
	count(vip->id, 1, d.bytes);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
