package verify

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Maps of the programs below.
func apartMaps() []*maps.Spec {
	return []*maps.Spec{
		{Name: "h", Type: cilium.Hash, KeySize: 8, ValueSize: 16, Max: 64},
		{Name: "a", Type: cilium.Array, KeySize: 4, ValueSize: 8, Max: 4},
		{Name: "q", Type: cilium.Queue, ValueSize: 16, Max: 64},
		{Name: "cpu", Type: cilium.CPUMap, KeySize: 4, ValueSize: 4, Max: 1024},
		{Name: "dev", Type: cilium.DevMap, KeySize: 4, ValueSize: 4, Max: 4},
	}
}

// enter is the beginning of most of them: the packet's bounds, checked.
const enter = `
	r6 = r1
	r7 = *(u32 *)(r6 +0)
	r8 = *(u32 *)(r6 +4)
	r2 = r7
	r2 += 20
	if r2 > r8 goto fail
`

const leave = `
	r0 = 2
	exit
fail:
	r0 = 1
	exit`

// update puts the 16 bytes at r10-16 under the 8 at r10-24 into map h.
const update = `
	r1 = map[h]
	r2 = r10
	r2 += -24
	r3 = r10
	r3 += -16
	r4 = 0
	call map_update_elem`

// TestApart runs programs that do what the kernel need not do alike; none of
// them may be called different, and none may go untold.
func TestApart(t *testing.T) {
	need(t)
	for _, c := range []struct {
		name, text string
		skip       string // all packets but the short ones are skipped for it
		apart      string // or bytes are left out for this
	}{
		{"padding of a value", enter + "*(u64 *)(r10 -24) = 1; *(u64 *)(r10 -16) = 5; *(u32 *)(r10 -8) = 6;" + update + leave, "", "uninitialised bytes"},
		{"padding of a key", enter + "*(u32 *)(r10 -24) = 1; *(u64 *)(r10 -16) = 5; *(u64 *)(r10 -8) = 6;" + update + leave, SkipUnset, ""},
		{"a whole value and key", enter + "*(u64 *)(r10 -24) = 1; *(u64 *)(r10 -16) = 5; *(u64 *)(r10 -8) = 6;" + update + leave, "", ""},
		{"a branch on garbage", enter + "r1 = *(u64 *)(r10 -8); if r1 == 77 goto fail;" + leave, SkipUnset, ""},
		{"a verdict of garbage", "r0 = *(u32 *)(r10 -8); exit", SkipUnset, ""},
		{"garbage masked away", "r0 = *(u32 *)(r10 -8); r0 &= 0; r0 += 2; exit", "", ""},
		{"garbage in the packet", enter + "r1 = *(u32 *)(r10 -8); *(u32 *)(r7 +4) = r1;" + leave, "", "uninitialised bytes"},
		{"garbage stored by a helper", enter + "*(u8 *)(r10 -8) = 3; r1 = r6; r2 = 2; r3 = r10; r3 += -8; r4 = 4; call xdp_store_bytes;" + leave, "", "uninitialised bytes"},
		{"filled by a helper", enter + "r1 = r6; r2 = 0; r3 = r10; r3 += -16; r4 = 16; call xdp_load_bytes; *(u64 *)(r10 -24) = 1;" + update + leave, "", ""},
		{"not filled by a failing helper", enter + "r1 = r6; r2 = 60000; r3 = r10; r3 += -16; r4 = 16; call xdp_load_bytes; *(u64 *)(r10 -24) = 1;" + update + leave, "", "uninitialised bytes"},
		{"a pointer in a map", enter + "*(u64 *)(r10 -24) = 1; *(u64 *)(r10 -16) = r7; *(u64 *)(r10 -8) = r8;" + update + leave, "", "addresses"},
		{"a length is no pointer", enter + "r8 -= r7; *(u64 *)(r10 -24) = 1; *(u64 *)(r10 -16) = r8; *(u64 *)(r10 -8) = 0;" + update + leave, "", ""},
		{"a verdict of an address", enter + "*(u32 *)(r10 -4) = 0; r1 = map[a]; r2 = r10; r2 += -4; call map_lookup_elem; if r0 == 0 goto fail; *(u64 *)(r0 +0) = r7; r0 = *(u32 *)(r0 +0); exit; fail: r0 = 1; exit", SkipPointer, ""},
		{"a pointer there and back", enter + "*(u64 *)(r10 -8) = r7; r1 = *(u64 *)(r10 -8); r0 = *(u8 *)(r1 +0); exit; fail: r0 = 1; exit", "", ""},
		{"garbage in a queue", enter + "*(u64 *)(r10 -16) = 1; r1 = map[q]; r2 = r10; r2 += -16; r3 = 2; call map_push_elem;" + leave, "", "uninitialised bytes"},
		{"a callee's stack", "call pc+2; r0 = 2; exit; r1 = *(u64 *)(r10 -8); r0 = 2; if r1 == 5 goto +1; r0 = 3; exit", SkipUnset, ""},
		{"the running task", "call get_current_pid_tgid; exit", "", ""},
		{"a CPU that isn't there", "r1 = map[cpu]; r2 = 1000; r3 = 2; call redirect_map; exit", SkipForeign, ""},
		{"a CPU that is there", "r1 = map[cpu]; r2 = 0; r3 = 2; call redirect_map; exit", "", ""},
		{"a device that isn't there", "r1 = map[dev]; r2 = 0; r3 = 2; call redirect_map; exit", "", ""},
		{"its number", "*(u32 *)(r10 -4) = 0; r1 = map[dev]; r2 = r10; r2 += -4; call map_lookup_elem; if r0 == 0 goto +1; r0 = *(u32 *)(r0 +0); exit", SkipForeign, ""},
	} {
		obj, p := object(t, labelled(t, c.text), apartMaps()...)
		rep, err := Run(t.Context(), obj, p, Options{Prepare: prepareApart}, count(8))
		if err != nil {
			t.Errorf("%s: %+v", c.name, err)
			continue
		}
		if rep.Mismatches != 0 {
			t.Errorf("%s: %+v", c.name, rep)
		}
		if c.skip != "" && (rep.Skipped[c.skip] != 8 || rep.Compared != 0) || c.skip == "" && rep.Compared != 8 {
			t.Errorf("%s: %+v", c.name, rep)
		}
		if c.apart == "" && len(rep.Apart) > 0 || c.apart != "" && (rep.Apart[c.apart] == 0 || len(rep.Notes) == 0) {
			// What the kernel's stack held may have been zeros.
			if !(c.apart == "uninitialised bytes" && len(rep.Apart) == 0) {
				t.Errorf("%s: %+v", c.name, rep)
			}
		}
	}
}

