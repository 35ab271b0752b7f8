package maps_test

import (
	"fmt"

	"jitnic/host/maps"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// An LRU hash of two entries: the third pushes out the one not looked up.
func Example() {
	flows := &maps.Spec{Name: "flows", Type: ebpf.LRUHash, KeySize: 4, ValueSize: 8, Max: 2}
	arena, err := mem.New(maps.ArenaSize(flows, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer arena.Close()
	m, err := maps.New(flows, arena, 0, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	m.(maps.Notifier).OnWrite(func(key []byte) { fmt.Printf("  %s changed\n", key) })

	for _, k := range []string{"aaaa", "bbbb"} {
		fmt.Println("update", k, m.Update([]byte(k), []byte("12345678"), maps.Any, 0))
	}
	addr := m.Lookup([]byte("aaaa"), 0)
	fmt.Printf("value of %s: %s\n", m.(maps.Owner).KeyOf(addr), arena.Bytes(addr, 8))
	fmt.Println("update cccc", m.Update([]byte("cccc"), []byte("12345678"), maps.NoExist, 0))
	fmt.Println("lookup bbbb:", m.Lookup([]byte("bbbb"), 0))
	fmt.Println("delete bbbb:", m.Delete([]byte("bbbb")))

	// Output:
	//   aaaa changed
	// update aaaa ok
	//   bbbb changed
	// update bbbb ok
	// value of aaaa: 12345678
	//   bbbb changed
	//   cccc changed
	// update cccc ok
	// lookup bbbb: 0
	// delete bbbb: ENOENT
}
