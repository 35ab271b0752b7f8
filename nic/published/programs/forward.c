// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Forwards IPv4: a host route by its address, else the longest prefix and the
 * neighbour's address; rewrites the MAC addresses, counts the protocol and sends
 * the frame out by a device map. ARP and what has no route go to the stack.
 */
#include "vlans.h"

struct host_key {
	__be32 addr;
};

struct prefix {
	__u32 len;
	__u8 addr[4];
};

struct route {
	__u8 net[4];
	__u32 len;
	__u64 mac;
	__u32 port;
	__u32 metric;
	__be32 gateway;
	__u8 pad[4];
};

struct direct {
	__u64 mac;
	__u64 spare;
	__u64 port;
	__u64 neighbour;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 50);
	__type(key, struct prefix);
	__type(value, struct route);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 50);
	__type(key, __be32);
	__type(value, __u64);
} neighbours SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 50);
	__type(key, __be32);
	__type(value, struct direct);
} hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 100);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

static __always_inline void put_mac(__u16 *to, const void *mac)
{
	const __u16 *m = mac;

	to[2] = m[2];
	to[1] = m[1];
	to[0] = m[0];
}

SEC("xdp") int forward(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct eth *eth = data;
	__u64 at = sizeof(*eth);
	__u64 *src = 0, *dst = 0;
	struct direct *direct;
	struct route *route;
	__be32 to = 0;
	__u16 proto;
	__u32 key = 0, port;

	if (data + at > end)
		return XDP_DROP;
	proto = eth->proto;
	if (tagged(proto)) {
		struct vlan *tag = data + at;

		at += sizeof(*tag);
		if (data + at > end)
			return XDP_DROP;
		proto = tag->proto;
	}
	if (proto == bpf_htons(0x0806))
		return XDP_PASS;
	if (proto != bpf_htons(0x0800))
		return XDP_DROP;
	{
		struct ip4 *ip = data + at;

		if ((void *)(ip + 1) <= end) {
			to = ip->daddr;
			key = ip->protocol;
		}
	}
	direct = bpf_map_lookup_elem(&hosts, &to);
	if (direct && direct->neighbour && direct->mac) {
		src = &direct->neighbour;
		dst = &direct->mac;
		port = direct->port;
	} else {
		struct prefix p;

		p.len = 32;
		p.addr[0] = to & 0xff;
		p.addr[1] = (to >> 8) & 0xff;
		p.addr[2] = (to >> 16) & 0xff;
		p.addr[3] = (to >> 24) & 0xff;
		route = bpf_map_lookup_elem(&routes, &p);
		if (!route)
			return XDP_DROP;
		src = &route->mac;
		port = route->port;
		dst = bpf_map_lookup_elem(&neighbours, &to);
		if (!dst) {
			if (!route->gateway)
				return XDP_DROP;
			to = route->gateway;
			dst = bpf_map_lookup_elem(&neighbours, &to);
		}
	}
	if (!dst)
		return XDP_DROP;
	put_mac(data, dst);
	put_mac(data + 6, src);
	count(&seen, &key);
	return bpf_redirect_map(&ports, port, 0);
}
