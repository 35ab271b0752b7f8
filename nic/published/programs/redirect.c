// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sends every frame out of another port, as it is. */
#include "xdp.h"

SEC("xdp") int redirect(struct xdp_md *ctx)
{
	return bpf_redirect(2, 0);
}
