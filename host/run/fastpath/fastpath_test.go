package fastpath

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/kernel/pair"
	"jitnic/host/loader/objfile"
	"jitnic/host/run/replay"
	"jitnic/nic/fastpath"

	cilium "github.com/cilium/ebpf"
)

// made builds a fast path of a sample.
func made(t *testing.T, program string, limit uint64, opt Options) *Plan {
	t.Helper()
	in := replay.Input{Program: program, Captures: []string{"sample:lab"}, Seed: 1, Limit: limit}
	p, err := Make(context.Background(), in, opt)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(p.Close)
	return p
}

// TestJudged: the fast paths of the samples do what the samples do, in the VM and
// in the kernel, and take what a trace cache of that size hits, less one point.
func TestJudged(t *testing.T) {
	inKernel := kernel.Available()
	if inKernel != nil {
		t.Log(inKernel)
	}
	limit := uint64(3000)
	if os.Getenv("JITNIC_HEAVY") != "" {
		limit = 0
	}
	for _, name := range []string{"sample:firewall", "joined sample:katran", "joined sample:telemetry", "sample:loadbalancer", "sample:router", "sample:conntrack", "sample:ratelimiter", "sample:nat", "sample:ipv6filter", "sample:telemetry", "sample:katran", "filter:tcp port 80 or vlan"} {
		t.Run(name, func(t *testing.T) {
			name, joined := strings.CutPrefix(name, "joined ")
			// Where a tail call leads can't be asked in the kernel: it is taken for granted.
			p := made(t, name, limit, Options{Entries: 16, Counters: true, Frozen: name == "sample:telemetry", Join: joined})
			if len(p.Shrunk) > 0 {
				t.Errorf("the verifier refused: %v", p.Shrunk)
			}
			if p.Taken+p.Packets/100 < p.Hits {
				t.Errorf("%d of %d packets are taken: a cache of 16 traces hits %d", p.Taken, p.Packets, p.Hits)
			}
			v := must.Get(p.Judge(context.Background(), inKernel == nil))(t)
			if v.Differs != "" || v.VM != p.Packets {
				t.Errorf("in the VM, %d packets: %s", v.VM, v.Differs)
			}
			if inKernel == nil && (v.Kernel.Status != pair.Equal || uint64(v.Kernel.Runs) != p.Packets) {
				t.Errorf("in the kernel: %v, %d runs", v.Kernel, v.Kernel.Runs)
			}
			if inKernel == nil && !slices.Equal(v.InKernel, v.Counters) {
				t.Errorf("packets by leaf in the kernel %v, in the VM %v", v.InKernel, v.Counters)
			}
			var counted uint64
			for i, l := range p.Built.Leaves {
				counted += v.Counters[i]
				if n := p.path(l.ID).Packets; v.Counters[i] != n {
					t.Errorf("leaf of path %d: %d packets counted, %d took the path", l.ID, v.Counters[i], n)
				}
			}
			if counted != p.Taken || counted+v.Counters[len(p.Built.Leaves)] != p.Packets {
				t.Errorf("%v: they don't add up to %d taken of %d", v.Counters, p.Taken, p.Packets)
			}
		})
	}
}

// TestObject: every loader takes the file, with the original behind the program.
func TestObject(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	p := made(t, "sample:firewall", 1000, Options{Entries: 8})
	file, err := objfile.Write(p.Built.Object, p.Built.Program)
	must.OK(t, err)
	spec, err := cilium.LoadCollectionSpecFromReader(bytes.NewReader(file))
	must.OK(t, err)
	c, err := cilium.NewCollection(spec)
	if err != nil {
		t.Fatalf("cilium/ebpf: %+v", err)
	}
	defer c.Close()
	ret, _, err := c.Programs[fastpath.ProgramName].Test(make([]byte, 60))
	must.OK(t, err)
	if want, _, err := c.Programs[p.Session.Entry.Name].Test(make([]byte, 60)); err != nil || ret != want {
		t.Errorf("a packet of zeros: verdict %d, the original's %d (%v)", ret, want, err)
	}
	bpftool, err := exec.LookPath("bpftool")
	if err != nil {
		t.Skip("bpftool is not installed: libbpf is not asked")
	}
	path := filepath.Join(t.TempDir(), "fast.o")
	must.OK(t, os.WriteFile(path, file, 0o600))
	out, err := exec.Command("unshare", "-m", "sh", "-c", `mount -t bpf bpf /sys/fs/bpf && "$1" prog loadall "$2" /sys/fs/bpf/fast type xdp`, "sh", bpftool, path).CombinedOutput()
	if err != nil {
		t.Errorf("libbpf: %v\n%s", err, out)
	}
}

