package kernelcheck

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// cgen writes random C: an XDP program with maps of every kind that clang
// compiles and the verifier nearly always takes.
type cgen struct {
	rng   *rand.Rand
	b     strings.Builder
	depth int
	left  int // statements to go
	loops int
}

const cHead = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64; typedef __s64 s64; typedef __s32 s32; typedef __s16 s16; typedef __s8 s8;
struct val { u64 a; u32 b; u8 c[3]; };
struct key { u32 a; u16 b; };
#define MAP(n, t, k, v, m) struct { __uint(type, BPF_MAP_TYPE_##t); __uint(max_entries, m); __type(key, k); __type(value, v); } n SEC(".maps")
#define BAG(n, t, v, m) struct { __uint(type, BPF_MAP_TYPE_##t); __uint(max_entries, m); __type(value, v); } n SEC(".maps")
MAP(hash, HASH, u32, struct val, 64); MAP(keyed, HASH, struct key, struct val, 64); MAP(arr, ARRAY, u32, struct val, 8); MAP(lru, LRU_HASH, u32, struct val, 512);
MAP(parr, PERCPU_ARRAY, u32, struct val, 4); MAP(phash, PERCPU_HASH, u32, struct val, 32);
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, 32); __uint(map_flags, 1); __type(key, u64); __type(value, struct val); } trie SEC(".maps");
BAG(fifo, QUEUE, u64, 16); BAG(lifo, STACK, u64, 16); BAG(bloom, BLOOM_FILTER, u32, 64);
MAP(devs, DEVMAP, u32, u32, 4); MAP(cpus, CPUMAP, u32, u32, 4); MAP(jumps, PROG_ARRAY, u32, u32, 4);
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } events SEC(".maps");
struct locked { struct bpf_spin_lock l; u64 n; }; MAP(lockeds, HASH, u32, struct locked, 16);
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, u32); __type(value, u64); } in0 SEC(".maps"), in1 SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 3); __type(key, u32); __array(values, struct inner); } outer SEC(".maps") = { .values = { &in0, &in1 } };
extern int CONFIG_HZ __kconfig __weak; extern void bpf_rcu_read_lock(void) __ksym __weak; extern void bpf_rcu_read_unlock(void) __ksym __weak;
u64 g0, g1 = 7; u32 g2[8]; const volatile u32 k0 = 3; static volatile s64 g3 SEC(".data.own") = -5;
`

func generateC(seed uint64) string {
	g := &cgen{rng: rand.New(rand.NewPCG(seed, 77))}
	g.b.WriteString(cHead)
	g.left = 4 + g.rng.IntN(6)
	g.printf("static __noinline u64 sub(u64 v0, u64 v1)\n{\n\tu64 v2 = %d, v3 = v0;\n", g.rng.IntN(100))
	g.pure(4)
	g.printf("\treturn v%d;\n}\nstatic long each(u32 i, u64 *c) { *c = *c * 3 + i; return *c %% 7 == 0; }\n", g.rng.IntN(4))
	g.printf("__weak __noinline int global(u32 v0, u32 v1)\n{\n\tu64 v2 = v0 * 3, v3 = %d;\n", g.rng.IntN(50))
	g.pure(4)
	g.printf("\treturn v%d;\n}\nstatic long entry(struct bpf_map *m, u32 *k, struct val *e, u64 *c) { *c += *k ^ e->b; return *c & 64; }\n", g.rng.IntN(4))
	g.printf("SEC(\"xdp\") int prog(struct xdp_md *ctx)\n{\n\tvoid *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;\n")
	g.printf("\tu64 v0 = ctx->rx_queue_index, v1 = end - data, v2 = %d, v3 = %d, v4 = k0, v5 = g1;\n", g.rng.IntN(1000), g.rng.Uint32())
	g.left = 5 + g.rng.IntN(16)
	for g.left > 0 {
		g.stmt()
	}
	g.printf("\tg0 += v%d;\n\tswitch (v%d & 7) { case 0: return XDP_DROP; case 1: return XDP_TX; case 2: return bpf_redirect_map(&devs, v%d & 7, XDP_PASS); case 3: return bpf_redirect_map(&cpus, 0, v%d & 3); case 4: return v%d; }\n\treturn XDP_PASS;\n}\n",
		g.v(), g.v(), g.v(), g.v(), g.v())
	g.printf("char _license[] SEC(\"license\") = \"GPL\";\n")
	return g.b.String()
}

func (g *cgen) printf(format string, args ...any) { fmt.Fprintf(&g.b, format, args...) }

func (g *cgen) v() int { return g.rng.IntN(6) }

func (g *cgen) pick(s ...string) string { return s[g.rng.IntN(len(s))] }

// expr is an expression over n variables.
func (g *cgen) expr(n, depth int) string {
	if depth == 0 || g.rng.IntN(4) == 0 {
		switch g.rng.IntN(4) {
		case 0:
			return fmt.Sprint(g.rng.IntN(300))
		case 1:
			return fmt.Sprintf("%#xull", g.rng.Uint64()>>g.rng.IntN(64))
		}
		return fmt.Sprintf("v%d", g.rng.IntN(n))
	}
	a, b := g.expr(n, depth-1), g.expr(n, depth-1)
	switch g.rng.IntN(12) {
	case 0:
		return fmt.Sprintf("(%s << (%s & 63))", a, b)
	case 1:
		return fmt.Sprintf("(%s >> (%s & 63))", a, b)
	case 2:
		return fmt.Sprintf("((s64)%s >> (%s & 63))", a, b)
	case 3:
		return fmt.Sprintf("(%s %s ((%s) | 1))", a, g.pick("/", "%"), b)
	case 4:
		return fmt.Sprintf("(u64)(%s)(%s)", g.pick("u8", "u16", "u32", "s8", "s16", "s32"), a)
	case 5:
		return fmt.Sprintf("__builtin_bswap%s(%s)", g.pick("16", "32", "64"), a)
	case 6:
		return fmt.Sprintf("(%s %s %s ? %s : %s)", a, g.pick("<", ">", "==", "!=", "<=", ">="), b, a, b)
	case 7:
		return fmt.Sprintf("(u64)((u32)(%s) %s (u32)(%s))", a, g.pick("+", "-", "*", "^", "&", "|"), b)
	}
	return fmt.Sprintf("(%s %s %s)", a, g.pick("+", "-", "*", "^", "&", "|"), b)
}

func (g *cgen) cond() string {
	return fmt.Sprintf("(%s)v%d %s %s", g.pick("u64", "u32", "s64", "s32", "u8"), g.v(), g.pick("<", ">", "==", "!=", "<=", ">="), g.expr(6, 1))
}

// pure writes arithmetic over n variables.
func (g *cgen) pure(n int) {
	for range 2 + g.rng.IntN(4) {
		g.printf("\tv%d %s= %s;\n", g.rng.IntN(n), g.pick("", "+", "^", "-"), g.expr(n, 2))
	}
}

func (g *cgen) block() {
	g.printf("{\n")
	g.depth++
	for range 1 + g.rng.IntN(3) {
		g.stmt()
	}
	g.depth--
	g.printf("\t}")
}

// statements of the C programs.
func cStatements() []func(g *cgen) {
	return []func(g *cgen){
		func(g *cgen) { g.pure(6) },
		func(g *cgen) {
			g.printf("\tif (%s) ", g.cond())
			g.block()
			if g.rng.IntN(2) == 0 {
				g.printf(" else ")
				g.block()
			}
			g.printf("\n")
		},
		func(g *cgen) {
			off, t := g.rng.IntN(60), g.pick("u8", "u16", "u32", "u64")
			g.printf("\tif (data + %d + sizeof(%s) <= end) v%d = *(%s *)(data + %d);\n", off, t, g.v(), t, off)
		},
		func(g *cgen) {
			off, t := g.rng.IntN(60), g.pick("u8", "u16", "u32", "u64")
			g.printf("\tif (data + %d + sizeof(%s) <= end) *(%s *)(data + %d) %s= v%d;\n", off, t, t, off, g.pick("", "+", "^"), g.v())
		},
		func(g *cgen) { // through a variable offset
			g.printf("\t{ u32 o = v%d & 63; u8 *p = data + o; if ((void *)(p + 4) <= end) v%d = *(u16 *)(p + 1); }\n", g.v(), g.v())
		},
		func(g *cgen) { // look up, change
			m := g.pick("hash", "arr", "lru", "parr", "phash")
			g.printf("\t{ u32 k = v%d & 15; struct val *e = bpf_map_lookup_elem(&%s, &k); if (e) { %s v%d ^= e->%s; }", g.v(), m, g.touch(), g.v(), g.pick("a", "b", "c[1]"))
			if g.rng.IntN(2) == 0 && m != "arr" && m != "parr" {
				g.printf(" else { struct val n = { v%d, v%d }; n.c[1] = v%d; v%d = bpf_map_update_elem(&%s, &k, &n, %s); }", g.v(), g.v(), g.v(), g.v(), m, g.pick("BPF_ANY", "BPF_NOEXIST"))
			}
			g.printf(" }\n")
		},
		func(g *cgen) { // a key with padding
			g.printf("\t{ struct key k; __builtin_memset(&k, 0, sizeof(k)); k.a = v%d & 3; k.b = v%d & 1; struct val n = { v%d, 1 }; if (%s) bpf_map_update_elem(&keyed, &k, &n, 0); else bpf_map_delete_elem(&keyed, &k); }\n", g.v(), g.v(), g.v(), g.cond())
		},
		func(g *cgen) {
			g.printf("\t{ u64 k = (u64)(v%d & 31) | (u64)v%d << 32; struct val *e = bpf_map_lookup_elem(&trie, &k); if (e) v%d += e->a; else { struct val n = {}; bpf_map_update_elem(&trie, &k, &n, 0); } }\n", g.v(), g.v(), g.v())
		},
		func(g *cgen) {
			m := g.pick("fifo", "lifo")
			g.printf("\t{ u64 x = v%d; if (%s) bpf_map_push_elem(&%s, &x, %s); else if (!bpf_map_%s_elem(&%s, &x)) v%d += x; }\n", g.v(), g.cond(), m, g.pick("0", "2"), g.pick("pop", "peek"), m, g.v())
		},
		func(g *cgen) {
			g.printf("\t{ u32 x = v%d; if (bpf_map_peek_elem(&bloom, &x)) bpf_map_push_elem(&bloom, &x, 0); else v%d++; }\n", g.v(), g.v())
		},
		func(g *cgen) {
			g.printf("\tv%d = %s;\n", g.v(), g.pick("bpf_ktime_get_ns()", "bpf_get_prandom_u32()", "bpf_get_smp_processor_id()", "bpf_jiffies64()"))
		},
		func(g *cgen) {
			g.printf("\t{ u8 buf[16] = {}; long r = bpf_xdp_load_bytes(ctx, v%d & 127, buf, %d); v%d = r ? (u64)r : *(u64 *)(buf + %d); }\n", g.v(), 1+g.rng.IntN(16), g.v(), 8*g.rng.IntN(2))
		},
		func(g *cgen) {
			g.printf("\t{ u32 buf[4] = { v%d, v%d, 3, v%d }; v%d = bpf_csum_diff(buf, %d, buf + 2, 8, v%d); bpf_xdp_store_bytes(ctx, v%d & 31, buf, %d); }\n", g.v(), g.v(), g.v(), g.v(), 4*g.rng.IntN(3), g.v(), g.v(), 1+g.rng.IntN(16))
		},
		func(g *cgen) {
			g.printf("\tif (bpf_xdp_adjust_%s(ctx, %d)) return XDP_ABORTED;\n\tdata = (void *)(long)ctx->data; end = (void *)(long)ctx->data_end;\n", g.pick("head", "tail"), 4*(g.rng.IntN(9)-4))
		},
		func(g *cgen) { g.printf("\tv%d = sub(v%d, %s);\n", g.v(), g.v(), g.expr(6, 1)) },
		func(g *cgen) { g.printf("\tg2[v%d & 7] += v%d; v%d ^= g2[%d];\n", g.v(), g.v(), g.v(), g.rng.IntN(8)) },
		func(g *cgen) {
			if g.loops++; g.loops > 2 || g.depth > 1 {
				g.pure(6)
				return
			}
			g.printf("\tfor (int i = 0; i < %d; i++) { v%d += i * v%d; if (%s) break; }\n", 2+g.rng.IntN(7), g.v(), g.v(), g.cond())
		},
		func(g *cgen) {
			g.printf("\t{ u64 c = v%d; v%d += bpf_loop(v%d & 7, each, &c, 0); v%d = c; }\n", g.v(), g.v(), g.v(), g.v())
		},
		func(g *cgen) {
			g.printf("\tswitch (v%d %% 5) { case 0: v%d++; break; case 1: v%d = %s; break; case 3: v%d -= v%d; }\n", g.v(), g.v(), g.v(), g.expr(6, 1), g.v(), g.v())
		},
		func(g *cgen) { g.printf("\tbpf_tail_call(ctx, &jumps, v%d & 7);\n", g.v()) },
	}
}

// touch changes a map value that e points to.
func (g *cgen) touch() string {
	return g.pick(
		fmt.Sprintf("e->a += v%d;", g.v()), fmt.Sprintf("e->b = v%d;", g.v()), fmt.Sprintf("e->c[%d] ^= v%d;", g.rng.IntN(3), g.v()),
		fmt.Sprintf("__sync_fetch_and_add(&e->a, v%d);", g.v()), fmt.Sprintf("v%d = __sync_fetch_and_add(&e->a, 1);", g.v()),
		fmt.Sprintf("v%d = __sync_val_compare_and_swap(&e->b, v%d, v%d);", g.v(), g.v(), g.v()), fmt.Sprintf("__sync_fetch_and_or(&e->a, v%d);", g.v()))
}

func (g *cgen) stmt() {
	g.left--
	if g.depth > 2 {
		g.pure(6)
		return
	}
	all := cStatements()
	all[g.rng.IntN(len(all))](g)
}
