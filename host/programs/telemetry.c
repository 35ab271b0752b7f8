//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * telemetry: counts what goes by and lets everything pass. The first program
 * walks VLAN tags, IPv4 options and IPv6 extension headers in loops, counts
 * protocols, options and sizes per CPU and hands what it found to the second
 * by a tail call; that one counts TCP flags and ports and puts a sample of
 * every SAMPLE_EVERYth packet of a CPU into a ring buffer.
 */
#include "net.h"

#define TAGS 4
#define OPTIONS 10
#define EXTHDRS 8
#define SNAP 64

/* Counters of the map events. */
enum {
	EVENT_PACKETS,
	EVENT_TAGGED,
	EVENT_DEEP_TAGS,   /* more than TAGS */
	EVENT_MALFORMED,
	EVENT_FRAGMENTS,
	EVENT_OPTIONS,
	EVENT_SOURCE_ROUTE, /* RFC 7126: options no one should send */
	EVENT_EXTHDRS,
	EVENT_DEEP_EXTHDRS, /* more than EXTHDRS */
	EVENT_SYN,
	EVENT_FIN,
	EVENT_RST,
	EVENT_SAMPLED,
	EVENT_LOST,         /* no room in the ring buffer */
	EVENT_NO_TAIL,      /* the second program isn't there */
	EVENTS = 32,
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

/* What the first program found out. */
struct found {
	__u32 len;
	__u32 l4;      /* offset */
	__u16 ethertype;
	__u8 proto;
	__u8 tags;
	__u32 later;   /* a fragment without transport header */
};

struct sample {
	__u32 len;
	__u32 port; /* host order; 0 without */
	__u16 ethertype;
	__u8 proto;
	__u8 tags;
	__u32 captured;
	__u8 bytes[SNAP];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct counter);
} protocols SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");

/* Packets by the logarithm of their length. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} sizes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* protocol << 16 | well-known port */
	__type(value, struct counter);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct found);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);
} samples SEC(".maps");

int telemetry_l4(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} stages SEC(".maps") = {
	.values = { [1] = &telemetry_l4 },
};

/* One packet in so many of a CPU is sampled; 0: none. */
const volatile __u32 sample_every = 64;

static __always_inline void event(__u32 id)
{
	__u64 *c = bpf_map_lookup_elem(&events, &id);

	if (c)
		*c += 1;
}

static __noinline __u32 log2_of(__u32 v)
{
	__u32 r = 0;

	for (__u32 shift = 8; shift; shift >>= 1)
		if (v >> shift) {
			v >>= shift;
			r += shift;
		}
	return r;
}

/* walk_options reads the first OPTIONS of RFC 791's options from pos up to last. */
static __always_inline int walk_options(void *pos, void *last, void *end)
{
	for (int i = 0; i < OPTIONS; i++) {
		__u8 *opt = pos, len;

		if (pos >= last)
			break;
		if ((void *)(opt + 2) > end)
			break; /* one byte before the packet's end: nothing but padding */
		if (*opt == 0) /* end of list */
			break;
		len = *opt == 1 ? 1 : opt[1]; /* no operation stands alone */
		if (len == 0 || len > 40)
			return -1;
		if (*opt == 0x83 || *opt == 0x89) /* loose, strict source route */
			event(EVENT_SOURCE_ROUTE);
		pos += len;
	}
	return 0;
}

static __always_inline int walk_ipv4(void *pos, void *end, struct found *f)
{
	struct iphdr *ip = pos;
	__u32 hlen;

	if ((void *)(ip + 1) > end)
		return -1;
	hlen = (ip->version_ihl & 15) * 4;
	if (hlen < sizeof(*ip) || pos + hlen > end)
		return -1;
	f->proto = ip->protocol;
	f->l4 += hlen;
	if (ip->frag_off & bpf_htons(IP_OFFSET | IP_MF)) {
		event(EVENT_FRAGMENTS);
		f->later = (ip->frag_off & bpf_htons(IP_OFFSET)) != 0;
	}
	if (hlen > sizeof(*ip)) {
		event(EVENT_OPTIONS);
		return walk_options(ip + 1, pos + hlen, end);
	}
	return 0;
}

static __always_inline int walk_ipv6(void *pos, void *end, struct found *f)
{
	struct ipv6hdr *ip = pos;
	__u32 next, skip;

	if ((void *)(ip + 1) > end)
		return -1;
	next = ip->nexthdr;
	pos = ip + 1;
	f->l4 += sizeof(*ip);
	for (int i = 0; i < EXTHDRS; i++) {
		struct ipv6_opt_hdr *opt = pos;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT && next != IPPROTO_AH)
			goto out;
		if ((void *)(opt + 1) > end)
			return -1;
		if (!i)
			event(EVENT_EXTHDRS);
		skip = next == IPPROTO_FRAGMENT ? 8 : next == IPPROTO_AH ? (opt->hdrlen + 2) * 4 : (opt->hdrlen + 1) * 8;
		if (next == IPPROTO_FRAGMENT) {
			event(EVENT_FRAGMENTS);
			if (*(__be16 *)&opt->type & bpf_htons(0xfff8)) {
				f->later = 1;
				next = opt->nexthdr;
				f->l4 += skip;
				goto out;
			}
		}
		next = opt->nexthdr;
		pos += skip;
		f->l4 += skip;
	}
	event(EVENT_DEEP_EXTHDRS);
	f->later = 1;
