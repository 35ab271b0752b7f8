// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Answers IPv4 packets of more than 600 bytes with an ICMP "fragmentation needed"
 * (RFC 792, RFC 1191) that quotes what came first, and passes all others.
 */
#include "xdp.h"

#define LARGEST 600
#define QUOTED 98 /* of the frame, Ethernet header and 84 bytes of packet */
#define ICMP_LEN (QUOTED - 14 + 8)
#define HEADROOM 28 /* a new IPv4 and a new ICMP header */

struct icmp {
	__u8 type, code;
	__u16 check;
	__u16 unused;
	__be16 mtu;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sent SEC(".maps");

static __always_inline __u16 fold(__u32 sum)
{
	return ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline __u16 checksum(void *from, int len)
{
	return fold(bpf_csum_diff(0, 0, from, len, 0));
}

static __always_inline int answer(struct xdp_md *ctx)
{
	struct eth *eth, *was;
	struct ip4 *ip, *quoted;
	struct icmp *icmp;
	void *data, *end;
	__u64 zero = 0, *n;

	if (bpf_xdp_adjust_head(ctx, 0 - HEADROOM))
		return XDP_DROP;
	data = start(ctx);
	end = finish(ctx);
	if (data + QUOTED + HEADROOM > end)
		return XDP_DROP;
	eth = data;
	was = data + HEADROOM;
	__builtin_memcpy(eth->src, was->dst, 6);
	__builtin_memcpy(eth->dst, was->src, 6);
	eth->proto = was->proto;
	ip = data + sizeof(*eth);
	icmp = (void *)(ip + 1);
	quoted = (void *)(icmp + 1);
	icmp->type = 3;
	icmp->code = 4;
	icmp->unused = 0;
	icmp->mtu = bpf_htons(LARGEST - sizeof(*eth));
	icmp->check = 0;
	icmp->check = checksum(icmp, ICMP_LEN);
	ip->ttl = 64;
	ip->daddr = quoted->saddr;
	ip->saddr = quoted->daddr;
	ip->version_ihl = 0x45;
	ip->protocol = 1;
	ip->tos = 0;
	ip->tot_len = bpf_htons(ICMP_LEN + sizeof(*ip));
	ip->check = 0;
	ip->check = checksum(ip, sizeof(*ip));
	n = bpf_map_lookup_elem(&sent, &zero);
	if (n)
		*n += 1;
	return XDP_TX;
}

SEC("xdp") int too_big(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct eth *eth = data;
	int size = end - data;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->proto != bpf_htons(0x0800))
		return XDP_PASS;
	if (size > LARGEST) {
		if (bpf_xdp_adjust_tail(ctx, QUOTED - size))
			return XDP_PASS;
		return answer(ctx);
	}
	return XDP_PASS;
}
