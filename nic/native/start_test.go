package native

import (
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
)

// A frame is zero for every packet, whatever the packet before left in it, however a
// program comes to look at it.
func TestFrameIsZero(t *testing.T) {
	// A packet that begins with 1 fills 64 bytes of the frame; another looks at them.
	const fills = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r2 = r6
	r2 += 14
	if r2 > r7 goto +19
	r3 = *(u8 *)(r6 +0)
	r8 = *(u8 *)(r6 +1)
	if r3 == 0 goto +18
	r4 = 0x7777777
	*(u64 *)(r10 -8) = r4
	*(u64 *)(r10 -16) = r4
	r5 = r10
	r5 += -64
	r5 += r8
	*(u64 *)(r5 +0) = r4
	*(u64 *)(r5 +8) = r4
	*(u64 *)(r5 +16) = r4
	*(u64 *)(r5 +24) = r4
	*(u64 *)(r5 +32) = r4
	*(u64 *)(r5 +40) = r4
	r0 = 0
	r0 += 1
	r0 += 1
	r0 += 0
	r0 += 0
	exit`
	mem := memory(t)
	for _, c := range []struct{ name, looks string }{
		{"a load", "r0 = *(u64 *)(r10 -16)\nexit"},
		{"a load further down", "r0 = *(u64 *)(r10 -64)\nexit"},
		{"a load of bytes between", "r0 = *(u32 *)(r10 -13)\nexit"},
		{"a pointer that isn't known", "r2 = r10\nr2 += -24\nr2 += r8\nr0 = *(u64 *)(r2 +0)\nexit"},
		{"an address that was stored", "*(u64 *)(r10 -72) = r10\nr8 += -72\nr8 += r10\nr2 = *(u64 *)(r8 +0)\nr0 = *(u64 *)(r2 -16)\nexit"},
		{"an atomic", "r0 = 1\nlock *(u64 *)(r10 -16) += r0\nr0 = *(u64 *)(r10 -16)\nexit"},
		{"a helper", "r1 = 0\nr2 = 0\nr3 = r10\nr3 += -32\nr4 = 8\nr5 = 0\ncall csum_diff\nexit"},
		{"a helper's long argument", "r1 = 0\nr2 = 0\nr3 = r10\nr3 += -64\nr4 = 64\nr5 = 0\ncall csum_diff\nexit"},
		{"another function", "r1 = r10\nr1 += -16\ncall pc+1\nexit\nr0 = *(u64 *)(r1 +0)\nexit"},
	} {
		code := strings.ReplaceAll(fills, "\n\t", "\n") + "\n" + c.looks
		insns, err := ebpf.Parser{}.Code(code)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		p := &loader.Program{Name: "p", Insns: insns}
		x := newPair(t, mem, &loader.Object{File: "frame", Programs: []*loader.Program{p}}, p, vm.Options{}, nil)
		for i := range 6 {
			pkt := make([]byte, 60)
			pkt[0] = byte(i & 1)
			if err := x.run(&vm.Input{Data: pkt}); err != nil {
				t.Errorf("%s: packet %d: %v", c.name, i, err)
			}
			if x.gout.Err != nil {
				t.Errorf("%s: packet %d: %v", c.name, i, x.gout.Err)
			}
		}
		x.close()
	}
}
