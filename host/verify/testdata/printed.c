// Prints a string that an argument points to: what stands there is no address.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} texts SEC(".maps");

SEC("xdp") int printed(struct xdp_md *ctx)
{
	static const char format[] = "%d:%s";
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (data + 34 > end)
		return XDP_DROP;
	char text[24] = {};
	__u64 args[2] = {*(__u8 *)(data + 29), (__u64)"udp"};
	long n = bpf_snprintf(text, sizeof text, format, args, sizeof args);
	__u32 key = n;
	__u64 value = *(__u64 *)text;
	bpf_map_update_elem(&texts, &key, &value, 0);
	return n > 5 ? XDP_PASS : XDP_TX;
}

char _license[] SEC("license") = "GPL";
