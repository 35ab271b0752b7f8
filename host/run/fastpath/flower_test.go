package fastpath

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/kernel/netns"
	"jitnic/host/run/replay"
	"jitnic/host/vm"
	"jitnic/nic/flower"
	"jitnic/pathcond/bv"
	"jitnic/pcaps"
)

// ruled makes the rules of a program on a capture, held to the program in Go.
func ruled(t *testing.T, program string, limit uint64, frozen bool, by flower.Parser) (*Plan, *Offload) {
	t.Helper()
	p := made(t, program, limit, Options{Entries: 32, NoKernel: true, Rules: true, Frozen: frozen})
	o := must.Get(p.Flower(context.Background(), by))(t)
	if o.Differs != "" {
		t.Errorf("%s: %s", program, o.Differs)
	}
	for i := range o.Rules.List {
		if r := &o.Rules.List[i]; r.Action == flower.Drop && r.Edits() {
			t.Errorf("%s: rule %d drops and edits, which OpenFlow doesn't take", program, r.Priority)
		}
	}
	return p, o
}

// TestFlower: rules and, for what they leave, the program do what the program does,
// bytes, redirects and maps; every path has a rule or is refused with what it asks;
// and rules are made where they can be.
func TestFlower(t *testing.T) {
	for _, c := range []struct {
		program string
		frozen  bool
		by      flower.Parser
		least   float64 // share of the packets
		edited  float64
	}{
		{"filter:tcp dst port 443 and not net 10.0.0.0/8", false, flower.Dissector, 0.05, 0},
		{"filter:udp port 53", false, flower.Dissector, 0.8, 0},
		{"filter:arp or vlan", false, flower.Dissector, 0.99, 0},
		{"filter:icmp", false, flower.Dissector, 0.99, 0},
		{"filter:ip[8] = 64", false, flower.Dissector, 0.99, 0},
		{"filter:tcp[tcpflags] & tcp-syn != 0", false, flower.Dissector, 0.85, 0},
		{"filter:src host 10.1.0.11 and tcp", false, flower.Dissector, 0.9, 0},
		{"filter:ip6 proto 6 and dst port 80", false, flower.Plain, 0.9, 0},
		{"sample:router", true, flower.Plain, 0.7, 0.7},
		{"sample:nat", true, flower.Plain, 0.4, 0},
		{"sample:firewall", false, flower.Plain, 0, 0},
		{"sample:ipv6filter", false, flower.Plain, 0, 0},
		{"sample:loadbalancer", false, flower.Plain, 0, 0},
	} {
		p, o := ruled(t, c.program, 4000, c.frozen, c.by)
		share, edited := float64(o.Packets)/float64(p.Packets), float64(o.Edited)/float64(p.Packets)
		if share < c.least || edited < c.edited {
			t.Errorf("%s: rules take %.1f %% of the packets and change %.1f %%\n%+v", c.program, 100*share, 100*edited, o.Rules.Refused)
		}
		if o.Paths+len(o.Rules.Refused) < len(p.Paths) {
			t.Errorf("%s: %d paths have a rule and %d are refused, of %d", c.program, o.Paths, len(o.Rules.Refused), len(p.Paths))
		}
		t.Logf("%s: %d of %d paths, %.1f %% of packets, %.1f %% changed, %d rules", c.program, o.Paths, len(p.Paths), 100*share, 100*edited, len(o.Rules.List))
		for _, r := range o.Rules.Refused[:min(len(o.Rules.Refused), 3)] {
			t.Logf("   refused %d: %s", r.Path, r.Why)
		}
	}
}

// packetOf is an IP packet of n bytes between loopback addresses in an Ethernet frame:
// UDP in IPv6, or TCP in IPv4.
func packetOf(v6 bool, n int) []byte {
	p := make([]byte, 14+n)
	ip := p[14:]
	if v6 {
		binary.BigEndian.PutUint16(p[12:], 0x86dd)
		ip[0], ip[6], ip[7], ip[23], ip[39] = 0x60, 17, 64, 1, 1
		binary.BigEndian.PutUint16(ip[4:], uint16(n-40))
		copy(ip[40:], []byte{0xd8, 0xd0, 0x22, 0x53})
		binary.BigEndian.PutUint16(ip[44:], uint16(n-40))
		return p
	}
	binary.BigEndian.PutUint16(p[12:], 0x0800)
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], uint16(n))
	copy(ip[12:], []byte{127, 0, 0, 1, 127, 0, 0, 1, 0xe8, 0xe4, 4, 0xc8})
	ip[32], ip[33] = 5<<4, 0x18
	return p
}

