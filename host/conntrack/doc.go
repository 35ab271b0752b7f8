// Package conntrack answers bpf_xdp_ct_lookup from connections in a file, as the
// kernel answers it from its own (net/netfilter/nf_conntrack_bpf.c,
// __bpf_nf_ct_lookup of Linux 6.18).
//
// The file has a connection a line, as `conntrack -L` prints them (also with
// -o extended), or as they stand in /proc/net/nf_conntrack:
//
//	tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000 [ASSURED] mark=0 use=1
//	udp      17 29 src=10.0.0.3 dst=10.0.0.2 sport=5353 dport=53 [UNREPLIED] src=10.0.0.2 dst=10.0.0.3 sport=53 dport=5353 mark=7 use=1
//	tcp src=2001:db8::1 dst=2001:db8::2 sport=40001 dport=443    # the reply is the other way round, where it isn't said
//	tcp src=10.0.0.1 dst=10.0.0.9 sport=1 dport=2 status=0x18e zone=3
//
// What a program reads of a found struct nf_conn are its fields status, mark,
// zone and tuplehash; of all others the file tells nothing, and a run that reads
// one is refused. The status is that of the line's words: IPS_CONFIRMED always,
// IPS_SEEN_REPLY without [UNREPLIED], IPS_ASSURED, IPS_OFFLOAD and IPS_HW_OFFLOAD
// by their names in brackets, and IPS_SRC_NAT and IPS_DST_NAT where the reply
// isn't the other way round; "status=" (ours, not conntrack's) gives it as a
// number. Times, counters and uses are read over: connections neither age nor
// change during a run. Connections of other protocols than TCP and UDP can't be
// looked up, and are read over too.
//
// Without a file there are no connections: every look-up says ENOENT, as in a
// fresh network namespace.
package conntrack
