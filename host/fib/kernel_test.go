package fib

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"jitnic/host/kernel/netns"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// inNamespace runs f in a fresh network namespace, on a thread that ends with
// it, so that nothing of the machine's own is touched.
func inNamespace(t *testing.T, f func(k *kernel)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: network namespaces and bpf(2) need root")
	}
	var skip string
	err := netns.Thread(func() (err error) {
		if err := netns.HasIP(); err != nil {
			return err
		}
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: program(), License: "GPL"})
		if err != nil {
			skip = fmt.Sprintf("skipped: bpf(2) is not allowed: %v", err)
			return nil
		}
		defer p.Close()
		defer func() {
			if f, ok := recover().(failure); ok {
				err = errors.New(string(f))
			}
		}()
		f(&kernel{p: p})
		return nil
	})
	switch {
	case errors.As(err, new(netns.Missing)):
		t.Skip("skipped: " + err.Error())
	case skip != "":
		t.Skip(skip)
	case err != nil:
		t.Fatal(err)
	}
}

// failure ends the test from another goroutine.
type failure string

func failf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

type kernel struct{ p *ebpf.Program }

// program looks up the parameters at the start of its packet with the flags
// behind them, and puts them and the result back.
func program() asm.Instructions {
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, 80),
		asm.JGT.Reg(asm.R2, asm.R8, "out"),
	}
	for i := int16(0); i < ParamsSize; i += 8 {
		ins = append(ins, asm.LoadMem(asm.R1, asm.R7, i, asm.DWord), asm.StoreMem(asm.RFP, i-ParamsSize, asm.R1, asm.DWord))
	}
	ins = append(ins,
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -ParamsSize),
		asm.Mov.Imm(asm.R3, ParamsSize),
		asm.LoadMem(asm.R4, asm.R7, 64, asm.Word),
		asm.FnFibLookup.Call(),
		asm.StoreMem(asm.R7, 72, asm.R0, asm.DWord),
	)
	for i := int16(0); i < ParamsSize; i += 8 {
		ins = append(ins, asm.LoadMem(asm.R1, asm.RFP, i-ParamsSize, asm.DWord), asm.StoreMem(asm.R7, i, asm.R1, asm.DWord))
	}
	return append(ins, asm.Mov.Imm(asm.R0, 2).WithSymbol("out"), asm.Return())
}

func (k *kernel) lookup(params []byte, flags uint32) int {
	in := make([]byte, 80)
	copy(in, params)
	binary.LittleEndian.PutUint32(in[64:], flags)
	opts := &ebpf.RunOptions{Data: in, DataOut: make([]byte, 128), Repeat: 1}
	for {
		ret, err := k.p.Run(opts)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ret != 2 {
			failf("test run: %d, %v", ret, err)
		}
		copy(params, opts.DataOut[:ParamsSize])
		return int(int64(binary.LittleEndian.Uint64(opts.DataOut[72:])))
	}
}

// params makes a struct bpf_fib_lookup.
func params(src, dst string, ifindex uint32) []byte {
	p := make([]byte, ParamsSize)
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	p[0] = afInet
	if s.Is6() {
		p[0] = afInet6
	}
	copy(p[16:], s.AsSlice())
	copy(p[32:], d.AsSlice())
	binary.LittleEndian.PutUint32(p[8:], ifindex)
	return p
}

// compare holds one lookup against the kernel's.
func (k *kernel) compare(t *Table, p []byte, flags uint32, what string) int {
	mine, theirs := append([]byte(nil), p...), append([]byte(nil), p...)
	got, want := t.Lookup(mine, flags), k.lookup(theirs, flags)
	if got != want {
		failf("%s\nlookup %x flags %#x: %d, the kernel's %d", what, p, flags, got, want)
	}
	if string(mine) != string(theirs) {
		failf("%s\nlookup %x flags %#x: %d\n%x, the kernel's\n%x", what, p, flags, got, mine, theirs)
	}
	return got
}

