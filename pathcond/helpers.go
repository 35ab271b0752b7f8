package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// call is one helper call being executed: its instruction, what was recorded
// of it, and what the trace must know of it.
type call struct {
	in   ebpf.Insn
	rec  *vm.Call
	m    int // map index, or -1
	meta trace.Meta
}

// symHelpers gives the symbolic meaning of every helper a trace may call: it
// returns the new r0. A helper that isn't here aborts the trace.
var symHelpers map[int32]func(x *exec, c *call) bv.Term

func init() {
	symHelpers = map[int32]func(x *exec, c *call) bv.Term{
		ebpf.FnMapLookupElem: symLookup, ebpf.FnMapLookupPercpuElem: symLookupPerCPU, ebpf.FnMapUpdateElem: symUpdate, ebpf.FnMapDeleteElem: symDelete,
		ebpf.FnTracePrintk: symPrint, ebpf.FnTraceVprintk: symPrint,
		ebpf.FnRedirect: symRedirect, ebpf.FnRedirectMap: symRedirectMap,
		ebpf.FnCsumDiff: symCsumDiff, ebpf.FnXdpAdjustHead: symAdjustHead, ebpf.FnXdpAdjustMeta: symAdjustMeta, ebpf.FnXdpAdjustTail: symAdjustTail,
		ebpf.FnFibLookup: symFib, ebpf.FnXdpGetBuffLen: symBuffLen, ebpf.FnXdpLoadBytes: symLoadBytes, ebpf.FnXdpStoreBytes: symStoreBytes,
		ebpf.FnSpinLock: symNothing, ebpf.FnSpinUnlock: symNothing,
		ebpf.FnPerfEventOutput: symPerf, ebpf.FnRingbufOutput: symRingOutput, ebpf.FnRingbufReserve: symRingReserve,
		ebpf.FnRingbufSubmit: symRingCommit, ebpf.FnRingbufDiscard: symRingCommit,
		ebpf.FnStrtol: symNumber(true), ebpf.FnStrtoul: symNumber(false),
		ebpf.FnRingbufQuery: symRingQuery, ebpf.FnRingbufReserveDynptr: symRingReserveDynptr,
		ebpf.FnRingbufSubmitDynptr: symRingCommitDynptr, ebpf.FnRingbufDiscardDynptr: symRingCommitDynptr,
		ebpf.FnTcpRawGenSyncookieIpv4: symCookie(true, false), ebpf.FnTcpRawGenSyncookieIpv6: symCookie(true, true),
		ebpf.FnTcpRawCheckSyncookieIpv4: symCookie(false, false), ebpf.FnTcpRawCheckSyncookieIpv6: symCookie(false, true),
		ebpf.FnSkLookupTcp: symNoSocket, ebpf.FnSkLookupUdp: symNoSocket, ebpf.FnSkcLookupTcp: symNoSocket,
		ebpf.FnSnprintf: symSnprintf, ebpf.FnCheckMtu: symCheckMTU, ebpf.FnStrncmp: symStrncmp,
		ebpf.FnDynptrFromMem: symDynptrFromMem, ebpf.FnDynptrRead: symDynptrRead, ebpf.FnDynptrWrite: symDynptrWrite, ebpf.FnDynptrData: symDynptrData,
		ebpf.FnMapPushElem: symPush, ebpf.FnMapPopElem: symPop, ebpf.FnMapPeekElem: symPeek,
		ebpf.FnTimerInit: symTimerInit, ebpf.FnTimerSetCallback: symTimerSetCallback, ebpf.FnTimerStart: symTimerStart, ebpf.FnTimerCancel: symTimerCancel,
		ebpf.FnProbeRead: symProbeRead, ebpf.FnProbeReadKernel: symProbeRead, ebpf.FnProbeReadKernelStr: symProbeReadStr,
		ebpf.FnProbeReadUser: symProbeReadUser, ebpf.FnProbeReadUserStr: symProbeReadUser,
	}
	answers := map[ebpf.Latch]func(x *exec, c *call) bv.Term{
		ebpf.LatchTime: symClock(InTime), ebpf.LatchCoarse: symClock(InCoarse), ebpf.LatchJiffies: symClock(InJiffies),
		ebpf.LatchCPU: symCPU, ebpf.LatchTask: symTask, ebpf.LatchNuma: symNuma, ebpf.LatchRandom: symRandom,
	}
	rows := ebpf.Helpers()
	for i := range rows {
		if f := answers[rows[i].Answer()]; f != nil && vm.Supported(rows[i].ID) {
			symHelpers[rows[i].ID] = f
		}
	}
}

