package vm

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"jitnic/host/ebpf"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
)

func u32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// userText is memory of this process that a program reads by its address.
var userText = []byte("text of a user\x00beyond it")

var kept3 = map[int]ebpf.Fill{3: ebpf.Kept}

func discard(b *rowProg) {
	b.unless(ebpf.JmpEQ, 0, 0, func() { b.helper(ebpf.FnRingbufDiscard, reg(0), num(0)) })
}

func reserve(b *rowProg) {
	b.helper(ebpf.FnRingbufReserve, of("ring"), num(16), num(0))
	b.keep()
}

func reserveDynptr(b *rowProg) {
	b.helper(ebpf.FnRingbufReserveDynptr, of("ring"), num(16), num(0), stack(-16))
}

func discardDynptr(b *rowProg) { b.helper(ebpf.FnRingbufDiscardDynptr, stack(-16), num(0)) }

func fromMem(b *rowProg) { b.helper(ebpf.FnDynptrFromMem, at(buf1), num(64), num(0), stack(-16)) }

func fromXDP(b *rowProg) { b.kernel("bpf_dynptr_from_xdp", argCtx(), num(0), stack(-16)) }

func null(b *rowProg) { b.kernel("bpf_dynptr_from_xdp", argCtx(), num(1), stack(-16)) }

func newIter(from, to int) func(b *rowProg) {
	return func(b *rowProg) { b.kernel("bpf_iter_num_new", stack(-8), num(from), num(to)) }
}

func endIter(b *rowProg) { b.kernel("bpf_iter_num_destroy", stack(-8)) }

// first puts the address of a map's first value into r9.
func first(name string) func(b *rowProg) {
	return func(b *rowProg) {
		b.imm(1, 0)
		b.add(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeW, Dst: 10, Src: 1, Off: -4})
		b.helper(ebpf.FnMapLookupElem, of(name), stack(-4))
		b.keep()
	}
}

// begun initialises the timer in r9, called gives it a callback too.
func begun(b *rowProg) {
	first("timer")(b)
	b.helper(ebpf.FnTimerInit, reg(9), of("timer"), num(1))
}

func called(b *rowProg) {
	begun(b)
	b.helper(ebpf.FnTimerSetCallback, reg(9), callback())
}

func lookup() []rowArg { return []rowArg{argCtx(), at(buf0), num(12), num(-1), num(0)} }

func found(b *rowProg) {
	b.helper(ebpf.FnSkcLookupTcp, lookup()...)
	b.keep()
}

func release(b *rowProg) {
	b.unless(ebpf.JmpEQ, 0, 0, func() { b.helper(ebpf.FnSkRelease, reg(0)) })
}

func release9(b *rowProg) { b.helper(ebpf.FnSkRelease, reg(9)) }

var open []io.Closer // never: what nobody refers to is closed by the collector

// sockets are one of each kind on the loopback device, for the life of the
// process.
var sockets = sync.OnceValue(func() map[string]uint16 {
	ports := map[string]uint16{}
	if l, err := net.Listen("tcp4", "127.0.0.1:0"); err == nil {
		open = append(open, l)
		ports["tcp"] = uint16(l.Addr().(*net.TCPAddr).Port)
	}
	if c, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
		open = append(open, c)
		ports["udp"] = uint16(c.LocalAddr().(*net.UDPAddr).Port)
	}
	return ports
})

// tuple is a struct bpf_sock_tuple whose destination is a socket of ours, or
// port 1, where nobody listens.
func tuple(kind string) map[int][]byte {
	port := uint16(1)
	if kind != "" {
		port = sockets()[kind]
	}
	b := []byte{127, 0, 0, 1, 127, 0, 0, 1, 0x80, 0x01}
	return map[int][]byte{buf0: binary.BigEndian.AppendUint16(b, port)}
}

// syn is an IP header of n bytes and a TCP header with a segment size of 1400.
func syn(n int) map[int][]byte {
	tcp := []byte{0x1f, 0x90, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 2, 0, 0, 0, 0, 0, 0, 2, 4, 0x05, 0x78}
	return map[int][]byte{buf0: fill(n), buf1: tcp}
}

// acknowledge has a cookie made for the segment and turns this into the one
// that brings it back: a sequence number and an acknowledgment one higher. What
// is added to the cookie spoils it.
func acknowledge(id int32, add int32) func(b *rowProg) {
	return func(b *rowProg) {
		b.helper(id, at(buf0), at(buf1), num(24))
		b.plus(0, 1+add)
		b.add(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | ebpf.SrcX, Dst: 0, Imm: 32})
		b.add(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeW, Dst: 7, Src: 0, Off: buf1 + 8})
		b.add(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeW, Dst: 7, Off: buf1 + 4, Imm: 0x05030201})
	}
}

// listen opens an event on every CPU.
func listen(t *testing.T, maps map[string]*cebpf.Map) {
	r, err := perf.NewReader(maps["perf"], 4096)
	if err != nil {
		t.Skipf("skipped: no perf events: %v", err)
	}
	t.Cleanup(func() { r.Close() })
}

// rootCgroup puts the root of cgroups at index 1.
func rootCgroup(t *testing.T, maps map[string]*cebpf.Map) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if f, err := os.Open(dir); err == nil {
			defer f.Close()
			if maps["cgroups"].Put(uint32(1), uint32(f.Fd())) == nil {
				return
			}
		}
	}
	t.Skip("skipped: no cgroups of version 2")
}

