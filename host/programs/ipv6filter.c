//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ipv6filter: a stateless filter for IPv6, without a map. It passes or drops
 * by next header, port and TCP flags; all that isn't IPv6 passes. Each path
 * depends on packet bytes alone, so a handful of traces covers real traffic.
 */
#include "net.h"

/* The services behind this filter. */
static __always_inline int served(__u8 proto, __u16 port)
{
	switch (port) {
	case 53:
	case 5201: /* iperf3 */
		return 1;
	case 22:
	case 80:
		return proto == IPPROTO_TCP;
	case 443:
		return 1; /* TLS and QUIC */
	case 123:
	case 546:
	case 547:
	case 5353:
		return proto == IPPROTO_UDP;
	}
	return 0;
}

static __always_inline int filter_tcp(void *pos, void *end)
{
	struct tcphdr *tcp = pos;
	__u8 flags;

	if ((void *)(tcp + 1) > end || tcp->doff >> 4 < 5)
		return XDP_DROP;
	flags = tcp->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);
	if (flags == 0 || (flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
		return XDP_DROP; /* what only scanners send */
	if (flags != TCP_SYN)
		return XDP_PASS; /* not an opening segment */
	return served(IPPROTO_TCP, bpf_ntohs(tcp->dport)) ? XDP_PASS : XDP_DROP;
}

static __always_inline int filter_udp(void *pos, void *end)
{
	struct udphdr *udp = pos;
	__u32 len;

	if ((void *)(udp + 1) > end)
		return XDP_DROP;
	len = bpf_ntohs(udp->len);
	if (len < sizeof(*udp) || pos + len > end || !udp->check)
		return XDP_DROP; /* RFC 8200, 8.1: over IPv6 the checksum is no option */
	if (served(IPPROTO_UDP, bpf_ntohs(udp->dport)) || served(IPPROTO_UDP, bpf_ntohs(udp->sport)))
		return XDP_PASS;
	return XDP_DROP;
}

/* RFC 4890: what must not be dropped, and what must come from the link. */
static __always_inline int filter_icmp(void *pos, void *end, __u8 hop_limit)
{
	struct icmphdr *icmp = pos;

	if ((void *)(icmp + 1) > end)
		return XDP_DROP;
	if (icmp->type >= ICMPV6_UNREACH && icmp->type <= ICMPV6_PARAMPROB)
		return XDP_PASS;
	if (icmp->type == ICMPV6_ECHO || icmp->type == ICMPV6_ECHOREPLY)
		return XDP_PASS;
	if (icmp->type >= ICMPV6_RS && icmp->type <= ICMPV6_NA)
		return hop_limit == 255 ? XDP_PASS : XDP_DROP;
	if (icmp->type >= 130 && icmp->type <= 132) /* multicast listeners, RFC 2710 */
		return hop_limit == 1 ? XDP_PASS : XDP_DROP;
	return icmp->type == 143 && hop_limit == 1 ? XDP_PASS : XDP_DROP; /* RFC 3810 */
}

SEC("xdp")
int ipv6filter(struct xdp_md *ctx)
{
	void *pos = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = pos;
	struct ipv6hdr *ip;
	__u16 proto;
	__u8 next;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	proto = eth->proto;
	pos = eth + 1;
#pragma unroll
	for (int i = 0; i < MAX_VLANS; i++) {
		struct vlanhdr *tag = pos;

		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return XDP_DROP;
		proto = tag->proto;
		pos = tag + 1;
	}
	if (proto != bpf_htons(ETH_P_IPV6))
		return XDP_PASS;

	ip = pos;
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	if ((ip->version_class_flow & 0xf0) != 0x60 || !ip->hop_limit)
		return XDP_DROP;
	if (((__u8 *)ip->saddr)[0] == 0xff)
		return XDP_DROP; /* RFC 4291, 2.7: never a source */
	if (pos + sizeof(*ip) + bpf_ntohs(ip->payload_len) > end)
		return XDP_DROP;

	next = ip->nexthdr;
	pos = ip + 1;
	for (int i = 0; i < MAX_EXTHDRS; i++) {
		struct ipv6_opt_hdr *opt = pos;

		if (next == IPPROTO_TCP)
			return filter_tcp(pos, end);
		if (next == IPPROTO_UDP)
			return filter_udp(pos, end);
		if (next == IPPROTO_ICMPV6)
			return filter_icmp(pos, end, ip->hop_limit);
		if (next == IPPROTO_FRAGMENT) {
			struct ipv6_frag_hdr *frag = pos;

			if ((void *)(frag + 1) > end)
				return XDP_DROP;
			if (frag->frag_off & bpf_htons(0xfff8))
				return XDP_PASS; /* judged by its first fragment */
			next = frag->nexthdr;
			pos = frag + 1;
			continue;
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return XDP_DROP;
		if (next == IPPROTO_HOPOPTS && i)
			return XDP_DROP; /* RFC 8200, 4.1: first or not at all */
		if ((void *)(opt + 1) > end)
			return XDP_DROP;
		if (next == IPPROTO_ROUTING && opt->type == 0)
			return XDP_DROP; /* RFC 5095 */
		next = opt->nexthdr;
		pos += (opt->hdrlen + 1) * 8;
	}
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
