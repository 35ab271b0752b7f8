// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Counts packets in all, by receive queue, and by what was wrong; reads or turns
 * round the frame where its configuration says so, and gives the verdict that
 * the configuration has.
 */
#include "xdp.h"

#define QUEUES 64

enum {
	NO_TOUCH = 0,
	READ = 1,
	SWAP = 2,
};

struct config {
	__u32 verdict;
	__u32 port;
	__u32 options;
};

struct record {
	__u64 seen, wrong;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct record);
} all SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, QUEUES + 1);
	__type(key, __u32);
	__type(value, struct record);
} by_queue SEC(".maps");

SEC("xdp") int queues(struct xdp_md *ctx)
{
	void *end = finish(ctx), *data = start(ctx);
	struct record *rec, *q;
	struct config *config;
	__u32 key = 0, port;

	rec = bpf_map_lookup_elem(&all, &key);
	if (!rec)
		return XDP_ABORTED;
	rec->seen++;
	port = ctx->ingress_ifindex;
	config = bpf_map_lookup_elem(&config_map, &key);
	if (!config)
		return XDP_ABORTED;
	if (port != config->port) {
		rec->wrong++;
		return XDP_ABORTED;
	}
	key = ctx->rx_queue_index;
	if (key >= QUEUES)
		key = QUEUES;
	q = bpf_map_lookup_elem(&by_queue, &key);
	if (!q)
		return XDP_ABORTED;
	q->seen++;
	if (key == QUEUES)
		q->wrong++;
	if (config->options & (READ | SWAP)) {
		struct eth *eth = data;

		if ((void *)(eth + 1) > end)
			return XDP_ABORTED;
		if (bpf_ntohs(eth->proto) < 0x600)
			return XDP_ABORTED;
		if (config->options & SWAP)
			swap_macs(data);
	}
	return config->verdict;
}
