package comparecmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jitnic/cmd/internal/comparecmd"
)

// Three paths in turn against caches of one to four: lru misses everything until
// all three fit; belady shows that it need not.
func Example() {
	dir, err := os.MkdirTemp("", "compare")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "turns.csv")
	if err := os.WriteFile(file, []byte("id\n"+strings.Repeat("a\nb\nc\n", 100)), 0o644); err != nil {
		panic(err)
	}
	var out strings.Builder
	c := comparecmd.Command()
	c.SetOut(&out)
	c.SetArgs([]string{"--requests", file, "--policies", "lru,mru,belady", "--entries", "1..4+1"})
	if err := c.Execute(); err != nil {
		panic(err)
	}
	_, table, _ := strings.Cut(out.String(), "Misses in % of packets, by policy and size in entries\n")
	table, _, _ = strings.Cut(table, "\n\n")
	fmt.Println(table)
	// Output:
	// policy              1       2     3     4
	// lru            100.00  100.00  1.00  1.00
	// mru            100.00   50.33  1.00  1.00
	// belady         100.00   50.33  1.00  1.00
	// belady-bypass   67.00   34.00  1.00  1.00
}