// Modelled says whether a trace may call the helper.
func Modelled(id int32) bool {
	return symHelpers[id] != nil || id == ebpf.FnTailCall || id == ebpf.FnLoop || id == ebpf.FnForEachMapElem
}

// helper executes a recorded helper call.
func (x *exec) helper(in ebpf.Insn) {
	st := x.step
	rc := &x.rec.Calls[st.Addr]
	x.held = x.held && holdable(x.s, rc)
	switch rc.Helper {
	case ebpf.FnTailCall:
		x.tailCall(rc)
		return
	case ebpf.FnLoop:
		x.loopCall(rc)
		return
	case ebpf.FnForEachMapElem:
		x.forEach(rc)
		return
	}
	f := symHelpers[rc.Helper]
	if f == nil {
		name := ebpf.HelperName(rc.Helper)
		x.abort(trace.ReasonHelper, named("helper", name, ebpf.HelperByID(rc.Helper)))
	}
	c := &call{in: in, rec: rc, m: -1}
	c.meta = trace.Meta{Prog: st.Prog, PC: st.PC, Map: -1}
	r0 := f(x, c)
	x.note(c)
	x.out.call(x, c, r0)
	x.r[0] = r0
	for i := 1; i <= 5; i++ {
		x.r[i] = x.unknown(64)
	}
}

func (x *exec) u64(v uint64) bv.Term { return x.b.Const(v, 64) }

func (x *exec) errno(e int64) bv.Term { return x.b.Const(uint64(-e), 64) }

// mapArg is the map that register r names: a constant, or an inner map whose
// identity the condition fixes.
func (x *exec) mapArg(c *call, r int) int {
	i, ok := vm.MapOf(c.rec.Args[r-1])
	if !ok || i >= len(x.s.Maps) {
		x.abort(trace.ReasonDynamicMap, "")
	}
	if x.b.Opaque(x.r[r]) {
		x.abort(trace.ReasonDynamicMap, x.s.Maps[i].Spec().Name)
	}
	x.fix(x.r[r], c.rec.Args[r-1], WhyHelper)
	c.m = i
	c.meta.Map = int32(i)
	return i
}

// reads notes that the call reads n bytes at register r, for liveness.
func (x *exec) reads(c *call, r, n int) {
	x.out.reads(x, c, c.rec.Args[r-1], n)
}

// constArg fixes an argument.
func (x *exec) constArg(c *call, r int) uint64 {
	x.fix(x.r[r], c.rec.Args[r-1], WhyHelper)
	return c.rec.Args[r-1]
}

// size32 fixes a size argument, of which helpers take the low 32 bits.
func (x *exec) size32(c *call, r int) int {
	v := uint64(uint32(c.rec.Args[r-1]))
	x.fix(x.b.Extract(x.r[r], 0, 32), v, WhyHelper)
	return int(v)
}

// mapKey is the key at r2 that a call comes to map i with.
func (x *exec) mapKey(i int, c *call) []bv.Term {
	key := x.chunks(x.r[2], c.rec.Args[1], int(x.s.Maps[i].Spec().KeySize))
	if x.c.Keys {
		x.path.Keys = append(x.path.Keys, MapKey{i, key})
	}
	return key
}

func symLookup(x *exec, c *call) bv.Term {
	i := x.mapArg(c, 1)
	m := x.s.Maps[i]
	spec := m.Spec()
	c.meta.Args = 2
	x.reads(c, 2, int(spec.KeySize))
	key := x.mapKey(i, c)
	if _, ok := m.(maps.OfMaps); ok {
		// Which inner map it is becomes part of the condition when it is used.
		c.meta.Result = true
		if len(x.mapState(i).events) > 0 || x.mapState(i).poisoned {
			x.abort(trace.ReasonDynamicMap, spec.Name)
		}
		return x.b.Fun(Fun(FunLookup, i), 64, bv.Fact{}, key...)
	}
	// An LRU map notes the use, so its look-ups are effects.
	c.meta.Result = !maps.Ordered(spec.Type)
	r0 := x.lookup(i, key, x.rec.Key(c.rec), c.rec.Ret)
	if c.rec.Ret != 0 && x.valueBase(r0) {
		x.found[r0] = c.rec.Ret
		x.keys[r0] = string(x.rec.Key(c.rec))
	}
	if x.c.follows() && isArray(spec.Type) && c.rec.Ret != 0 { // the number is within the array, and elements are always there
		x.came(r0, c.rec.Ret)
		x.f.Learn(x.b.Bin(bv.OpEq, r0, x.u64(0)), false)
	}
	return r0
}

