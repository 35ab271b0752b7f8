package hosttest_test

import (
	"fmt"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/vm"
)

// A firewall's maps are filled and three packets run.
func Example() {
	p, err := hosttest.Load("firewall")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := vm.NewState(p.Obj, vm.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	it, err := vm.NewInterp(s, p.Obj, p.Entry)
	if err == nil {
		err = p.Prepare(s)
	}
	if err == nil {
		var out vm.Output
		err = hosttest.Each("sample:lab", 3, func(in *vm.Input) error {
			it.Run(in, &out)
			fmt.Printf("packet %d of %d bytes: %v\n", in.Packet, len(in.Data), out.Err == nil)
			return out.Err
		})
	}
	fmt.Println(err)
	// Output:
	// packet 0 of 42 bytes: true
	// packet 1 of 74 bytes: true
	// packet 2 of 42 bytes: true
	// <nil>
}

// A range over packets may be left early.
func TestPackets(t *testing.T) {
	n := 0
	for in := range hosttest.Packets(t, "sample:lab", 0) {
		if in.Packet != uint64(n) || len(in.Data) == 0 {
			t.Fatalf("packet %d: %+v", n, in)
		}
		if n++; n == 7 {
			break
		}
	}
	if n != 7 {
		t.Errorf("%d packets", n)
	}
	if err := hosttest.Each("sample:none", 0, nil); err == nil {
		t.Error("a capture that isn't there")
	}
}