out:
	f->proto = next;
	return 0;
}

SEC("xdp")
int telemetry(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = pos;
	struct counter *c;
	struct found *f;
	__u32 zero = 0, index, tags = 0, bad = 0;
	__u16 proto;
	__u64 *n;

	f = bpf_map_lookup_elem(&scratch, &zero);
	if (!f)
		return XDP_PASS;
	f->len = end - pos;
	f->proto = 0;
	f->later = 0;
	event(EVENT_PACKETS);
	index = log2_of(f->len & 0xffff);
	n = bpf_map_lookup_elem(&sizes, &index);
	if (n)
		*n += 1;
	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	proto = eth->proto;
	pos = eth + 1;
	for (int i = 0; i < TAGS; i++) {
		struct vlanhdr *tag = pos;

		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end) {
			event(EVENT_MALFORMED);
			return XDP_PASS;
		}
		proto = tag->proto;
		pos = tag + 1;
		tags++;
	}
	if (tags)
		event(EVENT_TAGGED);
	if (proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD)) {
		event(EVENT_DEEP_TAGS);
		return XDP_PASS;
	}
	f->tags = tags;
	f->ethertype = bpf_ntohs(proto);
	f->l4 = sizeof(*eth) + tags * sizeof(struct vlanhdr);
	if (proto == bpf_htons(ETH_P_IP))
		bad = walk_ipv4(pos, end, f);
	else if (proto == bpf_htons(ETH_P_IPV6))
		bad = walk_ipv6(pos, end, f);
	else
		return XDP_PASS;
	if (bad) {
		event(EVENT_MALFORMED);
		return XDP_PASS;
	}
	index = f->proto;
	c = bpf_map_lookup_elem(&protocols, &index);
	if (c) {
		c->packets++;
		c->bytes += f->len;
	}
	bpf_tail_call(ctx, &stages, 1);
	event(EVENT_NO_TAIL); /* only reached when there is nothing to call */
	return XDP_PASS;
}

static __always_inline void sample(void *pos, void *end, const struct found *f, __u32 port)
{
	struct sample *s = bpf_ringbuf_reserve(&samples, sizeof(*s), 0);

	if (!s) {
		event(EVENT_LOST);
		return;
	}
	s->len = f->len;
	s->port = port;
	s->ethertype = f->ethertype;
	s->proto = f->proto;
	s->tags = f->tags;
	s->captured = 0;
	if (pos + SNAP <= end) {
		__builtin_memcpy(s->bytes, pos, SNAP);
		s->captured = SNAP;
	} else {
		__builtin_memset(s->bytes, 0, SNAP);
	}
	bpf_ringbuf_submit(s, BPF_RB_NO_WAKEUP);
	event(EVENT_SAMPLED);
}

SEC("xdp")
int telemetry_l4(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *l4;
	__u32 zero = 0, index, port = 0;
	struct counter *c, fresh = {};
	struct found *f;
	__u64 *n;

	f = bpf_map_lookup_elem(&scratch, &zero);
	if (!f)
		return XDP_PASS;
	l4 = pos + (f->l4 & 0x3fff);
	if (!f->later && (f->proto == IPPROTO_TCP || f->proto == IPPROTO_UDP || f->proto == IPPROTO_SCTP)) {
		struct udphdr *ports = l4;

		if ((void *)(ports + 1) > end) {
			event(EVENT_MALFORMED);
			return XDP_PASS;
		}
		/* The lower port is the service, in all likelihood. */
		port = bpf_ntohs(ports->dport);
		if (bpf_ntohs(ports->sport) < port)
			port = bpf_ntohs(ports->sport);
		if (port < 1024) {
			index = (__u32)f->proto << 16 | port;
			c = bpf_map_lookup_elem(&services, &index);
			if (c) {
				__sync_fetch_and_add(&c->packets, 1);
				__sync_fetch_and_add(&c->bytes, f->len);
			} else {
				fresh.packets = 1;
				fresh.bytes = f->len;
				bpf_map_update_elem(&services, &index, &fresh, BPF_NOEXIST);
			}
		}
	}
	if (!f->later && f->proto == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > end) {
			event(EVENT_MALFORMED);
			return XDP_PASS;
		}
		if (tcp->flags & TCP_SYN)
			event(EVENT_SYN);
		if (tcp->flags & TCP_FIN)
			event(EVENT_FIN);
		if (tcp->flags & TCP_RST)
			event(EVENT_RST);
	}
	index = EVENT_PACKETS;
	n = bpf_map_lookup_elem(&events, &index);
	if (n && sample_every && *n % sample_every == 0)
		sample(pos, end, f, port);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
