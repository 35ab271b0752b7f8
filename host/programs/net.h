/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Wire formats and the parser that the stateful samples share. It walks up to
 * two VLAN tags (IEEE 802.1Q), IPv4 with options (RFC 791) and IPv6 with
 * extension headers (RFC 8200), and refuses lengths that contradict each other.
 */
#ifndef JITNIC_NET_H
#define JITNIC_NET_H

#include "bpf.h"

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021AD 0x88a8

#define IPPROTO_HOPOPTS 0
#define IPPROTO_ICMP 1
#define IPPROTO_IPIP 4
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_GRE 47
#define IPPROTO_ESP 50
#define IPPROTO_AH 51
#define IPPROTO_ICMPV6 58
#define IPPROTO_NONE 59
#define IPPROTO_DSTOPTS 60
#define IPPROTO_SCTP 132

#define MAX_VLANS 2
#define MAX_EXTHDRS 6

struct ethhdr {
	__u8 dst[6];
	__u8 src[6];
	__be16 proto;
};

struct vlanhdr {
	__be16 tci;
	__be16 proto;
};

struct iphdr {
	__u8 version_ihl;
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off; /* 3 bits of flags, 13 of offset in 8 bytes */
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__be32 saddr;
	__be32 daddr;
};

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

struct ipv6hdr {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
};

/* Hop-by-hop, routing and destination options begin alike. */
struct ipv6_opt_hdr {
	__u8 nexthdr;
	__u8 hdrlen; /* in 8 bytes, the first 8 not counted */
	__u8 type;   /* of a routing header */
	__u8 left;
};

struct ipv6_frag_hdr {
	__u8 nexthdr;
	__u8 reserved;
	__be16 frag_off; /* 13 bits of offset, 2 reserved, 1 more */
	__be32 id;
};

struct tcphdr {
	__be16 sport;
	__be16 dport;
	__be32 seq;
	__be32 ack;
	__u8 doff; /* header length in 4 bytes, high nibble */
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urg;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

struct udphdr {
	__be16 sport;
	__be16 dport;
	__be16 len;
	__u16 check;
};

struct icmphdr {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 id;
	__be16 seq;
};

#define ICMP_ECHOREPLY 0
#define ICMP_UNREACH 3
#define ICMP_REDIRECT 5
#define ICMP_ECHO 8
#define ICMP_TIMXCEED 11
#define ICMP_PARAMPROB 12

#define ICMPV6_UNREACH 1
#define ICMPV6_PARAMPROB 4
#define ICMPV6_ECHO 128
#define ICMPV6_ECHOREPLY 129
#define ICMPV6_RS 133
#define ICMPV6_NA 136
#define ICMPV6_REDIRECT 137

/* Where a packet stands in its datagram. */
enum {
	FRAG_NONE,
	FRAG_FIRST,
	FRAG_LATER, /* no transport header in it */
};

struct packet {
	void *end;
	struct ethhdr *eth;
	void *l3;     /* struct iphdr or struct ipv6hdr, wholly inside */
	void *l4;     /* behind options and extension headers; unchecked */
	__u16 proto;  /* EtherType behind the VLAN tags, host order */
	__u16 vid;    /* of the outermost tag, 0 without */
	__u16 l2len;  /* 14, 18 or 22 */
	__u8 l4proto;
	__u8 frag;
};

enum parsed {
	PARSED_IPV4,
	PARSED_IPV6,
	PARSED_OTHER, /* neither IPv4 nor IPv6: L2 only */
	PARSED_BAD,   /* cut short, or lengths that contradict each other */
};

static __always_inline enum parsed parse_ipv4(struct packet *p, void *pos)
{
	struct iphdr *ip = pos;
	__u32 hlen, tot, off;

	if ((void *)(ip + 1) > p->end)
		return PARSED_BAD;
	if (ip->version_ihl >> 4 != 4)
		return PARSED_BAD;
	hlen = (ip->version_ihl & 15) * 4;
	tot = bpf_ntohs(ip->tot_len);
	if (hlen < sizeof(*ip) || tot < hlen)
		return PARSED_BAD;
	if (pos + tot > p->end)
		return PARSED_BAD;
	off = bpf_ntohs(ip->frag_off);
	p->frag = off & IP_OFFSET ? FRAG_LATER : off & IP_MF ? FRAG_FIRST : FRAG_NONE;
	p->l4proto = ip->protocol;
	p->l3 = ip;
	p->l4 = pos + hlen;
	return PARSED_IPV4;
}

static __always_inline enum parsed parse_ipv6(struct packet *p, void *pos)
{
	struct ipv6hdr *ip = pos;
	__u32 next;

	if ((void *)(ip + 1) > p->end)
		return PARSED_BAD;
	if ((ip->version_class_flow & 0xf0) != 0x60)
		return PARSED_BAD;
	if (pos + sizeof(*ip) + bpf_ntohs(ip->payload_len) > p->end)
		return PARSED_BAD;
	p->l3 = ip;
	next = ip->nexthdr;
	pos = ip + 1;
	for (int i = 0; i < MAX_EXTHDRS; i++) {
		struct ipv6_opt_hdr *opt = pos;
		struct ipv6_frag_hdr *frag = pos;

		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if ((void *)(opt + 1) > p->end)
				return PARSED_BAD;
			next = opt->nexthdr;
			pos += (opt->hdrlen + 1) * 8;
			break;
		case IPPROTO_AH: /* RFC 4302: in 4 bytes, the first 8 not counted */
			if ((void *)(opt + 1) > p->end)
				return PARSED_BAD;
			next = opt->nexthdr;
			pos += (opt->hdrlen + 2) * 4;
			break;
		case IPPROTO_FRAGMENT:
			if ((void *)(frag + 1) > p->end)
				return PARSED_BAD;
			next = frag->nexthdr;
			pos += sizeof(*frag);
			if (bpf_ntohs(frag->frag_off) & 0xfff8) {
				p->frag = FRAG_LATER;
				goto out;
			}
			if (bpf_ntohs(frag->frag_off) & 1)
				p->frag = FRAG_FIRST;
			break;
		default:
			goto out;
		}
	}
	return PARSED_BAD; /* more headers than any honest host sends */
out:
	p->l4proto = next;
	p->l4 = pos;
	return PARSED_IPV6;
}

