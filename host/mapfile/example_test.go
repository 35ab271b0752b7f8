package mapfile_test

import (
	"fmt"
	"os"
	"strings"

	"jitnic/host/mapfile"
	"jitnic/host/maps"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// A prefix is blocked from the start and freed after two packets.
func Example() {
	blocked := &maps.Spec{Name: "blocked", Type: ebpf.LPMTrie, KeySize: 8, ValueSize: 4, Max: 16, Flags: maps.FlagNoPrealloc}
	hits := &maps.Spec{Name: "hits", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, Max: 2}
	specs := []*maps.Spec{blocked, hits}
	arena, err := mem.New(maps.SetSize(specs, 2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer arena.Close()
	set, err := maps.NewSet(specs, arena, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	machine := mapfile.Of(set, nil)

	file, err := mapfile.Read("maps.json", strings.NewReader(`{
	  "maps": {
	    "blocked": [ {"key": "192.0.2.0/24", "value": 1}, {"key": "198.51.100.0/24", "value": 2} ],
	    "hits":    [ {"key": 1, "values": [3, 4]} ]
	  },
	  "updates": [ {"at": 2, "map": "blocked", "key": "192.0.2.0/24", "delete": true} ]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := file.Bind(machine)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := plan.Fill(); err != nil {
		fmt.Println(err)
		return
	}
	for packet := range uint64(4) {
		ns := packet * 1000
		if plan.Due(packet, ns) {
			n, err := plan.Apply(packet, ns)
			fmt.Println("before packet", packet, "updates:", n, err)
		}
	}
	if err := mapfile.Write(os.Stdout, machine); err != nil {
		fmt.Println(err)
	}
	// Output:
	// before packet 2 updates: 1 <nil>
	// {
	//   "maps": {
	//     "blocked": [
	//       {"key": "198.51.100.0/24", "value": 2}
	//     ],
	//     "hits": [
	//       {"key": 1, "values": [3, 4]}
	//     ]
	//   }
	// }
}
