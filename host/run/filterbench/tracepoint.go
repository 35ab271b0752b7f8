package filterbench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"strconv"

	"jitnic/host/kernel/netns"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// tracefs is where the kernel tells of its tracepoints.
const tracefs = "/sys/kernel/tracing"

// Live is what a filter on live events came to.
type Live struct {
	Event   string  `json:"event"`
	Filter  string  `json:"filter"`
	Events  uint64  `json:"events"`
	Matched uint64  `json:"matched"`
	NS      float64 `json:"ns"` // mean of a run, by the kernel's own account (BPF_ENABLE_STATS)
	None    float64 `json:"none_ns"`
	Skipped string  `json:"skipped,omitempty"`
}

// Tracepoints runs the talk's filters on live events of the kernel: received
// packets with device lo, then with protocol IP and a length over 100 too, and
// switches of tasks. Packets of the loopback device come in by netif_rx, and pass
// netif_receive_skb, the talk's event, no longer; those of a TAP device do, so one
// by the name of lo stands in for it where there is /dev/net/tun. All devices are
// those of network namespaces of its own. tracefs is mounted in a mount namespace of
// its own where it isn't mounted.
func Tracepoints(ctx context.Context, events int) ([]Live, error) {
	var out []Live
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: its namespaces end with the thread
		var err error
		out, err = tracepoints(ctx, events)
		done <- err
	}()
	return out, <-done
}

func tracepoints(ctx context.Context, events int) ([]Live, error) {
	if _, err := os.Stat(tracefs + "/events/net"); err != nil {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return nil, fmt.Errorf("no tracefs at %s, and no mount namespace for it: %w", tracefs, err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return nil, fmt.Errorf("tracefs: %w", err)
		}
		if err := unix.Mount("tracefs", tracefs, "tracefs", 0, ""); err != nil {
			return nil, fmt.Errorf("no tracefs to be mounted at %s: %w", tracefs, err)
		}
	}
	if err := netns.Unshare(); err != nil {
		return nil, err
	}
	if err := netns.IP("link", "set", "lo", "up"); err != nil {
		return nil, err
	}
	stats, err := cilium.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return nil, fmt.Errorf("the kernel keeps no account of programs' times: %w", err)
	}
	defer stats.Close()
	var out []Live
	for _, c := range []struct {
		event   string
		filters []string
		tap     bool // packets come in by a TAP device
	}{{"net/netif_rx_entry", talks, false}, {"sched/sched_switch", []string{"next_pid != 0"}, false}, {"net/netif_receive_skb_entry", talks, true}} {
		happen := happens
		if c.tap { // of the last: the thread goes to another network namespace
			tap, err := named("lo")
			if err != nil {
				out = append(out, Live{Event: c.event, Skipped: err.Error()})
				continue
			}
			defer unix.Close(tap)
			happen = func(ctx context.Context, n int) error { return arrive(ctx, tap, n) }
		}
		fields, err := format(c.event)
		if err != nil {
			return out, err
		}
		none, err := live(ctx, c.event, "", nil, events, happen)
		if err != nil {
			return out, err
		}
		for _, f := range c.filters {
			l, err := live(ctx, c.event, f, tests[f](fields), events, happen)
			if err != nil {
				return out, err
			}
			l.None = none.NS
			out = append(out, *l)
		}
	}
	return out, nil
}

// talks are the talk's filters on packets, the shorter first.
var talks = []string{"name == lo", "name == lo and protocol == IP and len > 100"}

// tests are the filters as code: from the record in r6, to "no" where it isn't one.
var tests = map[string]func(fields map[string]int) asm.Instructions{
	talks[0]: func(fields map[string]int) asm.Instructions { return device(fields["name"], "lo") },
	talks[1]: func(fields map[string]int) asm.Instructions {
		return append(device(fields["name"], "lo"), lengths(fields)...)
	},
	"next_pid != 0": func(fields map[string]int) asm.Instructions {
		return asm.Instructions{asm.LoadMem(asm.R1, asm.R6, int16(fields["next_pid"]), asm.Word), asm.JEq.Imm(asm.R1, 0, "no")}
	},
}

