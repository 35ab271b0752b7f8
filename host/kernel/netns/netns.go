// Package netns makes network namespaces and what stands in them: threads, the
// devices of ip(8), TAP devices. All of it ends with the thread or the process.
// Namespaces belong to threads, so callers lock theirs ([runtime.LockOSThread]).
package netns

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Missing is an error that says what isn't to be had here: ip(8), or a namespace.
type Missing string

func (m Missing) Error() string { return string(m) }

// Unshare gives the calling thread a network namespace of its own: the loopback
// device is down, there are no routes.
func Unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return Missing("no network namespace of its own: " + err.Error())
	}
	return nil
}

// Thread calls f on a thread of its own in a network namespace of its own; both
// end with f.
func Thread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if err := Unshare(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// HasIP is nil where iproute2's ip command is there.
func HasIP() error {
	if _, err := exec.LookPath("ip"); err != nil {
		return Missing("no ip(8) (Debian: iproute2)")
	}
	return nil
}

// IP runs ip(8) in the thread's network namespace.
func IP(args ...string) error {
	if err := HasIP(); err != nil {
		return err
	}
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %s", strings.Join(args, " "), said(out, err))
	}
	return nil
}

// Batch has ip(8) go through lines of one address family ("-4", "-6").
func Batch(family string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	if err := HasIP(); err != nil {
		return err
	}
	cmd := exec.Command("ip", family, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	var what string
	if _, at, ok := strings.Cut(string(out), "Command failed -:"); ok {
		var n int
		if _, err := fmt.Sscanf(at, "%d", &n); err == nil && n > 0 && n <= len(lines) {
			what = lines[n-1] + ": "
		}
	}
	return fmt.Errorf("ip %s: %s%s", family, what, said(out, err))
}

// said is the first line of what a command printed, or how it ended.
func said(out []byte, err error) string {
	if line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); line != "" {
		return line
	}
	return err.Error()
}

// Index is the number of a device of the thread's network namespace.
func Index(device string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(device)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req)
	}
	if err != nil {
		return 0, fmt.Errorf("device %s: %w", device, err)
	}
	return int(req.Uint32()), nil
}

// TAP makes a TAP device in the thread's network namespace, which is gone when the
// descriptor is closed. A frame is a read, which doesn't wait for one, or a write.
// In a name %d stands for the first number that is free; device is the name it got.
func TAP(name string) (fd int, device string, err error) {
	if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
		return -1, "", fmt.Errorf("no /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return -1, "", fmt.Errorf("a TAP device: %w", err)
	}
	return fd, req.Name(), nil
}
