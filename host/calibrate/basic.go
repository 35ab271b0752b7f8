package calibrate

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/kernel"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// floor times programs that do nothing: as XDP, where the call goes through
// the dispatcher (a direct call), and as a classifier, where it is an indirect
// one.
//
// Most other steps use classifiers: same JIT, same helpers, and no dispatcher,
// which BPF_PROG_TEST_RUN of XDP rebuilds at each call where the program isn't
// kept attached (see [kernel.Prog.Keep]).
func floor(b *bench) error {
	var jobs []job
	type what struct {
		name  string
		bytes int
		note  string
	}
	var whats []what
	add := func(name string, typ cilium.ProgramType, verdict int32, bytes int, note string) error {
		p, err := b.checked(name, typ, code{mov(0, verdict), exit()}, nil, uint32(verdict))
		jobs = append(jobs, job{prog: p, packet: make([]byte, bytes)})
		whats = append(whats, what{name, bytes, note})
		return err
	}
	for _, w := range []struct {
		name    string
		typ     cilium.ProgramType
		verdict int32
		bytes   int
		note    string
	}{
		{"xdp_drop", cilium.XDP, xdpDrop, 64, "XDP, return XDP_DROP: harness and direct call"},
		{"xdp_pass", cilium.XDP, xdpPass, 64, "XDP, return XDP_PASS"},
		{"xdp_drop", cilium.XDP, xdpDrop, 1500, "longer packets cost BPF_PROG_TEST_RUN nothing: it copies once a call, not once a run"},
		{"classifier", cilium.SchedCLS, 0, 64, "classifier, return 0: harness and indirect call"},
	} {
		if err := add(w.name, w.typ, w.verdict, w.bytes, w.note); err != nil {
			return err
		}
	}
	times, err := b.series(jobs...)
	if err != nil {
		return err
	}
	for i, w := range whats {
		f := difference(times[i], nil, 1).half()
		f.Group, f.Name, f.Bytes, f.Note = "floor", w.name, w.bytes, w.note
		b.note(f)
	}
	return nil
}

// insns times instructions of the JIT's code, a few hundred in a row. Those
// that wait for each other show the latency, the others the throughput.
func insns(b *bench) error {
	const n = 512
	ms, err := b.maps(array("values", 64))
	if err != nil {
		return err
	}
	// r6: the value; r1, r5: numbers that the verifier doesn't know.
	before := code(mapValue(6, 0))
	before.add(movx(7, 6), load(ebpf.SizeDW, 1, 6, 0), load(ebpf.SizeDW, 5, 6, 8), mov(0, 0), mov(2, 0), mov(3, 0), mov(4, 1),
		store(ebpf.SizeDW, 10, -8, 1))
	one := func(in ...ebpf.Insn) func(int) code { return func(int) code { return in } }
	ops := []operation{
		{name: "alu", n: n, body: one(alux(ebpf.ALUAdd, 1, 5)), note: "add, each waits for the one before: one cycle"},
		{name: "alu_free", n: n, body: func(i int) code { return code{alux(ebpf.ALUAdd, uint8(i%4), 5)} }, note: "adds on four registers in turn"},
		{name: "mul", n: n, body: one(alux(ebpf.ALUMul, 1, 5)), note: "multiply, waiting"},
		{name: "div", n: n / 4, body: one(alux(ebpf.ALUDiv, 1, 4)), note: "64-bit divide by a register, waiting, with the verifier's test for 0"},
		{name: "load", n: n, body: func(i int) code { return code{load(ebpf.SizeDW, uint8(i%4), 6, int16(8*(i%8)))} }, note: "from a map's value in L1, not waiting"},
		{name: "load_wait", n: n / 4, per: 1, body: one(load(ebpf.SizeDW, 1, 7, 0), alu(ebpf.ALUAnd, 1, 0x38), movx(7, 6), alux(ebpf.ALUAdd, 7, 1)),
			note: "of a pointer: load from L1, and, mov, add, each waiting"},
		{name: "store", n: n, body: func(i int) code { return code{store(ebpf.SizeDW, 6, int16(8*(i%8)), 5)} }, note: "to a map's value in L1"},
		{name: "forward", n: n / 2, body: one(store(ebpf.SizeDW, 10, -8, 1), load(ebpf.SizeDW, 1, 10, -8)), note: "store to the stack and load of it, each pair waiting for the one before"},
		{name: "jump", n: n, body: func(i int) code { return code{jump(ebpf.JmpEQ, 1, int32(i+1), 0)} }, note: "compare and jump, not taken"},
		{name: "jump_taken", n: n, body: func(i int) code { return code{jump(ebpf.JmpNE, 1, int32(i+1), 0)} }, note: "compare and jump, taken, to the next instruction"},
		{name: "wide", n: n, body: func(i int) code { return wide(uint8(i%4), 0, int32(i), 0x12345678) }, note: "64-bit constant"},
		{name: "mix", n: n / 4, per: 4, body: func(i int) code {
			return code{load(ebpf.SizeB, 1, 6, int16(i%64)), alu(ebpf.ALUAnd, 1, 0x3f), alux(ebpf.ALUAdd, 2, 1), jump(ebpf.JmpEQ, 1, 0x40+int32(i), 0)}
		}, note: "as parsers have it: load, and, add, compare and jump; a quarter of the four"},
	}
	return b.operations("insn", cilium.SchedCLS, ms, before, ops)
}

