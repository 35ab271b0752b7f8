package feasibilitycmd_test

import (
	"fmt"
	"strings"

	"jitnic/cmd/internal/feasibilitycmd"
)

// A firewall on a device without limits and on one that lacks what its traces
// need: the one takes all packets and saves cores, the other takes none.
func Example() {
	var out strings.Builder
	c := feasibilitycmd.Command()
	c.SetOut(&out)
	c.SetArgs([]string{"--program", "sample:firewall", "--capture", "sample:dns", "--nic", "ideal,netronome", "--rate", "5Mpps", "--packets", "5000", "--quick"})
	if err := c.Execute(); err != nil {
		panic(err)
	}
	_, table, _ := strings.Cut(out.String(), "Devices side by side\n")
	fmt.Println(strings.Join(strings.SplitN(table, "\n", 5)[:4], "\n"))
	// Output:
	//                                  ideal     netronome
	// answer                            pays  does not pay
	// packets that can be offloaded    100 %           0 %
	// hit ratio                        100 %           0 %
}