// TestInPieces: of packets longer than the first buffer a program sees the front,
// and drops them where it asks for the length that the IP header says; no rule that
// passes shorter ones takes them, nor is their length counted. Frames that no
// program runs on are left out.
func TestInPieces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pieces.pcap")
	w := must.Get(pcaps.Create(file))(t)
	for i := range 40 {
		for _, p := range [][]byte{packetOf(true, 200+i), packetOf(false, 200+i)} {
			must.OK(t, w.Write(&pcaps.Packet{TimeNS: int64(i + 1), Data: p, Len: uint32(len(p))}))
		}
	}
	for _, p := range [][]byte{packetOf(true, 8240), packetOf(false, 8240), make([]byte, vm.MinPacket-1)} {
		must.OK(t, w.Write(&pcaps.Packet{TimeNS: 100, Data: p, Len: uint32(len(p))}))
	}
	must.OK(t, w.Close())
	for program, least := range map[string]uint64{"sample:router": 80, "sample:firewall": 80, "sample:loadbalancer": 40, "sample:nat": 40, "filter:udp": 82} {
		p, err := Make(context.Background(), replay.Input{Program: program, Captures: []string{file}, Seed: 1}, Options{Entries: 16, NoKernel: true, Rules: true, Frozen: true})
		must.OKf(t, err, "%s", program)
		t.Cleanup(p.Close)
		for _, by := range []flower.Parser{flower.Dissector, flower.Plain} {
			o := must.Get(p.Flower(context.Background(), by))(t)
			if o.Differs != "" || o.NoRun != 1 {
				t.Errorf("%s, parser %d: %s; %d left out", program, by, o.Differs, o.NoRun)
			}
			if long := o.Long > 0; long != o.Rules.OnePiece() {
				t.Errorf("%s, parser %d: %d packets are left to software by their length", program, by, o.Long)
			}
			if by == flower.Plain && o.Packets < least {
				t.Errorf("%s: rules take %d packets: %v", program, o.Packets, o.Rules.Refused)
			}
		}
	}
}

// TestSwitch: Open vSwitch carries real packets by the rules as they say.
func TestSwitch(t *testing.T) {
	for _, c := range []struct {
		program string
		by      flower.Parser
	}{{"sample:router", flower.Plain}, {"filter:tcp dst port 443 and not net 10.0.0.0/8", flower.Dissector}, {"filter:ip6 proto 6 and dst port 80", flower.Plain}} {
		p, o := ruled(t, c.program, 4000, true, c.by)
		got, err := p.Carry(context.Background(), o, "ovs")
		if errors.Is(err, ErrMissing) {
			t.Skip(err)
		}
		must.OK(t, err)
		if got.Differs != "" || got.Ruled == 0 || got.Sent+got.Skipped != p.Packets {
			t.Errorf("%s: %+v", c.program, got)
		}
		t.Logf("%s: %d flows, %d packets sent, %d by rules, %d not sent", c.program, got.Rules, got.Sent, got.Ruled, got.Skipped)
	}
}

// TestClassifier: the kernel's flower classifier carries them, where it has one;
// where it hasn't, that is said in a line, with what still works.
func TestClassifier(t *testing.T) {
	p, o := ruled(t, "sample:router", 1500, true, flower.Plain)
	got, err := p.Carry(context.Background(), o, "tc")
	if errors.Is(err, ErrMissing) {
		if s := err.Error(); strings.Contains(s, "\n") || !strings.Contains(s, "still") {
			t.Errorf("it should say in a line what is missing and what still works: %q", s)
		}
		t.Skip(err)
	}
	must.OK(t, err)
	if got.Differs != "" || got.Ruled == 0 {
		t.Errorf("%+v", got)
	}
}