func symUpdate(x *exec, c *call) bv.Term {
	i := x.mapArg(c, 1)
	spec := x.s.Maps[i].Spec()
	c.meta.Args = 4
	x.reads(c, 2, int(spec.KeySize))
	x.reads(c, 3, int(spec.ValueSize))
	x.noteWritten(i)
	flags := x.constArg(c, 4)
	key := x.mapKey(i, c)
	return x.mapUpdate(i, key, x.rec.Key(c.rec), c.rec.Entry, x.r[3], c.rec.Args[2], flags, int64(c.rec.Ret))
}

func symDelete(x *exec, c *call) bv.Term {
	i := x.mapArg(c, 1)
	spec := x.s.Maps[i].Spec()
	c.meta.Args = 2
	x.reads(c, 2, int(spec.KeySize))
	x.noteWritten(i)
	key := x.mapKey(i, c)
	return x.mapDelete(i, key, x.rec.Key(c.rec), int64(c.rec.Ret))
}

func symClock(in uint64) func(x *exec, c *call) bv.Term {
	return func(x *exec, c *call) bv.Term {
		c.meta.Result = true
		return x.input(in, 64, bv.Fact{})
	}
}

func symCPU(x *exec, c *call) bv.Term {
	c.meta.Result = true
	if x.s.Opt.CPUs <= 1 {
		return x.u64(0)
	}
	return x.input(InCPU, 64, bv.Fact{Max: uint64(x.s.Opt.CPUs) - 1})
}

// symTask: packets come while the CPU is idle, whose task has the numbers 0.
func symTask(x *exec, c *call) bv.Term {
	c.meta.Result = true
	return x.u64(0)
}

func symNuma(x *exec, c *call) bv.Term {
	c.meta.Result = true
	return x.u64(uint64(x.s.Opt.Numa))
}

func symRandom(x *exec, c *call) bv.Term {
	if x.draws >= MaxRand {
		x.abort(trace.ReasonTooLong, "random draws")
	}
	t := x.input(InRand+uint64(x.draws), 32, bv.Fact{})
	x.draws++ // the call stays in the trace: it moves the draw counter
	return x.b.ZExt(t, 64)
}

func symNothing(x *exec, c *call) bv.Term {
	c.meta.Args = 1
	return x.u64(0)
}

// symNoSocket: no socket is ever found (host/vm), so a trace needn't look.
func symNoSocket(x *exec, c *call) bv.Term {
	c.meta.Args = 5
	c.meta.Result = true
	return x.u64(0)
}

// symNumber is bpf_strtol(buf, len, flags, res) or bpf_strtoul: a function of the
// bytes.
func symNumber(signed bool) func(x *exec, c *call) bv.Term {
	return func(x *exec, c *call) bv.Term {
		c.meta.Args = 4
		n := x.constArg(c, 2)
		flags := x.constArg(c, 3)
		if n == 0 || n > MaxNumber {
			x.abort(trace.ReasonHelper, "a number of more than 64 characters, or of none")
		}
		x.reads(c, 1, int(n))
		args := append([]bv.Term{x.u64(flags)}, x.chunks(x.r[1], c.rec.Args[0], int(n))...)
		word := func(left bool) bv.Term {
			return x.b.Fun(Fun(FunNumber, Number(signed, left, int(n))), 64, bv.Fact{}, args...)
		}
		x.writeMem(x.r[4], c.rec.Args[3], 8, word(true))
		x.out.writes(x, c, c.rec.Args[3], 8)
		return word(false)
	}
}

func symRedirect(x *exec, c *call) bv.Term {
	c.meta.Args = 2
	b := x.b
	return b.Ite(b.Bin(bv.OpEq, x.r[2], x.u64(0)), x.u64(vm.XDPRedirect), x.u64(vm.XDPAborted))
}

