package bench_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"jitnic/superopt"
	"jitnic/superopt/bench"
)

// One of K2's inputs in a folder, and its row of the table: xdp_exception as
// the K2 compiler was given it, before and after, beside what K2 published.
func Example() {
	dir, err := os.MkdirTemp("", "inputs-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for ext, text := range map[string]string{
		".k2": `LDXW 1 1 12
MOV64XC 2 5
JGTXY 2 1 1
MOV64XC 1 5
STXW 10 -4 1
MOV64XY 2 10
ADD64XC 2 -4
LDMAPID 1 0
CALL 1
MOV64XC 1 1
JEQXC 0 0 4
LDXDW 1 0 0
ADD64XC 1 1
STXDW 0 0 1
MOV64XC 1 0
MOV64XY 0 1
EXIT
`,
		".maps": "exception_cnt { type = 6, key_size = 4, value_size = 8, max_entries = 6, fd = 0 }\n",
		".desc": "{ pgm_input_type = 1, }\n{ max_pkt_sz = 32, }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "xdp_exception"+ext), []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	rows, err := bench.Run(context.Background(), bench.K2, &bench.Options{
		Opt: superopt.Options{Seed: 1}, Dirs: []string{dir}, Only: map[string]bool{"xdp_exception": true}})
	if err != nil {
		panic(err)
	}
	r := rows[0]
	fmt.Println(r.Name, r.Result.Before, "->", r.Result.After, r.Result.Whole)
	fmt.Println("K2:", r.K2Before, "->", r.K2After, "comparable:", r.Comparable)
	// Output:
	// xdp_exception 18 -> 15 proved
	// K2: 18 -> 16 comparable: true
}
