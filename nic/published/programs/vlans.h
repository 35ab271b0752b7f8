/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef JITNIC_VLANS_H
#define JITNIC_VLANS_H

#include "xdp.h"

#define tagged(proto) ((proto) == bpf_htons(0x8100) || (proto) == bpf_htons(0x88a8))

/* protocol4 and protocol6 are the next header's number; 0 where the frame ends
 * before it. */
static __always_inline int protocol4(void *data, __u64 at, void *end)
{
	struct ip4 *ip = data + at;

	if ((void *)(ip + 1) > end)
		return 0;
	return ip->protocol;
}

static __always_inline int protocol6(void *data, __u64 at, void *end)
{
	struct ip6 *ip = data + at;

	if ((void *)(ip + 1) > end)
		return 0;
	return ip->nexthdr;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

#endif
