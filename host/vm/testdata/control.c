/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Control flow and helpers that bare instructions can't test, because the
 * verifier wants types for them: loops with callbacks, iteration over maps,
 * tail calls out of subprograms, formatted text. Every program writes what it
 * sees to the map "io"; TestControl compares that with the running kernel.
 *
 *	clang -O2 -g -target bpf -mcpu=v3 -c control.c -o control.o
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct sum {
	__u64 n, s, stop, last;
};

struct walk {
	__u64 n, keys, values, stop, changed;
};

/* What callbacks count stands here and not on the stack, where the verifier
 * would follow every value it can take. */
struct io {
	__u64 in[8];
	__u64 out[24];
	char text[128];
	struct sum c, d, e;
	struct walk w, x, y, z;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct io);
} io SEC(".maps");

#define ARRAY_MAP(name, t, n)			\
	struct {				\
		__uint(type, t);		\
		__uint(max_entries, n);		\
		__type(key, __u32);		\
		__type(value, __u64);		\
	} name SEC(".maps")

ARRAY_MAP(array, BPF_MAP_TYPE_ARRAY, 5);
ARRAY_MAP(percpu, BPF_MAP_TYPE_PERCPU_ARRAY, 5);
ARRAY_MAP(hash, BPF_MAP_TYPE_HASH, 8);
ARRAY_MAP(lru, BPF_MAP_TYPE_LRU_HASH, 64);
ARRAY_MAP(pchash, BPF_MAP_TYPE_PERCPU_HASH, 8);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__uint(value_size, 8);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 3);
	__uint(value_size, 8);
} stack SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__uint(value_size, 8);
} bloom SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
};

struct inner inner1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = (void *)&inner1 } };

int tail_again(struct xdp_md *ctx);
int tail_end(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(values, int(void *));
} progs SEC(".maps") = { .values = { [0] = (void *)&tail_again, [2] = (void *)&tail_end } };

static __always_inline struct io *get(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&io, &zero);
}

/* A callback's context must lie on the stack. */
struct arg {
	struct io *v;
	struct sum *c;
	struct walk *w;
};

static long add(__u32 i, struct arg *a)
{
	struct sum *c = a->c;
	c->n++;
	c->s += i * 3;
	c->last = i;
	return c->n == c->stop;
}

/* A loop in a loop. */
static long outer_loop(__u32 i, struct arg *a)
{
	struct io *v = a->v;
	struct arg b = { v, &v->e };
	v->e.n = v->e.s = 0;
	v->d.s += bpf_loop(i, add, &b, 0) + v->e.s;
	v->d.n++;
	return 0;
}

SEC("xdp")
int loops(struct xdp_md *ctx)
{
	struct io *v = get();
	if (!v)
		return XDP_DROP;
	struct arg a = { v, &v->c };
	v->c.stop = v->e.stop = v->in[1];
	v->out[0] = bpf_loop(v->in[0], add, &a, v->in[2]);
	v->out[1] = v->c.n;
	v->out[2] = v->c.s;
	v->out[3] = v->c.last;
	v->out[4] = bpf_loop(v->in[3] & 15, outer_loop, &a, 0);
	v->out[5] = v->d.n;
	v->out[6] = v->d.s;
	return XDP_PASS;
}

static long each(void *map, __u32 *key, __u64 *value, struct arg *a)
{
	struct walk *w = a->w;
	w->n++;
	w->keys += *key * 7;
	w->values += *value;
	*value += w->changed;
	return w->n == w->stop;
}

static long each_delete(void *map, __u32 *key, __u64 *value, struct arg *a)
{
	struct walk *w = a->w;
	w->n++;
	w->values += *value;
	bpf_map_delete_elem(map, key);
	return 0;
}

/* Global, so that the verifier looks at it once. */
__attribute__((noinline)) int seed(__u64 n)
{
	for (__u32 i = 0; i < 6; i++) {
		__u32 k = i;
		__u64 one = i + 100;
		if (i < n)
			bpf_map_update_elem(&hash, &k, &one, BPF_ANY);
		bpf_map_update_elem(&lru, &k, &one, BPF_NOEXIST);
		bpf_map_update_elem(&percpu, &k, &one, BPF_ANY);
	}
	return 0;
}

SEC("xdp")
int walks(struct xdp_md *ctx)
{
	struct io *v = get();
	if (!v)
		return XDP_DROP;
	struct arg a = { v };
	v->w.stop = v->in[1];
	v->w.changed = v->x.changed = v->y.changed = 5;
	seed(v->in[0]);
	a.w = &v->w;
	v->out[0] = bpf_for_each_map_elem(&array, each, &a, v->in[2]);
	v->out[1] = v->w.n;
	v->out[2] = v->w.keys;
	v->out[3] = v->w.values;
	a.w = &v->x;
	v->out[4] = bpf_for_each_map_elem(&hash, each, &a, 0);
	v->out[5] = v->x.n;
	v->out[6] = v->x.keys;
	v->out[7] = v->x.values;
	a.w = &v->y;
	v->out[8] = bpf_for_each_map_elem(&percpu, each, &a, 0);
	v->out[9] = v->y.values;
	a.w = &v->z;
	v->out[10] = bpf_for_each_map_elem(&hash, each_delete, &a, 0);
	v->out[11] = v->z.values;
	v->y.n = 0;
	a.w = &v->y;
	v->out[12] = bpf_for_each_map_elem(&hash, each, &a, 0);
	return XDP_PASS;
}

static __attribute__((noinline)) int sub(struct xdp_md *ctx, __u32 which)
{
	volatile __u64 mine = 77;
	bpf_tail_call(ctx, &progs, which);
	return mine;
}

