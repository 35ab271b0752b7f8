package fastpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"jitnic/host/kernel/netns"
	"jitnic/host/vm"
	"jitnic/nic/flower"

	"golang.org/x/sys/unix"
)

// ErrMissing says that what should carry packets isn't there; the rest still works.
var ErrMissing = errors.New("the rules are still held to the program in Go")

// Carried is what came of sending packets through rules that something else runs.
type Carried struct {
	By      string `json:"by"`                // tc or ovs
	Rules   int    `json:"rules"`             // as they were loaded
	Sent    uint64 `json:"sent"`              // packets
	Ruled   uint64 `json:"ruled"`             // of these, that a rule other than trap took
	Skipped uint64 `json:"skipped"`           // packets not sent: software's by parser, length or checksum, or told apart by what the carrier can't see
	Differs string `json:"differs,omitempty"` // the first that came out elsewhere, or changed otherwise
}

// Carriers are what Carry can use.
var Carriers = map[string]func(w *wire, o *Offload) (rules int, err error){"ovs": (*wire).ovs, "tc": (*wire).tc}

// outcomes are where a packet can come out, and the devices there: traps, drops
// and passes can be told apart, as each has a device.
const (
	outSoftware = iota
	outDropped
	outPassed
	outBack // where it came in
	outPort // and one for each of the rules' ports
)

// wire is a network namespace without a name, with a device that packets go in at
// and devices that they come out of, each one end of a veth pair.
type wire struct {
	far  []string // ends that the carrier has: of outSoftware, outDropped, outPassed, where packets come in, …
	ears []int    // sockets on the other ends
	send int
	open []func()
}

// Carry sends the captures' packets through rules that the kernel (tc: the flower
// classifier, skip_hw) or Open vSwitch's userspace datapath (ovs) runs, and
// compares with the rules in Go, which Flower has held to the program, where each
// comes out and with which bytes. All of it ends with this process.
func (p *Plan) Carry(ctx context.Context, o *Offload, by string) (*Carried, error) {
	load := Carriers[by]
	c := &Carried{By: by}
	if err := netns.Thread(func() error {
		w, err := newWire(len(o.Rules.Ports))
		if w != nil {
			defer w.close()
		}
		if err != nil {
			return err
		}
		if c.Rules, err = load(w, o); err != nil {
			return err
		}
		return p.carry(ctx, o, w, c)
	}); errors.As(err, new(netns.Missing)) {
		return nil, fmt.Errorf("rules by %s: %w: %w", by, err, ErrMissing)
	} else if err != nil {
		return nil, fmt.Errorf("rules by %s: %w", by, err)
	}
	return c, nil
}

