package hosttest

import (
	_ "embed"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/loader"

	cilium "github.com/cilium/ebpf"
)

//go:embed linux-samples.sh
var linuxSamples string

// LinuxSamples compiles the XDP programs of the kernel's samples and selftests from
// Debian's linux-source package, once: the objects stay in the user's cache directory.
// The error says what is missing for that.
func LinuxSamples(t testing.TB) ([]string, error) {
	t.Helper()
	tars, _ := filepath.Glob("/usr/src/linux-source-*.tar.xz")
	if len(tars) == 0 {
		return nil, errors.New("linux-source is not installed")
	}
	if _, err := exec.LookPath("clang"); err != nil {
		return nil, errors.New("clang is not installed")
	}
	tar := tars[len(tars)-1]
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	out := filepath.Join(cache, "jitnic", fmt.Sprintf("%s-%08x", strings.TrimSuffix(filepath.Base(tar), ".tar.xz"), crc32.ChecksumIEEE([]byte(linuxSamples))))
	if _, err := os.Stat(filepath.Join(out, "done")); err != nil {
		if testing.Short() {
			return nil, errors.New("the kernel's samples are not compiled yet, which takes half a minute")
		}
		if msg, err := exec.Command("sh", "-c", linuxSamples, "linux-samples.sh", tar, out).CombinedOutput(); err != nil {
			t.Fatalf("compile the kernel's samples: %v: %s", err, msg)
		}
	}
	objs, _ := filepath.Glob(filepath.Join(out, "*.o"))
	if len(objs) < 20 {
		t.Fatalf("only %d of the kernel's samples in %s", len(objs), out)
	}
	return objs, nil
}

// XDPPrograms names the XDP programs of an object.
func XDPPrograms(file string) ([]string, error) {
	obj, err := loader.Load(file, loader.Options{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range obj.Programs {
		if p.Type == cilium.XDP {
			out = append(out, p.Name)
		}
	}
	return out, nil
}
