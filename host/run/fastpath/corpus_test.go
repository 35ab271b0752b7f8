package fastpath

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/run/replay"
	"jitnic/nic/fastpath"
	"jitnic/nic/flower"

	cilium "github.com/cilium/ebpf"
)

// foreign are XDP programs that none of us wrote: Debian's libxdp1, and of the
// kernel's selftests the load balancer that Katran grew from, where host/verify's
// tests have compiled it.
func foreign() (objs []string) {
	objs, _ = filepath.Glob("/usr/lib/*/bpf/xdp*.o")
	if cache, err := os.UserCacheDir(); err == nil {
		more, _ := filepath.Glob(filepath.Join(cache, "jitnic", "linux-source-*", "*test_xdp_noinline*.o"))
		if len(more) > 0 {
			objs = append(objs, more[len(more)-1])
		}
	}
	return objs
}

// entries are the XDP programs of an object by name; a sample has one.
func entries(t *testing.T, program string) []string {
	if strings.HasPrefix(program, "sample:") {
		return []string{""}
	}
	obj, err := loader.Load(program, loader.Options{})
	if err != nil {
		t.Errorf("%s: %v", program, err)
		return nil
	}
	var out []string
	for _, p := range obj.Programs {
		if p.Type == cilium.XDP {
			out = append(out, p.Name)
		}
	}
	return out
}

// TestCorpus has the kernel and the VM judge the fast paths of samples and of
// foreign programs on the corpus' captures, and holds rules to the programs there:
// a row for each, with the share of packets that leaves take, that a cache of 16
// traces hits, and that rules take by the dissector, and frozen by a plain parser.
// JITNIC_HEAVY=1 takes every packet of every capture; -run 'TestCorpus/sample:/zoo' a part.
func TestCorpus(t *testing.T) {
	heavy := os.Getenv("JITNIC_HEAVY") != ""
	inKernel := kernel.Available() == nil
	captures := append([]string{"sample:lab"}, hosttest.Corpus(t)...)
	limit := uint64(0)
	all := foreign()
	if !heavy {
		limit, captures = 500, []string{"sample:lab", captures[len(captures)-1]}
		all = slices.DeleteFunc(all, func(s string) bool { return strings.Contains(s, "xdpfilt_") && !strings.Contains(s, "dny_all") })
	} else {
		for _, s := range programs.All() {
			all = append(all, "sample:"+s.Name)
		}
	}
	ran := 0
	for _, program := range all {
		for _, entry := range entries(t, program) {
			for _, c := range captures {
				name, on := filepath.Base(program), strings.TrimSuffix(filepath.Base(c), ".pcap.gz")
				t.Run(strings.TrimSuffix(name+":"+entry, ":")+"/"+on, func(t *testing.T) {
					row, ok := judged(t, replay.Input{Program: program, Entry: entry, Captures: []string{c}, Seed: 1, Limit: limit}, inKernel)
					t.Logf("%-28s %-24s %-26s %s", name, entry, on, row)
					if ok {
						ran++
					}
				})
			}
		}
	}
	if ran == 0 {
		t.Skip("no program could be run here: libxdp1 is not installed")
	}
}

// judged is one row; ok says that there was a fast path.
func judged(t *testing.T, in replay.Input, inKernel bool) (row string, ok bool) {
	ctx := context.Background()
	p, err := Make(ctx, in, Options{Entries: 16, Counters: true, NoKernel: !inKernel, Rules: true})
	if err != nil {
		return "no fast path: " + err.Error(), false
	}
	defer p.Close()
	v, err := p.Judge(ctx, inKernel)
	if err != nil {
		t.Errorf("%+v: %v", in, err)
		return "", false
	}
	if v.Differs != "" || v.VM != p.Packets || v.Kernel.Bad() {
		t.Errorf("%s on %v: VM %s (%d of %d), kernel %v", in.Program, in.Captures, v.Differs, v.VM, p.Packets, v.Kernel)
	}
	share := func(n uint64) string { return fmt.Sprintf("%6.2f %%", 100*float64(n)/float64(max(p.Packets, 1))) }
	row = fmt.Sprintf("%7d packets %7d by test run; leaves %3d take %s, a cache hits %s", p.Packets, v.Kernel.Runs, len(p.Built.Leaves), share(p.Taken), share(p.Hits))
	if v.Kernel.Status != pair.Equal && inKernel {
		row += " (" + v.Kernel.String() + ")"
	}
	return row + rules(t, in, p, share), true
}

