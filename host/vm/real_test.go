package vm

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
	"github.com/google/gopacket/pcapgo"
)

// capture is up to n packets of a capture of the shared corpus.
func capture(t testing.TB, name string, n int) (out [][]byte) {
	t.Helper()
	f, err := os.Open(filepath.Join("../../../shared/corpus/captures", name))
	if err != nil {
		t.Skipf("skipped: no shared corpus: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	must.OK(t, err)
	r, err := pcapgo.NewReader(z)
	must.OK(t, err)
	for len(out) < n {
		b, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		must.OK(t, err)
		out = append(out, b)
	}
	return out
}

// impure says whether a program asks for what differs from run to run.
func impure(p *loader.Program) bool {
	for _, in := range p.Insns {
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper {
			switch in.Imm {
			case 5, 7, 8, 69, 118, 125, 160, 208:
				return true
			}
		}
	}
	return false
}

// TestRealObjects runs the programs of Debian's libxdp and our samples over
// packets of the zoo; JITNIC_OBJECTS names more, as a pattern. None may fault; where the running kernel loads them, and
// they ask for no time or chance, it must agree on verdict, bytes and maps.
func TestRealObjects(t *testing.T) {
	packets := capture(t, "zoo.pcap.gz", 26016)
	if len(packets) > 1500 {
		// Every 17th: the zoo's 914 captures follow one another.
		for i := range 1500 {
			packets[i] = packets[i*17]
		}
		packets = packets[:1500]
	}
	files, _ := filepath.Glob("/usr/lib/x86_64-linux-gnu/bpf/*.o")
	if len(files) == 0 {
		t.Log("skipped libxdp's objects: package libxdp1 is not installed")
	}
	ours, _ := filepath.Glob("../programs/*.o")
	more, _ := filepath.Glob(os.Getenv("JITNIC_OBJECTS"))
	for _, file := range append(append(files, ours...), more...) {
		obj, err := loader.Load(file, loader.Options{})
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, p := range obj.Programs {
			if !strings.HasPrefix(p.Section, "xdp") && !strings.HasPrefix(p.Section, "freplace") {
				continue
			}
			t.Run(filepath.Base(file)+"/"+p.Name, func(t *testing.T) { runReal(t, obj, p, file, packets) })
		}
	}
}

func runReal(t *testing.T, obj *loader.Object, p *loader.Program, file string, packets [][]byte) {
	pin(t)
	cpus := cebpf.MustPossibleCPU()
	s, err := NewState(obj, Options{CPUs: cpus})
	var create *maps.CreateError
	if errors.As(err, &create) {
		t.Skipf("skipped: its loader would have to say more of it: %v", err)
	}
	must.OK(t, err)
	defer s.Close()
	it, err := NewInterp(s, obj, p)
	must.OK(t, err)
	coll, kernel := kernelSide(t, p, file)
	if coll != nil {
		defer coll.Close()
	}
	var out Output
	verdicts := map[uint32]int{}
	compared, unsupported := 0, 0
	for i, pkt := range packets {
		it.Run(&Input{Data: pkt, TimeNS: uint64(i) * 1000, Packet: uint64(i), IfIndex: 1}, &out)
		var f *Fault
		switch {
		case errors.Is(out.Err, ErrShort), errors.Is(out.Err, ErrLong):
			continue
		case errors.As(out.Err, &f) && (f.Reason == NotSupported || f.Reason == NotSupportedFn):
			unsupported++
			kernel = nil
			continue
		case out.Err != nil:
			t.Fatalf("packet %d: %v", i, out.Err)
		}
		verdicts[out.Verdict]++
		if kernel == nil {
			continue
		}
		w := twin{t: t, prog: kernel}
		verdict, data, err := w.kernel(pkt)
		if errors.Is(err, syscall.EINVAL) {
			kernel = nil // of a device or CPU map: the kernel runs it only there
			continue
		}
		must.OKf(t, err, "packet %d: kernel", i)
		compared++
		if mine := append(bytes.Clone(out.Meta), out.Data...); verdict != out.Verdict || !bytes.Equal(mine, data) {
			t.Fatalf("packet %d: verdict %d, %d bytes; kernel %d, %d bytes; differ at %d",
				i, out.Verdict, len(mine), verdict, len(data), firstDiff(mine, data))
		}
	}
	if kernel != nil {
		for i, m := range s.Maps {
			compareKernel(t, m, coll.Maps[obj.Maps[i].Name], cpus)
		}
	}
	t.Logf("verdicts %v, compared %d, unsupported %d", verdicts, compared, unsupported)
}

// kernelSide loads the program into the kernel, where that makes sense.
func kernelSide(t *testing.T, p *loader.Program, file string) (*cebpf.Collection, *cebpf.Program) {
	if os.Geteuid() != 0 || impure(p) {
		return nil, nil
	}
	spec, err := cebpf.LoadCollectionSpec(file)
	if err != nil {
		return nil, nil
	}
	for _, m := range spec.Maps {
		m.Pinning = cebpf.PinNone
	}
	coll, err := cebpf.NewCollection(spec)
	if err != nil {
		t.Logf("kernel: %v", err)
		return nil, nil
	}
	if coll.Programs[p.Name] == nil || coll.Programs[p.Name].Type() != cebpf.XDP {
		coll.Close()
		return nil, nil
	}
	return coll, coll.Programs[p.Name]
}

// compareKernel compares every entry of one of our maps with the kernel's.
func compareKernel(t *testing.T, m maps.Map, k *cebpf.Map, cpus int) {
	spec := m.Spec()
	switch spec.Type {
	case cebpf.Array, cebpf.Hash, cebpf.LRUHash, cebpf.PerCPUArray, cebpf.PerCPUHash, cebpf.LPMTrie:
	default:
		return
	}
	if k == nil {
		return
	}
	m.Range(func(key, value []byte) bool {
		var got []byte
		if maps.IsPerCPU(spec) {
			var each [][]byte
			if err := k.Lookup(key, &each); err != nil {
				t.Errorf("map %s: key %x: kernel: %v", spec.Name, key, err)
				return false
			}
			for _, b := range each {
				got = append(got, b...)
				got = append(got, make([]byte, maps.ValueStride(spec)-len(b))...)
			}
		} else {
			got, _ = k.LookupBytes(key)
		}
		if !bytes.Equal(got, value) {
			t.Errorf("map %s: key %x: %x, kernel %x", spec.Name, key, value, got)
			return false
		}
		return true
	})
	if !strings.Contains(spec.Type.String(), "Array") {
		n := 0
		var key, value []byte
		it := k.Iterate()
		if maps.IsPerCPU(spec) {
			return
		}
		for it.Next(&key, &value) {
			n++
		}
		if n != m.Len() {
			t.Errorf("map %s: %d entries, kernel %d", spec.Name, m.Len(), n)
		}
	}
}
