package kernel

import (
	"fmt"
	"runtime"

	"jitnic/host/kernel/netns"

	"golang.org/x/sys/unix"
)

// CPU is the first CPU this process may run on: what bpf_get_smp_processor_id
// says in [Isolated].
func CPU() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("sched_getaffinity: %w", err)
	}
	for i := range 8192 {
		if set.IsSet(i) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("sched_getaffinity: no CPU")
}

// Isolated calls f on a thread of its own that runs on one CPU only and, where
// allowed, in an empty network namespace: the loopback device is down, there
// are no routes. The thread ends with f, so nothing needs to be undone.
func Isolated(cpu int, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			done <- fmt.Errorf("pin to CPU %d: %w", cpu, err)
			return
		}
		_ = netns.Unshare() // without it fib_lookup sees real routes
		done <- f()
	}()
	return <-done
}