func newWire(ports int) (*wire, error) {
	if err := netns.HasIP(); err != nil {
		return nil, err
	}
	quietIPv6()
	w := &wire{send: -1}
	for i := range outPort + ports {
		far, near := fmt.Sprintf("far%d", i), fmt.Sprintf("near%d", i)
		if err := netns.IP("link", "add", far, "mtu", fmt.Sprint(liveMTU), "type", "veth", "peer", "name", near, "mtu", fmt.Sprint(liveMTU)); err != nil {
			return w, err
		}
		w.far = append(w.far, far)
		for _, d := range []string{far, near} {
			if err := netns.IP("link", "set", "dev", d, "promisc", "on", "up"); err != nil {
				return w, err
			}
		}
		index, err := netns.Index(near)
		if err != nil {
			return w, err
		}
		fd, err := listen(index, true)
		if err != nil {
			return w, err
		}
		w.ears = append(w.ears, fd)
		if i == outBack {
			if w.send, err = listen(index, false); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}

func (w *wire) close() {
	for _, fd := range append(w.ears, w.send) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	for _, f := range slices.Backward(w.open) {
		f()
	}
}

// hear waits for the one frame that comes out.
func (w *wire) hear(buf []byte) (at int, frame []byte, err error) {
	fds := make([]unix.PollFd, len(w.ears))
	for i, fd := range w.ears {
		fds[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if n, err := unix.Poll(fds, 100); err != nil && err != unix.EINTR {
			return 0, nil, err
		} else if n <= 0 {
			continue
		}
		for i := range fds {
			if f, ok := receive(w.ears[i], buf); ok {
				return i, f, nil
			}
		}
	}
	return -1, nil, nil
}

func (p *Plan) carry(ctx context.Context, o *Offload, w *wire, c *Carried) error {
	buf := make([]byte, liveMTU+64)
	return p.each(ctx, func(pkt *vm.Input) error {
		r := o.Rules.Take(pkt.Data)
		if r == nil || len(pkt.Data) < vm.MinPacket || len(pkt.Data) > liveMTU || c.unseen(pkt.Data) {
			c.Skipped++
			return nil
		}
		want, expect := pkt.Data, [...]int{flower.Trap: outSoftware, flower.Drop: outDropped, flower.Pass: outPassed, flower.Back: outBack, flower.Out: outPort}[r.Action]
		if r.Action != flower.Trap {
			c.Ruled++
			want = r.Apply(pkt.Data)
		}
		if r.Action == flower.Out {
			expect += r.Port
		}
		if _, err := unix.Write(w.send, pkt.Data); err != nil {
			return fmt.Errorf("send a frame of %d bytes: %w", len(pkt.Data), err)
		}
		c.Sent++
		at, got, err := w.hear(buf)
		if err != nil {
			return err
		}
		switch {
		case c.Differs != "":
		case at != expect:
			c.Differs = fmt.Sprintf("packet %d: rule %d says %v: it came out at %d, want %d (0 software, 1 dropped, 2 passed, 3 back, 4 on ports, -1 nowhere): %x", pkt.Packet+1, r.Priority, r.Action, at, expect, pkt.Data[:min(len(pkt.Data), 64)])
		case !bytes.Equal(got, want):
			c.Differs = fmt.Sprintf("packet %d: rule %d, %v: it came out as %x, want %x", pkt.Packet+1, r.Priority, r.Action, got[:min(len(got), 64)], want[:min(len(want), 64)])
		}
		if at < 0 && c.Sent > 3 {
			return fmt.Errorf("%s", c.Differs) // nothing comes out any more
		}
		return ctx.Err()
	})
}

// unseen says whether a packet differs from others in what the carrier has no
// word for: Open vSwitch knows neither a tag's type nor its drop eligible bit.
func (c *Carried) unseen(p []byte) bool {
	if len(p) < 18 || c.By != "ovs" {
		return false
	}
	return p[12] == 0x88 && p[13] == 0xa8 || p[12] == 0x81 && p[13] == 0 && p[14]&0x10 != 0
}

// ovs runs Open vSwitch's daemons in a folder of their own, on the thread's network
// namespace; they die with the thread.
func (w *wire) ovs(o *Offload) (int, error) {
	for _, need := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl"} {
		if _, err := exec.LookPath(need); err != nil {
			return 0, fmt.Errorf("%s is not installed (Debian: openvswitch-switch): %w", need, ErrMissing)
		}
	}
	// Their files are in memory, in a mount namespace that ends with the thread.
	const over = "/run"
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount("ovs", over, "tmpfs", 0, "")
	}
	if err != nil {
		return 0, fmt.Errorf("no mount namespace of its own (%v): %w", err, ErrMissing)
	}
	dir := over + "/ovs"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	env := os.Environ()
	for _, v := range []string{"OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"} {
		env = append(env, v+"="+dir)
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Env, c.Dir, c.SysProcAttr = env, dir, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return c
	}
	run := func(name string, args ...string) error {
		out, err := command(name, args...).CombinedOutput()
		if err != nil {
			msg, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			return fmt.Errorf("%s: %w: %s", name, err, msg)
		}
		return nil
	}
	daemon := func(socket, name string, args ...string) error {
		c := command(name, append(args, "-vconsole:off", "-vsyslog:off")...)
		if err := c.Start(); err != nil {
			return err
		}
		w.open = append(w.open, func() { _ = c.Process.Kill(); _ = c.Wait() })
		for range 500 {
			if _, err := os.Stat(socket); err == nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return fmt.Errorf("%s does not start", name)
	}
	db, ctl := filepath.Join(dir, "db"), filepath.Join(dir, "ctl")
	flows := filepath.Join(dir, "flows")
	lines := o.Rules.OpenFlow(flower.Where{Port: func(_ flower.Port, i int) string { return fmt.Sprint(outPort + i + 1) },
		Actions: [...]string{flower.Trap: fmt.Sprintf("output:%d", outSoftware+1), flower.Drop: fmt.Sprintf("output:%d", outDropped+1), flower.Pass: fmt.Sprintf("output:%d", outPassed+1), flower.Back: ""}})
	if err := os.WriteFile(flows, []byte(strings.Join(append(lines, "priority=0 actions=output:1"), "\n")+"\n"), 0o600); err != nil {
		return 0, err
	}
	if err := run("ovsdb-tool", "create", "conf.db", "/usr/share/openvswitch/vswitch.ovsschema"); err != nil {
		return 0, err
	}
	if err := daemon(db, "ovsdb-server", "conf.db", "--remote=punix:"+db, "--unixctl="+ctl+".db"); err != nil {
		return 0, err
	}
	set := []string{"--db=unix:" + db, "--timeout=30"}
	if err := run("ovs-vsctl", append(set, "--no-wait", "init")...); err != nil {
		return 0, err
	}
	if err := daemon(ctl, "ovs-vswitchd", "unix:"+db, "--unixctl="+ctl, "--disable-system"); err != nil {
		return 0, err
	}
	set = append(set, "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail-mode=secure")
	for i, d := range w.far {
		set = append(set, "--", "add-port", "br0", d, "--", "set", "interface", d, fmt.Sprintf("ofport_request=%d", i+1))
	}
	if err := run("ovs-vsctl", set...); err != nil {
		return 0, err
	}
	return len(lines), run("ovs-ofctl", "-O", "OpenFlow13", "add-flows", "unix:"+filepath.Join(dir, "br0.mgmt"), flows)
}

// tc loads the rules into the kernel's flower classifier.
func (w *wire) tc(o *Offload) (int, error) {
	if _, err := exec.LookPath("tc"); err != nil {
		return 0, fmt.Errorf("tc is not installed (Debian: iproute2): %w", ErrMissing)
	}
	dev := w.far[outBack]
	for _, ask := range []string{"qdisc add dev " + dev + " clsact", "filter add dev " + dev + " ingress pref 1 protocol all flower skip_hw action pedit ex munge eth dst set 02:00:00:00:00:01 pipe action csum ip4h pipe action vlan push id 1 pipe action mirred egress redirect dev " + dev, "qdisc del dev " + dev + " clsact"} {
		if out, err := exec.Command("tc", strings.Fields(ask)...).CombinedOutput(); err != nil {
			said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			return 0, fmt.Errorf("the kernel lacks something of flower, pedit, csum, vlan and mirred (tc: %s): %w", said, ErrMissing)
		}
	}
	lines := tcLines(o.Rules, w.far)
	c := exec.Command("tc", "-batch", "-")
	c.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return 0, fmt.Errorf("tc -batch: %s", said)
	}
	return len(lines) - 1, nil
}

// tcLines are the rules with a device for each outcome.
func tcLines(r *flower.Rules, far []string) []string {
	redirect := func(i int) string { return "mirred egress redirect dev " + far[i] }
	return r.TC(flower.Where{Device: far[outBack], Port: func(_ flower.Port, i int) string { return far[outPort+i] },
		Actions: [...]string{flower.Trap: redirect(outSoftware), flower.Drop: redirect(outDropped), flower.Pass: redirect(outPassed), flower.Back: ""}})
}
