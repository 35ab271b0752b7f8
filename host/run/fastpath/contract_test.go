package fastpath

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/host/loader/objfile"
	"jitnic/host/maps"
	"jitnic/host/run/replay"
	"jitnic/nic/fastpath"
	"jitnic/trace"

	cilium "github.com/cilium/ebpf"
)

// assembled writes a program of text and maps into an object file.
func assembled(t *testing.T, text string, specs ...*maps.Spec) string {
	t.Helper()
	code := must.Get(ebpf.Parser{}.Code(text))(t)
	obj := must.Get(loader.FromCode("main", code, specs))(t)
	file := must.Get(objfile.Write(obj, obj.Programs[0]))(t)
	name := filepath.Join(t.TempDir(), "main.o")
	must.OK(t, os.WriteFile(name, file, 0o600))
	return name
}

// Of TCP the source is looked up; other packets pass without.
const looksUp = `
	r2 = *(u32 *)(r1 +0)
	r3 = *(u32 *)(r1 +4)
	r4 = r2
	r4 += 34
	if r4 > r3 goto +12
	r5 = *(u8 *)(r2 +23)
	if r5 != 6 goto +10
	r4 = *(u32 *)(r2 +26)
	*(u32 *)(r10 -4) = r4
	r1 = map[#0]
	r2 = r10
	r2 += -4
	call map_lookup_elem#1
	if r0 != 0 goto +2
	r0 = 1
	exit
	r0 = 2
	exit`

// TestTouches: the kernel has no look-up that leaves the order of an LRU map alone,
// so a path that doesn't look an entry up itself stays out where the way to its leaf
// would; in a hash it may.
func TestTouches(t *testing.T) {
	for _, c := range []struct {
		of     cilium.MapType
		leaves bool // those who don't look up
	}{{cilium.LRUHash, false}, {cilium.Hash, true}} {
		t.Run(c.of.String(), func(t *testing.T) {
			file := assembled(t, looksUp, &maps.Spec{Name: "seen", Type: c.of, KeySize: 4, ValueSize: 4, Max: 64})
			p := must.Get(Make(context.Background(), replay.Input{Program: file, Captures: []string{"sample:lab"}, Seed: 1, Limit: 1000}, Options{Entries: 8}))(t)
			defer p.Close()
			// As the program asks, nobody looks up but those who do so themselves.
			if len(p.Built.Leaves) != len(p.all) || len(p.Built.Leaves) < 2 || len(p.Shrunk) > 0 {
				t.Errorf("%d leaves of %d paths: %+v %v", len(p.Built.Leaves), len(p.all), p.Built.Out, p.Shrunk)
			}
			if v, err := p.Judge(context.Background(), kernel.Available() == nil); err != nil || v.Differs != "" || v.Kernel.Bad() {
				t.Errorf("%v %+v", err, v)
			}
			// Asked the other way round, the look-up comes before what tells TCP apart.
			r := p.Session.Runtime
			var leaves []fastpath.Leaf
			for _, x := range p.all {
				q := *r.Paths()[x.ID].Path
				q.Cond = slices.Clone(q.Cond)
				if len(q.Cond) > 2 {
					slices.Reverse(q.Cond)
				}
				leaves = append(leaves, fastpath.Leaf{ID: x.ID, Path: &q, Trace: x.trace})
			}
			b := must.Get(fastpath.Build(p.Session.Obj, p.Session.Entry, r.Comp, leaves, fastpath.Options{}))(t)
			if c.leaves != (len(b.Out) == 0) {
				t.Errorf("left out: %+v", b.Out)
			}
			for _, o := range b.Out {
				if !strings.Contains(o.Why, "LRU map") {
					t.Errorf("path %d: %s", o.ID, o.Why)
				}
			}
		})
	}
}

// TestRefused: a trace that the running kernel's verifier refuses goes alone, an
// optimised one for the plain one first, and what is left is loaded and judged.
func TestRefused(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	p := made(t, "sample:router", 2000, Options{Entries: 8, Exactly: true})
	before := len(p.Built.Leaves)
	// A call that XDP programs may not make, before the verdict.
	spoilt := func(of *trace.Trace) *trace.Trace {
		x, i := *of, len(of.Code)-2
		if i < 0 || x.Code[i].Class() != ebpf.ClassALU64 && x.Code[i].Class() != ebpf.ClassALU || x.Code[i].Dst != 0 || x.Code[i].ALUOp() != ebpf.ALUMov {
			return nil
		}
		x.Code = slices.Insert(slices.Clone(x.Code), i, ebpf.Insn{Op: ebpf.OpCall, Imm: ebpf.FnSkbLoadBytes})
		x.Meta = slices.Insert(slices.Clone(x.Meta), i, trace.Meta{Map: -1})
		return &x
	}
	var optimised, plain *Path
	for i := range p.Paths {
		x := &p.Paths[i]
		bad := spoilt(x.plain)
		switch {
		case bad == nil || x.Why != "":
		case optimised == nil:
			optimised, x.trace = x, bad
		case plain == nil:
			plain, x.trace, x.plain = x, bad, bad
		}
	}
	if plain == nil {
		t.Fatal("no two traces end in a verdict")
	}
	must.OK(t, p.build(context.Background()))
	said := strings.Join(p.Shrunk, "\n")
	if !p.Checked || len(p.Built.Leaves) != before-1 || len(p.Shrunk) != 2 || !strings.Contains(said, fmt.Sprintf("path %d left out: ", plain.ID)) ||
		!strings.Contains(said, fmt.Sprintf("path %d: its superoptimized trace: ", optimised.ID)) || optimised.trace != optimised.plain {
		t.Errorf("%d leaves of %d; said %q", len(p.Built.Leaves), before, said)
	}
	if v, err := p.Judge(context.Background(), true); err != nil || v.Kernel.Status != pair.Equal || v.Differs != "" {
		t.Errorf("%v %+v", err, v)
	}
	t.Log(said)
}

