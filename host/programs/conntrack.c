//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * conntrack: a firewall that remembers connections. Hosts inside may open
 * them; from outside come only replies, ICMP errors about a known connection
 * and openings of published services. States follow TCP (RFC 9293, 3.3.2) as
 * seen from the middle; UDP and ICMP echo live by timeouts (RFC 4787, 5).
 *
 * A connection that was there before the program is picked up where it stands,
 * if its opening would have been let in (Linux: nf_conntrack_tcp_loose).
 *
 * Inside are, until the map inside4 or inside6 says otherwise, the private
 * address ranges.
 */
#include "net.h"

#define SECOND 1000000000ULL

enum state {
	STATE_NEW,         /* UDP or ICMP: not answered yet */
	STATE_ANSWERED,    /* UDP or ICMP */
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_ESTABLISHED,
	STATE_CLOSING,     /* one side said FIN */
	STATE_TIME_WAIT,   /* both did */
	STATE_CLOSED,      /* RST */
	STATES,
};

struct conn {
	__u64 last;       /* ns, of the last packet */
	__u64 packets[2]; /* from the originator, to it */
	__u64 bytes[2];
	__u32 state;      /* enum state */
	__u32 fins;       /* bit 0: the originator sent FIN, bit 1: the other */
};

struct service {
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct prefix4 {
	__u32 prefixlen; /* bits */
	__be32 addr;
};

struct prefix6 {
	__u32 prefixlen; /* bits */
	__be32 addr[4];
};

enum {
	COUNT_MALFORMED,
	COUNT_NOT_IP,
	COUNT_FRAGMENT,
	COUNT_NEW,
	COUNT_KNOWN,
	COUNT_RELATED,
	COUNT_REFUSED,   /* no connection, and none may be opened */
	COUNT_BAD_STATE, /* a segment that fits no state */
	COUNT_EXPIRED,
	COUNT_FULL,
	COUNT_OTHER, /* a protocol without ports */
	COUNTERS = 16,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct flow); /* the originator is the source */
	__type(value, struct conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct service);
	__type(value, __u32); /* 1: open to the outside */
} published SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, __u32); /* 1: inside, 0: outside */
} inside4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, __u32); /* 1: inside, 0: outside */
} inside6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Seconds without a packet after which a connection is forgotten. */
const volatile __u32 timeouts[STATES] = {
	[STATE_NEW] = 30,	[STATE_ANSWERED] = 120, [STATE_SYN_SENT] = 60,
	[STATE_SYN_RECV] = 60,	[STATE_ESTABLISHED] = 7440, [STATE_CLOSING] = 240,
	[STATE_TIME_WAIT] = 60, [STATE_CLOSED] = 10,
};

/* Pick up TCP connections in the middle. */
const volatile __u32 loose = 1;

static __always_inline int count(__u32 id, int action)
{
	__u64 *c = bpf_map_lookup_elem(&counters, &id);

	if (c)
		*c += 1;
	return action;
}

static __noinline int is_inside(const __be32 *addr)
{
	__u32 *v;

	if (!addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff)) {
		struct prefix4 key = { .prefixlen = 32, .addr = addr[3] };

		v = bpf_map_lookup_elem(&inside4, &key);
	} else {
		struct prefix6 key = { .prefixlen = 128 };

		copy_addr(key.addr, addr);
		v = bpf_map_lookup_elem(&inside6, &key);
	}
	return v ? *v != 0 : is_private(addr);
}

static __always_inline void reverse(struct flow *r, const struct flow *f)
{
	copy_addr(r->src, f->dst);
	copy_addr(r->dst, f->src);
	r->sport = f->dport;
	r->dport = f->sport;
	r->proto = f->proto;
}

/* next_state is where a TCP connection goes by a segment from side (0: the
 * originator), or -1 if the segment fits no state. */
static __noinline int next_state(__u32 state, __u32 flags, __u32 fins, __u32 side)
{
	if (flags & TCP_RST)
		return STATE_CLOSED;
	if (flags & TCP_SYN) {
		if (flags & TCP_FIN)
			return -1;
		if (flags & TCP_ACK)
			return side == 1 && state <= STATE_SYN_RECV ? STATE_SYN_RECV : -1;
		return side == 0 && state == STATE_SYN_SENT ? STATE_SYN_SENT : -1;
	}
	if (!(flags & TCP_ACK))
		return -1;
	switch (state) {
	case STATE_SYN_SENT:
		return -1; /* no answer yet: no data either */
	case STATE_SYN_RECV:
		if (side == 1)
			return STATE_SYN_RECV;
		break;
	case STATE_CLOSED:
		return -1;
	}
	if (fins == 3)
		return STATE_TIME_WAIT;
	return fins ? STATE_CLOSING : STATE_ESTABLISHED;
}

/* find_conn looks the flow up both ways; *side is 0 for the originator's. */
static __always_inline struct conn *find_conn(struct flow *f, struct flow *r, __u32 *side)
{
	struct conn *c = bpf_map_lookup_elem(&conns, f);

	*side = 0;
	if (!c) {
		reverse(r, f);
		c = bpf_map_lookup_elem(&conns, r);
		*side = 1;
	}
	return c;
}

