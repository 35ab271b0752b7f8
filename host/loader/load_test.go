package loader

import (
	"path/filepath"
	"testing"
)

// TestLoadLibxdp links every object of Debian's libxdp1.
func TestLoadLibxdp(t *testing.T) {
	files, _ := filepath.Glob("/usr/lib/*/bpf/*.o")
	if len(files) == 0 {
		t.Skip("libxdp1 is not installed: no objects in /usr/lib/*/bpf")
	}
	for _, f := range files {
		o, err := Load(f, Options{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, p := range o.Programs {
			t.Logf("%s: %s (%s) %v %d slots, %d functions, %d maps, unsupported %v", filepath.Base(f), p.Name, p.Section, p.Type, len(p.Insns), len(p.Funcs), len(p.Maps), p.Unsupported)
		}
	}
}
