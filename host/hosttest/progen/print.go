package progen

import (
	"fmt"
	"strings"

	"jitnic/host/ebpf"
)

// String is the whole case as text: maps with their contents, programs.
func (c *Case) String() string {
	var b strings.Builder
	for i, m := range c.Object.Maps {
		fmt.Fprintf(&b, "map %d %s: %s, key %d, value %d, %d entries, flags %d\n", i, m.Name, m.Type, m.KeySize, m.ValueSize, m.Max, m.Flags)
		for _, e := range m.Contents {
			fmt.Fprintf(&b, "  %x: %x%s\n", e.Key, e.Value, e.Name)
		}
	}
	pr := ebpf.Printer{MapName: func(i int) string { return c.Object.Maps[i].Name }}
	for _, p := range c.Object.Programs {
		fmt.Fprintf(&b, "program %s:\n", p.Name)
		b.WriteString(pr.Code(p.Insns))
	}
	return b.String()
}
