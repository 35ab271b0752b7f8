// A helper that jitnic's interpreter hasn't, called for TCP alone: 9 of the 26
// packets of base.pcap can't be run.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int p(struct xdp_md *c)
{
	unsigned char *d = (void *)(long)c->data, *e = (void *)(long)c->data_end;
	if (d + 54 > e || d[12] != 8 || d[13] || d[23] != 6) return XDP_PASS;
	return bpf_get_current_cgroup_id() ? XDP_DROP : XDP_TX;
}
char _license[] SEC("license") = "GPL";