// TestWords: tc takes every line as far as the kernel, whether that has the
// classifier or not, and ovs-ofctl takes every flow.
func TestWords(t *testing.T) {
	var lines, flows []string
	far := []string{"lo", "lo", "lo", "lo", "lo", "lo", "lo", "lo"}
	for _, c := range []struct {
		program string
		limit   uint64
		by      flower.Parser
	}{{"sample:router", 0, flower.Plain}, {"sample:nat", 1500, flower.Plain}, {"filter:tcp[tcpflags] & tcp-syn != 0 and dst port 80 or icmp", 1500, flower.Dissector}, {"filter:vlan 10 and ip6", 1500, flower.Plain}} {
		_, o := ruled(t, c.program, c.limit, true, c.by)
		lines = append(lines, tcLines(o.Rules, far)[1:]...)
		flows = append(flows, o.Rules.OpenFlow(flower.Where{Port: func(flower.Port, int) string { return "9" }})...)
	}
	// What the captures don't make a program do.
	all := flower.Rule{Match: flower.Match{Type: 0x0800, Frag: flower.NoFragment}, Action: flower.Pass,
		Do: flower.Edits{VID: -1, Down: true, L3: true, L4: true, Push: 0x8100_a014}}
	all.Match.Keys[flower.Proto] = flower.Ternary{Value: flower.Bytes{6}, Mask: flower.Bytes{0xff}}
	for k, v := range map[flower.Key]flower.Bytes{flower.EthDst: {2, 0, 0, 0, 0, 1}, flower.EthSrc: {2, 0, 0, 0, 0, 2}, flower.IPSrc: {10, 0, 0, 1}, flower.IPDst: {10, 0, 0, 2}, flower.SPort: {0, 80}, flower.DPort: {1, 187}, flower.TOS: {0xb9}, flower.TTL: {64}} {
		all.Do.Set = append(all.Do.Set, flower.Set{Key: k, Value: v})
	}
	six := flower.Rule{Match: flower.Match{Type: 0x86dd, Tag: 0x8100}, Action: flower.Back, Do: flower.Edits{VID: -1, Down: true, L4: true, Pop: true, Set: []flower.Set{{Key: flower.IP6Dst, Value: flower.Bytes{0xfd}}, {Key: flower.TTL, Value: flower.Bytes{64}}, {Key: flower.SPort, Value: flower.Bytes{0, 53}}}}}
	six.Match.Keys[flower.Proto] = flower.Ternary{Value: flower.Bytes{17}, Mask: flower.Bytes{0xff}}
	six.Match.Keys[flower.VlanTCI] = flower.Ternary{Value: flower.Bytes{0xa0, 10}, Mask: flower.Bytes{0xef, 0xff}}
	rules := &flower.Rules{List: []flower.Rule{all, six}}
	lines = append(lines, tcLines(rules, far)[1:]...)
	flows = append(flows, rules.OpenFlow(flower.Where{})...)

	t.Run("tc", func(t *testing.T) {
		if _, err := exec.LookPath("tc"); err != nil {
			t.Skip("tc is not installed (Debian: iproute2)")
		}
		if err := kernel.Available(); err != nil {
			t.Skip(err)
		}
		// A line that tc itself refuses is named as such; the kernel's refusals are not.
		bad := batch(t, append([]string{"filter add dev lo ingress pref 1 protocol all flower dst_port banana action pass"}, lines...))
		if len(bad) != 1 {
			t.Errorf("tc refuses %d of %d lines, want the first alone: %q", len(bad), len(lines)+1, bad)
		}
	})
	t.Run("ovs", func(t *testing.T) {
		if _, err := exec.LookPath("ovs-ofctl"); err != nil {
			t.Skip("ovs-ofctl is not installed (Debian: openvswitch-switch)")
		}
		c := exec.Command("ovs-ofctl", "-O", "OpenFlow13", "parse-flows", "-")
		c.Stdin = strings.NewReader(strings.Join(flows, "\n") + "\n")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// batch has tc(8) go through lines in a network namespace of its own; it gives
// those that don't come as far as the kernel.
func batch(t *testing.T, lines []string) (refused []string) {
	t.Helper()
	var out strings.Builder
	if err := netns.Thread(func() error {
		for _, l := range append([]string{"qdisc add dev lo clsact"}, lines...) {
			c := exec.Command("tc", "-batch", "-")
			c.Stdin = strings.NewReader(l + "\n")
			said, _ := c.CombinedOutput()
			if s := string(said); s != "" && !strings.Contains(s, "talking to the kernel") {
				out.WriteString(l + ": " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") + "\n")
			}
		}
		return nil
	}); err != nil {
		t.Skip("skipped: " + err.Error())
	}
	if s := strings.TrimSpace(out.String()); s != "" {
		refused = strings.Split(s, "\n")
	}
	return refused
}

// TestKilled: what is on devices, in namespaces and daemons, ends with the
// process, however it ends.
func TestKilled(t *testing.T) {
	if what := os.Getenv("JITNIC_TO_KILL"); what != "" {
		p, o := ruled(t, "filter:not tcp port 81", 1500, false, flower.Dissector)
		for what == "ovs" {
			must.Get(p.Carry(context.Background(), o, what))(t)
		}
		_, err := p.Live(context.Background(), 1000)
		t.Fatal(err)
	}
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	for _, what := range []string{"hosts", "ovs"} {
		if _, err := exec.LookPath("ovs-vswitchd"); err != nil && what == "ovs" {
			t.Skip("ovs-vswitchd is not installed (Debian: openvswitch-switch)")
		}
		c := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		c.Env = append(os.Environ(), "JITNIC_TO_KILL="+what)
		before := spaces("/proc/[0-9]*/ns/net")
		must.OK(t, c.Start())
		theirs := map[string]bool{}
		for i := 0; i < 300 && len(theirs) < 1+2*int(bv.Bit(what == "hosts")); i++ {
			time.Sleep(20 * time.Millisecond)
			for _, ns := range spaces(fmt.Sprintf("/proc/%d/task/*/ns/net", c.Process.Pid)) {
				if !slices.Contains(before, ns) {
					theirs[ns] = true
				}
			}
		}
		time.Sleep(300 * time.Millisecond) // daemons, devices and frames are on their way
		_ = c.Process.Kill()
		_ = c.Wait()
		if len(theirs) == 0 {
			t.Skip("no network namespace of its own")
		}
		left := ""
		for range 100 {
			left = ""
			for _, ns := range spaces("/proc/[0-9]*/ns/net") {
				if theirs[ns] {
					left = ns
				}
			}
			if left == "" {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if left != "" {
			t.Errorf("%s: a process is left in %s", what, left)
		}
	}
}

// spaces are the namespaces that links name.
func spaces(glob string) (out []string) {
	links, _ := filepath.Glob(glob)
	for _, l := range links {
		if ns, err := os.Readlink(l); err == nil {
			out = append(out, ns)
		}
	}
	return out
}