// A fresh namespace: what programs get without --fib.
func TestKernelFresh(t *testing.T) {
	inNamespace(t, func(k *kernel) {
		empty := New()
		for flags := range uint32(128) {
			for _, ifindex := range []uint32{0, 1, 2, 77} {
				for _, a := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"127.0.0.1", "127.0.0.1"}, {"0.0.0.0", "255.255.255.255"},
					{"fd00::1", "fd00::2"}, {"fe80::1", "fd00::1"}, {"fd00::1", "ff02::1"}, {"::1", "fd00::1"}, {"::", "::"}} {
					k.compare(empty, params(a[0], a[1], ifindex), flags, "fresh")
				}
				p := params("10.0.0.1", "10.0.0.2", ifindex)
				p[0] = 7
				k.compare(empty, p, flags, "fresh")
			}
		}
	})
}

// Random tables and random lookups, on both.
func TestKernelTables(t *testing.T) {
	seen := map[int]int{}
	for seed := range uint64(24) {
		inNamespace(t, func(k *kernel) {
			r := rand.New(rand.NewPCG(seed, 4))
			text := randomTable(r, seed%3 == 2)
			tab, err := Read("fib", strings.NewReader(text))
			if err != nil {
				failf("%v\n%s", err, text)
			}
			if err := tab.Install(); err != nil {
				failf("%v\n%s", err, text)
			}
			for range 1500 {
				p, flags := randomLookup(r)
				seen[k.compare(tab, p, flags, fmt.Sprintf("seed %d\n%s", seed, text))]++
			}
		})
	}
	for _, want := range []int{Success, Blackhole, Unreachable, Prohibit, NotFwded, FwdDisabled, NoNeigh, FragNeeded, enodev} {
		if seen[want] < 20 {
			t.Errorf("result %d came %d times: %v", want, seen[want], seen)
		}
	}
	t.Logf("results: %v", seen)
}

func randomTable(r *rand.Rand, rules bool) string {
	var b strings.Builder
	onoff := func() string {
		if r.IntN(6) == 0 {
			return "off"
		}
		return "on"
	}
	for i := 2; i < 5; i++ {
		fmt.Fprintf(&b, "link %d eth%d address 02:00:00:00:00:0%d mtu %d forwarding4 %s forwarding6 %s\n", i, i, i, 1280+r.IntN(300), onoff(), onoff())
		fmt.Fprintf(&b, "address 10.%d.0.1/24 dev eth%d\n", i, i)
		fmt.Fprintf(&b, "address fd00:%d::1/64 dev eth%d\n", i, i)
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, "address 10.%d.0.9/24 dev eth%d\naddress 10.%d.7.1/28 dev eth%d\n", i, i, i, i)
		}
		for h := 2; h < 6; h++ {
			if r.IntN(3) > 0 {
				fmt.Fprintf(&b, "neigh 10.%d.0.%d dev eth%d lladdr 02:00:00:00:%02x:%02x nud %s\n", i, h, i, i, h, []string{"permanent", "stale", "reachable"}[r.IntN(3)])
				fmt.Fprintf(&b, "neigh fd00:%d::%d dev eth%d lladdr 02:00:00:06:%02x:%02x nud permanent\n", i, h, i, i, h)
			}
		}
	}
	tables := []string{"", "", "", " table 100", " table 101"}
	have := map[string]bool{}
	for range 30 {
		i := 2 + r.IntN(3)
		table := tables[r.IntN(len(tables))]
		metric := []int{0, 10, 20}[r.IntN(3)]
		six := r.IntN(2) == 0
		dst := ""
		if six {
			dst = fmt.Sprintf("fd%02x::/%d", r.IntN(3), []int{8, 9, 10, 14, 16}[r.IntN(5)])
			if r.IntN(2) == 0 {
				dst = fmt.Sprintf("fd00:%d::/%d", 2+r.IntN(8), []int{29, 30, 32, 48, 60}[r.IntN(5)])
			}
			dst = netip.MustParsePrefix(dst).Masked().String()
		} else {
			dst = netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/%d", r.IntN(8), []int{8, 12, 13, 14, 15, 16, 17, 24}[r.IntN(8)])).Masked().String()
		}
		if r.IntN(10) == 0 {
			dst = "default"
		}
		key := fmt.Sprint(dst, table, metric, six)
		if have[key] || metric == 0 && strings.HasSuffix(dst, ".0.0/24") {
			continue // the connected route is there already
		}
		have[key] = true
		fam := "-4"
		if six {
			fam = "-6"
		}
		line := fmt.Sprintf("route %s %s", fam, dst)
		switch r.IntN(8) {
		case 0:
			line = fmt.Sprintf("route %s %s %s", fam, []string{"blackhole", "unreachable", "prohibit", "throw"}[r.IntN(4)], dst)
		case 1, 2:
			line += fmt.Sprintf(" dev eth%d", i)
		default:
			if six {
				line += fmt.Sprintf(" via fd00:%d::%d dev eth%d", i, 2+r.IntN(4), i)
			} else {
				line += fmt.Sprintf(" via 10.%d.0.%d dev eth%d", i, 2+r.IntN(4), i)
			}
		}
		if metric > 0 {
			line += fmt.Sprintf(" metric %d", metric)
		}
		line += table
		if !strings.Contains(line, "hole") && !strings.Contains(line, "unreach") && !strings.Contains(line, "prohib") && !strings.Contains(line, "throw") {
			switch r.IntN(6) {
			case 0:
				line += fmt.Sprintf(" mtu lock %d", 1300+r.IntN(100))
			case 1:
				line += fmt.Sprintf(" mtu %d", 1300+r.IntN(100))
			case 2:
				if six {
					line += fmt.Sprintf(" src fd00:%d::1", i)
				} else {
					line += fmt.Sprintf(" src 10.%d.0.1", i)
				}
			case 3:
				if !six {
					line += " tos 0x10"
				}
			}
		}
		b.WriteString(line + "\n")
	}
	if rules {
		fmt.Fprintf(&b, "rule -4 pref 90 fwmark 0x1 lookup 100\nrule -6 pref 90 fwmark 0x1 lookup 100\n")
		fmt.Fprintf(&b, "rule -4 pref 91 fwmark 0x2/0x2 lookup 101\nrule -6 pref 91 fwmark 0x2/0x2 lookup 101\n")
		fmt.Fprintf(&b, "rule -4 pref 92 from 10.5.0.0/16 lookup 100\nrule -6 pref 92 from fd00:5::/32 lookup 100\n")
		fmt.Fprintf(&b, "rule -4 pref 93 to 10.6.0.0/16 iif eth2 %s\nrule -6 pref 93 to fd00:6::/32 iif eth2 %s\n",
			[]string{"blackhole", "unreachable", "prohibit"}[r.IntN(3)], []string{"blackhole", "unreachable", "prohibit"}[r.IntN(3)])
	}
	return b.String()
}

