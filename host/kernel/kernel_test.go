package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

func need(t testing.TB) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
}

// load puts code in the kernel as an XDP program.
func load(t testing.TB, text string, opt Options, flags uint32, specs ...*maps.Spec) *Prog {
	t.Helper()
	code, err := ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(text)
	must.OK(t, err)
	ms, err := NewMaps(specs)
	must.OK(t, err)
	t.Cleanup(func() { ms.Close() })
	p, err := LoadRaw(Raw{Name: "test", Insns: code, Type: cilium.XDP, Flags: flags}, ms, opt)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

const length = `
	r6 = *(u32 *)(r1 +4)
	r7 = *(u32 *)(r1 +0)
	r6 -= r7
	r0 = r6
	exit`

// TestSizes holds what the package says of packet lengths.
func TestSizes(t *testing.T) {
	need(t)
	plain := load(t, length, Options{}, 0)
	frags := load(t, length, Options{}, 1<<5)
	total := load(t, "call xdp_get_buff_len; exit", Options{}, 1<<5)
	const most = 3520 + 17*4096
	for _, n := range []int{0, 1, 13, 14, 15, 60, 1514, 3519, 3520, 3521, 4096, 8000, most, most + 1} {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i * 7)
		}
		for _, p := range []*Prog{plain, frags, total} {
			r, err := p.Run(data, Context{})
			switch {
			case n < 14:
				if !errors.Is(err, ErrShort) {
					t.Errorf("%d bytes: %v", n, err)
				}
				continue
			case n > most:
				if !errors.Is(err, ErrLong) {
					t.Errorf("%d bytes: %v", n, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%d bytes: %v", n, err)
				continue
			}
			want := min(n, 3520)
			if p == total {
				want = n
			}
			if int(r.Verdict) != want || !bytes.Equal(r.Data, data) || len(r.Meta) != 0 {
				t.Errorf("%d bytes: verdict %d, %d bytes back; want %d and all", n, r.Verdict, len(r.Data), want)
			}
		}
	}
}

// TestContext holds what the package says of ctx_in and ctx_out.
func TestContext(t *testing.T) {
	need(t)
	ifindex := load(t, "r0 = *(u32 *)(r1 +12); r2 = *(u32 *)(r1 +16); r2 <<= 16; r0 |= r2; exit", Options{}, 0)
	data := make([]byte, 64)
	for _, c := range []Context{{}, {IfIndex: 1}} {
		if r, err := ifindex.Run(data, c); err != nil || r.Verdict != 1 {
			t.Errorf("context %+v: ingress_ifindex and rx_queue_index are %#x, %v; want the loopback device's 1", c, r.Verdict, err)
		}
	}
	for _, c := range []Context{{IfIndex: 1, RxQueue: 9}, {RxQueue: 1}, {IfIndex: 99999}, {Meta: make([]byte, 3)}, {Meta: make([]byte, 256)}} {
		if _, err := ifindex.Run(data, c); err == nil {
			t.Errorf("context %+v is taken", c)
		}
	}
	meta := load(t, `
		r6 = r1
		r2 = -8
		call xdp_adjust_meta
		r2 = *(u32 *)(r6 +8)
		r3 = *(u32 *)(r6 +0)
		r0 = r3
		r0 -= r2
		r4 = r2
		r4 += 4
		if r4 > r3 goto +2
		r5 = 77
		*(u32 *)(r2 +0) = r5
		exit`, Options{}, 0)
	r, err := meta.Run(data, Context{Meta: []byte{1, 2, 3, 4}})
	if err != nil || r.Verdict != 12 || len(r.Meta) != 12 || r.Meta[0] != 77 || !bytes.Equal(r.Meta[8:], []byte{1, 2, 3, 4}) || !bytes.Equal(r.Data, data) {
		t.Errorf("metadata: %+v, %v", r, err)
	}
	if r, err = meta.Run(data, Context{}); err != nil || r.Verdict != 8 || len(r.Data) != 64 {
		t.Errorf("no metadata: %+v, %v", r, err)
	}
}

// TestSocketFilter runs a program of another type.
func TestSocketFilter(t *testing.T) {
	need(t)
	code, err := ebpf.Parser{}.Code("r0 = *(u32 *)(r1 +0); exit") // skb->len
	must.OK(t, err)
	p, err := LoadRaw(Raw{Name: "filter", Insns: code, Type: cilium.SchedCLS}, &Maps{}, Options{})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer p.Close()
	if r, err := p.Run(make([]byte, 77), Context{}); err != nil || r.Verdict != 77 || len(r.Data) != 77 {
		t.Errorf("%d, %d bytes, %v; want 77 of both", r.Verdict, len(r.Data), err)
	}
}

// TestLatch asks each latched helper.
func TestLatch(t *testing.T) {
	need(t)
	for name, want := range map[string]uint32{"ktime_get_ns": 1000, "ktime_get_boot_ns": 1000, "ktime_get_coarse_ns": 900, "jiffies64": 42, "get_prandom_u32": 500} {
		p := load(t, "call "+name+"; exit", Options{Latch: true}, 0)
		must.OK(t, p.Maps.Latch(Inputs{TimeNS: 1000, CoarseNS: 900, Jiffies: 42, Draw: func(n uint64) uint32 { return uint32(500 + n) }}))
		if r, err := p.Run(make([]byte, 20), Context{}); err != nil || r.Verdict != want {
			t.Errorf("%s is %d, %v; want %d", name, r.Verdict, err, want)
		}
		if r, err := p.Run(make([]byte, 20), Context{}); name == "get_prandom_u32" && (err != nil || r.Verdict != 501) {
			t.Errorf("the second draw is %d, %v; want 501", r.Verdict, err)
		}
	}
}

func TestIsolated(t *testing.T) {
	need(t)
	p := load(t, "call get_smp_processor_id; exit", Options{}, 0)
	cpu, err := CPU()
	must.OK(t, err)
	err = Isolated(cpu, func() error {
		for range 100 {
			if r, err := p.Run(make([]byte, 20), Context{}); err != nil || int(r.Verdict) != cpu {
				return fmt.Errorf("runs on CPU %d, %v; want %d", r.Verdict, err, cpu)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if d, err := p.Bench(make([]byte, 64), 100000); err != nil || d > 100000 {
		t.Errorf("100000 runs: %v each, %v", d, err)
	}
}

func TestMaps(t *testing.T) {
	need(t)
	for _, typ := range []cilium.MapType{cilium.Array, cilium.PerCPUArray, cilium.Hash, cilium.PerCPUHash, cilium.LRUHash, cilium.LPMTrie, cilium.Queue, cilium.Stack} {
		s := &maps.Spec{Name: "m", Type: typ, KeySize: 8, ValueSize: 4, Max: 4}
		switch typ {
		case cilium.Array, cilium.PerCPUArray:
			s.KeySize = 4
		case cilium.Queue, cilium.Stack:
			s.KeySize = 0
		case cilium.LPMTrie:
			s.Flags = maps.FlagNoPrealloc
		}
		m, err := NewMap(s)
		if err != nil {
			t.Errorf("%s: %v", typ, err)
			continue
		}
		defer m.Close()
		for i := range 3 {
			key := []byte{byte(3 - i), 0, 0, 0, byte(i), 0, 0, 0}[:s.KeySize]
			if err := m.Update(key, []byte{byte(10 + i), 0, 0, 0}, 0); err != nil {
				t.Errorf("%s: %v", typ, err)
			}
		}
		for range 2 { // reading changes nothing
			es, err := m.Entries()
			if err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			var got []string
			for _, e := range es {
				if e.Value[0] != 0 || s.Type != cilium.Array && s.Type != cilium.PerCPUArray {
					k := byte(0)
					if len(e.Key) > 0 {
						k = e.Key[0]
					}
					got = append(got, fmt.Sprintf("%d=%d", k, e.Value[0]))
				}
			}
			want := "1=12 2=11 3=10"
			switch typ {
			case cilium.Queue:
				want = "0=10 0=11 0=12"
			case cilium.Stack:
				want = "0=12 0=11 0=10"
			}
			if g := strings.Join(got, " "); g != want {
				t.Errorf("%s holds %s, want %s", typ, g, want)
			}
		}
	}
}

// TestLoad loads and runs a whole object: calls, callbacks, data sections, tail
// calls and maps of maps.
func TestLoad(t *testing.T) {
	need(t)
	o, err := loader.Load("../loader/testdata/modern.o", loader.Options{BTF: loader.LocalBTF})
	must.OK(t, err)
	p, err := Load(o, o.Named("second"), Options{})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer p.Close()
	defer p.Maps.Close()
	if r, err := p.Run(make([]byte, 64), Context{}); err != nil || r.Verdict != 3 {
		t.Errorf("second gives %+v, %v; want XDP_TX", r, err)
	}
	// first calls a kernel function that no kernel has.
	_, err = Load(o, o.Named("first"), Options{})
	var le *LoadError
	if !errors.As(err, &le) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "bpf_no_such_kfunc") {
		t.Errorf("first: %v", err)
	}
	old, err := loader.Load("../loader/testdata/old.o", loader.Options{})
	must.OK(t, err)
	q, err := Load(old, old.Named("entry"), Options{})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer q.Close()
	defer q.Maps.Close()
	if r, err := q.Run(make([]byte, 64), Context{}); err != nil || r.Verdict != 2 {
		t.Errorf("entry gives %+v, %v; want the verdict 2 of tail7", r, err)
	}
}

func TestLoadErrorLog(t *testing.T) {
	need(t)
	_, err := LoadRaw(Raw{Name: "bad", Insns: []ebpf.Insn{{Op: ebpf.OpExit}}, Type: cilium.XDP}, &Maps{}, Options{})
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "R0 !read_ok") {
		t.Errorf("error is %v", err)
	}
	if log := fmt.Sprintf("%+v", err); !strings.Contains(log, "\n") || !strings.Contains(log, "exit") {
		t.Errorf("log is %q", log)
	}
}
