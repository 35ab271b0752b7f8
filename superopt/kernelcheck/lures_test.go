package kernelcheck

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/kernel/pair"

	"github.com/rogpeppe/go-internal/txtar"
)

// What a lure's own text stands between: declarations that C needs, the labels and
// the licence of assembly.
const (
	lureC = `#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
#define MAP(n, t, k, v, m) struct { __uint(type, BPF_MAP_TYPE_##t); __uint(max_entries, m); __type(key, k); __type(value, v); } n SEC(".maps")
/* A byte of the packet: no range of values is known of it. */
static __always_inline u32 Q(struct xdp_md *ctx) { u8 q = 0; bpf_xdp_load_bytes(ctx, 17, &q, 1); return q; }
`
	lureLicence = "char _license[] SEC(\"license\") = \"GPL\";\n"
	lureS       = ".section SECTION,\"ax\",@progbits\n.globl p\n.type p,@function\np:\n"
	lureEnd     = ".section license,\"aw\",@progbits\n.globl _license\n_license: .asciz \"GPL\"\n"
)

// compileLure makes an object of a lure: name.c, name.s, or name.SECTION.s where it is
// no XDP program.
func compileLure(t *testing.T, clang, name, text string) []byte {
	t.Helper()
	parts := strings.Split(name, ".")
	kind := parts[len(parts)-1]
	switch {
	case kind == "s":
		section := "xdp"
		if len(parts) == 3 {
			section = parts[1]
		}
		text = strings.Replace(lureS, "SECTION", section, 1) + text + lureEnd
	case strings.Contains(text, "typedef"): // it has declarations of its own
		text += lureLicence
	default:
		text = lureC + text + lureLicence
	}
	dir := t.TempDir()
	src, obj := filepath.Join(dir, "lure."+kind), filepath.Join(dir, "lure.o")
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wno-everything", "-I/usr/include/x86_64-linux-gnu", "-I/usr/include/aarch64-linux-gnu", "-c", src, "-o", obj}
	if kind == "s" {
		args = args[2:]
	}
	if out, err := exec.CommandContext(context.Background(), clang, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(obj)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestLures: programs in which a tempting rewrite is wrong. A seed chooses the cost
// and whether functions keep their size; JITNIC_HEAVY=1 takes all of them, and the
// search too.
func TestLures(t *testing.T) {
	if err := Allowed(); err != nil {
		t.Skip(err)
	}
	clang, err := exec.LookPath("clang")
	if err != nil {
		t.Skip("clang is not installed")
	}
	all, err := txtar.ParseFile("testdata/lures.txtar")
	if err != nil {
		t.Fatal(err)
	}
	heavy := os.Getenv("JITNIC_HEAVY") != ""
	if *layers == "" && !heavy {
		*layers = "pre"
		defer func() { *layers = "" }()
	}
	for i, f := range all.Files {
		t.Run(f.Name, func(t *testing.T) {
			raw := compileLure(t, clang, f.Name, string(f.Data))
			first, _, _ := strings.Cut(string(f.Data), "\n")
			seeds := []uint64{uint64(i)}
			if heavy {
				seeds = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8}
			}
			for _, seed := range seeds {
				n := &tally{by: map[pair.Status]int{}, why: map[string]int{}}
				if err := n.chain(f.Name, raw, seed); err != nil {
					t.Errorf("%s: seed %d: %v", first, seed, err)
				}
				if n.by[pair.Equal] == 0 != strings.Contains(first, " refused: ") {
					t.Errorf("%s: seed %d: %v", first, seed, n.why)
				}
			}
		})
	}
}
