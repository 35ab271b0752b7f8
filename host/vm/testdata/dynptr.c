/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Dynptrs over packets, local memory and ring buffer records; TestControl
 * compares what they return with the running kernel. Built as control.c is.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

extern int bpf_dynptr_from_xdp(struct xdp_md *xdp, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *ptr, __u32 start, __u32 end) __ksym;
extern _Bool bpf_dynptr_is_null(const struct bpf_dynptr *ptr) __ksym;
extern _Bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *ptr) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *ptr, struct bpf_dynptr *clone) __ksym;

static long (*dynptr_from_mem)(void *data, __u32 size, __u64 flags, struct bpf_dynptr *ptr) = (void *)197;
static long (*ringbuf_reserve_dynptr)(void *ringbuf, __u32 size, __u64 flags, struct bpf_dynptr *ptr) = (void *)198;
static void (*ringbuf_submit_dynptr)(struct bpf_dynptr *ptr, __u64 flags) = (void *)199;
static void (*ringbuf_discard_dynptr)(struct bpf_dynptr *ptr, __u64 flags) = (void *)200;
static long (*dynptr_read)(void *dst, __u32 len, const struct bpf_dynptr *src, __u32 offset, __u64 flags) = (void *)201;
static long (*dynptr_write)(const struct bpf_dynptr *dst, __u32 offset, void *src, __u32 len, __u64 flags) = (void *)202;
static void *(*dynptr_data)(const struct bpf_dynptr *ptr, __u32 offset, __u32 len) = (void *)203;

struct io {
	__u64 in[8];
	__u64 out[24];
	char text[128];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct io);
} io SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/* The kernel's functions leave rubbish above a bool. */
static __always_inline __u64 low(__u64 v)
{
	asm volatile("" : "+r"(v));
	return v & 0xff;
}

static __always_inline struct io *get(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&io, &zero);
}

SEC("xdp.frags")
int packets(struct xdp_md *ctx)
{
	struct io *v = get();
	struct bpf_dynptr p, q;
	__u64 buf[2] = { 1, 2 };
	__u64 *s;
	if (!v)
		return XDP_DROP;
	v->out[0] = bpf_dynptr_from_xdp(ctx, v->in[0], &p);
	v->out[1] = bpf_dynptr_size(&p);
	v->out[2] = low(bpf_dynptr_is_null(&p));
	v->out[3] = low(bpf_dynptr_is_rdonly(&p));
	s = bpf_dynptr_slice(&p, v->in[1], buf, sizeof(buf));
	v->out[4] = s ? s[1] : 77;
	v->out[5] = buf[0];
	v->out[6] = dynptr_read(v->text, 16, &p, v->in[2], 0);
	v->out[7] = dynptr_write(&p, v->in[3], v->text, 24, v->in[4]);
	v->out[8] = bpf_dynptr_clone(&p, &q);
	v->out[9] = bpf_dynptr_adjust(&p, v->in[5], v->in[6]);
	v->out[10] = bpf_dynptr_size(&p);
	v->out[11] = bpf_dynptr_size(&q);
	s = bpf_dynptr_slice(&p, v->in[1], buf, sizeof(buf));
	v->out[12] = s ? s[0] : 78;
	v->out[13] = dynptr_read(v->text + 32, 16, &p, v->in[2], 0);
	if (v->in[7]) {
		s = bpf_dynptr_slice_rdwr(&p, 2, buf, sizeof(buf));
		if (s)
			s[1] = 0x1122334455667788;
		v->out[14] = !!s;
	}
	return XDP_PASS;
}

SEC("xdp.frags")
int locals(struct xdp_md *ctx)
{
	struct io *v = get();
	struct bpf_dynptr p, r;
	__u64 *s;
	if (!v)
		return XDP_DROP;
	v->out[0] = dynptr_from_mem(v->text, 64, v->in[0], &p);
	v->out[1] = bpf_dynptr_size(&p);
	v->out[2] = dynptr_write(&p, v->in[1], v->in, 16, v->in[2]);
	v->out[3] = dynptr_read(&v->out[8], 16, &p, v->in[3], 0);
	s = dynptr_data(&p, v->in[4], 8);
	v->out[4] = s ? *s : 3;
	v->out[5] = bpf_dynptr_adjust(&p, v->in[5], v->in[6]);
	s = dynptr_data(&p, v->in[4], 8);
	if (s)
		*s = 99;
	v->out[6] = low(bpf_dynptr_is_null(&p));

	v->out[12] = ringbuf_reserve_dynptr(&ring, 40, v->in[0], &r);
	v->out[13] = dynptr_write(&r, v->in[1], v->in, 16, 0);
	v->out[14] = bpf_dynptr_size(&r);
	if (v->in[7])
		ringbuf_submit_dynptr(&r, 0);
	else
		ringbuf_discard_dynptr(&r, 0);
	v->out[15] = bpf_ringbuf_query(&ring, BPF_RB_PROD_POS);
	return XDP_PASS;
}
