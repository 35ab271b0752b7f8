// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
// The first kernel samples' map definitions: four words, no flags; and a
// function that is called across sections.
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
struct xdp_md { u32 data, data_end; };
struct bpf_map_def { u32 type, key_size, value_size, max_entries; };
static void *(*lookup)(void *, const void *) = (void *)1;

struct bpf_map_def SEC("maps") first = { 2, 4, 8, 3 };
struct bpf_map_def SEC("maps") second = { 1, 4, 4, 17 };

__attribute__((noinline)) int bump(u32 k)
{
	u64 *v = lookup(&first, &k);
	if (v)
		*v += 1;
	return v ? 2 : 1;
}

SEC("xdp1") int prog(struct xdp_md *ctx)
{
	u32 k = 9, *v = lookup(&second, &k);
	if (!v)
		return bump(1) + bump(2);
	return *v;
}
char _license[] SEC("license") = "GPL";
