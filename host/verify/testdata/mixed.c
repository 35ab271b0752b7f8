// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
// One program that does a little with every kind of map whose state shows in
// verdicts: locks, a bloom filter, queue and stack, a ring buffer that fills
// up, an LRU hash that evicts, a walk over an array, random draws, the clock.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct val {
	struct bpf_spin_lock lock;
	__u32 n;
	__u64 bytes;
};

#define MAP(name, kind, entries, k, v)             \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_##kind); \
		__uint(max_entries, entries);      \
		__type(key, k);                    \
		__type(value, v);                  \
	} name SEC(".maps")
#define BAG(name, kind, entries)                   \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_##kind); \
		__uint(max_entries, entries);      \
		__type(value, __u32);              \
	} name SEC(".maps")

MAP(flows, HASH, 256, __u32, struct val);
MAP(shares, ARRAY, 4, __u32, struct val);
MAP(recent, LRU_HASH, 100, __u64, __u64);
MAP(cpus, PERCPU_ARRAY, 2, __u32, __u64);
BAG(seen, BLOOM_FILTER, 64);
BAG(fifo, QUEUE, 16);
BAG(lifo, STACK, 16);
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static long add(void *map, __u32 *k, struct val *v, __u64 *sum)
{
	*sum += v->n * (*k + 1);
	return 0;
}

SEC("xdp") int mixed(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct val zero = {}, *v;
	__u64 draw, one = 1, sum = 0, *p;
	__u32 addr, share, top;
	int known;

	if (data + 34 > end)
		return XDP_ABORTED;
	addr = *(__u32 *)(data + 26);
	share = addr & 3;
	v = bpf_map_lookup_elem(&flows, &addr);
	if (!v) {
		bpf_map_update_elem(&flows, &addr, &zero, BPF_NOEXIST);
		v = bpf_map_lookup_elem(&flows, &addr);
	}
	if (!v)
		return XDP_DROP; // full
	bpf_spin_lock(&v->lock);
	v->n++;
	v->bytes += end - data;
	bpf_spin_unlock(&v->lock);
	v = bpf_map_lookup_elem(&shares, &share);
	if (v) {
		bpf_spin_lock(&v->lock);
		v->n++;
		bpf_spin_unlock(&v->lock);
	}
	known = bpf_map_peek_elem(&seen, &addr);
	bpf_map_push_elem(&seen, &addr, 0);
	if (bpf_map_push_elem(&fifo, &addr, BPF_EXIST))
		return 7;
	if (share == 1)
		bpf_map_pop_elem(&fifo, &top);
	if (bpf_map_push_elem(&lifo, &addr, 0)) {
		bpf_map_pop_elem(&lifo, &top);
		bpf_map_pop_elem(&lifo, &top);
	}
	p = bpf_ringbuf_reserve(&events, 16, 0);
	if (p) {
		p[0] = addr;
		p[1] = bpf_ktime_get_ns();
		bpf_ringbuf_submit(p, 0);
		one = 2;
	}
	draw = bpf_get_prandom_u32() & 255;
	bpf_map_update_elem(&recent, &draw, &one, 0);
	share &= 1;
	p = bpf_map_lookup_elem(&cpus, &share);
	if (p)
		*p += bpf_get_smp_processor_id() + bpf_ktime_get_ns() / 1000000;
	bpf_for_each_map_elem(&shares, add, &sum, 0);
	return (known ? 100 : 200) + (sum & 31) + one * 1000;
}

char _license[] SEC("license") = "Dual BSD/GPL";