// packets times a program that reads every byte of the packet, eight at once,
// by length; bounds are checked once.
func packets(b *bench) error {
	before := code{load(ebpf.SizeW, 2, 1, ctxSkbData), load(ebpf.SizeW, 3, 1, ctxSkbDataEnd), mov(0, 0)}
	var jobs []job
	var sizes []int
	for _, size := range []int{0, 64, 128, 256, 512, 1024, 1500} {
		c := slices.Clone(before)
		if size > 0 {
			words := size / 8
			c.add(movx(4, 2), alu(ebpf.ALUAdd, 4, int32(size)), jumpx(ebpf.JmpGT, 4, 3, int16(2*words+size%8/4*2)))
			for i := range words {
				c.add(load(ebpf.SizeDW, 5, 2, int16(8*i)), alux(ebpf.ALUAdd, 0, 5))
			}
			if size%8 >= 4 {
				c.add(load(ebpf.SizeW, 5, 2, int16(8*words)), alux(ebpf.ALUAdd, 0, 5))
			}
		}
		// The sum of bytes that are 0 is 0; one more tells that the bounds held.
		packet := make([]byte, max(size, 64))
		if size > 0 {
			packet[size-1] = 1
		}
		c.add(exit())
		p, err := b.prog(fmt.Sprintf("touch_%d", size), cilium.SchedCLS, c, nil)
		if err != nil {
			return err
		}
		r, err := p.Run(packet, kernel.Context{})
		if err != nil {
			return err
		}
		if size > 0 && size%8 == 4 && r.Verdict != 1<<24 {
			return fmt.Errorf("program %q: returns %#x, want %#x: it doesn't read the packet", p.Name, r.Verdict, 1<<24)
		}
		jobs = append(jobs, job{prog: p, packet: packet})
		sizes = append(sizes, size)
	}
	times, err := b.series(jobs...)
	if err != nil {
		return err
	}
	for i, size := range sizes[1:] {
		f := difference(times[i+1], times[0], 1)
		f.Group, f.Name, f.Bytes, f.Note = "packet", "touch", size, "reads all bytes, 8 at once, and adds them up"
		b.note(f)
	}
	f := difference(times[len(times)-1], times[1], sizes[len(sizes)-1]-sizes[1])
	f.Group, f.Name, f.Note = "packet", "byte", "a byte more: from 64 to 1500 bytes"
	b.note(f)
	return nil
}

// calls times tail calls, calls within the program and helpers.
func calls(b *bench) error {
	if err := tails(b); err != nil {
		return err
	}
	if err := locals(b); err != nil {
		return err
	}
	const n = 128
	free := func(id int32, args ...ebpf.Insn) func(int) code {
		return func(int) code { return append(slices.Clone(args), helper(id)) }
	}
	before := code{movx(6, 1), storeImm(ebpf.SizeDW, 10, -8, 1), storeImm(ebpf.SizeDW, 10, -16, 2), storeImm(ebpf.SizeW, 10, -20, 3)}
	csum := []ebpf.Insn{mov(1, 0), mov(2, 0), movx(3, 10), alu(ebpf.ALUAdd, 3, -20), mov(4, 20), mov(5, 0)}
	return b.operations("helper", cilium.SchedCLS, nil, before, []operation{
		{name: "get_numa_node_id", n: n, body: free(ebpf.FnGetNumaNodeId), note: "hardly more than the call"},
		{name: "get_smp_processor_id", n: n, body: free(ebpf.FnGetSmpProcessorId), note: "inlined by the verifier since Linux 6.10"},
		{name: "get_prandom_u32", n: n, body: free(ebpf.FnGetPrandomU32)},
		{name: "ktime_get_ns", n: n, body: free(ebpf.FnKtimeGetNs)},
		{name: "ktime_get_coarse_ns", n: n, body: free(ebpf.FnKtimeGetCoarseNs)},
		{name: "jiffies64", n: n, body: free(ebpf.FnJiffies64), note: "inlined by the verifier"},
		{name: "csum_diff", n: n, body: free(ebpf.FnCsumDiff, csum...), note: "of 20 bytes, arguments included"},
	})
}

