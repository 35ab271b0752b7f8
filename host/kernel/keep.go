package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Keep attaches an XDP program to a network device made for it, until the
// result is closed. BPF_PROG_TEST_RUN with repetitions has the kernel's XDP
// dispatcher jump to the program and forget it again afterwards, and each of
// the two waits for an RCU grace period, unless something else has the program
// attached already (bpf_dispatcher_change_prog, kernel/bpf/dispatcher.c; it
// knows 48 programs). It is to be called on a thread in a network namespace of
// its own ([Isolated]); nothing ever comes in by the device.
func (p *Prog) Keep() (io.Closer, error) {
	if !p.xdp {
		return nil, fmt.Errorf("program %q: not an XDP program", p.Name)
	}
	fail := func(err error) (io.Closer, error) {
		return nil, fmt.Errorf("program %q: a device to attach it to: %w", p.Name, err)
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fail(err)
	}
	req, err := unix.NewIfreq("keep%d")
	if err != nil {
		return fail(errors.Join(err, tun.Close()))
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	fd := int(tun.Fd())
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return fail(errors.Join(err, tun.Close()))
	}
	index, err := ifIndex(req.Name())
	if err != nil {
		return fail(errors.Join(err, tun.Close()))
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: p.prog, Interface: index, Flags: link.XDPGenericMode})
	if err != nil {
		return fail(errors.Join(err, tun.Close()))
	}
	return closers{l, tun}, nil // the device goes with its file
}

// ifIndex asks on the calling thread, whose namespace it is.
func ifIndex(name string) (int, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	err = unix.IoctlIfreq(s, unix.SIOCGIFINDEX, req)
	return int(req.Uint32()), err
}

type closers []io.Closer

func (cs closers) Close() error {
	var errs []error
	for _, c := range cs {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Attach attaches an XDP program to a device of the thread's network namespace,
// in its driver where that can, until the result is closed or this process ends
// (a bpf_link, Linux 5.9).
func (p *Prog) Attach(ifindex int) (io.Closer, error) {
	if !p.xdp {
		return nil, fmt.Errorf("program %q: not an XDP program", p.Name)
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: p.prog, Interface: ifindex, Flags: link.XDPDriverMode})
	if err != nil {
		return nil, fmt.Errorf("program %q: attach to device %d: %w", p.Name, ifindex, err)
	}
	return l, nil
}
