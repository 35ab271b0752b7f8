#!/bin/sh
# Compiles the kernel's sample programs that K2 was measured on:
#   build.sh /usr/src/linux-source-6.1.tar.xz OUT
# Nothing of the kernel's sources is kept but the objects in OUT. ISA version 1,
# as clang 9 had it by default, which compiled K2's.
set -eu
tar=$1 out=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tar -xf "$tar" -C "$tmp" --strip-components=1 --wildcards '*/samples/bpf/*'
mkdir -p "$tmp/shim/gnu" "$tmp/shim/net" "$out"
: >"$tmp/shim/gnu/stubs-32.h"
echo '#include <linux/ipv6.h>' >"$tmp/shim/net/ipv6.h"
ln -s /usr/include "$tmp/shim/uapi"
# What the kernel's own headers would define.
cat >"$tmp/shim/pre.h" <<'END'
#include <linux/types.h>
#include <stddef.h>
#include <linux/tcp.h>
#include <linux/udp.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s32 s32; typedef __s64 s64;
#define __force
#define htons(x) ((__u16)__builtin_bswap16(x))
#define htonl(x) ((__u32)__builtin_bswap32(x))
#define ntohs htons
#define ntohl htonl
#define cpu_to_be16 htons
#define cpu_to_be32 htonl
#define likely(x) (x)
#define unlikely(x) (x)
#define AF_INET 2
#define AF_INET6 10
typedef _Bool bool;
#define true 1
#define false 0
#define __stringify_1(x...) #x
#define __stringify(x...) __stringify_1(x)
#ifndef OWN_VLAN_HDR
struct vlan_hdr { __be16 h_vlan_TCI, h_vlan_encapsulated_proto; };
#endif
END
cat >"$tmp/samples/bpf/bpf_legacy.h" <<'END'
unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");
END
if bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$tmp/shim/vmlinux.h" 2>/dev/null; then btf="xdp_redirect.bpf xdp_redirect_map.bpf xdp_router_ipv4.bpf xdp_sample.bpf"; else btf=; fi
cc="clang -O2 -g -target bpf -mcpu=v1 -D__x86_64__ -D__TARGET_ARCH_x86 -Wno-everything -I$tmp/shim -I/usr/include/$(uname -m)-linux-gnu"
for c in xdp1_kern xdp2_kern xdp_fwd_kern syscall_tp_kern sockex1_kern sockex2_kern sockex3_kern xdp_adjust_tail_kern xdp_rxq_info_kern xdp_tx_iptunnel_kern lwt_len_hist_kern; do
	own=
	grep -q '^struct vlan_hdr' "$tmp/samples/bpf/$c.c" 2>/dev/null && own=-DOWN_VLAN_HDR
	# shellcheck disable=SC2086
	$cc $own -include "$tmp/shim/pre.h" -c "$tmp/samples/bpf/$c.c" -o "$out/$c.o" 2>"$out/$c.log" || rm -f "$out/$c.o"
done
for c in $btf; do
	$cc -c "$tmp/samples/bpf/$c.c" -o "$out/$c.o" 2>"$out/$c.log" || rm -f "$out/$c.o"
done
# Linked with the common part, as the kernel's Makefile does: maps get their definitions.
for c in $btf; do
	[ "$c" = xdp_sample.bpf ] || [ ! -f "$out/$c.o" ] || [ ! -f "$out/xdp_sample.bpf.o" ] ||
		{ bpftool gen object "$tmp/linked.o" "$out/$c.o" "$out/xdp_sample.bpf.o" 2>"$out/$c.log" && mv "$tmp/linked.o" "$out/$c.o"; }
done
find "$out" -name '*.log' -empty -delete