// named makes a TAP device of a name, which the loopback device may have, in a
// network namespace of its own.
func named(name string) (fd int, err error) {
	if err := netns.Unshare(); err != nil {
		return -1, err
	}
	if err := netns.IP("link", "set", "lo", "name", "loopback"); err != nil {
		return -1, err
	}
	if fd, _, err = netns.TAP(name); err != nil {
		return -1, err
	}
	if err := netns.IP("link", "set", "dev", name, "up"); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// arrive has datagrams come in at a TAP device, every other longer than 100 bytes.
func arrive(ctx context.Context, tap, events int) error {
	frame := make([]byte, 14+20+160)
	copy(frame, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45")
	copy(frame[22:], "\x40\x11\x00\x00\xc6\x12\x00\x01\xc6\x12\x00\x02") // between addresses of RFC 2544, that aren't here
	for i := range events {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		n := 14 + 20 + 32 + 128*(i&1)
		frame[17] = byte(n - 14)
		if _, err := unix.Write(tap, frame[:n]); err != nil {
			return fmt.Errorf("a frame on the TAP device: %w", err)
		}
	}
	return nil
}

var field = regexp.MustCompile(`field:[^;]*?(\w+)(?:\[\])?;\s*offset:(\d+);`)

// format gives the offsets of a tracepoint's fields.
func format(event string) (map[string]int, error) {
	b, err := os.ReadFile(tracefs + "/events/" + event + "/format")
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, m := range field.FindAllStringSubmatch(string(b), -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, err
		}
		out[m[1]] = n
	}
	return out, nil
}

// device compares the name of a device, of at most 7 letters: its place in the
// record stands in the field.
func device(off int, name string) asm.Instructions {
	var want int64
	for i := len(name) - 1; i >= 0; i-- {
		want = want<<8 | int64(name[i])
	}
	mask := int64(1)<<(8*(len(name)+1)) - 1 // and the zero behind it
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, int16(off), asm.Word),
		asm.And.Imm(asm.R1, 0xffff),
		asm.Mov.Reg(asm.R3, asm.R6),
		asm.Add.Reg(asm.R3, asm.R1),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.RFP),
		asm.Add.Imm(asm.R1, -8),
		asm.Mov.Imm(asm.R2, int32(len(name)+1)),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R1, asm.RFP, -8, asm.DWord),
		asm.LoadImm(asm.R2, mask, asm.DWord),
		asm.And.Reg(asm.R1, asm.R2),
		asm.LoadImm(asm.R2, want, asm.DWord),
		asm.JNE.Reg(asm.R1, asm.R2, "no"),
	}
}

// lengths compares protocol and length.
func lengths(fields map[string]int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, int16(fields["protocol"]), asm.Half),
		asm.JNE.Imm(asm.R1, 0x0800, "no"),
		asm.LoadMem(asm.R1, asm.R6, int16(fields["len"]), asm.Word),
		asm.JLE.Imm(asm.R1, 100, "no"),
	}
}

// live attaches a filter to an event, has events happen, and reads the account.
func live(ctx context.Context, event, filter string, test asm.Instructions, events int, happen func(context.Context, int) error) (*Live, error) {
	counts, err := cilium.NewMap(&cilium.MapSpec{Name: "jitnic_match", Type: cilium.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, err
	}
	defer counts.Close()
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	code = append(code, test...)
	if len(test) > 0 { // what matches is counted
		code = append(code,
			asm.LoadMapValue(asm.R1, counts.FD(), 0),
			asm.Mov.Imm(asm.R2, 1),
			asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0))
	}
	code = append(code, asm.Mov.Imm(asm.R0, 1), asm.Return())
	if len(test) > 0 {
		code = append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("no"), asm.Return())
	}
	prog, err := cilium.NewProgram(&cilium.ProgramSpec{Name: "jitnic_filter", Type: cilium.TracePoint, License: "GPL", Instructions: code})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", event, err)
	}
	defer prog.Close()
	group, name := event[:len(event)-len(base(event))-1], base(event)
	l, err := link.Tracepoint(group, name, prog, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", event, err)
	}
	defer l.Close()
	if err := happen(ctx, events); err != nil {
		return nil, err
	}
	s, err := prog.Stats()
	if err != nil {
		return nil, err
	}
	out := &Live{Event: event, Filter: filter, Events: s.RunCount}
	var n uint64
	if err := counts.Lookup(uint32(0), &n); err != nil {
		return nil, err
	}
	out.Matched = n
	if s.RunCount == 0 {
		return nil, fmt.Errorf("%s: no event happened", event)
	}
	out.NS = float64(s.Runtime.Nanoseconds()) / float64(s.RunCount)
	return out, nil
}

func base(event string) string {
	for i := len(event) - 1; i >= 0; i-- {
		if event[i] == '/' {
			return event[i+1:]
		}
	}
	return event
}

// happens sends datagrams over lo, every other longer than 100 bytes, to a socket
// that takes them.
func happens(ctx context.Context, events int) error {
	// Sockets belong to the namespace of the thread that makes them.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte(net.IPv4(127, 0, 0, 1).To4())}); err != nil {
		return err
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	b := make([]byte, 256)
	for i := range events {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := unix.Sendto(fd, b[:32+128*(i&1)], 0, at); err != nil && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if _, _, err := unix.Recvfrom(fd, b, unix.MSG_DONTWAIT); err != nil && !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	return nil
}