func symRedirectMap(x *exec, c *call) bv.Term {
	const bcast = 8
	b := x.b
	i := x.mapArg(c, 1)
	c.meta.Args = 3
	allowed := uint64(3)
	if t := x.s.Maps[i].Spec().Type; t == cebpf.DevMap || t == cebpf.DevMapHash {
		allowed |= bcast | 16
	}
	flags := x.constArg(c, 3)
	switch {
	case flags&^allowed != 0:
		return x.u64(vm.XDPAborted)
	case flags&bcast != 0:
		return x.u64(vm.XDPRedirect)
	}
	there := b.Fun(Fun(FunPresent, i), 1, bv.Fact{}, b.Extract(x.r[2], 0, 32))
	return b.Ite(there, x.u64(vm.XDPRedirect), x.u64(flags&3))
}

// csumPartial is the term for vm.CsumPartial of bytes read at addr.
func (x *exec) csumPartial(addr bv.Term, concrete uint64, n int, sum bv.Term) bv.Term {
	b := x.b
	acc := b.ZExt(sum, 64)
	for i := 0; i < n; i += 4 {
		m := min(4, n-i)
		w := x.readMem(b.Bin(bv.OpAdd, addr, x.u64(uint64(i))), concrete+uint64(i), m)
		acc = b.Bin(bv.OpAdd, acc, b.ZExt(w, 64))
	}
	k32 := x.u64(32)
	acc = b.Bin(bv.OpAdd, b.Bin(bv.OpLShr, acc, k32), b.Bin(bv.OpAnd, acc, x.u64(0xffffffff)))
	return b.Extract(b.Bin(bv.OpAdd, b.Bin(bv.OpLShr, acc, k32), acc), 0, 32)
}

func symCsumDiff(x *exec, c *call) bv.Term {
	b := x.b
	c.meta.Args = 5
	c.meta.Result = true
	from, to := x.size32(c, 2), x.size32(c, 4)
	x.reads(c, 1, from)
	x.reads(c, 3, to)
	sum := b.Extract(x.r[5], 0, 32)
	zero := b.Const(0, 32)
	switch {
	case from > 0 && to > 0:
		p := x.csumPartial(x.r[3], c.rec.Args[2], to, sum)
		q := b.Not(x.csumPartial(x.r[1], c.rec.Args[0], from, zero))
		s := b.Bin(bv.OpAdd, b.ZExt(p, 64), b.ZExt(q, 64))
		sum = b.Extract(b.Bin(bv.OpAdd, b.Bin(bv.OpLShr, s, x.u64(32)), s), 0, 32)
	case to > 0:
		sum = x.csumPartial(x.r[3], c.rec.Args[2], to, sum)
	case from > 0:
		sum = b.Not(x.csumPartial(x.r[1], c.rec.Args[0], from, b.Not(sum)))
	}
	k16 := b.Const(16, 32)
	sum = b.Bin(bv.OpAdd, sum, b.Bin(bv.OpOr, b.Bin(bv.OpLShr, sum, k16), b.Bin(bv.OpShl, sum, k16)))
	return b.ZExt(b.Extract(sum, 16, 16), 64)
}

// delta fixes the offset argument of an adjust helper.
func (x *exec) delta(c *call) uint64 {
	d := uint64(int64(int32(c.rec.Args[1])))
	x.fix(x.b.Extract(x.r[2], 0, 32), uint64(uint32(d)), WhyHelper)
	c.meta.Args = 2
	return d
}

func symAdjustHead(x *exec, c *call) bv.Term {
	b := x.b
	d := x.delta(c)
	// data and data_meta are moved by constants only, so they are constants.
	data, _ := b.IsConst(x.data)
	from, _ := b.IsConst(x.meta)
	n := data - from
	to := b.Bin(bv.OpAdd, x.data, x.u64(d))
	low := b.Bin(bv.OpULt, to, x.u64(x.s.Buf+vm.FrameSize+n))
	high := b.Bin(bv.OpULt, b.Bin(bv.OpAdd, x.dataEnd, x.u64(^uint64(vm.MinPacket)+1)), to)
	bad := b.OrB(low, high)
	failed := int64(c.rec.Ret) != 0
	x.decide(bad, failed, WhyHelper)
	if failed {
		return x.errno(int64(maps.EINVAL))
	}
	vals := make([]bv.Term, n) // the metadata moves along
	for i := range vals {
		vals[i] = x.readMem(x.u64(from+uint64(i)), from+uint64(i), 1)
	}
	x.meta = b.Bin(bv.OpAdd, x.meta, x.u64(d))
	x.data = to
	for i, v := range vals {
		x.writeMem(x.u64(from+d+uint64(i)), from+d+uint64(i), 1, v)
	}
	return x.u64(0)
}

