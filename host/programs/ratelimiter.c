//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ratelimiter: a token bucket for every source network, a /24 of IPv4 or a
 * /64 of IPv6, as one host easily owns that many addresses. A token is a
 * packet; opening segments of TCP cost more, as they cost the server more.
 * The bucket is one number, the time until which the source has spent its
 * tokens (ITU-T I.371's virtual scheduling, GCRA): nothing is lost to rounding
 * between packets, and one compare-and-swap keeps CPUs apart.
 */
#include "net.h"

#define SECOND 1000000000ULL
#define MAX_CLASSES 16

struct source {
	__be32 net[2]; /* of IPv4: 0, a.b.c.0 */
	__u8 family;   /* 4 or 6 */
	__u8 pad[3];
};

struct bucket {
	__u64 until;   /* ns; now or before: the bucket is full */
	__u64 dropped; /* packets */
};

/* A class of sources; class 0 is for all that are in no other. */
struct limit {
	__u32 rate;  /* packets a second; 0 in class 0: the built-in limit, else: without limit */
	__u32 burst; /* packets */
	__u32 syn_cost; /* tokens */
	__u32 pad;
};

struct prefix4 {
	__u32 prefixlen; /* bits */
	__be32 addr;
};

struct prefix6 {
	__u32 prefixlen; /* bits */
	__be32 addr[4];
};

struct stats {
	__u64 passed;
	__u64 dropped;
	__u64 new_sources;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct source);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_CLASSES);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, __u32); /* class */
} classes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, __u32); /* class */
} classes6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_CLASSES);
	__type(key, __u32);
	__type(value, struct stats);
} stats SEC(".maps");

const volatile struct limit builtin = { .rate = 1000, .burst = 200, .syn_cost = 4, .pad = 0 };

/* take takes cost ns of the source's time, if less than most lies ahead. CPUs
 * that meet at one bucket try again; who never wins is dropped. */
static __always_inline int take(struct bucket *b, __u64 now, __u64 most, __u64 cost)
{
	for (int i = 0; i < 4; i++) {
		__u64 seen = b->until, until = (seen > now ? seen : now) + cost;

		if (until - now > most)
			break;
		if (__sync_val_compare_and_swap(&b->until, seen, until) == seen)
			return 1;
	}
	__sync_fetch_and_add(&b->dropped, 1);
	return 0;
}

SEC("xdp")
int ratelimiter(struct xdp_md *ctx)
{
	struct packet p;
	struct source src = {};
	struct limit *limit;
	struct bucket *b;
	struct stats *s;
	enum parsed kind = parse_packet(ctx, &p);
	__u32 class = 0, *in, rate, burst, cost = 1;
	__u64 now, token, most;

	if (kind == PARSED_BAD)
		return XDP_DROP;
	if (kind == PARSED_OTHER)
		return XDP_PASS;
	if (kind == PARSED_IPV4) {
		struct iphdr *ip = p.l3;
		struct prefix4 key = { .prefixlen = 32, .addr = ip->saddr };

		in = bpf_map_lookup_elem(&classes4, &key);
		src.family = 4;
		src.net[1] = ip->saddr & bpf_htonl(0xffffff00);
	} else {
		struct ipv6hdr *ip = p.l3;
		struct prefix6 key = { .prefixlen = 128 };

		copy_addr(key.addr, ip->saddr);
		in = bpf_map_lookup_elem(&classes6, &key);
		src.family = 6;
		src.net[0] = ip->saddr[0];
		src.net[1] = ip->saddr[1];
	}
	if (in)
		class = *in;
	limit = bpf_map_lookup_elem(&limits, &class);
	s = bpf_map_lookup_elem(&stats, &class);
	if (!limit || !s)
		return XDP_ABORTED; /* a class that isn't there */
	rate = limit->rate;
	burst = limit->burst;
	if (rate) {
		if (p.l4proto == IPPROTO_TCP)
			cost = limit->syn_cost;
	} else if (class) {
		s->passed++;
		return XDP_PASS;
	} else {
		rate = builtin.rate;
		burst = builtin.burst;
		if (p.l4proto == IPPROTO_TCP)
			cost = builtin.syn_cost;
	}
	if (p.l4proto == IPPROTO_TCP && p.frag != FRAG_LATER) {
		struct tcphdr *tcp = p.l4;

		if ((void *)(tcp + 1) > p.end)
			return XDP_DROP;
		if ((tcp->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
			cost = 1;
	} else {
		cost = 1;
	}

	token = rate < SECOND ? SECOND / rate : 1;
	most = burst * token;
	now = bpf_ktime_get_ns();
	b = bpf_map_lookup_elem(&buckets, &src);
	if (!b) {
		struct bucket full = {};

		/* Another CPU may be first: then its bucket stands. */
		if (!bpf_map_update_elem(&buckets, &src, &full, BPF_NOEXIST))
			s->new_sources++;
		b = bpf_map_lookup_elem(&buckets, &src);
		if (!b)
			return XDP_ABORTED;
	}
	if (take(b, now, most, cost * token)) {
		s->passed++;
		return XDP_PASS;
	}
	s->dropped++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
