// Package kernelcheck asks the running kernel about a rewrite: does it load,
// and does it do what the original does, by BPF_PROG_TEST_RUN over many
// packets with equal maps.
//
// Without permission for bpf(2) the answer is a [superopt.Kernel] that says
// so; nothing is an error that the optimiser could do something about.
package kernelcheck

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"jitnic/host/ebpf"
	"jitnic/superopt"
)

// Allowed says why bpf(2) can't be used here, or nil.
func Allowed() error {
	if os.Geteuid() != 0 {
		return errors.New("not root: bpf(2) is not allowed")
	}
	return rlimit.RemoveMemlock()
}

// as is a way to load a program.
type as struct {
	typ    cebpf.ProgramType
	attach cebpf.AttachType
}

// candidates are the ways to load a program of a kind, the ones that can be
// run first. A flat context may be anything: a tracing program's, read only,
// or one of a cgroup's socket hooks.
var candidates = map[superopt.Kind][]as{
	superopt.KindXDP: {{typ: cebpf.XDP}},
	superopt.KindSKB: {{typ: cebpf.SchedCLS}, {typ: cebpf.SocketFilter}},
	superopt.KindTracing: {{typ: cebpf.RawTracepoint}, {typ: cebpf.TracePoint}, {cebpf.CGroupSockAddr, cebpf.AttachCGroupUDP4Recvmsg},
		{cebpf.CGroupSockAddr, cebpf.AttachCGroupInet4Connect}, {cebpf.CGroupSockAddr, cebpf.AttachCGroupUDP6Recvmsg}, {cebpf.CGroupSockAddr, cebpf.AttachCGroupInet6Connect}},
	superopt.KindCgroup: {{typ: cebpf.CGroupSKB}, {cebpf.CGroupSockAddr, cebpf.AttachCGroupInet4Connect}, {typ: cebpf.CGroupSock}},
	superopt.KindOther:  {{typ: cebpf.SocketFilter}},
	superopt.KindConst:  {{typ: cebpf.SocketFilter}},
}