func randomLookup(r *rand.Rand) ([]byte, uint32) {
	var p []byte
	ifindex := uint32(2 + r.IntN(3))
	if r.IntN(30) == 0 {
		ifindex = 55
	}
	host := []int{0, 1, 2, 3, 4, 5, 9, 255}[r.IntN(8)]
	if r.IntN(2) == 0 {
		p = params(fmt.Sprintf("10.%d.%d.7", r.IntN(8), r.IntN(2)), fmt.Sprintf("10.%d.%d.%d", r.IntN(8), []int{0, 0, 7, 9}[r.IntN(4)], host), ifindex)
	} else {
		p = params(fmt.Sprintf("fd00:%d::7", r.IntN(8)), fmt.Sprintf("fd%02x:%d::%x", r.IntN(3)*r.IntN(2), r.IntN(9), host), ifindex)
	}
	flags := uint32(0)
	for _, f := range []uint32{Direct, Output, SkipNeigh, TBID, Src, Mark} {
		if r.IntN(3) == 0 {
			flags |= f
		}
	}
	if flags&TBID != 0 {
		binary.LittleEndian.PutUint32(p[48:], []uint32{100, 101, 254, 255, 0, 253, 7}[r.IntN(7)])
	}
	if flags&Mark != 0 {
		binary.LittleEndian.PutUint32(p[52:], uint32(r.IntN(4)))
	}
	if r.IntN(2) == 0 {
		binary.LittleEndian.PutUint16(p[6:], uint16(1250+r.IntN(350)))
	}
	if p[0] == afInet && r.IntN(4) == 0 {
		p[12] = []byte{0x10, 0x12, 0x20}[r.IntN(3)]
	}
	p[1] = 6
	return p, flags
}
