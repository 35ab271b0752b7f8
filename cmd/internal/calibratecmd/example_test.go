package calibratecmd_test

import (
	"fmt"
	"io"

	"jitnic/cmd/internal/calibratecmd"
)

// What is asked for in vain is said before anything is measured.
func Example() {
	c := calibratecmd.Command()
	c.SetOut(io.Discard)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"--quick", "--steps", "floor,hashes"})
	fmt.Println(c.Execute())
	// Output:
	// --steps: step "hashes": not one of [floor insn packet call atomic type map change output xdp user live program compile optimise tier]
}
