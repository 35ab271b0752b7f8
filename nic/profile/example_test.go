package profile_test

import (
	"fmt"

	"jitnic/nic/profile"
)

// A user's own profile: hXDP on a faster board.
func Example() {
	nic, err := profile.Parse("mine.nic", []byte(`
		base          = hxdp
		clock         = 250 MHz                    # timing report of our board
		install.stall = 8 cycles assumed 0..64     # the store has a second port
	`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := nic.Set("exec.lanes", "8"); err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range nic.Params() {
		switch p.Key {
		case "clock", "exec.lanes", "install.stall", "pcie.read":
			fmt.Printf("%-13s = %-13s %s\n", p.Key, p.Value, p.Source)
		}
	}
	stalls, _ := nic.Sweep("install.stall", 5)
	fmt.Println(stalls)

	_, err = profile.Parse("slip.nic", []byte("base = hxdp\nclock = 250 ns # oops"))
	fmt.Println(err)
	// Output:
	// clock         = 250 MHz       timing report of our board
	// exec.lanes    = 8 insns/cycle yours
	// pcie.read     = 573 ns        pcie-bench (Neugebauer et al., SIGCOMM'18): 64 B DMA read, medians of 546 to 600 ns by host, PCIe Gen3 x8 as here
	// install.stall = 8 cycles      the store has a second port
	// [0 cycles 8 cycles 16 cycles 32 cycles 48 cycles 64 cycles]
	// slip.nic:2: clock: unit "ns": want kHz, MHz or GHz
}
