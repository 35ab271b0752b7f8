package kernel

import (
	"context"
	"fmt"
	"runtime"
	"time"

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

// Answered calls f on a goroutine of its own and answers the end of ctx though f
// doesn't: a system call may take long, where the verifier walks through a million
// steps or a map of gigabytes is made. f has [grace] to come back by itself; after
// that it is left behind, the value is zero and the error ctx's. What is left behind
// ends with the process, for the kernel looks for a deadly signal there, so f is to
// touch nothing that its caller goes on to use.
func Answered[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(grace):
		var none T
		return none, ctx.Err()
	}
}

// grace is how long [Answered] waits, once it is cancelled, for the kernel to come
// back from what it is at.
const grace = 200 * time.Millisecond