// prepareApart puts entries into the maps of targets.
func prepareApart(s *vm.State) error {
	for _, e := range []struct {
		name  string
		key   uint32
		value byte
	}{{"cpu", 0, 192}, {"cpu", 1000, 192}, {"dev", 0, 7}} {
		key := []byte{byte(e.key), byte(e.key >> 8), 0, 0}
		if err := s.Maps[s.MapIndex(e.name)].Update(key, []byte{e.value, 0, 0, 0}, 0, 0); err != 0 {
			return fmt.Errorf("map %q: %v", e.name, err)
		}
	}
	return nil
}

// TestForgottenStore has the VM run programs with one of their stores left out,
// which the marks must not take for bytes that nobody wrote.
func TestForgottenStore(t *testing.T) {
	need(t)
	const text = enter + `
		*(u64 *)(r10 -24) = 1
		*(u64 *)(r10 -16) = 5
		*(u32 *)(r10 -8) = 6
		*(u8 *)(r7 +3) = 9
		r1 = 7
		*(u16 *)(r7 +12) = r1
		` + update + `
		*(u32 *)(r10 -4) = 2
		r1 = map[a]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto fail
		r1 = 3
		*(u64 *)(r0 +0) = r1
		lock *(u64 *)(r0 +0) += r1
	` + leave
	obj, p := object(t, labelled(t, text), apartMaps()...)
	stores := 0
	for pc, in := range p.Insns {
		if c := in.Class(); c != ebpf.ClassST && c != ebpf.ClassSTX {
			continue
		}
		stores++
		broken, q := object(t, labelled(t, text), apartMaps()...)
		// A load of the same place into a register that is free: the recording
		// still says where.
		q.Insns[pc] = ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | in.Op&0x18, Dst: 9, Src: in.Dst, Off: in.Off}
		rep := must.Get(Run(t.Context(), obj, p, Options{broken: broken}, count(4)))(t)
		if rep.Mismatches == 0 {
			t.Errorf("insn %d (%s) left out: %+v", pc, ebpf.Printer{}.Code(p.Insns[pc:pc+1]), rep)
		}
	}
	if stores != 8 {
		t.Errorf("%d stores", stores)
	}
	if rep, err := Run(t.Context(), obj, p, Options{}, count(4)); err != nil || rep.Mismatches != 0 || rep.Compared != 4 {
		t.Errorf("none left out: %+v, %v", rep, err)
	}
}

