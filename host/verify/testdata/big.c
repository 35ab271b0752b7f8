// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
// Maps as load balancers and caches have them: far larger than what a few
// packets touch.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct entry { __u64 packets, bytes; };
struct block { __u8 bytes[65536]; };

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 16 << 20); __type(key, __u32); __type(value, __u64); } counters SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 8 << 20); __type(key, __u32); __type(value, struct entry); } flows SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 65535); __type(key, __u32); __type(value, struct block); } blocks SEC(".maps");

struct inner { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1 << 20); __type(key, __u32); __type(value, struct entry); };
struct inner cpu0 SEC(".maps"), cpu1 SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2); __type(key, __u32); __array(values, struct inner); } percpu SEC(".maps") = { .values = { &cpu0, &cpu1 } };

SEC("xdp") int big(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + 34 > end)
		return XDP_PASS;
	__u32 len = end - data, src = *(__u32 *)(data + 26), key = src & ((16 << 20) - 1);
	__u64 *n = bpf_map_lookup_elem(&counters, &key);
	if (n)
		*n += 1;
	struct entry *e = bpf_map_lookup_elem(&flows, &src), fresh = { 1, len };
	if (e) {
		e->packets++;
		e->bytes += len;
	} else {
		bpf_map_update_elem(&flows, &src, &fresh, BPF_ANY);
	}
	key = src & 0x7fff;
	struct block *b = bpf_map_lookup_elem(&blocks, &key);
	if (b)
		b->bytes[src & 0xffff] = len;
	key = src & 1;
	void *in = bpf_map_lookup_elem(&percpu, &key);
	if (in)
		bpf_map_update_elem(in, &src, &fresh, BPF_ANY);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