/* An ICMP error quotes the packet it is about: RFC 792, RFC 4443. */
static __always_inline int related(struct flow *f, void *pos, void *end, enum parsed kind)
{
	struct flow r = {};
	__be16 *ports;
	__u32 side;

	if (kind == PARSED_IPV4) {
		struct iphdr *ip = pos;
		__u32 hlen;

		if ((void *)(ip + 1) > end)
			return 0;
		hlen = (ip->version_ihl & 15) * 4;
		if (hlen < sizeof(*ip))
			return 0;
		map_ipv4(f->src, ip->saddr);
		map_ipv4(f->dst, ip->daddr);
		f->proto = ip->protocol;
		pos += hlen;
	} else {
		struct ipv6hdr *ip = pos;

		if ((void *)(ip + 1) > end)
			return 0;
		copy_addr(f->src, ip->saddr);
		copy_addr(f->dst, ip->daddr);
		f->proto = ip->nexthdr;
		pos += sizeof(*ip);
	}
	ports = pos;
	if (pos + 8 > end)
		return 0;
	if (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP) {
		f->sport = ports[0];
		f->dport = ports[1];
	} else {
		f->sport = ports[2]; /* the identifier of an echo */
		f->dport = ports[2];
	}
	return find_conn(f, &r, &side) != NULL;
}

SEC("xdp")
int conntrack(struct xdp_md *ctx)
{
	struct packet p;
	struct flow f = {}, r = {};
	struct service key = {};
	struct conn fresh = {}, *c;
	enum parsed kind = parse_packet(ctx, &p);
	__u32 len = ctx->data_end - ctx->data;
	__u32 side, flags = 0, request = 1;
	__u64 now;

	if (kind == PARSED_BAD)
		return count(COUNT_MALFORMED, XDP_DROP);
	if (kind == PARSED_OTHER)
		return count(COUNT_NOT_IP, XDP_PASS);
	if (p.frag == FRAG_LATER)
		return count(COUNT_FRAGMENT, XDP_PASS);
	flow_addrs(&f, &p, kind);
	f.proto = p.l4proto;

	if (p.l4proto == IPPROTO_TCP) {
		struct tcphdr *tcp = p.l4;

		if ((void *)(tcp + 1) > p.end || tcp->doff >> 4 < 5)
			return count(COUNT_MALFORMED, XDP_DROP);
		f.sport = tcp->sport;
		f.dport = tcp->dport;
		flags = tcp->flags;
		request = (flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	} else if (p.l4proto == IPPROTO_UDP) {
		struct udphdr *udp = p.l4;

		if ((void *)(udp + 1) > p.end)
			return count(COUNT_MALFORMED, XDP_DROP);
		f.sport = udp->sport;
		f.dport = udp->dport;
	} else if (p.l4proto == (kind == PARSED_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		struct icmphdr *icmp = p.l4;
		__u8 type;

		if ((void *)(icmp + 1) > p.end)
			return count(COUNT_MALFORMED, XDP_DROP);
		type = icmp->type;
		if (kind == PARSED_IPV6 && type >= ICMPV6_RS && type <= ICMPV6_NA)
			return count(COUNT_OTHER, XDP_PASS); /* neighbours, not connections */
		request = type == (kind == PARSED_IPV4 ? ICMP_ECHO : ICMPV6_ECHO);
		if (!request && type != (kind == PARSED_IPV4 ? ICMP_ECHOREPLY : ICMPV6_ECHOREPLY)) {
			struct flow quoted = {};

			if (related(&quoted, icmp + 1, p.end, kind))
				return count(COUNT_RELATED, XDP_PASS);
			return count(COUNT_REFUSED, XDP_DROP);
		}
		f.sport = icmp->id;
		f.dport = icmp->id;
	} else {
		return count(COUNT_OTHER, is_inside(f.src) ? XDP_PASS : XDP_DROP);
	}

	now = bpf_ktime_get_ns();
	c = find_conn(&f, &r, &side);
	if (c) {
		__u32 state = c->state;

		if (state < STATES && now - c->last > timeouts[state] * SECOND) {
			bpf_map_delete_elem(&conns, side ? &r : &f);
			count(COUNT_EXPIRED, 0);
			c = NULL;
		} else if ((state == STATE_TIME_WAIT || state == STATE_CLOSED) && request && f.proto == IPPROTO_TCP) {
			/* The ports are used again: RFC 9293, 3.6.1. */
			bpf_map_delete_elem(&conns, side ? &r : &f);
			c = NULL;
		}
	}
	if (c) {
		if (f.proto == IPPROTO_TCP) {
			__u32 fins = c->fins | (flags & TCP_FIN ? 1U << side : 0);
			int next = next_state(c->state, flags, fins, side);

			if (next < 0)
				return count(COUNT_BAD_STATE, XDP_DROP);
			c->fins = fins;
			c->state = next;
		} else if (side) {
			c->state = STATE_ANSWERED;
		}
		c->last = now;
		if (side) {
			__sync_fetch_and_add(&c->packets[1], 1);
			__sync_fetch_and_add(&c->bytes[1], len);
		} else {
			__sync_fetch_and_add(&c->packets[0], 1);
			__sync_fetch_and_add(&c->bytes[0], len);
		}
		return count(COUNT_KNOWN, XDP_PASS);
	}

	if (!request && !(loose && (flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK))
		return count(COUNT_REFUSED, XDP_DROP);
	if (!is_inside(f.src)) {
		__u32 *open;

		key.port = f.dport;
		key.proto = f.proto;
		open = bpf_map_lookup_elem(&published, &key);
		if (!open || !*open)
			return count(COUNT_REFUSED, XDP_DROP);
	}
	fresh.last = now;
	fresh.packets[0] = 1;
	fresh.bytes[0] = len;
	fresh.state = f.proto != IPPROTO_TCP ? STATE_NEW : request ? STATE_SYN_SENT : STATE_ESTABLISHED;
	if (bpf_map_update_elem(&conns, &f, &fresh, BPF_ANY))
		return count(COUNT_FULL, XDP_DROP);
	return count(COUNT_NEW, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
