package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/loader"

	cilium "github.com/cilium/ebpf"
)

// linuxSamples compiles the XDP programs of the kernel's samples and selftests
// from Debian's linux-source package, once: the objects stay in the user's
// cache directory.
func linuxSamples(t *testing.T) []string {
	t.Helper()
	tars, _ := filepath.Glob("/usr/src/linux-source-*.tar.xz")
	if len(tars) == 0 {
		t.Skip("linux-source is not installed")
	}
	if _, err := exec.LookPath("clang"); err != nil {
		t.Skip("clang is not installed")
	}
	tar := tars[len(tars)-1]
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	out := filepath.Join(cache, "jitnic", strings.TrimSuffix(filepath.Base(tar), ".tar.xz"))
	if _, err := os.Stat(filepath.Join(out, "done")); err != nil {
		if testing.Short() {
			t.Skip("the kernel's samples are not compiled yet, which takes half a minute")
		}
		if msg, err := exec.Command("sh", "testdata/linux-samples.sh", tar, out).CombinedOutput(); err != nil {
			t.Fatalf("compile the kernel's samples: %v: %s", err, msg)
		}
	}
	objs, _ := filepath.Glob(filepath.Join(out, "*.o"))
	if len(objs) < 20 {
		t.Fatalf("only %d of the kernel's samples in %s", len(objs), out)
	}
	return objs
}

// TestLinuxSamples runs the kernel's own XDP programs. Those that read the
// egress interface run only behind a redirect, which BPF_PROG_TEST_RUN can't.
func TestLinuxSamples(t *testing.T) {
	need(t)
	files := hosttest.Corpus(t)
	ran := 0
	for _, f := range linuxSamples(t) {
		obj, err := loader.Load(f, loader.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, p := range obj.Programs {
			if p.Type != cilium.XDP {
				continue
			}
			rep, err := Run(t.Context(), obj, p, Options{Seed: 1}, packets(t, 50, files...))
			if err != nil && strings.Contains(err.Error(), "invalid bpf_context access off=20") {
				continue
			}
			if err != nil || rep.Mismatches != 0 || rep.Compared == 0 {
				t.Errorf("%s: %s: %+v, %v", filepath.Base(f), p.Name, rep, err)
			}
			ran++
		}
	}
	t.Logf("%d programs", ran)
}
