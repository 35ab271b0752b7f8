// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Counts, turns the frame round and sends it out of a device map's first port. */
#include "xdp.h"

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 100);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

SEC("xdp") int redirect_map(struct xdp_md *ctx)
{
	void *data = start(ctx), *end = finish(ctx);
	__u32 zero = 0;

	if (data + sizeof(struct eth) > end)
		return XDP_DROP;
	count(&seen, &zero);
	swap_macs(data);
	return bpf_redirect_map(&ports, 0, 0);
}