func symAdjustMeta(x *exec, c *call) bv.Term {
	b := x.b
	d := x.delta(c)
	to := b.Bin(bv.OpAdd, x.meta, x.u64(d))
	t, _ := b.IsConst(to)
	data, _ := b.IsConst(x.data)
	switch n := data - t; {
	case t < x.s.Buf+vm.FrameSize || t > data:
		return x.errno(int64(maps.EINVAL))
	case n%4 != 0 || n > 255:
		return x.errno(13)
	}
	x.meta = to
	return x.u64(0)
}

func symAdjustTail(x *exec, c *call) bv.Term {
	b := x.b
	d := x.delta(c)
	if x.length(); x.frags > 0 {
		x.abort(trace.ReasonFragments, "adjust_tail cuts or grows the last frag")
	}
	end := b.Bin(bv.OpAdd, x.dataEnd, x.u64(d))
	over := b.Bin(bv.OpULt, x.u64(x.s.Buf+vm.Headroom+vm.MaxLinear), end)
	under := b.Bin(bv.OpULt, end, b.Bin(bv.OpAdd, x.data, x.u64(vm.MinPacket)))
	failed := int64(c.rec.Ret) != 0
	x.decide(b.OrB(over, under), failed, WhyHelper)
	if failed {
		return x.errno(int64(maps.EINVAL))
	}
	if n := int64(d); n > 0 { // new bytes are zero
		if n > 4096 {
			x.abort(trace.ReasonTooLong, "adjust_tail")
		}
		end := x.endInRun()
		for i := uint64(0); i < d; i++ {
			base, off := x.split(b.Bin(bv.OpAdd, x.dataEnd, x.u64(i)))
			x.packet.stores = append(x.packet.stores, store{base: base, off: off, n: 1, val: b.Const(0, 8), concrete: end + i})
		}
	}
	x.dataEnd = end
	return x.u64(0)
}

// endInRun is data_end at this point of the recorded run.
func (x *exec) endInRun() uint64 {
	base, off := x.b.SplitAdd(x.dataEnd)
	if base == 0 {
		return off
	}
	return uint64(x.c.inputLen) + off
}

func symFib(x *exec, c *call) bv.Term {
	b := x.b
	c.meta.Args = 4
	n := x.size32(c, 3)
	flags := uint64(uint32(x.constArg(c, 4)))
	x.reads(c, 2, n)
	if n < 64 {
		return x.errno(int64(maps.EINVAL))
	}
	args := x.chunks(x.r[2], c.rec.Args[1], 64)
	args = append(args, x.u64(flags))
	for i := 0; i < 8; i++ {
		v := b.Fun(Fun(FunFib, i+1), 64, bv.Fact{}, args...)
		at := uint64(8 * i)
		x.writeMem(b.Bin(bv.OpAdd, x.r[2], x.u64(at)), c.rec.Args[1]+at, 8, v)
	}
	return b.Fun(Fun(FunFib, 0), 64, bv.Fact{}, args...)
}

func symBuffLen(x *exec, c *call) bv.Term {
	c.meta.Args = 1
	c.meta.Result = true
	return x.length()
}

// fragBytes are the bytes of the packet beyond its linear part.
func (x *exec) fragBytes() bv.Term {
	return x.input(InFrags, 64, bv.Fact{Max: vm.MaxPacket - vm.MaxLinear})
}

// length is that of the whole packet now. Where the program may get packets with
// frags, whether this one has any becomes part of the condition.
func (x *exec) length() bv.Term {
	b := x.b
	n := b.Bin(bv.OpSub, x.dataEnd, x.data)
	if !x.takesFrags {
		return n
	}
	more := x.fragBytes()
	x.decide(b.Bin(bv.OpEq, more, x.u64(0)), x.frags == 0, WhyHelper)
	if x.frags > 0 {
		n = b.Bin(bv.OpAdd, n, more)
	}
	return n
}

