// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A stateful firewall. A table of flows by 5-tuple, the lower address and port
 * first, so that both directions of a flow are one entry. A packet from inside
 * opens an entry; one from outside passes if an entry is there, else it is
 * dropped. What passes goes out of the other port through a device map.
 */
#include "xdp.h"

#define INSIDE 4
#define OUTSIDE 5

struct flow {
	__u16 proto;
	__be16 sport, dport;
	__u16 pad;
	__be32 saddr, daddr;
};

struct leaf {
	__u8 in_port;
	__u8 pad;
	__u16 out_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct leaf);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 10);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

SEC("xdp") int simple_firewall(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct leaf *leaf, fresh = {};
	struct flow k = {};
	struct eth *eth = data;
	struct ip4 *ip = data + sizeof(*eth);
	struct ports *l4 = (void *)(ip + 1);
	__u32 from;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->proto != bpf_htons(0x0800))
		return XDP_DROP;
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	from = ctx->ingress_ifindex;
	if (ip->protocol != 17 && ip->protocol != 6)
		return XDP_DROP;
	if ((void *)(l4 + 1) > end)
		return XDP_DROP;
	k.proto = ip->protocol;
	k.saddr = ip->saddr;
	k.daddr = ip->daddr;
	k.sport = l4->sport;
	k.dport = l4->dport;
	if (k.daddr < k.saddr) {
		__be32 t = k.saddr;

		k.saddr = k.daddr;
		k.daddr = t;
	}
	if (k.dport < k.sport) {
		__be16 t = k.sport;

		k.sport = k.dport;
		k.dport = t;
	}
	leaf = bpf_map_lookup_elem(&flows, &k);
	if (from == OUTSIDE) {
		if (!leaf)
			return XDP_DROP;
		return bpf_redirect_map(&ports, leaf->in_port, 0);
	}
	if (!leaf) {
		fresh.in_port = INSIDE;
		fresh.out_port = OUTSIDE;
		bpf_map_update_elem(&flows, &k, &fresh, BPF_ANY);
	}
	return bpf_redirect_map(&ports, OUTSIDE, 0);
}