/* parse_packet fills p from the packet of ctx. */
static __always_inline enum parsed parse_packet(struct xdp_md *ctx, struct packet *p)
{
	void *pos = (void *)(long)ctx->data;

	p->end = (void *)(long)ctx->data_end;
	p->eth = pos;
	p->l3 = NULL;
	p->l4 = NULL;
	p->vid = 0;
	p->l4proto = 0;
	p->frag = FRAG_NONE;
	if ((void *)(p->eth + 1) > p->end)
		return PARSED_BAD;
	p->proto = bpf_ntohs(p->eth->proto);
	p->l2len = sizeof(struct ethhdr);
	pos += sizeof(struct ethhdr);
#pragma unroll
	for (int i = 0; i < MAX_VLANS; i++) {
		struct vlanhdr *tag = pos;

		if (p->proto != ETH_P_8021Q && p->proto != ETH_P_8021AD)
			break;
		if ((void *)(tag + 1) > p->end)
			return PARSED_BAD;
		if (!i)
			p->vid = bpf_ntohs(tag->tci) & 0xfff;
		p->proto = bpf_ntohs(tag->proto);
		p->l2len += sizeof(*tag);
		pos += sizeof(*tag);
	}
	if (p->proto == ETH_P_IP)
		return parse_ipv4(p, pos);
	if (p->proto == ETH_P_IPV6)
		return parse_ipv6(p, pos);
	return PARSED_OTHER;
}

/* An IPv4 address as IPv6 writes it: ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
static __always_inline void map_ipv4(__be32 *to, __be32 addr)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = addr;
}

static __always_inline void copy_addr(__be32 *to, const __be32 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/* A flow: who talks to whom. Of ICMP echo both ports are the identifier. */
struct flow {
	__be32 src[4];
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

static __always_inline void flow_addrs(struct flow *f, const struct packet *p, enum parsed kind)
{
	if (kind == PARSED_IPV4) {
		struct iphdr *ip = p->l3;

		map_ipv4(f->src, ip->saddr);
		map_ipv4(f->dst, ip->daddr);
	} else {
		struct ipv6hdr *ip = p->l3;

		copy_addr(f->src, ip->saddr);
		copy_addr(f->dst, ip->daddr);
	}
}

/* Addresses that the public Internet does not route: RFC 1918, 1122 (loopback),
 * 3927, 4193, 4291. */
static __always_inline int is_private(const __be32 *addr)
{
	__u32 first = bpf_ntohl(addr[0]);

	if (!addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff)) {
		__u32 v4 = bpf_ntohl(addr[3]);

		return v4 >> 24 == 10 || v4 >> 24 == 127 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 || v4 >> 16 == 0xa9fe;
	}
	return first >> 25 == 0xfc >> 1 || first >> 22 == 0xfe80 >> 6 ||
	       (!addr[0] && !addr[1] && !addr[2] && addr[3] == bpf_htonl(1));
}

/* csum_fold ends a ones' complement sum (RFC 1071). */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* csum_replace is RFC 1624, equation 3, for up to 32 bits that changed. */
static __always_inline __u16 csum_replace(__u16 check, __u32 from, __u32 to)
{
	return csum_fold((__u64)(__u16)~check + (__u32)~from + to);
}

#endif
