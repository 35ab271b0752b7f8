// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
// What objects for iproute2's loader look like: no BTF, definitions with an id
// and inner maps, tail-called programs in sections "ID/KEY", no license.
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
struct xdp_md { u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index; };
struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};
static void *(*lookup)(void *, const void *) = (void *)1;
static long (*tail_call)(void *, void *, u32) = (void *)12;

struct bpf_elf_map SEC("maps") jumps = { 3, 4, 4, 8, 0, 5, 0, 0, 0 };
struct bpf_elf_map SEC("maps") inner = { 2, 4, 8, 1, 0, 6, 0, 0, 3 };
struct bpf_elf_map SEC("maps") outer = { 12, 4, 4, 8, 0, 7, 0, 6, 0 };
struct bpf_elf_map SEC("maps") prefixes = { 11, 8, 4, 16, 0, 0, 0, 0, 0 };

SEC("prog") int entry(struct xdp_md *ctx)
{
	u64 k = 0x0101010100000020ULL;
	u32 *v = lookup(&prefixes, &k);
	if (v)
		return *v;
	tail_call(ctx, &jumps, 1);
	return 2;
}

SEC("5/1") int tail1(struct xdp_md *ctx)
{
	u32 k = 3;
	void *m = lookup(&outer, &k);
	if (m) {
		u32 z = 0;
		u64 *v = lookup(m, &z);
		if (v && *v)
			return 1;
	}
	tail_call(ctx, &jumps, 0x7);
	return 3;
}

SEC("5/0x7") int tail7(struct xdp_md *ctx) { return ctx->rx_queue_index ? 1 : 2; }
