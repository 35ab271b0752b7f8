// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
// What clang writes today: BTF maps, data sections, calls, callbacks, tail
// calls by name, kernel configuration, a kernel function and a CO-RE access.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct key { __u32 addr; __u16 port; __u16 pad; };
struct val { __u64 packets, bytes; };

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__uint(numa_node, 0);
	__type(key, struct key);
	__type(value, struct val);
} flows SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} inner0 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &inner0 } };

int second(struct xdp_md *ctx);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, int (struct xdp_md *));
} jumps SEC(".maps") = { .values = { [2] = &second } };

static struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hidden SEC(".maps");

volatile const __u32 limit = 7;
__u32 start = 40;
__u64 seen;
extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool CONFIG_JITNIC_HAS_NO_SUCH_THING __kconfig __weak;
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash) __ksym __weak;
extern void bpf_no_such_kfunc(void) __ksym;

struct task_struct { int pid; } __attribute__((preserve_access_index));

static int count(__u32 i, void *p)
{
	*(__u64 *)p += i;
	return i >= limit;
}

static __attribute__((noinline)) __u64 total(__u32 n)
{
	__u64 sum = start;
	bpf_loop(n, count, &sum, 0);
	return sum;
}

__attribute__((noinline)) int helper(struct xdp_md *ctx)
{
	__u32 k = 0;
	__u64 *v = bpf_map_lookup_elem(&hidden, &k);
	if (v)
		++*v;
	return total(limit) > 50 ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int first(struct xdp_md *ctx)
{
	seen++;
	if (LINUX_KERNEL_VERSION < 0x30000 || CONFIG_JITNIC_HAS_NO_SUCH_THING)
		bpf_no_such_kfunc();
	bpf_tail_call(ctx, &jumps, 2);
	return helper(ctx);
}

SEC("xdp") int second(struct xdp_md *ctx)
{
	struct key k = { 1, 2 };
	struct val *v = bpf_map_lookup_elem(&flows, &k);
	__u32 one = 1;
	void *in = bpf_map_lookup_elem(&outer, &one);
	if (in && bpf_map_lookup_elem(in, &one))
		return XDP_TX;
	return v ? total(v->packets) : XDP_ABORTED;
}

SEC("xdp/devmap") int egress(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp.frags") int frags(struct xdp_md *ctx) { return XDP_PASS; }

SEC("tp_btf/sched_process_exit") int core(__u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	return t->pid + bpf_core_field_exists(t->pid);
}

char _license[] SEC("license") = "Dual BSD/GPL";