// TestIproute2: ip(8) loads the file and attaches the fast path, by its section and
// by its name, to a device of a network namespace that ends with the command.
func TestIproute2(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	for _, need := range []string{"ip", "unshare"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("%s is not installed", need)
		}
	}
	for _, program := range []string{"sample:firewall", "sample:katran", "sample:router"} {
		p := made(t, program, 1000, Options{Entries: 8, Join: true})
		file := must.Get(objfile.Write(p.Built.Object, p.Built.Program))(t)
		path := filepath.Join(t.TempDir(), "fast.o")
		must.OK(t, os.WriteFile(path, file, 0o600))
		for _, by := range []string{"section " + p.Built.Program.Section, "program " + fastpath.ProgramName} {
			script := `ip link add name a type veth peer name b && ip link set dev a up && ip link set dev b up &&
				ip link set dev a xdp obj "$0" ` + by + ` && ip -d link show dev a && bpftool prog show`
			out, err := exec.Command("unshare", "-n", "-m", "sh", "-c", "mount -t bpf bpf /sys/fs/bpf && "+script, path).CombinedOutput()
			if err != nil {
				t.Errorf("%s, %s: %v\n%s", program, by, err, out)
				continue
			}
			_, after, ok := strings.Cut(string(out), "prog/xdp id ")
			id, _, _ := strings.Cut(after, " ")
			if !ok || !strings.Contains(string(out), id+": xdp  name "+fastpath.ProgramName) {
				t.Errorf("%s, %s: attached is not the fast path:\n%s", program, by, out)
			}
		}
	}
}

// Every run of it counts in the packet's first byte and calls itself, as often as
// the kernel lets it; the branch is there to make two paths.
const callsItself = `
	r6 = r1
	r2 = *(u32 *)(r1 +0)
	r3 = *(u32 *)(r1 +4)
	r4 = r2
	r4 += 14
	if r4 > r3 goto +11
	r0 = *(u8 *)(r2 +13)
	if r0 != 0 goto +1
	r0 = 1
	r5 = *(u8 *)(r2 +0)
	r5 += 1
	*(u8 *)(r2 +0) = r5
	r1 = r6
	r2 = map[#0]
	r3 = 0
	call tail_call#12
	r0 = 2
	exit`

// TestLastTailCall: of an original that needs all 33 tail calls the fast path takes
// none: joined with it, what misses still has them all; else there is no fast path.
func TestLastTailCall(t *testing.T) {
	file := assembled(t, callsItself, &maps.Spec{Name: "self", Type: cilium.ProgramArray, KeySize: 4, ValueSize: 4, Max: 1,
		Contents: []maps.Entry{{Key: make([]byte, 4), Name: "main"}}})
	in := replay.Input{Program: file, Captures: []string{"sample:lab"}, Seed: 1, Limit: 1000}
	opt := Options{Entries: 1, Exactly: true, Frozen: true, Counters: true}
	if _, err := Make(context.Background(), in, opt); err == nil || !strings.Contains(err.Error(), "may need all 33") {
		t.Errorf("with a tail call: %v", err)
	}
	opt.Join = true
	p := must.Get(Make(context.Background(), in, opt))(t)
	defer p.Close()
	inKernel := kernel.Available() == nil
	v := must.Get(p.Judge(context.Background(), inKernel))(t)
	missed := v.Counters[len(p.Built.Leaves)]
	if v.Differs != "" || inKernel && v.Kernel.Status != pair.Equal || missed == 0 || missed == p.Packets {
		t.Errorf("VM %q, kernel %v; %d of %d missed", v.Differs, v.Kernel, missed, p.Packets)
	}
	if !inKernel {
		return
	}
	k := must.Get(kernel.Load(p.Built.Object, p.Built.Program, kernel.Options{}))(t)
	defer k.Maps.Close()
	defer k.Close()
	for _, last := range []byte{0, 6, 0xdd} {
		r, err := k.Run(append(make([]byte, 13), last, 0), kernel.Context{})
		if err != nil || r.Data[0] != 34 {
			t.Errorf("type %#x: %d runs, want 34 (%v)", last, r.Data[0], err)
		}
	}
}