SEC("xdp")
int tails(struct xdp_md *ctx)
{
	struct io *v = get();
	volatile __u64 keep = 4711;
	__u32 which;
	if (!v)
		return XDP_DROP;
	v->out[0] = 0;
	which = v->in[0];
	v->out[1] = sub(ctx, which); /* comes back whatever the target did */
	v->out[2] = keep;
	bpf_tail_call(ctx, &progs, which);
	v->out[3]++;
	return XDP_TX;
}

SEC("xdp")
int tail_again(struct xdp_md *ctx)
{
	struct io *v = get();
	if (!v)
		return XDP_DROP;
	v->out[0]++;
	bpf_tail_call(ctx, &progs, 0);
	v->out[4]++;
	return 55;
}

SEC("xdp")
int tail_end(struct xdp_md *ctx)
{
	struct io *v = get();
	if (!v)
		return XDP_DROP;
	v->out[5]++;
	return 66;
}

SEC("xdp")
int texts(struct xdp_md *ctx)
{
	struct io *v = get();
	__u64 four = 0x0100007f;
	char six[16] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	if (!v)
		return XDP_DROP;
	v->out[0] = BPF_SNPRINTF(v->text, sizeof(v->text), "%d %u %x %X|%lld %llu %llx|%5d|%05d|%-5d|%+d|%%|%c",
		v->in[0], v->in[0], v->in[0], v->in[0], v->in[1], v->in[1], v->in[1],
		v->in[2], v->in[2], v->in[2], v->in[2], v->in[3]);
	v->out[1] = BPF_SNPRINTF(v->text + 96, 32, "%pI4 %pi4", &four, &four);
	v->out[2] = BPF_SNPRINTF((char *)&v->out[8], 48, "%pI6", six);
	v->out[3] = BPF_SNPRINTF((char *)&v->out[14], 16, "%s-%s", "abc", "defghijklmnopqrstuvwxyz");
	v->out[4] = bpf_printk("plain %d %s", 42, "text");
	v->out[5] = bpf_printk("%d %d %d %llx %d", 1, 2, 3, v->in[1], 5);
	v->out[6] = bpf_strncmp((char *)v->in, 8, "hello");
	return XDP_PASS;
}

SEC("xdp")
int outputs(struct xdp_md *ctx)
{
	struct io *v = get();
	__u64 x, *p;
	if (!v)
		return XDP_DROP;
	x = v->in[0];
	v->out[0] = bpf_ringbuf_output(&ring, v->text, 100, v->in[1]);
	p = bpf_ringbuf_reserve(&ring, 16, 0);
	v->out[1] = !!p;
	if (p) {
		p[0] = x;
		p[1] = 1;
		if (x & 1)
			bpf_ringbuf_submit(p, 0);
		else
			bpf_ringbuf_discard(p, 0);
	}
	v->out[2] = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	v->out[3] = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE);
	v->out[4] = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
	v->out[5] = bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &x, 8);
	v->out[6] = bpf_perf_event_output(ctx, &events, 99, &x, 8);
	v->out[7] = bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU | (20ULL << 32), &x, 8);
	v->out[8] = bpf_perf_event_output(ctx, &events, 1ULL << 60, &x, 8);

	v->out[9] = bpf_map_push_elem(&queue, &x, v->in[2]);
	v->out[10] = bpf_map_push_elem(&stack, &x, v->in[2]);
	x = 1;
	v->out[11] = bpf_map_peek_elem(&queue, &x);
	v->out[12] = x;
	if (v->in[3]) {
		v->out[13] = bpf_map_pop_elem(&queue, &x);
		v->out[14] = x;
		v->out[15] = bpf_map_pop_elem(&stack, &x);
		v->out[16] = x;
	}
	x = v->in[0];
	v->out[17] = bpf_map_peek_elem(&bloom, &x);
	v->out[18] = bpf_map_push_elem(&bloom, &x, 0);
	v->out[19] = bpf_map_peek_elem(&bloom, &x);
	return XDP_PASS;
}

SEC("xdp")
int lookups(struct xdp_md *ctx)
{
	struct io *v = get();
	__u32 key, cpu;
	__u64 x, *p;
	void *in;
	if (!v)
		return XDP_DROP;
	key = v->in[0];
	cpu = v->in[1];
	x = v->in[2];
	in = bpf_map_lookup_elem(&outer, &key);
	v->out[0] = !!in;
	if (in) {
		v->out[1] = bpf_map_update_elem(in, &cpu, &x, 0);
		p = bpf_map_lookup_elem(in, &cpu);
		v->out[2] = p ? *p : 99;
	}
	p = bpf_map_lookup_percpu_elem(&percpu, &key, cpu);
	v->out[3] = !!p;
	if (p)
		v->out[4] = (*p)++;
	v->out[5] = bpf_map_update_elem(&pchash, &key, &x, v->in[3]);
	p = bpf_map_lookup_percpu_elem(&pchash, &key, cpu);
	v->out[6] = p ? *p : 98;
	v->out[7] = bpf_map_update_elem(&hash, &key, &x, v->in[3]);
	v->out[8] = bpf_map_delete_elem(&hash, &key);
	v->out[9] = bpf_map_delete_elem(&hash, &key);
	v->out[10] = bpf_map_delete_elem(&array, &key);
	v->out[11] = bpf_map_update_elem(&array, &key, &x, v->in[3]);
	x = 7;
	v->out[12] = bpf_probe_read_kernel(&x, sizeof(x), v->in + 2);
	v->out[13] = x;
	cpu = v->in[4];
	v->out[14] = bpf_check_mtu(ctx, 1, &cpu, (int)v->in[5], 0);
	v->out[15] = cpu;
	v->out[16] = bpf_check_mtu(ctx, v->in[6], &cpu, 0, v->in[7]);
	v->out[17] = bpf_redirect(3, 0);
	return XDP_PASS;
}
