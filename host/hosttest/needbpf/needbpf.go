// Package needbpf is for tests of the ground rooms, which can't know host/kernel:
// it says whether the running kernel may be asked, and skips with a reason where
// it may not.
package needbpf

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
)

// Skip skips the test unless bpf(2) is allowed here.
func Skip(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: bpf(2) needs root")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Skipf("skipped: bpf(2) is not allowed: %v", err)
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Skipf("skipped: bpf(2) is not allowed: %v", err)
	}
	m.Close()
}
