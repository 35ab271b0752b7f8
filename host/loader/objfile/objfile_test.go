package objfile_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/loader/objfile"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/programs"

	cilium "github.com/cilium/ebpf"
)

// load has the kernel take a file by way of cilium/ebpf and of libbpf.
func load(t *testing.T, name string, file []byte) {
	t.Helper()
	if err := kernel.Available(); err != nil {
		t.Log(err)
		return
	}
	spec, err := cilium.LoadCollectionSpecFromReader(bytes.NewReader(file))
	if err != nil {
		t.Errorf("%s: cilium/ebpf: %v", name, err)
		return
	}
	c, err := cilium.NewCollection(spec)
	if err != nil {
		t.Errorf("%s: cilium/ebpf: %+v", name, err)
		return
	}
	c.Close()
	bpftool, err := exec.LookPath("bpftool")
	if err != nil {
		t.Log("bpftool is not installed: libbpf is not asked")
		return
	}
	path := filepath.Join(t.TempDir(), "made.o")
	must.OK(t, os.WriteFile(path, file, 0o600))
	// bpftool mounts a bpffs for pins where there is none: it goes with this
	// mount namespace.
	out, err := exec.Command("unshare", "-m", "sh", "-c", `mount -t bpf bpf /sys/fs/bpf && "$1" prog loadall "$2" /sys/fs/bpf/made type xdp`, "sh", bpftool, path).CombinedOutput()
	if err != nil {
		t.Errorf("%s: libbpf: %v\n%s", name, err, out)
	}
}

// TestSamples: every sample comes back as it was, and every loader takes it.
func TestSamples(t *testing.T) {
	for _, s := range programs.All() {
		obj, err := loader.LoadBytes(s.Name, s.Object, loader.Options{})
		must.OK(t, err)
		entry, err := obj.Entry(s.Entry)
		must.OK(t, err)
		file, err := objfile.Write(obj, entry)
		if err != nil {
			t.Error(err)
			continue
		}
		again, err := objfile.Write(obj, entry)
		if err != nil || !bytes.Equal(file, again) {
			t.Errorf("%s: the same object twice gives other bytes (%v)", s.Name, err)
		}
		load(t, s.Name, file)
	}
}

// TestFilter: a filter with its parameters in .data.
func TestFilter(t *testing.T) {
	obj := must.Get(xdpfilter.Load("filter", "host $a and port $b", xdpfilter.Options{Generic: true, Params: []string{"a=10.0.0.1", "b=53"}}))(t)
	file := must.Get(objfile.Write(obj, obj.Programs[0]))(t)
	load(t, "filter", file)
	spec := must.Get(cilium.LoadCollectionSpecFromReader(bytes.NewReader(file)))(t)
	if v := spec.Variables["a"]; v == nil {
		t.Error("no variable a in it")
	} else {
		var a uint32
		if err := v.Get(&a); err != nil || a != 0x0a000001 {
			t.Errorf("a is %#x (%v)", a, err)
		}
	}
}