// rules are the shares that rules take: of packets, and of paths.
func rules(t *testing.T, in replay.Input, p *Plan, share func(uint64) string) (row string) {
	ctx := context.Background()
	for _, by := range []flower.Parser{flower.Dissector, flower.Plain} {
		if by == flower.Plain {
			q, err := Make(ctx, in, Options{Entries: 16, NoKernel: true, Rules: true, Frozen: true})
			if err != nil {
				return row + "; frozen: " + err.Error()
			}
			defer q.Close()
			p = q
		}
		o, err := p.Flower(ctx, by)
		if err != nil {
			t.Errorf("%+v: %v", in, err)
			return row
		}
		if o.Differs != "" {
			t.Errorf("%s on %v, parser %d: %s", in.Program, in.Captures, by, o.Differs)
		}
		row += fmt.Sprintf("; rules %s (%d of %d paths)", share(o.Packets), o.Paths, len(p.Paths))
	}
	return row
}

// TestBalancer: the kernel's own load balancer, from which Katran grew, encapsulates
// the lab's traffic to virtual addresses; its fast path does what it does, by test run,
// in the VM, and on devices.
func TestBalancer(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	all := foreign()
	i := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "test_xdp_noinline") })
	if i < 0 {
		t.Skip("test_xdp_noinline is not compiled here: host/verify's tests do that where linux-source is installed")
	}
	vips := filepath.Join(t.TempDir(), "vips.json")
	// struct vip_definition: address, port, family, protocol
	if err := os.WriteFile(vips, []byte(`{"maps": {"vip_map": [
		{"key": {"hex": "c000020a0000000000000000000000000050000006000000"}, "value": {"hex": "0000000001000000"}},
		{"key": {"hex": "c00002350000000000000000000000000035000011000000"}, "value": {"hex": "0000000002000000"}}]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	in := replay.Input{Program: all[i], Entry: "balancer_ingress_v4", Captures: []string{"sample:lab"}, Seed: 1, Limit: 4000, Maps: []string{vips}}
	p, err := Make(context.Background(), in, Options{Entries: 16, Counters: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	v, err := p.Judge(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	if v.Differs != "" || v.Kernel.Status != pair.Equal || p.Taken+p.Packets/100 < p.Hits {
		t.Errorf("VM %q, kernel %v; %d taken, a cache hits %d", v.Differs, v.Kernel, p.Taken, p.Hits)
	}
	l, err := p.Live(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if l.Compared != "" || l.Sent == 0 {
		t.Errorf("%+v", l)
	}
	t.Logf("%d leaves take %d of %d packets, a cache of 16 hits %d; on devices %d came back, %d passed; shrunk: %v", len(p.Built.Leaves), p.Taken, p.Packets, p.Hits, l.Returned, l.Passed, p.Shrunk)
}

// TestTailCalls: an original whose tail calls may need all there are has no fast path.
func TestTailCalls(t *testing.T) {
	p := made(t, "sample:telemetry", 500, Options{Entries: 4, NoKernel: true, Frozen: true})
	obj, r := *p.Session.Obj, p.Session.Runtime
	leaves := []fastpath.Leaf{{ID: p.Paths[0].ID, Path: r.Paths()[p.Paths[0].ID].Path, Trace: p.Paths[0].trace}}
	opt := fastpath.Options{Frozen: true}
	if _, err := fastpath.Build(&obj, p.Session.Entry, r.Comp, leaves, opt); err != nil {
		t.Fatalf("one tail call is no reason: %v", err)
	}
	obj.Maps = slices.Clone(obj.Maps)
	for i, m := range obj.Maps {
		if m.Type == cilium.ProgramArray {
			c := *m
			c.Contents = append(slices.Clone(m.Contents), maps.Entry{Key: make([]byte, 4), Name: p.Session.Entry.Name})
			obj.Maps[i] = &c
		}
	}
	if _, err := fastpath.Build(&obj, p.Session.Entry, r.Comp, leaves, opt); err == nil || !strings.Contains(err.Error(), "33") {
		t.Errorf("a program that comes back to itself: %v", err)
	}
}