// rowCases are the calls that hold the rows.
func rowCases() []rowCase {
	key := func(k uint32) map[int][]byte { return map[int][]byte{buf0: u32(k)} }
	value := map[int][]byte{buf0: u64(0x0102030405060708)}
	user := wide(uint64(uintptr(unsafe.Pointer(&userText[0]))))
	var ns syscall.Stat_t
	syscall.Stat("/proc/self/ns/pid", &ns)
	cls, sock, raw := cebpf.SchedCLS, cebpf.SocketFilter, cebpf.RawTracepoint
	const frags = 1 << 5
	out := []rowCase{
		// Maps.
		{id: ebpf.FnMapLookupElem, what: "found", args: []rowArg{of("hash"), at(buf0)}, set: key(1)},
		{id: ebpf.FnMapLookupElem, what: "missing key", args: []rowArg{of("hash"), at(buf0)}, set: key(9), fails: true},
		{id: ebpf.FnMapLookupElem, what: "beyond an array", args: []rowArg{of("array"), at(buf0)}, set: key(4), fails: true},
		{id: ebpf.FnMapLookupElem, what: "LRU", args: []rowArg{of("lru"), at(buf0)}, set: key(1)},
		{id: ebpf.FnMapUpdateElem, what: "new", args: []rowArg{of("hash"), at(buf0), at(buf1), num(0)}, set: key(7)},
		{id: ebpf.FnMapUpdateElem, what: "over the old", args: []rowArg{of("hash"), at(buf0), at(buf1), num(2)}, set: key(1)},
		{id: ebpf.FnMapUpdateElem, what: "must be new", args: []rowArg{of("hash"), at(buf0), at(buf1), num(1)}, set: key(1), fails: true},
		{id: ebpf.FnMapUpdateElem, what: "must be old", args: []rowArg{of("hash"), at(buf0), at(buf1), num(2)}, set: key(7), fails: true},
		{id: ebpf.FnMapUpdateElem, what: "bad flags", args: []rowArg{of("hash"), at(buf0), at(buf1), num(8)}, set: key(7), fails: true},
		{id: ebpf.FnMapUpdateElem, what: "full map", args: []rowArg{of("full"), at(buf0), at(buf1), num(0)}, set: key(7), fails: true},
		{id: ebpf.FnMapUpdateElem, what: "array", args: []rowArg{of("array"), at(buf0), at(buf1), num(0)}, set: key(2)},
		{id: ebpf.FnMapUpdateElem, what: "array must be new", args: []rowArg{of("array"), at(buf0), at(buf1), num(1)}, set: key(2), fails: true},
		{id: ebpf.FnMapUpdateElem, what: "beyond an array", args: []rowArg{of("array"), at(buf0), at(buf1), num(0)}, set: key(4), fails: true},
		{id: ebpf.FnMapUpdateElem, what: "full trie", args: []rowArg{of("lpm"), at(buf0), at(buf1), num(0)}, set: map[int][]byte{buf0: {24, 0, 0, 0, 9, 9, 9, 0}}, fails: true},
		{id: ebpf.FnMapUpdateElem, what: "prefix too long", args: []rowArg{of("lpm"), at(buf0), at(buf1), num(0)}, set: map[int][]byte{buf0: {33, 0, 0, 0, 9, 9, 9, 0}}, fails: true},
		{id: ebpf.FnMapDeleteElem, what: "found", args: []rowArg{of("hash"), at(buf0)}, set: key(1)},
		{id: ebpf.FnMapDeleteElem, what: "missing key", args: []rowArg{of("hash"), at(buf0)}, set: key(9), fails: true},
		{id: ebpf.FnMapDeleteElem, what: "array", args: []rowArg{of("array"), at(buf0)}, set: key(1), fails: true},
		{id: ebpf.FnMapLookupPercpuElem, what: "this CPU", args: []rowArg{of("percpu"), at(buf0), num(0)}, set: key(1)},
		{id: ebpf.FnMapLookupPercpuElem, what: "no such CPU", args: []rowArg{of("percpu"), at(buf0), num(1 << 20)}, set: key(1), fails: true},
		{id: ebpf.FnMapLookupPercpuElem, what: "beyond", args: []rowArg{of("percpu"), at(buf0), num(0)}, set: key(9), fails: true},
	}
	for _, q := range []string{"queue", "stack"} {
		out = append(out,
			rowCase{id: ebpf.FnMapPushElem, what: q, args: []rowArg{of(q), at(buf0), num(0)}, set: value},
			rowCase{id: ebpf.FnMapPushElem, what: "full " + q, args: []rowArg{of("full" + q), at(buf0), num(0)}, set: value, fails: true},
			rowCase{id: ebpf.FnMapPushElem, what: "full " + q + ", drop the oldest", args: []rowArg{of("full" + q), at(buf0), num(2)}, set: value},
			rowCase{id: ebpf.FnMapPushElem, what: "bad flags, " + q, args: []rowArg{of(q), at(buf0), num(1)}, set: value, fails: true},
			rowCase{id: ebpf.FnMapPopElem, what: q, args: []rowArg{of(q), at(buf0)}},
			rowCase{id: ebpf.FnMapPopElem, what: "empty " + q, args: []rowArg{of("no" + q), at(buf0)}, fails: true},
			rowCase{id: ebpf.FnMapPeekElem, what: q, args: []rowArg{of(q), at(buf0)}},
			rowCase{id: ebpf.FnMapPeekElem, what: "empty " + q, args: []rowArg{of("no" + q), at(buf0)}, fails: true},
		)
	}
	return append(out,
		rowCase{id: ebpf.FnMapPushElem, what: "bloom filter", args: []rowArg{of("bloom"), at(buf0), num(0)}, set: value},
		rowCase{id: ebpf.FnMapPushElem, what: "bloom filter, bad flags", args: []rowArg{of("bloom"), at(buf0), num(2)}, set: value, fails: true},
		rowCase{id: ebpf.FnMapPeekElem, what: "bloom filter has it", args: []rowArg{of("bloom"), at(buf0)}, set: map[int][]byte{buf0: u64(5)}},
		rowCase{id: ebpf.FnMapPeekElem, what: "bloom filter hasn't", args: []rowArg{of("bloom"), at(buf0)}, set: value, fails: true},

		// The packet.
		rowCase{id: ebpf.FnXdpLoadBytes, what: "within", args: []rowArg{argCtx(), num(4), at(buf0), num(20)}},
		rowCase{id: ebpf.FnXdpLoadBytes, what: "short packet", args: []rowArg{argCtx(), num(4), at(buf0), num(20)}, pkt: 14, fails: true},
		rowCase{id: ebpf.FnXdpLoadBytes, what: "far beyond", args: []rowArg{argCtx(), num(70000), at(buf0), num(20)}, fails: true},
		rowCase{id: ebpf.FnXdpLoadBytes, what: "across frags", args: []rowArg{argCtx(), num(3510), at(buf0), num(20)}, pkt: 5000, flags: frags},
		rowCase{id: ebpf.FnXdpStoreBytes, what: "within", args: []rowArg{argCtx(), num(4), at(buf0), num(20)}},
		rowCase{id: ebpf.FnXdpStoreBytes, what: "short packet", args: []rowArg{argCtx(), num(4), at(buf0), num(20)}, pkt: 14, fails: true},
		rowCase{id: ebpf.FnXdpStoreBytes, what: "far beyond", args: []rowArg{argCtx(), num(70000), at(buf0), num(20)}, fails: true},
		rowCase{id: ebpf.FnXdpGetBuffLen, what: "length", args: []rowArg{argCtx()}},
		rowCase{id: ebpf.FnXdpGetBuffLen, what: "frags", args: []rowArg{argCtx()}, pkt: 5000, flags: frags},
		rowCase{id: ebpf.FnXdpAdjustHead, what: "shrink", args: []rowArg{argCtx(), num(4)}},
		rowCase{id: ebpf.FnXdpAdjustHead, what: "grow", args: []rowArg{argCtx(), num(-8)}},
		rowCase{id: ebpf.FnXdpAdjustHead, what: "too far", args: []rowArg{argCtx(), num(51)}, fails: true},
		rowCase{id: ebpf.FnXdpAdjustHead, what: "no room", args: []rowArg{argCtx(), num(-217)}, fails: true},
		rowCase{id: ebpf.FnXdpAdjustMeta, what: "grow", args: []rowArg{argCtx(), num(-8)}},
		rowCase{id: ebpf.FnXdpAdjustMeta, what: "not of 4", args: []rowArg{argCtx(), num(-6)}, fails: true},
		rowCase{id: ebpf.FnXdpAdjustMeta, what: "behind data", args: []rowArg{argCtx(), num(4)}, fails: true},
		rowCase{id: ebpf.FnXdpAdjustTail, what: "shrink", args: []rowArg{argCtx(), num(-8)}},
		rowCase{id: ebpf.FnXdpAdjustTail, what: "grow", args: []rowArg{argCtx(), num(8)}},
		rowCase{id: ebpf.FnXdpAdjustTail, what: "too short", args: []rowArg{argCtx(), num(-51)}, fails: true},
		rowCase{id: ebpf.FnXdpAdjustTail, what: "no room", args: []rowArg{argCtx(), num(4000)}, fails: true},
		rowCase{id: ebpf.FnCsumDiff, what: "both", args: []rowArg{at(buf0), num(20), at(buf1), num(24), num(5)}},
		rowCase{id: ebpf.FnCsumDiff, what: "nothing", args: []rowArg{num(0), num(0), num(0), num(0), num(5)}},
		rowCase{id: ebpf.FnCsumDiff, what: "size not of 4", args: []rowArg{at(buf0), num(19), at(buf1), num(0), num(5)}},
		rowCase{id: ebpf.FnCheckMtu, what: "fits", args: []rowArg{argCtx(), num(1), at(buf0), num(0), num(0)}, set: map[int][]byte{buf0: u32(0)}, alone: true},
		rowCase{id: ebpf.FnCheckMtu, what: "too long", args: []rowArg{argCtx(), num(1), at(buf0), num(1 << 20), num(0)}, set: map[int][]byte{buf0: u32(100)}, alone: true},
		rowCase{id: ebpf.FnCheckMtu, what: "bad flags", args: []rowArg{argCtx(), num(1), at(buf0), num(0), num(8)}, fails: true},
		rowCase{id: ebpf.FnCheckMtu, what: "no such device", args: []rowArg{argCtx(), num(99999), at(buf0), num(0), num(0)}, fails: true},
		rowCase{id: ebpf.FnFibLookup, what: "no route", args: []rowArg{argCtx(), at(buf0), num(64), num(0)}, set: map[int][]byte{buf0: append([]byte{2, 6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 52)...)}, alone: true},
		rowCase{id: ebpf.FnFibLookup, what: "short", args: []rowArg{argCtx(), at(buf0), num(63), num(0)}, fails: true, noted: map[int]ebpf.Fill{2: ebpf.Kept}},
		rowCase{id: ebpf.FnFibLookup, what: "bad flags", args: []rowArg{argCtx(), at(buf0), num(64), num(1 << 16)}, fails: true, noted: map[int]ebpf.Fill{2: ebpf.Kept}},
		rowCase{id: ebpf.FnFibLookup, what: "no such family", args: []rowArg{argCtx(), at(buf0), num(64), num(0)}, set: map[int][]byte{buf0: append([]byte{77, 6}, append(make([]byte, 6), 1, 0, 0, 0)...)}, fails: true, noted: map[int]ebpf.Fill{2: ebpf.Kept}},

		// Redirection.
		rowCase{id: ebpf.FnRedirect, what: "to a device", args: []rowArg{num(1), num(0)}},
		rowCase{id: ebpf.FnRedirect, what: "bad flags", args: []rowArg{num(1), num(1)}, fails: true},
		rowCase{id: ebpf.FnRedirectMap, what: "there", args: []rowArg{of("dev"), num(1), num(0)}},
		rowCase{id: ebpf.FnRedirectMap, what: "not there", args: []rowArg{of("dev"), num(2), num(2)}, fails: true},
		rowCase{id: ebpf.FnRedirectMap, what: "bad flags", args: []rowArg{of("dev"), num(1), num(32)}, fails: true},
		rowCase{id: ebpf.FnRedirectMap, what: "CPU", args: []rowArg{of("cpu"), num(0), num(0)}},
		rowCase{id: ebpf.FnTailCall, what: "nothing there", args: []rowArg{argCtx(), of("progs"), num(1)}},

		// Memory and text.
		rowCase{id: ebpf.FnProbeReadKernel, what: "its own memory", args: []rowArg{at(buf0), num(16), at(buf1)}, set: map[int][]byte{buf1: []byte("sixteen bytes...")}},
		rowCase{id: ebpf.FnProbeReadKernel, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnProbeReadKernel, what: "nothing", args: []rowArg{at(buf0), num(0), at(buf1)}},
		rowCase{id: ebpf.FnProbeReadUser, what: "user memory", args: []rowArg{at(buf0), num(16), user}, alone: true},
		rowCase{id: ebpf.FnProbeReadUser, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnProbeReadUser, what: "kernel memory", args: []rowArg{at(buf0), num(16), at(buf1)}, fails: true},
		rowCase{id: ebpf.FnProbeReadUserStr, what: "user text", args: []rowArg{at(buf0), num(30), user}, alone: true},
		rowCase{id: ebpf.FnProbeReadUserStr, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnProbeReadKernelStr, what: "its own memory", args: []rowArg{at(buf0), num(30), at(buf1)}, set: map[int][]byte{buf1: []byte("some text\x00")}},
		rowCase{id: ebpf.FnProbeReadKernelStr, what: "longer than the buffer", args: []rowArg{at(buf0), num(5), at(buf1)}, set: map[int][]byte{buf1: []byte("some text\x00")}},
		rowCase{id: ebpf.FnProbeReadKernelStr, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnStrtol, what: "a number", args: []rowArg{at(buf0), num(8), num(10), at(buf1)}, set: map[int][]byte{buf0: []byte("-1234   ")}},
		rowCase{id: ebpf.FnStrtol, what: "none", args: []rowArg{at(buf0), num(8), num(10), at(buf1)}, set: map[int][]byte{buf0: []byte("none    ")}, fails: true},
		rowCase{id: ebpf.FnStrtol, what: "bad base", args: []rowArg{at(buf0), num(8), num(7), at(buf1)}, set: map[int][]byte{buf0: []byte("12      ")}, fails: true},
		rowCase{id: ebpf.FnStrtol, what: "too large", args: []rowArg{at(buf0), num(30), num(10), at(buf1)}, set: map[int][]byte{buf0: []byte("99999999999999999999999999999 ")}, fails: true},
		rowCase{id: ebpf.FnStrtoul, what: "a number", args: []rowArg{at(buf0), num(8), num(16), at(buf1)}, set: map[int][]byte{buf0: []byte("0x1234  ")}},
		rowCase{id: ebpf.FnStrtoul, what: "negative", args: []rowArg{at(buf0), num(8), num(10), at(buf1)}, set: map[int][]byte{buf0: []byte("-1234   ")}, fails: true},
		rowCase{id: ebpf.FnStrncmp, what: "equal", args: []rowArg{at(buf0), num(8), text("texts")}, set: map[int][]byte{buf0: []byte("texts\x00")}},
		rowCase{id: ebpf.FnStrncmp, what: "less", args: []rowArg{at(buf0), num(8), text("texts")}, set: map[int][]byte{buf0: []byte("text\x00")}},
		rowCase{id: ebpf.FnSnprintf, what: "text", args: []rowArg{at(buf0), num(32), text("%d is %x"), at(buf1), num(16)}},
		rowCase{id: ebpf.FnSnprintf, what: "cut off", args: []rowArg{at(buf0), num(4), text("%d is %x"), at(buf1), num(16)}},
		rowCase{id: ebpf.FnSnprintf, what: "only measured", args: []rowArg{num(0), num(0), text("%d is %x"), at(buf1), num(16)}},
		rowCase{id: ebpf.FnTracePrintk, what: "text", args: []rowArg{at(buf0), num(8), num(1), num(2), num(3)}, set: map[int][]byte{buf0: []byte("of %d\x00\x00\x00")}, alone: true},
		rowCase{id: ebpf.FnTracePrintk, what: "no end", args: []rowArg{at(buf0), num(4), num(1), num(2), num(3)}, set: map[int][]byte{buf0: []byte("text of")}, fails: true},
		rowCase{id: ebpf.FnTracePrintk, what: "bad format", args: []rowArg{at(buf0), num(8), num(1), num(2), num(3)}, set: map[int][]byte{buf0: []byte("of %Q\x00\x00\x00")}, fails: true},
		rowCase{id: ebpf.FnTracePrintk, what: "string", args: []rowArg{at(buf0), num(3), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%s\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTracePrintk, what: "wide string", args: []rowArg{at(buf0), num(10), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%9s|%-7s.\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTracePrintk, what: "a word behind a string", args: []rowArg{at(buf0), num(4), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%sx\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}, fails: true},
		rowCase{id: ebpf.FnTracePrintk, what: "addresses of the network", args: []rowArg{at(buf0), num(15), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%pI4 %pi4,%pI6\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTracePrintk, what: "bytes of an address", args: []rowArg{at(buf0), num(9), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%pi6|%5c\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTracePrintk, what: "addresses", args: []rowArg{at(buf0), num(11), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%p,%px|%pK\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTracePrintk, what: "a word behind an address", args: []rowArg{at(buf0), num(4), at(buf1), at(buf1), at(buf1)}, set: map[int][]byte{buf0: []byte("%pz\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}, fails: true},
		rowCase{id: ebpf.FnTracePrintk, what: "signs and widths", args: []rowArg{at(buf0), num(15), num(77), num(5), num(-3)}, set: map[int][]byte{buf0: []byte("%+5d|% d|%+05i\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTracePrintk, what: "unsigned", args: []rowArg{at(buf0), num(15), num(77), num(5), num(65)}, set: map[int][]byte{buf0: []byte("%+u|%-4x|%+03c\x00")}},
		rowCase{id: ebpf.FnTracePrintk, what: "percent", args: []rowArg{at(buf0), num(9), num(77), num(5), num(-3)}, set: map[int][]byte{buf0: []byte("%%|%3lld\x00"), buf1: []byte("text\x00\x07\xc8\x00\x00\x01\x02\x03\x04\x05\x06\x07")}},
		rowCase{id: ebpf.FnTraceVprintk, what: "text", args: []rowArg{at(buf0), num(8), at(buf1), num(8)}, set: map[int][]byte{buf0: []byte("of %d\x00\x00\x00")}, alone: true},
		rowCase{id: ebpf.FnTraceVprintk, what: "arguments not of 8", args: []rowArg{at(buf0), num(8), at(buf1), num(7)}, set: map[int][]byte{buf0: []byte("of %d\x00\x00\x00")}, fails: true},

		// What is latched.
		rowCase{id: ebpf.FnKtimeGetNs, what: "time"},
		rowCase{id: ebpf.FnKtimeGetBootNs, what: "time"},
		rowCase{id: ebpf.FnKtimeGetTaiNs, what: "time"},
		rowCase{id: ebpf.FnKtimeGetCoarseNs, what: "time"},
		rowCase{id: ebpf.FnJiffies64, what: "time"},
		rowCase{id: ebpf.FnGetPrandomU32, what: "draw"},
		rowCase{id: ebpf.FnGetSmpProcessorId, what: "CPU"},
		rowCase{id: ebpf.FnGetNumaNodeId, what: "node"},
		rowCase{id: ebpf.FnGetCurrentPidTgid, what: "task"},
		rowCase{id: ebpf.FnGetCurrentUidGid, what: "task"},
		rowCase{id: ebpf.FnGetCurrentTask, what: "task"},
		rowCase{id: ebpf.FnGetCurrentCgroupId, what: "task"},
		rowCase{id: ebpf.FnGetCurrentAncestorCgroupId, what: "task", args: []rowArg{num(0)}},
		rowCase{id: ebpf.FnGetCgroupClassid, what: "task", args: []rowArg{argCtx()}},
		rowCase{id: ebpf.FnGetCurrentComm, what: "name", args: []rowArg{at(buf0), num(24)}, alone: true},
		rowCase{id: ebpf.FnGetNsCurrentPidTgid, what: "this name space", args: []rowArg{wide(ns.Dev), wide(ns.Ino), at(buf0), num(8)}, alone: true},
		rowCase{id: ebpf.FnGetNsCurrentPidTgid, what: "another", args: []rowArg{num(1), num(1), at(buf0), num(8)}, fails: true},
		rowCase{id: ebpf.FnGetNsCurrentPidTgid, what: "bad size", args: []rowArg{wide(ns.Dev), wide(ns.Ino), at(buf0), num(12)}, fails: true},
		rowCase{id: ebpf.FnGetCurrentTaskBtf, what: "task", alone: true},
		rowCase{id: ebpf.FnSendSignal, what: "a signal of no effect", args: []rowArg{num(int(syscall.SIGURG))}, alone: true},
		rowCase{id: ebpf.FnSendSignal, what: "no such signal", args: []rowArg{num(99)}, fails: true},
		rowCase{id: ebpf.FnSendSignalThread, what: "a signal of no effect", args: []rowArg{num(int(syscall.SIGURG))}, alone: true},
		rowCase{id: ebpf.FnSendSignalThread, what: "no such signal", args: []rowArg{num(99)}, fails: true},
		rowCase{id: ebpf.FnCurrentTaskUnderCgroup, what: "beyond", args: []rowArg{of("cgroups"), num(7)}, fails: true},
		rowCase{id: ebpf.FnCurrentTaskUnderCgroup, what: "nothing there", args: []rowArg{of("cgroups"), num(1)}, fails: true},

		// Output.
		rowCase{id: ebpf.FnPerfEventOutput, what: "no event", args: []rowArg{argCtx(), of("perf"), num(0), at(buf0), num(16)}, fails: true},
		rowCase{id: ebpf.FnPerfEventOutput, what: "bad flags", args: []rowArg{argCtx(), of("perf"), wide(1 << 60), at(buf0), num(16)}, fails: true},
		rowCase{id: ebpf.FnPerfEventOutput, what: "more than the packet", args: []rowArg{argCtx(), of("perf"), wide(100 << 32), at(buf0), num(16)}, fails: true},
		rowCase{id: ebpf.FnPerfEventRead, what: "no event", args: []rowArg{of("perf"), num(0)}, fails: true},
		rowCase{id: ebpf.FnPerfEventReadValue, what: "no event", args: []rowArg{of("perf"), num(0), at(buf0), num(24)}, fails: true},
		rowCase{id: ebpf.FnPerfEventReadValue, what: "bad size", args: []rowArg{of("perf"), num(0), at(buf0), num(20)}, fails: true},
		rowCase{id: ebpf.FnRingbufOutput, what: "room", args: []rowArg{of("ring"), at(buf0), num(16), num(0)}},
		rowCase{id: ebpf.FnRingbufOutput, what: "nothing", args: []rowArg{of("ring"), at(buf0), num(0), num(0)}},
		rowCase{id: ebpf.FnRingbufOutput, what: "bad flags", args: []rowArg{of("ring"), at(buf0), num(16), num(8)}, fails: true},
		rowCase{id: ebpf.FnRingbufQuery, what: "size", args: []rowArg{of("ring"), num(1)}},
		rowCase{id: ebpf.FnRingbufQuery, what: "what nobody knows", args: []rowArg{of("ring"), num(9)}},
		rowCase{id: ebpf.FnPerfEventOutput, what: "an event", args: []rowArg{argCtx(), of("perf"), wide(0xffffffff), at(buf0), num(16)}, ready: listen, reads: true},
		rowCase{id: ebpf.FnCurrentTaskUnderCgroup, what: "the root", args: []rowArg{of("cgroups"), num(1)}, ready: rootCgroup, alone: true},
		rowCase{id: ebpf.FnRingbufReserve, what: "room", args: []rowArg{of("ring"), num(16), num(0)}, post: discard},
		rowCase{id: ebpf.FnRingbufReserve, what: "larger than the ring", args: []rowArg{of("ring"), num(8192), num(0)}, post: discard, fails: true},
		rowCase{id: ebpf.FnRingbufReserve, what: "bad flags", args: []rowArg{of("ring"), num(16), num(1)}, post: discard, fails: true},
		rowCase{id: ebpf.FnRingbufSubmit, what: "a record", pre: reserve, args: []rowArg{reg(9), num(0)}},
		rowCase{id: ebpf.FnRingbufDiscard, what: "a record", pre: reserve, args: []rowArg{reg(9), num(0)}},

		// Dynptrs.
		rowCase{id: ebpf.FnDynptrFromMem, what: "memory", args: []rowArg{at(buf0), num(32), num(0), stack(-16)}},
		rowCase{id: ebpf.FnDynptrFromMem, what: "bad flags", args: []rowArg{at(buf0), num(32), num(1), stack(-16)}, fails: true},
		rowCase{id: ebpf.FnDynptrRead, what: "within", pre: fromMem, args: []rowArg{at(buf0), num(16), stack(-16), num(8), num(0)}, set: map[int][]byte{buf1: make([]byte, 64)}},
		rowCase{id: ebpf.FnDynptrRead, what: "beyond", pre: fromMem, args: []rowArg{at(buf0), num(16), stack(-16), num(60), num(0)}, fails: true},
		rowCase{id: ebpf.FnDynptrRead, what: "bad flags", pre: fromMem, args: []rowArg{at(buf0), num(16), stack(-16), num(8), num(1)}, fails: true},
		rowCase{id: ebpf.FnDynptrRead, what: "nothing", pre: fromMem, args: []rowArg{at(buf0), num(0), stack(-16), num(8), num(0)}},
		rowCase{id: ebpf.FnDynptrWrite, what: "within", pre: fromMem, args: []rowArg{stack(-16), num(8), at(buf0), num(16), num(0)}},
		rowCase{id: ebpf.FnDynptrWrite, what: "beyond", pre: fromMem, args: []rowArg{stack(-16), num(60), at(buf0), num(16), num(0)}, fails: true},
		rowCase{id: ebpf.FnDynptrWrite, what: "bad flags", pre: fromMem, args: []rowArg{stack(-16), num(8), at(buf0), num(16), num(1)}, fails: true},
		rowCase{id: ebpf.FnDynptrData, what: "within", pre: fromMem, args: []rowArg{stack(-16), num(8), num(16)}},
		rowCase{id: ebpf.FnDynptrData, what: "beyond", pre: fromMem, args: []rowArg{stack(-16), num(60), num(16)}, fails: true},
		rowCase{id: ebpf.FnRingbufReserveDynptr, what: "room", args: []rowArg{of("ring"), num(16), num(0), stack(-16)}, post: discardDynptr},
		rowCase{id: ebpf.FnRingbufReserveDynptr, what: "larger than the ring", args: []rowArg{of("ring"), num(8192), num(0), stack(-16)}, post: discardDynptr, fails: true},
		rowCase{id: ebpf.FnRingbufReserveDynptr, what: "bad flags", args: []rowArg{of("ring"), num(16), num(1), stack(-16)}, post: discardDynptr, fails: true},
		rowCase{id: ebpf.FnRingbufSubmitDynptr, what: "a record", pre: reserveDynptr, args: []rowArg{stack(-16), num(0)}},
		rowCase{id: ebpf.FnRingbufDiscardDynptr, what: "a record", pre: reserveDynptr, args: []rowArg{stack(-16), num(0)}},
		rowCase{kfunc: "bpf_dynptr_from_xdp", what: "packet", args: []rowArg{argCtx(), num(0), stack(-16)}},
		rowCase{kfunc: "bpf_dynptr_from_xdp", what: "bad flags", args: []rowArg{argCtx(), num(1), stack(-16)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_slice", what: "in place", pre: fromXDP, args: []rowArg{stack(-16), num(4), at(buf0), num(16)}, noted: kept3},
		rowCase{kfunc: "bpf_dynptr_slice", what: "beyond", pre: fromXDP, args: []rowArg{stack(-16), num(60), at(buf0), num(16)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_slice", what: "across frags", pre: fromXDP, args: []rowArg{stack(-16), num(3510), at(buf0), num(16)}, pkt: 5000, flags: frags, noted: map[int]ebpf.Fill{3: ebpf.Filled}},
		rowCase{kfunc: "bpf_dynptr_slice_rdwr", what: "in place", pre: fromXDP, args: []rowArg{stack(-16), num(4), at(buf0), num(16)}, noted: kept3},
		rowCase{kfunc: "bpf_dynptr_slice_rdwr", what: "beyond", pre: fromXDP, args: []rowArg{stack(-16), num(60), at(buf0), num(16)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_adjust", what: "within", pre: fromXDP, args: []rowArg{stack(-16), num(4), num(20)}},
		rowCase{kfunc: "bpf_dynptr_adjust", what: "beyond", pre: fromXDP, args: []rowArg{stack(-16), num(4), num(70)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_adjust", what: "backward", pre: fromXDP, args: []rowArg{stack(-16), num(20), num(4)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_is_null", what: "no", pre: fromXDP, args: []rowArg{stack(-16)}},
		rowCase{kfunc: "bpf_dynptr_is_null", what: "yes", pre: null, args: []rowArg{stack(-16)}},
		rowCase{kfunc: "bpf_dynptr_is_rdonly", what: "no", pre: fromXDP, args: []rowArg{stack(-16)}},
		rowCase{kfunc: "bpf_dynptr_memset", what: "packet", pre: fromXDP, args: []rowArg{stack(-16), num(8), num(16), num(0x1ab)}},
		rowCase{kfunc: "bpf_dynptr_memset", what: "across frags", pre: fromXDP, args: []rowArg{stack(-16), num(3400), num(900), num(0xab)}, pkt: 5000, flags: frags},
		rowCase{kfunc: "bpf_dynptr_memset", what: "memory", pre: fromMem, args: []rowArg{stack(-16), num(8), num(16), num(7)}},
		rowCase{kfunc: "bpf_dynptr_memset", what: "nothing", pre: fromMem, args: []rowArg{stack(-16), num(8), num(0), num(7)}},
		rowCase{kfunc: "bpf_dynptr_memset", what: "nothing of null", pre: null, args: []rowArg{stack(-16), num(0), num(0), num(7)}},
		rowCase{kfunc: "bpf_dynptr_memset", what: "null", pre: null, args: []rowArg{stack(-16), num(0), num(1), num(7)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_memset", what: "beyond", pre: fromMem, args: []rowArg{stack(-16), num(60), num(16), num(7)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_size", what: "packet", pre: fromXDP, args: []rowArg{stack(-16)}},
		rowCase{kfunc: "bpf_dynptr_size", what: "null", pre: null, args: []rowArg{stack(-16)}, fails: true},
		rowCase{kfunc: "bpf_dynptr_clone", what: "packet", pre: fromXDP, args: []rowArg{stack(-16), stack(-32)}},
		rowCase{kfunc: "bpf_dynptr_clone", what: "null", pre: null, args: []rowArg{stack(-16), stack(-32)}, fails: true},

		// Callbacks, iterators, locks.
		rowCase{id: ebpf.FnLoop, what: "three times", args: []rowArg{num(3), callback(), num(0), num(0)}},
		rowCase{id: ebpf.FnLoop, what: "bad flags", args: []rowArg{num(3), callback(), num(0), num(1)}, fails: true},
		rowCase{id: ebpf.FnLoop, what: "too often", args: []rowArg{num(8<<20 + 1), callback(), num(0), field(16)}, fails: true},
		rowCase{id: ebpf.FnForEachMapElem, what: "hash", args: []rowArg{of("full"), callback(), num(0), num(0)}},
		rowCase{id: ebpf.FnForEachMapElem, what: "bad flags", args: []rowArg{of("full"), callback(), num(0), num(1)}, fails: true},
		rowCase{kfunc: "bpf_iter_num_new", what: "a range", args: []rowArg{stack(-8), num(0), num(3)}, post: endIter},
		rowCase{kfunc: "bpf_iter_num_new", what: "backward", args: []rowArg{stack(-8), num(3), num(0)}, post: endIter, fails: true},
		rowCase{kfunc: "bpf_iter_num_new", what: "too long", args: []rowArg{stack(-8), num(-5), num(8 << 20)}, post: endIter, fails: true},
		rowCase{kfunc: "bpf_iter_num_next", what: "first", pre: newIter(0, 3), args: []rowArg{stack(-8)}, post: endIter},
		rowCase{kfunc: "bpf_iter_num_next", what: "none left", pre: newIter(3, 3), args: []rowArg{stack(-8)}, post: endIter, fails: true},
		rowCase{kfunc: "bpf_iter_num_destroy", what: "a range", pre: newIter(0, 3), args: []rowArg{stack(-8)}},
		rowCase{kfunc: "bpf_rcu_read_lock", what: "lock", post: func(b *rowProg) { b.kernel("bpf_rcu_read_unlock") }},
		rowCase{kfunc: "bpf_rcu_read_unlock", what: "unlock", pre: func(b *rowProg) { b.kernel("bpf_rcu_read_lock") }},
		rowCase{kfunc: "bpf_preempt_disable", what: "lock", post: func(b *rowProg) { b.kernel("bpf_preempt_enable") }},
		rowCase{kfunc: "bpf_preempt_enable", what: "unlock", pre: func(b *rowProg) { b.kernel("bpf_preempt_disable") }},
		rowCase{kfunc: "bpf_local_irq_save", what: "lock", args: []rowArg{stack(-8)}, post: func(b *rowProg) { b.kernel("bpf_local_irq_restore", stack(-8)) }},
		rowCase{kfunc: "bpf_local_irq_restore", what: "unlock", pre: func(b *rowProg) { b.kernel("bpf_local_irq_save", stack(-8)) }, args: []rowArg{stack(-8)}},
		rowCase{id: ebpf.FnSpinLock, what: "lock", pre: first("lock"), args: []rowArg{reg(9)}, post: func(b *rowProg) { b.helper(ebpf.FnSpinUnlock, reg(9)) }},
		rowCase{id: ebpf.FnSpinUnlock, what: "unlock", pre: func(b *rowProg) { first("lock")(b); b.helper(ebpf.FnSpinLock, reg(9)) }, args: []rowArg{reg(9)}},

		// Timers.
		rowCase{id: ebpf.FnTimerInit, what: "fresh", pre: first("timer"), args: []rowArg{reg(9), of("timer"), num(1)}},
		rowCase{id: ebpf.FnTimerInit, what: "no such clock", pre: first("timer"), args: []rowArg{reg(9), of("timer"), num(3)}, fails: true},
		rowCase{id: ebpf.FnTimerInit, what: "bad flags", pre: first("timer"), args: []rowArg{reg(9), of("timer"), num(16)}, fails: true},
		rowCase{id: ebpf.FnTimerInit, what: "again", pre: begun, args: []rowArg{reg(9), of("timer"), num(1)}, fails: true},
		rowCase{id: ebpf.FnTimerSetCallback, what: "a function", pre: begun, args: []rowArg{reg(9), callback()}},
		rowCase{id: ebpf.FnTimerSetCallback, what: "not begun", pre: first("timer"), args: []rowArg{reg(9), callback()}, fails: true},
		rowCase{id: ebpf.FnTimerStart, what: "a minute", pre: called, args: []rowArg{reg(9), wide(60e9), num(0)}},
		rowCase{id: ebpf.FnTimerStart, what: "bad flags", pre: called, args: []rowArg{reg(9), wide(60e9), num(4)}, fails: true},
		rowCase{id: ebpf.FnTimerStart, what: "nothing to call", pre: begun, args: []rowArg{reg(9), wide(60e9), num(0)}, fails: true},
		rowCase{id: ebpf.FnTimerStart, what: "not begun", pre: first("timer"), args: []rowArg{reg(9), wide(60e9), num(0)}, fails: true},
		rowCase{id: ebpf.FnTimerStart, what: "after it was cancelled", pre: func(b *rowProg) { called(b); b.helper(ebpf.FnTimerCancel, reg(9)) }, args: []rowArg{reg(9), wide(60e9), num(0)}, fails: true},
		rowCase{id: ebpf.FnTimerCancel, what: "at rest", pre: begun, args: []rowArg{reg(9)}},
		rowCase{id: ebpf.FnTimerCancel, what: "running", pre: func(b *rowProg) { called(b); b.helper(ebpf.FnTimerStart, reg(9), wide(60e9), num(0)) }, args: []rowArg{reg(9)}},
		rowCase{id: ebpf.FnTimerCancel, what: "not begun", pre: first("timer"), args: []rowArg{reg(9)}, fails: true},

		// Sockets.
		rowCase{id: ebpf.FnSkLookupTcp, what: "a listener", args: lookup(), set: tuple("tcp"), post: release, alone: true},
		rowCase{id: ebpf.FnSkLookupTcp, what: "nobody", args: lookup(), set: tuple(""), post: release, fails: true},
		rowCase{id: ebpf.FnSkLookupTcp, what: "bad size", args: []rowArg{argCtx(), at(buf0), num(11), num(-1), num(0)}, set: tuple("tcp"), post: release, fails: true},
		rowCase{id: ebpf.FnSkLookupUdp, what: "a socket", args: lookup(), set: tuple("udp"), post: release, alone: true},
		rowCase{id: ebpf.FnSkLookupUdp, what: "nobody", args: lookup(), set: tuple(""), post: release, fails: true},
		rowCase{id: ebpf.FnSkcLookupTcp, what: "a listener", args: lookup(), set: tuple("tcp"), post: release, alone: true},
		rowCase{id: ebpf.FnSkcLookupTcp, what: "nobody", args: lookup(), set: tuple(""), post: release, fails: true},
		rowCase{id: ebpf.FnSkRelease, what: "a listener", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), alone: true},
		rowCase{id: ebpf.FnSkcToTcpSock, what: "a listener", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), post: release9, alone: true},
		rowCase{id: ebpf.FnSkcToTcp6Sock, what: "of IPv4", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), post: release9, fails: true, alone: true},
		rowCase{id: ebpf.FnSkcToUdp6Sock, what: "of TCP", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), post: release9, fails: true, alone: true},
		rowCase{id: ebpf.FnSkcToTcpRequestSock, what: "a listener", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), post: release9, fails: true, alone: true},
		rowCase{id: ebpf.FnSkcToTcpTimewaitSock, what: "a listener", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), post: release9, fails: true, alone: true},
		rowCase{id: ebpf.FnSkcToUnixSock, what: "of TCP", pre: found, args: []rowArg{reg(9)}, set: tuple("tcp"), post: release9, fails: true, alone: true},

		// SYN cookies, of headers in the value. Each kernel has secrets of its own.
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv4, what: "a segment", args: []rowArg{at(buf0), at(buf1), num(24)}, set: syn(20), low: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv4, what: "no option", args: []rowArg{at(buf0), at(buf1), num(20)}, set: map[int][]byte{buf1 + 12: {0x50}}, low: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv4, what: "short", args: []rowArg{at(buf0), at(buf1), num(19)}, set: syn(20), fails: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv4, what: "another length", args: []rowArg{at(buf0), at(buf1), num(28)}, set: syn(20), fails: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv4, what: "nothing", args: []rowArg{at(buf0), at(buf1), num(0)}, set: syn(20), fails: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv6, what: "a segment", args: []rowArg{at(buf0), at(buf1), num(24)}, set: syn(40), low: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv6, what: "no option", args: []rowArg{at(buf0), at(buf1), num(20)}, set: map[int][]byte{buf1 + 12: {0x50}}, low: true},
		rowCase{id: ebpf.FnTcpRawGenSyncookieIpv6, what: "short", args: []rowArg{at(buf0), at(buf1), num(19)}, set: syn(40), fails: true},
		rowCase{id: ebpf.FnTcpRawCheckSyncookieIpv4, what: "of this kernel", pre: acknowledge(ebpf.FnTcpRawGenSyncookieIpv4, 0), args: []rowArg{at(buf0), at(buf1)}, set: syn(20), mine: buf1},
		rowCase{id: ebpf.FnTcpRawCheckSyncookieIpv4, what: "of another flow", pre: acknowledge(ebpf.FnTcpRawGenSyncookieIpv4, 1<<20), args: []rowArg{at(buf0), at(buf1)}, set: syn(20), fails: true, mine: buf1},
		rowCase{id: ebpf.FnTcpRawCheckSyncookieIpv6, what: "of this kernel", pre: acknowledge(ebpf.FnTcpRawGenSyncookieIpv6, 0), args: []rowArg{at(buf0), at(buf1)}, set: syn(40), mine: buf1},
		rowCase{id: ebpf.FnTcpRawCheckSyncookieIpv6, what: "of another flow", pre: acknowledge(ebpf.FnTcpRawGenSyncookieIpv6, 1<<20), args: []rowArg{at(buf0), at(buf1)}, set: syn(40), fails: true, mine: buf1},

		// Programs that may sleep.
		rowCase{id: ebpf.FnCopyFromUser, kind: cebpf.Syscall, flags: 1 << 4, what: "user memory", args: []rowArg{at(buf0), num(16), user}},
		rowCase{id: ebpf.FnCopyFromUser, kind: cebpf.Syscall, flags: 1 << 4, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnGetTaskStack, what: "bad flags", pre: func(b *rowProg) { b.call(ebpf.FnGetCurrentTaskBtf); b.mov(9, 0) }, args: []rowArg{reg(9), at(buf0), num(64), wide(1 << 40)}, fails: true, alone: true},
		rowCase{id: ebpf.FnGetTaskStack, what: "this task", pre: func(b *rowProg) { b.call(ebpf.FnGetCurrentTaskBtf); b.mov(9, 0) }, args: []rowArg{reg(9), at(buf0), num(64), num(0)}, maybe: true, alone: true, varies: true},

		// Classifiers and socket filters.
		rowCase{id: ebpf.FnSkbLoadBytes, kind: cls, what: "within", args: []rowArg{argCtx(), num(4), at(buf0), num(20)}},
		rowCase{id: ebpf.FnSkbLoadBytes, kind: cls, what: "short packet", args: []rowArg{argCtx(), num(60), at(buf0), num(20)}, fails: true},
		rowCase{id: ebpf.FnSkbLoadBytes, kind: sock, what: "socket filter, short packet", args: []rowArg{argCtx(), num(60), at(buf0), num(20)}, fails: true},
		rowCase{id: ebpf.FnSkbLoadBytes, kind: sock, what: "socket filter", args: []rowArg{argCtx(), num(4), at(buf0), num(20)}},
		rowCase{id: ebpf.FnSkbLoadBytesRelative, kind: cls, what: "within", args: []rowArg{argCtx(), num(4), at(buf0), num(20), num(1)}},
		rowCase{id: ebpf.FnSkbLoadBytesRelative, kind: cls, what: "short packet", args: []rowArg{argCtx(), num(60), at(buf0), num(20), num(0)}, fails: true},
		rowCase{id: ebpf.FnSkbLoadBytesRelative, kind: cls, what: "no such start", args: []rowArg{argCtx(), num(0), at(buf0), num(20), num(7)}, fails: true},
		rowCase{id: ebpf.FnSkbStoreBytes, kind: cls, what: "within", args: []rowArg{argCtx(), num(4), at(buf0), num(20), num(0)}},
		rowCase{id: ebpf.FnSkbStoreBytes, kind: cls, what: "short packet", args: []rowArg{argCtx(), num(60), at(buf0), num(20), num(0)}, fails: true},
		rowCase{id: ebpf.FnL3CsumReplace, kind: cls, what: "within", args: []rowArg{argCtx(), num(24), num(1), num(2), num(2)}},
		rowCase{id: ebpf.FnL3CsumReplace, kind: cls, what: "bad size", args: []rowArg{argCtx(), num(24), num(1), num(2), num(3)}, fails: true},
		rowCase{id: ebpf.FnL4CsumReplace, kind: cls, what: "within", args: []rowArg{argCtx(), num(36), num(1), num(2), num(2)}},
		rowCase{id: ebpf.FnL4CsumReplace, kind: cls, what: "beyond", args: []rowArg{argCtx(), num(70), num(1), num(2), num(2)}, fails: true},
		rowCase{id: ebpf.FnSkbVlanPush, kind: cls, what: "a tag", args: []rowArg{argCtx(), num(0x81), num(7)}},
		rowCase{id: ebpf.FnSkbVlanPop, kind: cls, what: "a tag", args: []rowArg{argCtx()}, maybe: true},
		rowCase{id: ebpf.FnSkbGetTunnelKey, kind: cls, what: "no tunnel", args: []rowArg{argCtx(), at(buf0), num(28), num(0)}, fails: true},
		rowCase{id: ebpf.FnSkbGetTunnelKey, kind: cls, what: "bad size", args: []rowArg{argCtx(), at(buf0), num(3), num(0)}, fails: true},
		rowCase{id: ebpf.FnSkbGetTunnelOpt, kind: cls, what: "no tunnel", args: []rowArg{argCtx(), at(buf0), num(28)}, fails: true},
		rowCase{id: ebpf.FnSkbGetXfrmState, kind: cls, what: "no state", args: []rowArg{argCtx(), num(0), at(buf0), num(28), num(0)}, fails: true},
		rowCase{id: ebpf.FnSkbChangeType, kind: cls, what: "to host", args: []rowArg{argCtx(), num(0)}},
		rowCase{id: ebpf.FnSkbChangeType, kind: cls, what: "no such type", args: []rowArg{argCtx(), num(99)}, fails: true},
		rowCase{id: ebpf.FnSkbChangeProto, kind: cls, what: "bad flags", args: []rowArg{argCtx(), num(8), num(1)}, fails: true},
		rowCase{id: ebpf.FnSkbChangeTail, kind: cls, what: "shorter", args: []rowArg{argCtx(), num(50), num(0)}},
		rowCase{id: ebpf.FnSkbChangeTail, kind: cls, what: "bad flags", args: []rowArg{argCtx(), num(50), num(1)}, fails: true},
		rowCase{id: ebpf.FnSkbPullData, kind: cls, what: "all", args: []rowArg{argCtx(), num(0)}},
		rowCase{id: ebpf.FnSkbPullData, kind: cls, what: "beyond", args: []rowArg{argCtx(), num(5000)}, fails: true},
		rowCase{id: ebpf.FnSkbChangeHead, kind: cls, what: "room", args: []rowArg{argCtx(), num(8), num(0)}},
		rowCase{id: ebpf.FnSkbChangeHead, kind: cls, what: "bad flags", args: []rowArg{argCtx(), num(8), num(1)}, fails: true},
		rowCase{id: ebpf.FnCsumUpdate, kind: cls, what: "not complete", args: []rowArg{argCtx(), num(8)}, fails: true},
		rowCase{id: ebpf.FnGetHashRecalc, kind: cls, what: "hash", args: []rowArg{argCtx()}},
		rowCase{id: ebpf.FnSetHashInvalid, kind: cls, what: "hash", args: []rowArg{argCtx()}},
		rowCase{id: ebpf.FnSetHash, kind: cls, what: "hash", args: []rowArg{argCtx(), num(7)}},
		rowCase{id: ebpf.FnGetRouteRealm, kind: cls, what: "none", args: []rowArg{argCtx()}},

		// Tracing programs.
		rowCase{id: ebpf.FnProbeRead, kind: raw, what: "its own memory", args: []rowArg{at(buf0), num(16), at(buf1)}, set: map[int][]byte{buf1: []byte("sixteen bytes...")}},
		rowCase{id: ebpf.FnProbeRead, kind: raw, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnProbeReadStr, kind: raw, what: "its own memory", args: []rowArg{at(buf0), num(30), at(buf1)}, set: map[int][]byte{buf1: []byte("some text\x00")}},
		rowCase{id: ebpf.FnProbeReadStr, kind: raw, what: "no memory", args: []rowArg{at(buf0), num(16), num(5)}, fails: true},
		rowCase{id: ebpf.FnGetStack, kind: raw, what: "bad flags", args: []rowArg{argCtx(), at(buf0), num(64), wide(1 << 40)}, fails: true},
		rowCase{id: ebpf.FnGetStackid, kind: raw, what: "bad flags", args: []rowArg{argCtx(), of("traces"), wide(1 << 40)}, fails: true},
	)
}