// packetSpan is the address and size of the bytes that xdp_load_bytes and
// xdp_store_bytes name.
func (x *exec) packetSpan(c *call) (addr bv.Term, concrete uint64, n int, ok bool, res bv.Term) {
	b := x.b
	c.meta.Args = 4
	n = x.size32(c, 4)
	off := b.ZExt(b.Extract(x.r[2], 0, 32), 64)
	offC := uint64(uint32(c.rec.Args[1]))
	far := b.Bin(bv.OpULt, x.u64(0xffff), off)
	x.decide(far, offC > 0xffff, WhyHelper)
	if offC > 0xffff || n > 0xffff {
		return 0, 0, 0, false, x.errno(14)
	}
	length := x.length()
	out := b.Bin(bv.OpULt, length, b.Bin(bv.OpAdd, off, x.u64(uint64(n))))
	failed := int64(c.rec.Ret) != 0
	x.decide(out, failed, WhyHelper)
	if failed {
		return 0, 0, 0, false, x.errno(int64(maps.EINVAL))
	}
	data, _ := b.IsConst(x.data)
	return b.Bin(bv.OpAdd, x.data, off), data + offC, n, true, x.u64(0)
}

func symLoadBytes(x *exec, c *call) bv.Term {
	addr, concrete, n, ok, res := x.packetSpan(c)
	if ok {
		x.copyMem(x.r[3], c.rec.Args[2], addr, concrete, n)
		x.out.writes(x, c, c.rec.Args[2], n)
	}
	return res
}

func symStoreBytes(x *exec, c *call) bv.Term {
	addr, concrete, n, ok, res := x.packetSpan(c)
	x.reads(c, 3, n)
	if ok {
		x.copyMem(addr, concrete, x.r[3], c.rec.Args[2], n)
	} else {
		x.reads(c, 3, x.size32(c, 4))
	}
	return res
}

// symPerf is bpf_perf_event_output, whose outcome depends on whether an event is
// open where flags say, and whether that is this CPU's. A ring that user space
// doesn't empty in time isn't modelled, here or in the VM. Nothing becomes part of
// the condition until the path branches on the outcome.
func symPerf(x *exec, c *call) bv.Term {
	const index, packetShift, packetBits = 0xffffffff, 32, 20
	b := x.b
	c.meta.Args = 5
	x.reads(c, 4, x.size32(c, 5))
	i := x.mapArg(c, 2)
	flags := x.r[3]
	cpu := b.Extract(symCPU(x, &call{}), 0, 32)
	at := b.Extract(flags, 0, 32) // or BPF_F_CURRENT_CPU
	at = b.Ite(b.Bin(bv.OpEq, at, b.Const(index, 32)), cpu, at)
	closed := b.Bin(bv.OpEq, b.Fun(Fun(FunLookup, i), 64, bv.Fact{}, at), x.u64(0))
	beyond := b.Bin(bv.OpULe, b.Const(uint64(x.s.Maps[i].Spec().Max), 32), at)
	res := b.Ite(b.Bin(bv.OpEq, at, cpu), x.u64(0), x.errno(int64(maps.EOPNOTSUPP)))
	res = b.Ite(beyond, x.errno(int64(maps.E2BIG)), b.Ite(closed, x.errno(int64(maps.ENOENT)), res))
	if n := b.Extract(flags, packetShift, packetBits); n != b.Const(0, packetBits) {
		res = b.Ite(b.Bin(bv.OpULt, x.length(), b.ZExt(n, 64)), x.errno(int64(eFault)), res)
	}
	known := b.Extract(flags, packetShift+packetBits, 64-packetShift-packetBits)
	return b.Ite(b.Bin(bv.OpEq, known, b.Const(0, 64-packetShift-packetBits)), res, x.errno(int64(maps.EINVAL)))
}

// eFault is EFAULT.
const eFault = maps.Errno(14)

// dataInRun is data at this point of the recorded run: moved by constants only.
func (x *exec) dataInRun() uint64 {
	data, _ := x.b.IsConst(x.data)
	return data
}

