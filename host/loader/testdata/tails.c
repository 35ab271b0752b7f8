// Programs that are tail-called and static, as Cilium has them: nothing in the
// object calls them, so they are there for a program array.
#define SEC(n) __attribute__((section(n), used))
struct xdp_md;

static __attribute__((noinline)) int callee(struct xdp_md *ctx)
{
	volatile int verdict = 2;
	return verdict;
}

SEC("xdp/tail") static int tail_drop(struct xdp_md *ctx) { return 1; }
SEC("xdp/tail") static int tail_pass(struct xdp_md *ctx) { return callee(ctx); }
SEC("xdp/tail") static __attribute__((noinline)) int helped(struct xdp_md *ctx) { return 3 + (ctx == 0); }
SEC("xdp/entry") int entry(struct xdp_md *ctx) { return callee(ctx) + helped(ctx); }

SEC("license") char _license[] = "GPL";
