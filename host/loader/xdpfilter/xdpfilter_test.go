package xdpfilter_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/loader/xdpfilter"
	"jitnic/host/vm"
	"jitnic/pcaps/filter/filtertest"
)

func Example() {
	f, err := xdpfilter.New("filter:udp dst port 53", "udp dst port 53", xdpfilter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(ebpf.Printer{}.Code(f.Object.Programs[0].Insns))
	// Output:
	// r7 = *(u32 *)(r1 +4)
	// r6 = *(u32 *)(r1 +0)
	// r1 = r6
	// r1 += 14
	// if r1 > r7 goto +33
	// r0 = *(u16 *)(r6 +12)
	// if w0 != 8 goto +17
	// r1 = r6
	// r1 += 24
	// if r1 > r7 goto +28
	// r0 = *(u8 *)(r6 +23)
	// if w0 != 17 goto +12
	// r0 = *(u16 *)(r6 +20)
	// if w0 & 65311 goto +10
	// r8 = *(u8 *)(r6 +14)
	// w8 &= 15
	// w8 <<= 2
	// r9 = r6
	// r9 += r8
	// r1 = r9
	// r1 += 18
	// if r1 > r7 goto +16
	// r0 = *(u16 *)(r9 +16)
	// if w0 == 13568 goto +12
	// r0 = *(u16 *)(r6 +12)
	// if w0 != 56710 goto +12
	// r1 = r6
	// r1 += 21
	// if r1 > r7 goto +9
	// r0 = *(u8 *)(r6 +20)
	// if w0 != 17 goto +7
	// r1 = r6
	// r1 += 58
	// if r1 > r7 goto +4
	// r0 = *(u16 *)(r6 +56)
	// if w0 != 13568 goto +2
	// r0 = 2
	// exit
	// r0 = 1
	// exit
}

// zoo are packets of many kinds, of every capture of the corpus, most of the one
// that was collected for it. Those shorter than an Ethernet header, or longer than
// frags hold, never reach XDP, and the VM refuses them (vm.ErrShort, vm.ErrLong):
// they are left out and counted.
func zoo(t *testing.T) [][]byte {
	most, others := uint64(250), uint64(10)
	if os.Getenv("JITNIC_HEAVY") != "" {
		most, others = 0, 3000
	}
	var all [][]byte
	short, long := 0, 0
	for _, c := range hosttest.Corpus(t) {
		limit := others
		if strings.HasPrefix(filepath.Base(c), "zoo.") {
			limit = most
		}
		for in := range hosttest.Packets(t, c, limit) {
			switch n := len(in.Data); {
			case n < vm.MinPacket:
				short++
			case n > vm.MaxPacket:
				long++
			default:
				all = append(all, append([]byte(nil), in.Data...))
			}
		}
	}
	t.Logf("%d packets; left out: %d shorter than %d bytes, %d longer than %d", len(all), short, vm.MinPacket, long, vm.MaxPacket)
	return all
}

// TestVerdicts: every expression decides every packet as the filter does, in the
// VM and in the kernel, whose verifier takes each of them.
func TestVerdicts(t *testing.T) {
	all := zoo(t)
	inKernel := kernel.Available()
	if inKernel != nil {
		t.Log(inKernel)
	}
	slots := 0
	for _, expr := range filtertest.Expressions {
		f, err := xdpfilter.New("filter:"+expr, expr, xdpfilter.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		entry := f.Object.Programs[0]
		slots += len(entry.Insns)
		var prog *kernel.Prog
		if inKernel == nil {
			if prog, err = kernel.Load(f.Object, entry, kernel.Options{}); err != nil {
				t.Errorf("%q: %+v\n%s", expr, err, ebpf.Printer{}.Code(entry.Insns))
				continue
			}
		}
		it := interp(t, f.Object, entry)
		for k, data := range all {
			want := uint32(vm.XDPDrop)
			if n := min(len(data), vm.MaxLinear); f.Program.Match(data[:n], uint32(n)) {
				want = vm.XDPPass
			}
			var out vm.Output
			if it.Run(&vm.Input{Data: data, IfIndex: 1}, &out); out.Err != nil {
				t.Fatalf("%q: packet %d: %v", expr, k+1, out.Err)
			}
			if out.Verdict != want {
				t.Errorf("%q: packet %d: verdict %d in the VM, want %d\n%s", expr, k+1, out.Verdict, want, ebpf.Printer{}.Code(entry.Insns))
				break
			}
			if prog == nil {
				continue
			}
			r, err := prog.Run(data, kernel.Context{})
			must.OKf(t, err, "%q: packet %d", expr, k+1)
			if r.Verdict != want {
				t.Errorf("%q: packet %d: verdict %d in the kernel, want %d\n%s", expr, k+1, r.Verdict, want, ebpf.Printer{}.Code(entry.Insns))
				break
			}
		}
		if prog != nil {
			prog.Close()
			prog.Maps.Close()
		}
		it.S.Close()
	}
	t.Logf("%d expressions, %d slots", len(filtertest.Expressions), slots)
}

func interp(t *testing.T, obj *loader.Object, entry *loader.Program) *vm.Interp {
	t.Helper()
	s := must.Get(vm.NewState(obj, vm.Options{}))(t)
	it := must.Get(vm.NewInterp(s, obj, entry))(t)
	return it
}

// TestParams: with its parameters in .data a filter decides as with them folded
// in, and is longer.
func TestParams(t *testing.T) {
	all := zoo(t)
	for _, c := range []struct{ expr, params string }{
		{"host $a and port $b", "a=192.168.1.1 b=53"},
		{"ip6 host $a or tcp dst port $b", "a=ff02::1 b=http"},
		{"net $n and len > $l", "n=192.168.0.0/16 l=80"},
		{"ip[2:2] / $d > 3 or ip[8] << $d = 0", "d=40"},
		{"ip[2:2] / $d > 3", "d=0"},
	} {
		opt := xdpfilter.Options{Params: strings.Fields(c.params)}
		var folded *xdpfilter.Filter
		var err error
		if c.params != "d=0" { // which is refused where it is seen
			if folded, err = xdpfilter.New("folded", c.expr, opt); err != nil && c.params != "d=40" {
				t.Fatal(err)
			}
		}
		opt.Generic = true
		generic, err := xdpfilter.New("generic", c.expr, opt)
		if err != nil {
			t.Error(err)
			continue
		}
		if folded != nil && len(folded.Object.Programs[0].Insns) >= len(generic.Object.Programs[0].Insns) {
			t.Errorf("%q: folded it is no shorter", c.expr)
		}
		entry := generic.Object.Programs[0]
		it := interp(t, generic.Object, entry)
		var prog *kernel.Prog
		if kernel.Available() == nil {
			if prog, err = kernel.Load(generic.Object, entry, kernel.Options{}); err != nil {
				t.Errorf("%q: %+v", c.expr, err)
				continue
			}
		}
		for k, data := range all {
			n := min(len(data), vm.MaxLinear)
			want := uint32(vm.XDPDrop)
			if generic.Program.MatchWith(data[:n], uint32(n), generic.Words) {
				want = vm.XDPPass
			}
			var out vm.Output
			if it.Run(&vm.Input{Data: data, IfIndex: 1}, &out); out.Err != nil || out.Verdict != want {
				t.Errorf("%q: packet %d: %d, want %d (%v)\n%s", c.expr, k+1, out.Verdict, want, out.Err, ebpf.Printer{}.Code(entry.Insns))
				break
			}
			if folded != nil && folded.Program.Match(data[:n], uint32(n)) != (want == vm.XDPPass) {
				t.Errorf("%q: packet %d: folded it differs", c.expr, k+1)
				break
			}
			if prog != nil {
				if r, err := prog.Run(data, kernel.Context{}); err != nil || r.Verdict != want {
					t.Errorf("%q: packet %d: %d in the kernel, want %d (%v)", c.expr, k+1, r.Verdict, want, err)
					break
				}
			}
		}
		if prog != nil {
			prog.Close()
			prog.Maps.Close()
		}
		it.S.Close()
	}
}