// symCheckMTU is bpf_xdp_check_mtu(ctx, ifindex, mtu_len, len_diff, flags): MTUs
// are fixed for a run, so the interface becomes part of the condition.
func symCheckMTU(x *exec, c *call) bv.Term {
	b := x.b
	c.meta.Args = 5
	x.reads(c, 3, 4)
	if x.constArg(c, 5) != 0 {
		return x.errno(int64(maps.EINVAL))
	}
	index := uint32(x.size32(c, 2))
	if index == 0 {
		index = x.s.If
		x.fix(x.input(InIfindex, 32, bv.Fact{}), uint64(index), WhyHelper)
	}
	mtu, ok := x.s.Opt.FIB.MTU(index)
	if !ok {
		return x.errno(int64(maps.ENODEV))
	}
	const hardHeader = 14
	l3 := x.readMem(x.r[3], c.rec.Args[2], 4)
	linear := b.Extract(b.Bin(bv.OpSub, x.dataEnd, x.data), 0, 32)
	given := b.Bin(bv.OpAdd, l3, b.Const(hardHeader, 32))
	n := b.Ite(b.Bin(bv.OpEq, l3, b.Const(0, 32)), linear, given)
	n = b.Bin(bv.OpAdd, n, b.Extract(x.r[4], 0, 32))
	x.writeMem(x.r[3], c.rec.Args[2], 4, b.Const(uint64(mtu), 32))
	x.out.writes(x, c, c.rec.Args[2], 4)
	return b.ZExt(b.Bin(bv.OpSLt, b.Const(uint64(mtu)+hardHeader, 32), n), 64)
}

// tailCall executes bpf_tail_call: its target is part of the condition.
func (x *exec) tailCall(rc *vm.Call) {
	b := x.b
	c := &call{rec: rc}
	i := x.mapArg(c, 2)
	if len(x.frames) > 1 {
		x.abort(trace.ReasonUnencodable, "tail call from a subprogram")
	}
	idx := x.fix(b.Extract(x.r[3], 0, 32), uint64(uint32(rc.Args[2])), WhyTailCall)
	target := b.Fun(Fun(FunLookup, i), 64, bv.Fact{}, b.ZExt(idx, 32))
	if x.step.Val == 1 {
		x.decide(b.Bin(bv.OpEq, target, x.u64(rc.Ret+1)), true, WhyTailCall)
		// The verifier holds r1 to be the context at the call, so it still is.
		x.r[1] = b.Const(x.s.CtxPtr(), 64)
		x.out.context(x, 1, 0)
		x.r[10] = b.Const(x.s.FrameTop(0), 64)
		x.tails++
		x.clearFrame()
		return
	}
	if x.tails < vm.MaxTailCalls {
		x.decide(b.Bin(bv.OpEq, target, x.u64(0)), true, WhyTailCall)
	}
	x.r[0] = x.unknown(64)
	for i := 1; i <= 5; i++ {
		x.r[i] = x.unknown(64)
	}
}

// loopCall executes bpf_loop: the count is part of the condition, the calls of
// the callback follow as steps of their own.
func (x *exec) loopCall(rc *vm.Call) {
	c := &call{rec: rc}
	n := x.size32(c, 1)
	x.constArg(c, 2)
	flags := x.constArg(c, 4)
	if flags != 0 || n > vm.MaxLoops || n == 0 {
		x.r[0] = x.u64(rc.Ret)
		x.out.constant(x, 0, rc.Ret)
		return
	}
	ctx := x.r[3]
	x.out.loop(x, len(x.frames)-1)
	x.enter(true, ctx, uint64(n))
	x.callback(&x.frames[len(x.frames)-1])
}

// symStrncmp is bpf_strncmp(s1, s1_sz, s2): s2 is a constant string, of which the
// verifier sees to the end.
func symStrncmp(x *exec, c *call) bv.Term {
	b := x.b
	c.meta.Args = 3
	c.meta.Result = true
	n := x.size32(c, 2)
	x.reads(c, 1, n)
	byteAt := func(r, i int) bv.Term {
		return x.readMem(x.b.Bin(bv.OpAdd, x.r[r], x.u64(uint64(i))), c.rec.Args[r-1]+uint64(i), 1)
	}
	var end []bv.Term // the part of s2 that counts
	for len(end) < n {
		q := byteAt(3, len(end))
		k, ok := b.IsConst(q)
		if !ok || len(end) == maxStrncmp {
			return x.unknown(64)
		}
		if end = append(end, q); k == 0 {
			break
		}
	}
	res := x.u64(0)
	for i := len(end) - 1; i >= 0; i-- {
		p, q := byteAt(1, i), end[i]
		differ := b.Ite(b.Bin(bv.OpULt, p, q), x.errno(1), x.u64(1))
		res = b.Ite(b.Bin(bv.OpEq, p, q), b.Ite(b.Bin(bv.OpEq, p, b.Const(0, 8)), x.u64(0), res), differ)
	}
	return res
}

// maxStrncmp is how many bytes of a comparison become a term.
const maxStrncmp = 64
