#!/bin/sh
# Compiles the XDP programs of the kernel's samples and selftests:
#   linux-samples.sh /usr/src/linux-source-6.1.tar.xz OUT
# Nothing of the kernel's sources is kept but the objects in OUT.
set -eu
tar=$1 out=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tar -xf "$tar" -C "$tmp" --strip-components=1 --wildcards '*/samples/bpf/*xdp*' '*/tools/testing/selftests/bpf/progs/*.[ch]' \
	'*/tools/testing/selftests/bpf/*.h'
# What the kernel's own headers would define.
mkdir -p "$tmp/shim/gnu" "$tmp/shim/net"
: >"$tmp/shim/gnu/stubs-32.h"
echo '#include <linux/ipv6.h>' >"$tmp/shim/net/ipv6.h"
ln -s /usr/include "$tmp/shim/uapi"
cat >"$tmp/shim/pre.h" <<'END'
#include <linux/types.h>
#include <stddef.h>
#include <linux/tcp.h>
#include <linux/udp.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s32 s32; typedef __s64 s64;
#define __attribute_const__
#define __force
#define htons(x) ((__u16)__builtin_bswap16(x))
#define htonl(x) ((__u32)__builtin_bswap32(x))
#define ntohs htons
#define ntohl htonl
#define cpu_to_be16 htons
#define cpu_to_be32 htonl
#define max(a, b) ((a) > (b) ? (a) : (b))
#define likely(x) (x)
#define unlikely(x) (x)
#define AF_INET 2
#define AF_INET6 10
struct vlan_hdr { __be16 h_vlan_TCI, h_vlan_encapsulated_proto; };
END
# The running kernel's types, for those that ask for all of them.
bpftool btf dump file /sys/kernel/btf/vmlinux format c >"$tmp/shim/vmlinux.h" 2>/dev/null || rm -f "$tmp/shim/vmlinux.h"
mkdir -p "$out"
self=$tmp/tools/testing/selftests/bpf
for c in "$tmp"/samples/bpf/*_kern.c "$tmp"/samples/bpf/*.bpf.c $(grep -l 'SEC("xdp' "$self"/progs/*.c); do
	case $c in
	*.bpf.c) pre="-I$tmp/samples/bpf" ;;
	*/samples/*) pre="-include $tmp/shim/pre.h" ;;
	*) pre= ;;
	esac
	# shellcheck disable=SC2086
	clang -O2 -g -target bpf -mcpu=v3 -D__x86_64__ -D__TARGET_ARCH_x86 -Wno-everything $pre -I"$tmp/shim" -I"$self" \
		-I/usr/include/"$(uname -m)"-linux-gnu -c "$c" -o "$out/$(basename "$c" .c).o" 2>/dev/null || rm -f "$out/$(basename "$c" .c).o"
done
# The samples share a part that they are linked with.
if [ -f "$out/xdp_sample.bpf.o" ]; then
	for o in "$out"/*.bpf.o; do
		case $o in
		*/xdp_sample.bpf.o) ;;
		*) bpftool gen object "$o.linked" "$o" "$out/xdp_sample.bpf.o" 2>/dev/null && mv "$o.linked" "$o" ;;
		esac
	done
fi
touch "$out/done"
