// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Drops every packet. */
#include "xdp.h"

SEC("xdp") int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}
