package fastpath

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/run/replay"
	"jitnic/nic/fastpath"
	"jitnic/nic/flower"
	"jitnic/pcaps"
	"jitnic/trace"

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
		for _, s := range append(programs.All(), programs.Modelled()...) {
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
	if inKernel && v.Kernel.Unsteady == 0 && !slices.Equal(v.InKernel, v.Counters) {
		t.Errorf("%s on %v: packets by leaf in the kernel %v, in the VM %v", in.Program, in.Captures, v.InKernel, v.Counters)
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

// selftest is an object of the kernel's selftests, where host/verify's tests have
// compiled it.
func selftest(t *testing.T, name string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "jitnic", "linux-source-*", name))
	if len(found) == 0 {
		t.Skipf("%s is not compiled here: host/verify's tests do that where linux-source is installed", name)
	}
	return found[len(found)-1]
}

// written puts packets into a capture.
func written(t *testing.T, packets ...[]byte) string {
	name := filepath.Join(t.TempDir(), "packets.pcap")
	f := must.Get(os.Create(name))(t)
	defer f.Close()
	w := must.Get(pcaps.NewWriter(f, pcaps.Format{}))(t)
	for i, p := range packets {
		must.OK(t, w.Write(&pcaps.Packet{Data: p, Len: uint32(len(p)), TimeNS: 1e9 + int64(i)*1e6}))
	}
	must.OK(t, w.Close())
	return name
}

// TestBalancers: load balancers that others wrote, and one after Katran, wrap the
// lab's traffic to virtual addresses and send it out; their fast paths do what they
// do, by test run, in the VM, and on devices.
func TestBalancers(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	// The selftest balances just the packets whose source and ports are 0, by their
	// hash, and ends in XDP_DROP in place of XDP_TX; what it answers itself goes back.
	zero := func(dst string) []byte {
		p := make([]byte, 60)
		copy(p[12:], "\x08\x00\x45\x00\x00\x2e\x00\x00\x00\x00\x40\x06")
		copy(p[30:], dst)
		p[46] = 0x50
		return p
	}
	var few [][]byte
	for range 40 {
		few = append(few, zero("\xc0\x00\x02\x0a"), zero("\xc0\x00\x02\x35"))
	}
	for _, c := range []struct {
		program, entry string
		captures       []string
		maps           string
		back           bool // what is wrapped is sent back
	}{
		{program: "sample:katran", captures: []string{"sample:lab"}, back: true},
		{program: "test_xdp.o", captures: []string{"sample:lab"}, back: true, maps: `{"maps": {"vip2tnl": [
			{"key": {"daddr": {"v4": {"ip4": "192.0.2.10"}}, "dport": {"be16": 80}, "family": 2, "protocol": 6},
			 "value": {"saddr": {"v4": {"ip4": "198.18.0.254"}}, "daddr": {"v4": {"ip4": "198.18.0.11"}}, "family": 2, "dmac": "02:00:00:00:02:01"}},
			{"key": {"daddr": {"v6": {"ip6": "fd00::10"}}, "dport": {"be16": 80}, "family": 10, "protocol": 6},
			 "value": {"saddr": {"v6": {"ip6": "2001:2::fe"}}, "daddr": {"v6": {"ip6": "2001:2::14"}}, "family": 10, "dmac": "02:00:00:00:02:02"}}]}}`},
		{program: "test_xdp_noinline.o", entry: "balancer_ingress_v4", captures: []string{"sample:lab", written(t, few...)}, maps: `{"maps": {
			"vip_map": [
				{"key": {"vip": {"ip4": "192.0.2.10"}, "proto": 6}, "value": {"flags": 2, "vip_num": 5}},
				{"key": {"vip": {"ip4": "192.0.2.53"}, "proto": 6}, "value": {"flags": 0, "vip_num": 6}},
				{"key": {"vip": {"ip4": "192.0.2.10"}, "port": {"be16": 80}, "proto": 6}, "value": {"vip_num": 1}}],
			"ch_rings": [{"key": 10, "value": 3}, {"key": 11, "value": 3}, {"key": 12, "value": 4}, {"key": 13, "value": 4}],
			"reals": [{"key": 3, "value": {"dst": {"ip4": "198.18.0.11"}}}, {"key": 4, "value": {"dstv6": {"ip6": "2001:2::14"}, "flags": 1}}],
			"ctl_array": [{"key": 0, "value": {"mac": "02:00:00:00:02:01"}}]}}`},
	} {
		t.Run(c.program, func(t *testing.T) {
			in := replay.Input{Program: c.program, Entry: c.entry, Captures: c.captures, Seed: 1}
			if !strings.HasPrefix(c.program, "sample:") {
				in.Program = selftest(t, c.program)
			}
			if c.maps != "" {
				file := filepath.Join(t.TempDir(), "maps.json")
				must.OK(t, os.WriteFile(file, []byte(c.maps), 0o600))
				in.Maps = []string{file}
			}
			p := must.Get(Make(context.Background(), in, Options{Entries: 24, Counters: true}))(t)
			defer p.Close()
			v := must.Get(p.Judge(context.Background(), true))(t)
			if v.Differs != "" || v.Kernel.Status != pair.Equal || p.Taken+p.Packets/100 < p.Hits || !slices.Equal(v.InKernel, v.Counters) {
				t.Errorf("VM %q, kernel %v; %d taken, a cache hits %d; by leaf %v, in the kernel %v", v.Differs, v.Kernel, p.Taken, p.Hits, v.Counters, v.InKernel)
			}
			l := must.Get(p.Live(context.Background(), 0))(t)
			if l.Compared != "" || l.Unsteady || l.Sent == 0 || l.Returned == 0 || c.back && l.Returned < 1000 {
				t.Errorf("%+v", l)
			}
			var live uint64
			for _, n := range l.Counters[:len(p.Built.Leaves)] {
				live += n
			}
			wrapped := 0
			for _, x := range p.Paths {
				if x.Why == "" && calls(x.trace, ebpf.FnXdpAdjustHead) {
					wrapped++
				}
			}
			if wrapped == 0 {
				t.Error("no leaf wraps packets")
			}
			t.Logf("%d leaves, of which %d wrap, take %d of %d packets, a cache hits %d; on devices %d of %d, %d came back, %d passed; not compared: %v; shrunk: %v",
				len(p.Built.Leaves), wrapped, p.Taken, p.Packets, p.Hits, live, l.Sent, l.Returned, l.Passed, l.Loose, p.Shrunk)
		})
	}
}

// calls says whether a trace calls a helper.
func calls(t *trace.Trace, helper int32) bool {
	return slices.ContainsFunc(t.Code, func(in ebpf.Insn) bool {
		return in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == helper
	})
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