// TestShrink: what the verifier refuses goes alone, and what goes is named.
func TestShrink(t *testing.T) {
	p := made(t, "sample:router", 2000, Options{Entries: 8, Exactly: true, NoKernel: true})
	victim, before := p.Built.Leaves[2], len(p.Built.Leaves)
	refuse := func(log ...string) error {
		return p.shrink(&kernel.LoadError{Program: fastpath.ProgramName, Err: &cilium.VerifierError{Cause: os.ErrPermission, Log: log}})
	}
	must.OK(t, refuse("0: (bf) r6 = r1", fmt.Sprintf("%d: (71) r1 = *(u8 *)(r7 +23)", victim.Start+3), "invalid access to packet"))
	must.OK(t, p.once(false))
	for _, l := range p.Built.Leaves {
		if l.ID == victim.ID {
			t.Error("the leaf that was refused is still there")
		}
	}
	if len(p.Built.Leaves) != before-1 || len(p.Shrunk) != 1 || !strings.Contains(p.Shrunk[0], "left out") {
		t.Errorf("%d leaves; %q", len(p.Built.Leaves), p.Shrunk)
	}
	must.OK(t, refuse("3: (07) r0 += 1", "BPF program is too large"))
	if cold := p.Paths[len(p.Paths)-1]; cold.Why == "" {
		t.Error("of the whole the coldest should have gone")
	}
	if err := p.shrink(&kernel.LoadError{Program: "another", Err: os.ErrPermission}); err == nil {
		t.Error("a refusal of the original is no reason to shrink")
	}
}

// TestTimes: figures are there for the original and for both fast paths.
func TestTimes(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	p := made(t, "sample:ipv6filter", 1500, Options{Entries: 4, Exactly: true})
	ts := must.Get(p.Times(context.Background()))(t)
	if ts.Original <= 0 || ts.Plain <= 0 || ts.Share <= 0 || ts.Share > 1 || len(ts.Rows) != len(p.Built.Leaves)+1 {
		t.Errorf("%+v", ts)
	}
}

// TestLive: attached to devices, with the lab's frames sent through them, or those
// of live clients and servers, the fast path does what the original does.
func TestLive(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		program string
		rounds  int
	}{{"sample:firewall", 0}, {"sample:loadbalancer", 0}, {"sample:ipv6filter", 0}, {"sample:firewall", 2}, {"sample:loadbalancer", 1}, {"sample:katran", 1}, {"filter:not tcp port 81", 2}} {
		p := made(t, c.program, 4000, Options{Entries: 16})
		l, err := p.Live(context.Background(), c.rounds)
		if err != nil && strings.Contains(err.Error(), "still works") {
			t.Skip(err)
		}
		must.OK(t, err)
		if l.Unsteady || l.Compared != "" {
			t.Errorf("%s: %s (unsteady %v)", c.program, l.Compared, l.Unsteady)
		}
		var n uint64
		for _, c := range l.Counters {
			n += c
		}
		if l.Sent == 0 || n != l.Sent || l.Passed+l.Returned+l.Sideways == 0 || l.Maps.Maps == 0 && c.program == "sample:firewall" {
			t.Errorf("%s: %+v: %d packets counted", c.program, l, n)
		}
		t.Logf("%s: %d sent, %d passed, %d returned, %d sideways; %+v", c.program, l.Sent, l.Passed, l.Returned, l.Sideways, l.Talk)
		if c.rounds == 0 {
			continue
		}
		wraps := c.program == "sample:loadbalancer" || c.program == "sample:katran"
		if k := l.Talk; k.V4 == 0 || k.V6 == 0 || k.VLAN == 0 || k.HTTP == 0 || k.DNS == 0 || k.Pings == 0 || wraps != (k.Tunnels > 0) {
			t.Errorf("%s: the hosts didn't talk: %+v", c.program, k)
		}
		if v := l.Again; v.Differs != "" || v.VM != l.Sent+l.Skipped || v.Kernel.Status != pair.Equal || uint64(v.Kernel.Runs) != v.VM {
			t.Errorf("%s: run again: %+v", c.program, v)
		}
		for i, n := range l.Again.Counters {
			if l.Counters[i] != n {
				t.Errorf("%s: leaf %d took %d of the live frames, %d of the same run again", c.program, i, l.Counters[i], n)
			}
		}
	}
}