// A skipped packet's writes reach the kernel's maps all the same.
func TestSkippedWrites(t *testing.T) {
	need(t)
	// Every packet writes; only the first skips, having read garbage.
	const text = `
		*(u32 *)(r10 -4) = 1
		r1 = map[a]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto out
		r1 = *(u64 *)(r0 +0)
		r2 = r1
		r2 += 1
		*(u64 *)(r0 +0) = r2
		if r1 != 0 goto out
		r3 = *(u64 *)(r10 -16)
		if r3 == 99 goto out
	out:
		r0 = 2
		exit`
	obj, p := object(t, labelled(t, text), apartMaps()...)
	rep, err := Run(t.Context(), obj, p, Options{}, count(6))
	if err != nil || rep.Mismatches != 0 || rep.Compared != 5 || rep.Skipped[SkipUnset] != 1 {
		t.Errorf("%+v, %v", rep, err)
	}
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], `program "main": insn`) {
		t.Errorf("%q", rep.Notes)
	}
}

// A timer would fire in the kernel while other packets run.
func TestTimers(t *testing.T) {
	need(t)
	word := &btf.Int{Name: "unsigned long long", Size: 8}
	timer := &btf.Struct{Name: "bpf_timer", Size: 16, Members: []btf.Member{{Name: "__opaque", Type: &btf.Array{Index: &btf.Int{Name: "int", Size: 4}, Type: word, Nelems: 2}}}}
	value := &btf.Struct{Name: "value", Size: 16, Members: []btf.Member{{Name: "t", Type: timer}}}
	spec := &maps.Spec{Name: "timers", Type: cilium.Array, KeySize: 4, ValueSize: 16, Max: 1, Key: &btf.Int{Name: "unsigned int", Size: 4}, Value: value}
	obj, p := object(t, labelled(t, `
		*(u32 *)(r10 -4) = 0
		r1 = map[timers]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto out
		r1 = r0
		r2 = map[timers]
		r3 = 1
		call timer_init
	out:
		r0 = 2
		exit`), spec)
	rep, err := Run(t.Context(), obj, p, Options{}, count(5))
	if err != nil || rep.Mismatches != 0 || rep.Skipped[SkipTimer] != 5 {
		t.Errorf("%+v, %v", rep, err)
	}
}

// A cancelled run says so and compares nothing more.
func TestCancelled(t *testing.T) {
	need(t)
	obj, p := object(t, "r0 = 2; exit")
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	rep, err := Run(ctx, obj, p, Options{}, func(in *vm.Input) error {
		if n++; n == 3 {
			cancel()
		}
		*in = vm.Input{Data: make([]byte, 60), IfIndex: 1, Packet: uint64(n)}
		return nil
	})
	if err == nil || rep != nil && (rep.Packets != 3 || rep.Maps != 0) {
		t.Errorf("%+v, %v", rep, err)
	}
}

// A string that is printed is compared, and not skipped for the address it was
// printed by.
func TestPrintedString(t *testing.T) {
	need(t)
	obj := must.Get(loader.Load("testdata/printed.o", loader.Options{}))(t)
	rep := must.Get(Run(t.Context(), obj, obj.Programs[0], Options{}, count(8)))(t)
	if rep.Compared != 8 || rep.Mismatches != 0 || len(rep.Skipped) > 0 {
		t.Errorf("%d compared, %d mismatches, skipped %v", rep.Compared, rep.Mismatches, rep.Skipped)
	}
}
