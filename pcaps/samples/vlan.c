//go:build ignore
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * VLAN subinterfaces for kernels without 8021q (small cloud kernels leave it
 * out): record.sh compiles this once for each VLAN and attaches the two
 * programs with tc. push tags what the stack sends and puts it on the trunk;
 * pop takes frames of this VLAN off the trunk, untags them and gives them to
 * the stack. The frames on the trunk are those of a real 802.1Q port.
 *
 * -DOUTER=100 -DINNER=30 stacks an 802.1Q tag in an 802.1ad one (QinQ);
 * without INNER, OUTER is one 802.1Q tag. PCP is the priority (0 to 7), TO the
 * ifindex that the frame goes to.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TAG_8021Q 0x8100
#define TAG_8021AD 0x88a8

SEC("tc/push")
int tag(struct __sk_buff *skb)
{
#ifdef INNER
	if (bpf_skb_vlan_push(skb, bpf_htons(TAG_8021Q), INNER) ||
	    bpf_skb_vlan_push(skb, bpf_htons(TAG_8021AD), PCP << 13 | OUTER))
		return TC_ACT_SHOT;
#else
	if (bpf_skb_vlan_push(skb, bpf_htons(TAG_8021Q), PCP << 13 | OUTER))
		return TC_ACT_SHOT;
#endif
	return bpf_redirect(TO, 0);
}

SEC("tc/pop")
int untag(struct __sk_buff *skb)
{
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != OUTER)
		return TC_ACT_UNSPEC; /* the next filter's */
	if (bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
#ifdef INNER
	if (!skb->vlan_present || (skb->vlan_tci & 0xfff) != INNER || bpf_skb_vlan_pop(skb))
		return TC_ACT_SHOT;
#endif
	return bpf_redirect(TO, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
