package object

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// The running kernel has every field of the stable types where the table says.
func TestStableFields(t *testing.T) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("no types of the running kernel: %v", err)
	}
	for name, fields := range stable {
		var s *btf.Struct
		if err := kernel.TypeByName(name, &s); err != nil {
			t.Logf("%s: %v", name, err) // of a module
			continue
		}
		id, err := kernel.TypeID(s)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		var count func(members []btf.Member, way string)
		count = func(members []btf.Member, way string) {
			for i, m := range members {
				step := fmt.Sprintf("%s:%d", way, i)
				if m.Name != "" && stableField(kernel, uint32(id), step) {
					found++
				}
				if u, ok := m.Type.(*btf.Union); ok && m.Name == "" {
					count(u.Members, step)
				}
				if s, ok := m.Type.(*btf.Struct); ok && m.Name == "" {
					count(s.Members, step)
				}
			}
		}
		count(s.Members, "0")
		if want := len(strings.Fields(fields)); found != want {
			t.Errorf("%s: %d fields found, the table has %d", name, found, want)
		}
	}
}
