// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts packets by IP protocol behind up to two VLAN tags, and drops them. */
#include "vlans.h"

SEC("xdp") int count_drop(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct eth *eth = data;
	__u64 at = sizeof(*eth);
	__u16 proto;
	__u32 key;

	if (data + at > end)
		return XDP_DROP;
	proto = eth->proto;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlan *tag = data + at;

		if (!tagged(proto))
			continue;
		at += sizeof(*tag);
		if (data + at > end)
			return XDP_DROP;
		proto = tag->proto;
	}
	if (proto == bpf_htons(0x0800))
		key = protocol4(data, at, end);
	else if (proto == bpf_htons(0x86dd))
		key = protocol6(data, at, end);
	else
		key = 0;
	count(&seen, &key);
	return XDP_DROP;
}
