package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"

	"jitnic/host/kernel/netns"

	"github.com/cilium/ebpf/link"
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
	fd, device, err := netns.TAP("keep%d")
	if err != nil {
		return fail(err)
	}
	tap := os.NewFile(uintptr(fd), device)
	index, err := netns.Index(device)
	if err != nil {
		return fail(errors.Join(err, tap.Close()))
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: p.prog, Interface: index, Flags: link.XDPGenericMode})
	if err != nil {
		return fail(errors.Join(err, tap.Close()))
	}
	return closers{l, tap}, nil // the device goes with its file
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
