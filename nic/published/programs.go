package published

import (
	"embed"
	"fmt"
)

//go:embed programs/*.o programs/*.c programs/*.h
var files embed.FS

// Programs lists the programs that figures are about.
func Programs() []string {
	return []string{"drop", "tx", "redirect", "redirect_map", "simple_firewall", "count_drop", "count_tx", "too_big", "forward", "queues", "tunnel"}
}

// Object is a program's ELF object.
func Object(name string) ([]byte, error) { return files.ReadFile("programs/" + name + ".o") }

// Source is a program's C.
func Source(name string) ([]byte, error) {
	b, err := files.ReadFile("programs/" + name + ".c")
	if err != nil {
		return nil, fmt.Errorf("program %q: not among those of published figures", name)
	}
	return b, nil
}
