// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What switches do to packets, each as a program: a tag is put on, taken off or
 * rewritten, and addresses and ports are translated by a fixed table. */
#include "net.h"

/* tag_on puts VLAN 20, priority 3, around untagged frames. */
SEC("xdp")
int tag_on(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = pos, old;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->proto == bpf_htons(ETH_P_8021Q) || eth->proto == bpf_htons(ETH_P_8021AD))
		return XDP_PASS;
	old = *eth;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlanhdr)))
		return XDP_ABORTED;
	pos = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (pos + 18 > end)
		return XDP_ABORTED;
	eth = pos;
	__builtin_memcpy(eth->dst, old.dst, 6);
	__builtin_memcpy(eth->src, old.src, 6);
	eth->proto = bpf_htons(ETH_P_8021Q);
	((struct vlanhdr *)(eth + 1))->tci = bpf_htons(0x6014);
	((struct vlanhdr *)(eth + 1))->proto = old.proto;
	return XDP_TX;
}

/* tag_off takes a tag off. */
SEC("xdp")
int tag_off(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = pos, old;
	struct vlanhdr *tag = (void *)(eth + 1);

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->proto != bpf_htons(ETH_P_8021Q))
		return XDP_PASS;
	if ((void *)(tag + 1) > end)
		return XDP_DROP;
	old = *eth;
	old.proto = tag->proto;
	if (bpf_xdp_adjust_head(ctx, sizeof(struct vlanhdr)))
		return XDP_ABORTED;
	pos = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (pos + sizeof(old) > end)
		return XDP_ABORTED;
	eth = pos;
	__builtin_memcpy(eth, &old, sizeof(old));
	return XDP_TX;
}

/* tag_to moves all tagged frames to VLAN 30; their priority stays. */
SEC("xdp")
int tag_to(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = pos;
	struct vlanhdr *tag = (void *)(eth + 1);

	if ((void *)(tag + 1) > end)
		return XDP_DROP;
	if (eth->proto != bpf_htons(ETH_P_8021Q))
		return XDP_PASS;
	tag->tci = (tag->tci & bpf_htons(0xf000)) | bpf_htons(30);
	return XDP_TX;
}

struct endpoint {
	__be32 addr;
	__be16 port;
	__be16 pad;
};

/* From what clients talk to, to who answers: no program writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct endpoint);
	__type(value, struct endpoint);
} table SEC(".maps");

static __always_inline struct endpoint *other(struct iphdr *ip, __be16 port)
{
	struct endpoint key = { .addr = ip->daddr, .port = port };

	return bpf_map_lookup_elem(&table, &key);
}

static __always_inline __u16 again(__u16 check, struct iphdr *ip, __be16 port, const struct endpoint *to)
{
	return csum_replace(csum_replace(check, ip->daddr, to->addr), port, to->port);
}

/* translate changes destination address and port, of plain TCP and UDP in IPv4. */
SEC("xdp")
int translate(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = pos;
	struct iphdr *ip = (void *)(eth + 1);
	struct endpoint *to;

	if ((void *)(ip + 1) > end || eth->proto != bpf_htons(ETH_P_IP) || ip->version_ihl != 0x45)
		return XDP_PASS;
	if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return XDP_PASS;
	if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = (void *)(ip + 1);

		if ((void *)(tcp + 1) > end)
			return XDP_PASS;
		to = other(ip, tcp->dport);
		if (!to)
			return XDP_PASS;
		tcp->check = again(tcp->check, ip, tcp->dport, to);
		tcp->dport = to->port;
	} else if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *udp = (void *)(ip + 1);

		if ((void *)(udp + 1) > end)
			return XDP_PASS;
		to = other(ip, udp->dport);
		if (!to)
			return XDP_PASS;
		if (udp->check) {
			udp->check = again(udp->check, ip, udp->dport, to);
			if (!udp->check)
				udp->check = 0xffff;
		}
		udp->dport = to->port;
	} else {
		return XDP_PASS;
	}
	ip->check = csum_replace(ip->check, ip->daddr, to->addr);
	ip->daddr = to->addr;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
