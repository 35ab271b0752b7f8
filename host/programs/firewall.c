//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * firewall: stateless rules by source prefix and by service, with a counter
 * per rule and CPU. The first that speaks decides: source prefix, sanity of
 * the headers, rule for the destination port, rule for the source port of a
 * reply, default. Without rules in the maps the built-in services stand.
 */
#include "net.h"

#define MAX_RULES 256

struct rule {
	__u32 action; /* enum xdp_action */
	__u32 id;     /* counter; 0 to 15 are the firewall's own, see below */
};

struct service {
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct source4 {
	__u32 prefixlen; /* bits */
	__be32 addr;
};

struct source6 {
	__u32 prefixlen; /* bits */
	__be32 addr[4];
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

/* The counters below MAX_OWN. */
enum {
	COUNT_DEFAULT,
	COUNT_MALFORMED,
	COUNT_NOT_IP,
	COUNT_FRAGMENT,
	COUNT_BAD_FLAGS,
	COUNT_ICMP,
	COUNT_ICMP_REFUSED,
	COUNT_SERVICE,
	COUNT_REPLY,
	COUNT_SPOOFED,
	MAX_OWN = 16,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service);
	__type(value, struct rule);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source4);
	__type(value, struct rule);
} sources4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source6);
	__type(value, struct rule);
} sources6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_RULES);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* What stands without a rule. Ports in host order; port 0 ends the list. */
const volatile __u32 default_action = XDP_DROP;
const volatile struct {
	__u16 port;
	__u16 proto;
} default_services[8] = {
	{ 80, IPPROTO_TCP }, { 443, IPPROTO_TCP }, { 22, IPPROTO_TCP }, { 53, IPPROTO_UDP },
	{ 53, IPPROTO_TCP }, { 443, IPPROTO_UDP }, { 5201, IPPROTO_TCP }, { 123, IPPROTO_UDP },
};

static __noinline int count(__u32 id, __u32 bytes, int action)
{
	struct counter *c = bpf_map_lookup_elem(&counters, &id);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	return action;
}

static __always_inline int is_served(__u8 proto, __be16 port)
{
	for (int i = 0; i < 8; i++) {
		if (!default_services[i].port)
			break;
		if (default_services[i].port == bpf_ntohs(port) && default_services[i].proto == proto)
			return 1;
	}
	return 0;
}

/* Sources that no packet on the wire may have: RFC 1122, 3.2.1.3; RFC 4291,
 * 2.5.3 and 2.7. Loopback may talk to loopback, on that device. */
static __always_inline int is_spoofed(const struct packet *p, enum parsed kind)
{
	if (kind == PARSED_IPV4) {
		struct iphdr *ip = p->l3;
		__u32 src = bpf_ntohl(ip->saddr);

		if (src >> 24 == 127)
			return bpf_ntohl(ip->daddr) >> 24 != 127;
		return src >= 0xe0000000 || ip->saddr == ip->daddr;
	} else {
		struct ipv6hdr *ip = p->l3;
		__be32 *s = ip->saddr, *d = ip->daddr;

		if (!s[0] && !s[1] && !s[2] && s[3] == bpf_htonl(1))
			return d[0] || d[1] || d[2] || d[3] != bpf_htonl(1);
		return (s[0] & 0xff) == 0xff;
	}
}

static __always_inline struct rule *source_rule(const struct packet *p, enum parsed kind)
{
	if (kind == PARSED_IPV4) {
		struct iphdr *ip = p->l3;
		struct source4 key = { .prefixlen = 32, .addr = ip->saddr };

		return bpf_map_lookup_elem(&sources4, &key);
	} else {
		struct ipv6hdr *ip = p->l3;
		struct source6 key = { .prefixlen = 128 };

		copy_addr(key.addr, ip->saddr);
		return bpf_map_lookup_elem(&sources6, &key);
	}
}

static __always_inline int icmp_wanted(const struct icmphdr *icmp, enum parsed kind)
{
	if (kind == PARSED_IPV4)
		switch (icmp->type) {
		case ICMP_ECHOREPLY:
		case ICMP_UNREACH:
		case ICMP_ECHO:
		case ICMP_TIMXCEED:
		case ICMP_PARAMPROB:
			return 1;
		default:
			return 0;
		}
	return icmp->type <= ICMPV6_PARAMPROB || icmp->type == ICMPV6_ECHO ||
	       icmp->type == ICMPV6_ECHOREPLY || (icmp->type >= ICMPV6_RS && icmp->type <= ICMPV6_NA);
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	struct packet p;
	struct service key = {};
	struct rule *rule;
	enum parsed kind = parse_packet(ctx, &p);
	__u32 len = ctx->data_end - ctx->data;
	__be16 sport, dport;
	int reply = 1;

	if (kind == PARSED_BAD)
		return count(COUNT_MALFORMED, len, XDP_DROP);
	if (kind == PARSED_OTHER)
		return count(COUNT_NOT_IP, len, XDP_PASS);
	if (is_spoofed(&p, kind))
		return count(COUNT_SPOOFED, len, XDP_DROP);
	rule = source_rule(&p, kind);
	if (rule)
		return count(rule->id, len, rule->action);
	if (p.frag == FRAG_LATER)
		return count(COUNT_FRAGMENT, len, XDP_PASS);

	if (p.l4proto == IPPROTO_TCP) {
		struct tcphdr *tcp = p.l4;
		__u8 flags;

		if ((void *)(tcp + 1) > p.end || tcp->doff >> 4 < 5)
			return count(COUNT_MALFORMED, len, XDP_DROP);
		flags = tcp->flags & 0x3f;
		if (!flags || (flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN) ||
		    (flags & (TCP_SYN | TCP_RST)) == (TCP_SYN | TCP_RST))
			return count(COUNT_BAD_FLAGS, len, XDP_DROP);
		reply = flags & (TCP_ACK | TCP_RST);
		sport = tcp->sport;
		dport = tcp->dport;
	} else if (p.l4proto == IPPROTO_UDP) {
		struct udphdr *udp = p.l4;

		if ((void *)(udp + 1) > p.end || bpf_ntohs(udp->len) < sizeof(*udp))
			return count(COUNT_MALFORMED, len, XDP_DROP);
		sport = udp->sport;
		dport = udp->dport;
	} else if (p.l4proto == (kind == PARSED_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		struct icmphdr *icmp = p.l4;

		if ((void *)(icmp + 1) > p.end)
			return count(COUNT_MALFORMED, len, XDP_DROP);
		if (icmp_wanted(icmp, kind))
			return count(COUNT_ICMP, len, XDP_PASS);
		return count(COUNT_ICMP_REFUSED, len, XDP_DROP);
	} else {
		return count(COUNT_DEFAULT, len, default_action);
	}

	key.proto = p.l4proto;
	key.port = dport;
	rule = bpf_map_lookup_elem(&services, &key);
	if (rule)
		return count(rule->id, len, rule->action);
	if (reply) {
		key.port = sport;
		rule = bpf_map_lookup_elem(&services, &key);
		if (rule)
			return count(rule->id, len, rule->action);
	}
	if (is_served(p.l4proto, dport))
		return count(COUNT_SERVICE, len, XDP_PASS);
	if (reply && is_served(p.l4proto, sport))
		return count(COUNT_REPLY, len, XDP_PASS);
	return count(COUNT_DEFAULT, len, default_action);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
