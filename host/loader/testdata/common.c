// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
// Global variables as clang up to 10 left them to the linker (-fcommon).
#define SEC(n) __attribute__((section(n), used))
unsigned char flag;
unsigned long long total;
unsigned int limit[3];
SEC("xdp") int prog(void *ctx)
{
	total += 5;
	limit[2] = 7;
	flag = 1;
	return total > limit[1];
}
