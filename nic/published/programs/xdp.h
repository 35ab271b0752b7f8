/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the programs of this folder share. They do what the programs do that
 * papers measured, in our own words: of the same length, with the same branches,
 * look-ups and rewrites. Wire formats and helpers are the samples' own.
 */
#ifndef JITNIC_XDP_H
#define JITNIC_XDP_H

#include "../../../host/programs/bpf.h"

static long (*bpf_redirect)(__u32 ifindex, __u64 flags) = (void *)23;
static long (*bpf_xdp_adjust_tail)(struct xdp_md *ctx, int delta) = (void *)65;

struct eth {
	__u8 dst[6];
	__u8 src[6];
	__be16 proto;
} __attribute__((packed)); /* read byte by byte, as compilers did in 2020 */

struct vlan {
	__be16 tci;
	__be16 proto;
};

struct ip4 {
	__u8 version_ihl, tos;
	__be16 tot_len, id, frag_off;
	__u8 ttl, protocol;
	__u16 check;
	__be32 saddr, daddr;
};

struct ip6 {
	__be32 first;
	__be16 payload_len;
	__u8 nexthdr, hop_limit;
	__be32 saddr[4], daddr[4];
};

struct ports {
	__be16 sport, dport;
	__be16 len;
	__u16 check;
};

#define start(ctx) ((void *)(long)(ctx)->data)
#define finish(ctx) ((void *)(long)(ctx)->data_end)

/* swap_macs turns a frame round, 2 bytes at a time. */
static __always_inline void swap_macs(void *frame)
{
	__u16 *p = frame, was[3];

	was[0] = p[0];
	was[1] = p[1];
	was[2] = p[2];
	p[0] = p[3];
	p[1] = p[4];
	p[2] = p[5];
	p[3] = was[0];
	p[4] = was[1];
	p[5] = was[2];
}

/* count adds one to an entry of a per-CPU array. */
static __always_inline void count(void *map, __u32 *key)
{
	__u64 *n = bpf_map_lookup_elem(map, key);

	if (n)
		*n += 1;
}

#endif
