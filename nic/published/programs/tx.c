// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sends every frame back to where it came from, as it is. */
#include "xdp.h"

SEC("xdp") int tx(struct xdp_md *ctx)
{
	return XDP_TX;
}
