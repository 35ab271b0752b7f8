#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
/* Connections that are assured pass, with their marks in a counter; all else is
 * counted by the error of the look-up. What is odd about the options, bits of the
 * TOS say. */
struct nf_conn { unsigned long status; __u32 mark; } __attribute__((preserve_access_index));
struct bpf_ct_opts___local { __s32 netns_id; __s32 error; __u8 l4proto; __u8 dir; __u16 ct_zone_id; __u8 ct_zone_dir; __u8 reserved[3]; };
extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *, struct bpf_sock_tuple *, __u32, struct bpf_ct_opts___local *, __u32) __ksym;
extern void bpf_ct_release(struct nf_conn *) __ksym;
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 64); __type(key, __s32); __type(value, __u64); } errors SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } dirs SEC(".maps");
SEC("xdp") int prog(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct bpf_sock_tuple tup = {};
	struct bpf_ct_opts___local opts = { .netns_id = -1 };
	__u16 *ports;
	__u32 size, odd = 0;
	if (data + sizeof(*eth) > end) return XDP_DROP;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = data + sizeof(*eth);
		if ((void *)(ip + 1) + 4 > end || ip->ihl != 5) return XDP_DROP;
		opts.l4proto = ip->protocol;
		odd = ip->tos;
		tup.ipv4.saddr = ip->saddr; tup.ipv4.daddr = ip->daddr;
		ports = (void *)(ip + 1);
		tup.ipv4.sport = ports[0]; tup.ipv4.dport = ports[1];
		size = sizeof(tup.ipv4);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = data + sizeof(*eth);
		if ((void *)(ip + 1) + 4 > end) return XDP_DROP;
		opts.l4proto = ip->nexthdr;
		__builtin_memcpy(tup.ipv6.saddr, &ip->saddr, 16); __builtin_memcpy(tup.ipv6.daddr, &ip->daddr, 16);
		ports = (void *)(ip + 1);
		tup.ipv6.sport = ports[0]; tup.ipv6.dport = ports[1];
		size = sizeof(tup.ipv6);
	} else
		return XDP_PASS;
	if (odd & 1) opts.netns_id = odd & 2 ? -2 : 7;
	if (odd & 4) opts.ct_zone_id = 3;
	if (odd & 8) opts.reserved[1] = 1;
	struct nf_conn *ct;
	if (odd & 16)
		ct = bpf_xdp_ct_lookup(ctx, &tup, sizeof(tup.ipv4), &opts, 12);
	else if (odd & 32)
		ct = bpf_xdp_ct_lookup(ctx, &tup, 16, &opts, sizeof(opts));
	else if (odd & 64)
		ct = bpf_xdp_ct_lookup(ctx, &tup, sizeof(tup.ipv4), &opts, 8);
	else if (size == sizeof(tup.ipv4))
		ct = bpf_xdp_ct_lookup(ctx, &tup, sizeof(tup.ipv4), &opts, sizeof(opts));
	else
		ct = bpf_xdp_ct_lookup(ctx, &tup, sizeof(tup.ipv6), &opts, sizeof(opts));
	if (!ct) {
		__s32 e = opts.error;
		__u64 one = 1, *n = bpf_map_lookup_elem(&errors, &e);
		if (n) __sync_fetch_and_add(n, 1);
		else bpf_map_update_elem(&errors, &e, &one, 0);
		return XDP_DROP;
	}
	unsigned long status = ct->status;
	__u32 mark = ct->mark;
	bpf_ct_release(ct);
	__u32 k = opts.dir & 3;
	__u64 *n = bpf_map_lookup_elem(&dirs, &k);
	if (n) *n += mark + 1;
	return status & 4 /* IPS_ASSURED */ ? XDP_PASS : XDP_TX;
}
char _license[] SEC("license") = "GPL";