// loadAny loads p in the first way the kernel accepts.
func loadAny(p *superopt.Prog) (*cebpf.Program, []*cebpf.Map, as, error) {
	var first error
	for _, c := range candidates[p.Kind] {
		prog, ms, err := load(p, c)
		if err == nil {
			return prog, ms, c, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, nil, as{}, first
}

// load makes maps and program of p; the caller closes both.
func load(p *superopt.Prog, c as) (*cebpf.Program, []*cebpf.Map, error) {
	var ms []*cebpf.Map
	fail := func(err error) (*cebpf.Program, []*cebpf.Map, error) {
		for _, m := range ms {
			m.Close()
		}
		return nil, nil, err
	}
	for _, s := range p.Maps {
		flags := s.Flags
		if s.Type == cebpf.LPMTrie {
			flags |= unix.BPF_F_NO_PREALLOC // the kernel makes no other; K2's files name no flags
		}
		m, err := cebpf.NewMap(&cebpf.MapSpec{Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: max(1, s.Max), Flags: flags})
		if err != nil {
			return fail(fmt.Errorf("map %q: %w", s.Name, err))
		}
		ms = append(ms, m)
	}
	slots, err := p.ToSlots()
	if err != nil {
		return fail(err)
	}
	for i := range slots {
		if slots[i].Op == ebpf.OpLDDW && slots[i].Src == ebpf.PseudoMapFD {
			if int(slots[i].Imm) >= len(ms) {
				return fail(fmt.Errorf("insn %d: map %d of %d", i, slots[i].Imm, len(ms)))
			}
			slots[i].Imm = int32(ms[slots[i].Imm].FD())
		}
	}
	insns, err := asm.AppendInstructions(nil, bytes.NewReader(ebpf.Encode(slots)), nativeOrder, "linux")
	if err != nil {
		return fail(err)
	}
	prog, err := cebpf.NewProgram(&cebpf.ProgramSpec{Name: "superopt", Type: c.typ, AttachType: c.attach, Instructions: insns, License: "GPL"})
	if err != nil {
		return fail(err)
	}
	return prog, ms, nil
}

// Compare loads both programs and runs them side by side on n packets.
func Compare(old, new *superopt.Prog, n int, seed uint64) *superopt.Kernel {
	k := &superopt.Kernel{}
	if err := Allowed(); err != nil {
		k.Reason = err.Error()
		return k
	}
	a, ma, how, err := loadAny(old)
	if err != nil {
		k.Reason = "the original is not loaded: " + err.Error()
		return k
	}
	defer a.Close()
	defer closeAll(ma)
	b, mb, err := load(new, how)
	if err != nil {
		k.Reason = "not loaded: " + err.Error()
		k.Differences = 1
		return k
	}
	defer b.Close()
	defer closeAll(mb)
	k.Loaded = true
	rng := rand.New(rand.NewPCG(seed, 9))
	fill(rng, ma, mb)
	free := false
	for i := range old.Insts {
		free = free || old.Insts[i].Op == ebpf.OpCall && latched[int64(old.Insts[i].Imm)]
	}
	runBoth(k, a, b, ma, mb, n, rng, free)
	return k
}

// runnable are the types BPF_PROG_TEST_RUN takes, of those loaded here.
var runnable = map[cebpf.ProgramType]bool{cebpf.XDP: true, cebpf.SchedCLS: true, cebpf.SchedACT: true, cebpf.SocketFilter: true,
	cebpf.CGroupSKB: true, cebpf.RawTracepoint: true, cebpf.LWTIn: true, cebpf.LWTOut: true, cebpf.LWTXmit: true}

func closeAll(ms []*cebpf.Map) {
	for _, m := range ms {
		m.Close()
	}
}

// fill puts the same entries into both sets of maps.
func fill(rng *rand.Rand, ma, mb []*cebpf.Map) {
	for i := range ma {
		switch ma[i].Type() {
		case cebpf.Hash, cebpf.Array, cebpf.LRUHash, cebpf.LPMTrie:
		default:
			continue
		}
		for n := 0; n < 8; n++ {
			key, val := make([]byte, ma[i].KeySize()), make([]byte, ma[i].ValueSize())
			if len(key) > 0 {
				key[0] = byte(n)
			}
			if ma[i].Type() == cebpf.LPMTrie { // prefixes of 0 to 7 bits
				for k := 4; k < len(key); k++ {
					key[k] = byte(rng.Uint32())
				}
			}
			small := rng.IntN(2) == 0 // words that are keys of other maps
			for k := range val {
				val[k] = byte(rng.Uint32())
				if small {
					val[k] &= 7
					if k%4 != 0 {
						val[k] = 0
					}
				}
			}
			if ma[i].Put(key, val) == nil {
				mb[i].Put(key, val)
			}
		}
	}
}

// tracingArgs is the size of a raw tracepoint's context: 12 numbers
// (MAX_BPF_FUNC_ARGS, include/linux/bpf.h).
const tracingArgs = 96

// inputOf draws a packet, or a tracing program's context: such programs run on
// nothing else (bpf_prog_test_run_raw_tp, net/bpf/test_run.c).
func inputOf(t cebpf.ProgramType, rng *rand.Rand) *cebpf.RunOptions {
	if t != cebpf.RawTracepoint {
		return &cebpf.RunOptions{Data: packet(rng), DataOut: make([]byte, 2048)}
	}
	c := make([]byte, tracingArgs)
	for i := 0; i < len(c); i += 4 {
		v := rng.Uint32()
		switch rng.IntN(4) {
		case 0:
			v &= 7
		case 1:
			v &= 63
		case 2:
			v = -v & 7
		}
		binary.NativeEndian.PutUint32(c[i:], v)
	}
	return &cebpf.RunOptions{Context: c}
}

func runBoth(k *superopt.Kernel, a, b *cebpf.Program, ma, mb []*cebpf.Map, n int, rng *rand.Rand, free bool) {
	for i := 0; i < n; i++ {
		rx := inputOf(a.Type(), rng)
		ry := &cebpf.RunOptions{Data: bytes.Clone(rx.Data), Context: rx.Context}
		if rx.DataOut != nil {
			ry.DataOut = make([]byte, len(rx.DataOut))
		}
		va, err := a.Run(rx)
		if err != nil {
			if k.Runs == 0 {
				k.Reason = "loaded, but not run: " + err.Error()
				if !runnable[a.Type()] {
					k.Reason = fmt.Sprintf("loaded, but not run: the kernel has no test run for %v programs", a.Type())
				}
				return
			}
			continue
		}
		vb, err := b.Run(ry)
		if err != nil {
			k.Differences++
			continue
		}
		k.Runs++
		if va != vb || !bytes.Equal(rx.DataOut, ry.DataOut) {
			k.Differences++
		}
	}
	if free {
		k.Reason = "reads the time, random numbers or the CPU: maps not compared"
		return
	}
	for i := range ma {
		if i < len(mb) && contents(ma[i]) != contents(mb[i]) {
			k.Differences++
			k.Reason = fmt.Sprintf("map %d differs after the runs", i)
		}
	}
}

// maxEntries of a map are compared; walking one costs a system call each.
const maxEntries = 1024

// contents prints a map's entries in order; per-CPU values are added up over
// the CPUs, as two runs may have been on different ones.
func contents(m *cebpf.Map) string {
	var out []string
	switch m.Type() {
	case cebpf.Hash, cebpf.Array, cebpf.LRUHash, cebpf.LPMTrie:
		var key, val []byte
		it := m.Iterate()
		for len(out) < maxEntries && it.Next(&key, &val) {
			out = append(out, fmt.Sprintf("%x=%x", key, val))
		}
	case cebpf.PerCPUHash, cebpf.PerCPUArray, cebpf.LRUCPUHash:
		var key []byte
		var val [][]byte
		it := m.Iterate()
		for len(out) < maxEntries && it.Next(&key, &val) {
			sum := make([]uint64, (len(val[0])+7)/8)
			for _, v := range val {
				for i := range v {
					sum[i/8] += uint64(v[i]) << (8 * (i % 8))
				}
			}
			out = append(out, fmt.Sprintf("%x=%x", key, sum))
		}
	}
	sort.Strings(out)
	return fmt.Sprint(out)
}

// latched are helpers that make two runs of one program differ.
var latched = map[int64]bool{5: true, 7: true, 8: true, 14: true, 35: true, 42: true, 125: true, 160: true}

// packet draws an Ethernet frame that gets past the usual checks: IPv4 or
// IPv6, TCP, UDP or ICMP, sometimes VLAN tags, sometimes cut short.
func packet(rng *rand.Rand) []byte {
	b := make([]byte, 14+rng.IntN(200))
	for i := range b {
		b[i] = byte(rng.Uint32())
		if rng.IntN(3) == 0 {
			b[i] = byte(rng.IntN(4))
		}
	}
	put16 := func(at int, v uint16) {
		if at+1 < len(b) {
			b[at], b[at+1] = byte(v>>8), byte(v)
		}
	}
	at := 12
	for k := rng.IntN(4); k > 1; k-- {
		put16(at, 0x8100+0x7a8*uint16(rng.IntN(2)))
		at += 4
	}
	proto := []byte{6, 17, 1, 58, 4}[rng.IntN(5)]
	set := func(i int, v byte) {
		if i < len(b) {
			b[i] = v
		}
	}
	switch rng.IntN(4) {
	case 0, 1:
		put16(at, 0x0800)
		set(at+2, 0x45)
		set(at+11, proto)
		set(at+10, 64)
		put16(at+8, 0)
	case 2:
		put16(at, 0x86dd)
		set(at+2, 0x60)
		set(at+8, proto)
		set(at+9, 64)
	}
	return b
}

// CompareObjects loads two object files and runs their programs pairwise.
func CompareObjects(old, new []byte, n int, seed uint64) map[string]*superopt.Kernel {
	out := map[string]*superopt.Kernel{}
	all := func(k *superopt.Kernel) map[string]*superopt.Kernel { out[""] = k; return out }
	if err := Allowed(); err != nil {
		return all(&superopt.Kernel{Reason: err.Error()})
	}
	ca, err := collection(old, false)
	tracing := err == nil
	if err != nil { // where its trace points aren't there, the rest may be
		ca, err = collection(old, true)
	}
	if err != nil {
		return all(&superopt.Kernel{Reason: "the original is not loaded: " + err.Error()})
	}
	defer ca.Close()
	cb, err := collection(new, !tracing)
	if err != nil {
		return all(&superopt.Kernel{Reason: "not loaded: " + err.Error(), Differences: 1})
	}
	defer cb.Close()
	var names, maps []string
	for n := range ca.Programs {
		names = append(names, n)
	}
	for n := range ca.Maps {
		maps = append(maps, n)
	}
	sort.Strings(names)
	sort.Strings(maps)
	var ma, mb []*cebpf.Map
	for _, n := range maps {
		if cb.Maps[n] != nil {
			ma, mb = append(ma, ca.Maps[n]), append(mb, cb.Maps[n])
		}
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	fill(rng, ma, mb)
	shared := usesLatched(old)
	for _, name := range names {
		k := &superopt.Kernel{}
		out[name] = k
		if cb.Programs[name] == nil {
			k.Reason, k.Differences = "gone", 1
			continue
		}
		k.Loaded = true
		a, b := ca.Programs[name], cb.Programs[name]
		if x, y := asRaw(old, name, ca.Maps), asRaw(new, name, cb.Maps); flatContext[a.Type()] && x != nil && y != nil {
			a, b = x, y
			defer x.Close()
			defer y.Close()
		}
		runBoth(k, a, b, ma, mb, n, rng, shared)
	}
	return out
}

// flatContext are types the kernel does not run on request, but which often
// load as raw tracepoint programs too, which it does run.
var flatContext = map[cebpf.ProgramType]bool{cebpf.TracePoint: true, cebpf.Kprobe: true, cebpf.PerfEvent: true}

// asRaw loads one program of an object as a raw tracepoint program over the
// given maps; nil where the kernel does not take it so.
func asRaw(raw []byte, name string, ms map[string]*cebpf.Map) *cebpf.Program {
	spec, err := cebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil || spec.Programs[name] == nil || !flatContext[spec.Programs[name].Type] {
		return nil
	}
	p := spec.Programs[name]
	p.Type, p.AttachTo = cebpf.RawTracepoint, ""
	spec.Programs = map[string]*cebpf.ProgramSpec{name: p}
	for _, m := range spec.Maps {
		m.Pinning, m.Extra = cebpf.PinNone, nil
	}
	c, err := cebpf.NewCollectionWithOptions(spec, cebpf.CollectionOptions{MapReplacements: ms})
	if err != nil {
		return nil
	}
	q := c.DetachProgram(name)
	c.Close()
	return q
}

// usesLatched: some program of the object reads what two runs don't share.
func usesLatched(raw []byte) bool {
	spec, err := cebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return true
	}
	for _, p := range spec.Programs {
		for _, in := range p.Instructions {
			if in.IsBuiltinCall() && latched[in.Constant] {
				return true
			}
		}
	}
	return false
}

func collection(raw []byte, noTracing bool) (*cebpf.Collection, error) {
	spec, err := cebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	for n, p := range spec.Programs {
		if noTracing && p.Type == cebpf.Tracing {
			delete(spec.Programs, n)
		}
	}
	for _, m := range spec.Maps {
		m.Pinning, m.Extra = cebpf.PinNone, nil // what older declarations have beside it
		if m.MaxEntries == 0 && m.Type != cebpf.RingBuf && m.Type != cebpf.PerfEventArray {
			m.MaxEntries = 16 // set by the loader in use, not in the file
		}
	}
	return cebpf.NewCollection(spec)
}
