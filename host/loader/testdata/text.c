// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
// No section names at all: everything is in .text.
#include <linux/bpf.h>
static __attribute__((noinline)) int half(int x) { return (x >> 1) + 1; }
int prog(struct xdp_md *ctx) { return half(ctx->rx_queue_index); }
