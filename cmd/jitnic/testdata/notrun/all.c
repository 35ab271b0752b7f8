// A helper that jitnic's interpreter hasn't, called for every packet: none of the 26
// packets of base.pcap can be run.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("xdp") int p(struct xdp_md *c)
{
	unsigned char *d = (void *)(long)c->data, *e = (void *)(long)c->data_end;
	if (d + 54 > e) return bpf_get_current_cgroup_id();
	return bpf_get_current_cgroup_id() ? XDP_DROP : XDP_TX;
}
char _license[] SEC("license") = "GPL";