// tails times chains of tail calls: with an index the verifier knows, which
// the JIT turns into a jump, and with one it doesn't.
func tails(b *bench) error {
	const n = 32 // at most 33: MAX_TAIL_CALL_CNT
	for _, direct := range []bool{true, false} {
		var jobs []job
		for _, length := range []int{1, n} {
			ms, err := b.maps(array("values", 8), &maps.Spec{Name: "progs", Type: cilium.ProgramArray, KeySize: 4, ValueSize: 4, Max: n})
			if err != nil {
				return err
			}
			var entry *kernel.Prog
			for i := length; i >= 0; i-- {
				c := code{movx(6, 1)}
				if i == length {
					c.add(mov(0, xdpDrop), exit())
				} else {
					c.add(mapValue(7, 0)...)
					c.add(load(ebpf.SizeDW, 3, 7, 0), alu(ebpf.ALUAdd, 3, int32(i)))
					if direct {
						c[len(c)-1] = mov(3, int32(i))
					}
					c.add(movx(1, 6))
					c.add(mapFD(2, 1)...)
					c.add(helper(ebpf.FnTailCall), mov(0, 0), exit())
				}
				p, err := b.prog(fmt.Sprintf("tail_%d", i), cilium.SchedCLS, c, ms)
				if err != nil {
					return err
				}
				if i > 0 {
					if err := ms.Map(1).Update([]byte{byte(i - 1), 0, 0, 0}, []byte{byte(p.FD()), byte(p.FD() >> 8), 0, 0}, 0); err != nil {
						return err
					}
				}
				entry = p
			}
			if err := check(entry, b.packet, xdpDrop); err != nil {
				return err
			}
			jobs = append(jobs, job{prog: entry})
		}
		times, err := b.series(jobs...)
		if err != nil {
			return err
		}
		f := difference(times[1], times[0], n-1)
		f.Group, f.Name, f.Note = "call", "tail", fmt.Sprintf("chain of %d against one, index known: a jump", n)
		if !direct {
			f.Name, f.Note = "tail_indirect", fmt.Sprintf("chain of %d against one, index not known", n)
		}
		b.note(f)
	}
	return nil
}

// locals times calls of a function of the same program that returns at once.
func locals(b *bench) error {
	const n = 128
	var whole []classifier
	for _, calls := range []int{0, n} {
		var c code
		for i := range calls {
			c.add(local(int32(calls - i + 1))) // behind `return 1`
		}
		c.add(mov(0, xdpDrop), exit())
		if calls > 0 {
			c.add(mov(0, 0), exit())
		}
		whole = append(whole, classifier{fmt.Sprintf("call_%d", calls), c})
	}
	times, err := b.classifiers(nil, whole...)
	if err != nil {
		return err
	}
	f := difference(times[1], times[0], n)
	f.Group, f.Name, f.Note = "call", "local", "bpf-to-bpf: call, return 0, exit"
	b.note(f)
	return nil
}

// atomics times changes of a map's value that no other CPU touches, all of the
// same word.
func atomics(b *bench) error {
	const n = 128
	ms, err := b.maps(array("values", 64))
	if err != nil {
		return err
	}
	before := code(mapValue(6, 0))
	before.add(mov(0, 0), mov(1, 1), mov(2, 0))
	one := func(in ...ebpf.Insn) func(int) code { return func(int) code { return in } }
	return b.operations("atomic", cilium.SchedCLS, ms, before, []operation{
		{name: "add", n: n, body: one(atomic(ebpf.AtomicAdd, 6, 0, 1)), note: "lock add"},
		{name: "fetch_add", n: n, body: one(mov(1, 1), atomic(ebpf.AtomicAdd|ebpf.AtomicFetch, 6, 8, 1)), note: "lock xadd, with the mov of its operand"},
		{name: "xchg", n: n, body: one(atomic(ebpf.AtomicXchg, 6, 16, 1))},
		{name: "cmpxchg", n: n, body: one(atomic(ebpf.AtomicCmpXchg, 6, 24, 1))},
		{name: "load_add_store", n: n, body: one(load(ebpf.SizeDW, 2, 6, 32), alux(ebpf.ALUAdd, 2, 1), store(ebpf.SizeDW, 6, 32, 2)), note: "the same without an atomic: load, add, store"},
	})
}
