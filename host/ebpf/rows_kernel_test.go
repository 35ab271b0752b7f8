package ebpf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/needbpf"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

func needKernel(t testing.TB) {
	t.Helper()
	needbpf.Skip(t)
}

// release is the running kernel's version, as 6<<8 | 18.
func release(t testing.TB) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	return version(string(raw))
}

func version(s string) int {
	var major, minor int
	fmt.Sscanf(s, "%d.%d", &major, &minor)
	return major<<8 | minor
}

// proto is the head of struct bpf_func_proto (include/linux/bpf.h).
type proto struct {
	gpl   bool
	ret   uint32
	args  [5]uint32
	sizes [5]uint64
}

// protos reads the kernel's descriptions of its helpers from its read-only
// data: structures that begin with the address of a helper's function. There
// may be several of a function.
func protos(t *testing.T) map[string][]proto {
	t.Helper()
	symbols := map[uint64]string{}
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	defer f.Close()
	var end uint64
	for sc := bufio.NewScanner(f); sc.Scan(); {
		w := strings.Fields(sc.Text())
		at, _ := strconv.ParseUint(w[0], 16, 64)
		if w[2] == "_etext" {
			end = at
		}
		if at != 0 && len(w) == 3 && strings.HasPrefix(w[2], "bpf_") {
			symbols[at] = w[2]
		}
	}
	if end == 0 || len(symbols) == 0 {
		t.Skip("skipped: /proc/kallsyms shows no addresses")
	}
	const chunk, most = 1 << 16, 40 << 20
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 16 + chunk, MaxEntries: 1})
	must.OK(t, err)
	defer m.Close()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.LoadMapValue(asm.R6, m.FD(), 0),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, 16),
		asm.Mov.Imm(asm.R2, chunk),
		asm.LoadMem(asm.R3, asm.R6, 0, asm.DWord),
		asm.FnProbeReadKernel.Call(),
		asm.StoreMem(asm.R6, 8, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 2),
		asm.Return(),
	}})
	if err != nil {
		t.Skipf("skipped: the kernel's memory can't be read: %v", err)
	}
	defer p.Close()
	out := map[string][]proto{}
	var tail []byte // of the chunk before: a structure may lie across
	value := make([]byte, 16+chunk)
	for at := (end + 0x1fffff) &^ 0x1fffff; at < end+most; at += chunk {
		binary.LittleEndian.PutUint64(value, at)
		must.OK(t, m.Put(uint32(0), value))
		must.Get(p.Run(&ebpf.RunOptions{Data: make([]byte, 64)}))(t)
		got := must.Get(m.LookupBytes(uint32(0)))(t)
		if binary.LittleEndian.Uint64(got[8:]) != 0 {
			tail = nil
			continue
		}
		mem := append(tail, got[16:]...)
		for len(mem) >= 80 {
			if name := symbols[binary.LittleEndian.Uint64(mem)]; name != "" {
				if q, ok := parseProto(mem); ok {
					out[name] = append(out[name], q)
				}
			}
			mem = mem[8:]
		}
		tail = slices.Clone(mem)
	}
	return out
}

func parseProto(b []byte) (p proto, ok bool) {
	u32 := binary.LittleEndian.Uint32
	for _, flag := range b[8:12] {
		if flag > 1 {
			return p, false
		}
	}
	p.gpl, p.ret = b[8] == 1, u32(b[12:])
	for i := range p.args {
		p.args[i] = u32(b[16+4*i:])
		p.sizes[i] = binary.LittleEndian.Uint64(b[40+8*i:])
		if p.args[i] >= 1<<28 {
			return p, false
		}
	}
	return p, p.ret < 1<<28
}

// words turns enumerators of the kernel's BTF into their numbers.
func words(t *testing.T, enum string) map[string]uint32 {
	t.Helper()
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	var e *btf.Enum
	if err := spec.TypeByName(enum, &e); err != nil {
		t.Skipf("skipped: %v", err)
	}
	out := map[string]uint32{}
	for _, v := range e.Values {
		out[v.Name] = uint32(v.Value)
	}
	return out
}

// functions are the kernel's names of helpers' functions where they aren't
// bpf_ and the helper's.
var functions = map[int32]string{
	FnProbeRead: "bpf_probe_read_compat", FnProbeReadStr: "bpf_probe_read_compat_str",
	FnPerfEventOutput: "bpf_xdp_event_output", FnRedirect: "bpf_xdp_redirect", FnRedirectMap: "bpf_xdp_redirect_map",
	FnFibLookup: "bpf_xdp_fib_lookup", FnSkLookupTcp: "bpf_xdp_sk_lookup_tcp", FnSkLookupUdp: "bpf_xdp_sk_lookup_udp",
	FnSkcLookupTcp: "bpf_xdp_skc_lookup_tcp", FnCheckMtu: "bpf_xdp_check_mtu", FnSetsockopt: "bpf_sk_setsockopt",
	FnGetsockopt: "bpf_sk_getsockopt", FnLwtPushEncap: "bpf_lwt_in_push_encap", FnLoadHdrOpt: "bpf_sock_ops_load_hdr_opt",
	FnStoreHdrOpt: "bpf_sock_ops_store_hdr_opt", FnReserveHdrOpt: "bpf_sock_ops_reserve_hdr_opt",
	FnSkbOutput: "bpf_skb_event_output", FnXdpOutput: "bpf_xdp_event_output", FnSeqPrintfBtf: "bpf_seq_printf_btf",
	FnGetFuncIp: "bpf_get_func_ip_kprobe", FnGetPrandomU32: "bpf_user_rnd_u32",
}

// TestRowsPrototypes compares argument kinds, results and licences with the
// running kernel's own descriptions of its helpers.
func TestRowsPrototypes(t *testing.T) {
	needKernel(t)
	if r := release(t); r < version("6.13") {
		t.Skipf("skipped: kernel %d.%d writes its descriptions otherwise", r>>8, r&0xff)
	}
	arg, flag, ret := words(t, "bpf_arg_type"), words(t, "bpf_type_flag"), words(t, "bpf_return_type")
	kinds := map[uint32]Kind{
		0: NoArg, arg["ARG_CONST_MAP_PTR"]: ConstMap, arg["ARG_PTR_TO_MAP_KEY"]: MapKey, arg["ARG_PTR_TO_MAP_VALUE"]: MapValue,
		arg["ARG_PTR_TO_MEM"]: Mem, arg["ARG_CONST_SIZE"]: MemSize, arg["ARG_CONST_SIZE_OR_ZERO"]: MemSizeZero,
		arg["ARG_PTR_TO_CTX"]: Context, arg["ARG_ANYTHING"]: Scalar, arg["ARG_PTR_TO_SPIN_LOCK"]: SpinLock,
		arg["ARG_PTR_TO_SOCK_COMMON"]: Socket, arg["ARG_PTR_TO_SOCKET"]: Socket, arg["ARG_PTR_TO_BTF_ID_SOCK_COMMON"]: Socket,
		arg["ARG_PTR_TO_BTF_ID"]: Object, arg["ARG_PTR_TO_RINGBUF_MEM"]: Record, arg["ARG_CONST_ALLOC_SIZE_OR_ZERO"]: ConstSize,
		arg["ARG_PTR_TO_PERCPU_BTF_ID"]: PerCPU, arg["ARG_PTR_TO_FUNC"]: Callback, arg["ARG_PTR_TO_STACK"]: CallbackCtx,
		arg["ARG_PTR_TO_CONST_STR"]: Text, arg["ARG_PTR_TO_TIMER"]: Timer, arg["ARG_KPTR_XCHG_DEST"]: KernelPtr,
		arg["ARG_PTR_TO_DYNPTR"]: Dynptr,
	}
	results := map[uint32]Ret{
		ret["RET_INTEGER"]: RetScalar, ret["RET_VOID"]: RetNothing, ret["RET_PTR_TO_MAP_VALUE"]: RetMapValue,
		ret["RET_PTR_TO_SOCKET"]: RetSocket, ret["RET_PTR_TO_TCP_SOCK"]: RetSocket, ret["RET_PTR_TO_SOCK_COMMON"]: RetSocket,
		ret["RET_PTR_TO_MEM"]: RetMem, ret["RET_PTR_TO_MEM_OR_BTF_ID"]: RetMem, ret["RET_PTR_TO_BTF_ID"]: RetObject,
	}
	all := protos(t)
	held := 0
	for i := range helpers {
		h := &helpers[i]
		name := functions[h.ID]
		if name == "" {
			name = "bpf_" + h.Name
		}
		found := all[name]
		if found == nil {
			continue // built into the verifier, or not in this kernel
		}
		var why string
		if !slices.ContainsFunc(found, func(p proto) bool {
			why = differs(h, p, kinds, results, flag)
			return why == ""
		}) {
			t.Errorf("helper %d (%s): %s: kernel has %+v", h.ID, h.Name, why, found)
		}
		held++
	}
	if held < 150 {
		t.Errorf("only %d rows found in the kernel", held)
	}
	t.Logf("%d of %d rows compared", held, len(helpers))
}

// differs says in which way a row isn't what the kernel says.
func differs(h *Helper, p proto, kinds map[uint32]Kind, results map[uint32]Ret, flag map[string]uint32) string {
	if h.GPL != p.gpl {
		return "licence"
	}
	if results[p.ret&0xff] != h.Ret {
		return "result"
	}
	if null := p.ret&flag["PTR_MAYBE_NULL"] != 0; null != (h.Fails == FailsNull) && h.Ret != RetScalar && h.ID != FnKptrXchg {
		return "NULL as a result"
	}
	for i, a := range h.Args {
		k := p.args[i]
		has := func(name string) bool { return k&flag[name] != 0 }
		kind := kinds[k&0xff]
		if a.Kind == Variadic {
			a.Kind = NoArg
		}
		writes := has("MEM_WRITE")
		switch {
		case a.Kind != kind:
			return fmt.Sprintf("argument %d is %d, the kernel's %d", i+1, a.Kind, kind)
		case a.Null != has("PTR_MAYBE_NULL"):
			return fmt.Sprintf("argument %d: NULL", i+1)
		case a.Ends != has("OBJ_RELEASE") && kind != NoArg && !(kind == Object && h.ID == FnKptrXchg):
			return fmt.Sprintf("argument %d: given back", i+1)
		case kind == Mem && has("MEM_FIXED_SIZE") && uint64(a.Size) != p.sizes[i], kind == Mem && !has("MEM_FIXED_SIZE") && a.Size != 0:
			return fmt.Sprintf("argument %d: of %d bytes, the kernel's %d", i+1, a.Size, p.sizes[i])
		case (kind == Mem || kind == MapValue) && a.Writes != writes:
			return fmt.Sprintf("argument %d: written", i+1)
		case (kind == Mem || kind == MapValue) && a.Reads == (writes && has("MEM_UNINIT")):
			return fmt.Sprintf("argument %d: read", i+1)
		case kind == Dynptr && has("MEM_UNINIT") == a.Reads:
			return fmt.Sprintf("argument %d: a fresh dynptr", i+1)
		}
	}
	return ""
}

// loadable are program types that load with nothing attached.
var loadable = []ebpf.ProgramSpec{
	{Type: ebpf.SocketFilter}, {Type: ebpf.Kprobe}, {Type: ebpf.SchedCLS}, {Type: ebpf.SchedACT}, {Type: ebpf.TracePoint},
	{Type: ebpf.XDP}, {Type: ebpf.PerfEvent}, {Type: ebpf.CGroupSKB},
	{Type: ebpf.CGroupSock, AttachType: ebpf.AttachCGroupInetSockCreate}, {Type: ebpf.LWTIn}, {Type: ebpf.LWTOut}, {Type: ebpf.LWTXmit},
	{Type: ebpf.SockOps}, {Type: ebpf.SkSKB}, {Type: ebpf.CGroupDevice}, {Type: ebpf.SkMsg}, {Type: ebpf.RawTracepoint},
	{Type: ebpf.CGroupSockAddr, AttachType: ebpf.AttachCGroupInet4Connect}, {Type: ebpf.LWTSeg6Local}, {Type: ebpf.SkReuseport},
	{Type: ebpf.FlowDissector}, {Type: ebpf.CGroupSysctl}, {Type: ebpf.CGroupSockopt, AttachType: ebpf.AttachCGroupGetsockopt},
	{Type: ebpf.SkLookup, AttachType: ebpf.AttachSkLookup}, {Type: ebpf.Syscall, Flags: 1 << 4}, {Type: ebpf.Netfilter, AttachType: ebpf.AttachNetfilter},
}

// TestRowsPrograms asks the verifier which kinds of programs may call a
// helper.
func TestRowsPrograms(t *testing.T) {
	needKernel(t)
	now := release(t)
	mov := func(r asm.Register) asm.Instruction { return asm.Mov.Imm(r, 0) }
	asked := 0
	for i := range helpers {
		h := &helpers[i]
		if now < version(h.Since) {
			t.Logf("skipped: helper %d (%s) is of kernel %s", h.ID, h.Name, h.Since)
			continue
		}
		for _, spec := range loadable {
			spec.License = "GPL"
			spec.Instructions = asm.Instructions{mov(asm.R1), mov(asm.R2), mov(asm.R3), mov(asm.R4), mov(asm.R5),
				asm.BuiltinFunc(h.ID).Call(), mov(asm.R0), asm.Return()}
			p, err := ebpf.NewProgram(&spec)
			if err == nil {
				p.Close()
			}
			var v *ebpf.VerifierError
			if err != nil && !errors.As(err, &v) {
				t.Fatalf("%v: %v", spec.Type, err)
			}
			may := err == nil || !strings.Contains(fmt.Sprintf("%+v", v), "program of this type cannot use helper")
			if may != h.Progs.Has(spec.Type) {
				t.Errorf("helper %d (%s) in %v: the kernel says %v: %+v", h.ID, h.Name, spec.Type, may, v)
			}
			asked++
		}
	}
	t.Logf("%d questions", asked)
}

// TestRowsNumbers: a row stands at its number.
func TestRowsNumbers(t *testing.T) {
	for i, h := range helpers {
		if int(h.ID) != i+1 || h.Name == "" || h.Since == "" {
			t.Errorf("row %d: %+v", i+1, h)
		}
		for k, a := range h.Args {
			size := a.Kind == MemSize || a.Kind == MemSizeZero
			if size && (k == 0 || h.SizeArg(uint8(k)) != uint8(k+1)) {
				t.Errorf("helper %d (%s): argument %d is a size of nothing", h.ID, h.Name, k+1)
			}
			if a.Kind == Mem && a.Size == 0 && (k == 4 || h.Args[k+1].Kind != MemSize && h.Args[k+1].Kind != MemSizeZero && h.Args[k+1].Kind != ConstSize) {
				t.Errorf("helper %d (%s): argument %d is memory without a size", h.ID, h.Name, k+1)
			}
			if a.Writes && (a.Done == NotWritten || a.Failed == NotWritten) && a.Kind != CallbackCtx {
				t.Errorf("helper %d (%s): nobody says what a call leaves in argument %d", h.ID, h.Name, k+1)
			}
		}
	}
	if !slices.IsSortedFunc(kfuncs, func(a, b Helper) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("kernel functions are not in alphabetical order")
	}
	if FnCgrpStorageDelete != 211 || FnMapLookupElem != 1 || FnXdpLoadBytes != 189 || HelperByID(FnLoop).Name != "loop" {
		t.Error("constants and rows are apart")
	}
}

// TestRowsKfuncs compares the number of arguments and the result with the
// running kernel's BTF.
func TestRowsKfuncs(t *testing.T) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	now := release(t)
	held := 0
	for i := range kfuncs {
		k := &kfuncs[i]
		var f *btf.Func
		if err := spec.TypeByName(k.Name, &f); err != nil {
			t.Logf("skipped: kernel function %s (of kernel %s) isn't in this kernel of %d.%d", k.Name, k.Since, now>>8, now&0xff)
			continue
		}
		p := f.Type.(*btf.FuncProto)
		if len(p.Params) != k.NumArgs() && !(len(p.Params) == k.NumArgs()+1 && strings.HasSuffix(p.Params[k.NumArgs()].Name, "__prog")) {
			t.Errorf("%s takes %d arguments, the row says %d", k.Name, len(p.Params), k.NumArgs())
		}
		if _, void := p.Return.(*btf.Void); void != (k.Ret == RetNothing) {
			t.Errorf("%s: result", k.Name)
		}
		if size, err := btf.Sizeof(p.Return); k.Ret == RetScalar && (err != nil || size*8 != int(k.Bits) && !(size == 8 && k.Bits == 0)) {
			t.Errorf("%s: a result of %d bytes, the row says %d bits", k.Name, size, k.Bits)
		}
		held++
	}
	t.Logf("%d of %d kernel functions compared", held, len(kfuncs))
}

// TestRowsMove asks the verifier after which helpers a packet pointer is no
// longer good: a program checks one, calls the helper, and reads through it.
func TestRowsMove(t *testing.T) {
	needKernel(t)
	now := release(t)
	asked, moved := 0, 0
	for _, on := range []struct {
		kind      ebpf.ProgramType
		data, end int16 // where the context has the packet's bounds
	}{{ebpf.SchedCLS, 76, 80}, {ebpf.XDP, XDPData, XDPDataEnd}} {
		for i := range helpers {
			h := &helpers[i]
			if !h.Progs.Has(on.kind) || now < version(h.Since) || h.Flow == TailCalls && now < version("6.13") {
				continue
			}
			code, ok := plainCall(h)
			if !ok {
				continue
			}
			insns := asm.Instructions{
				asm.Mov.Reg(asm.R6, asm.R1),
				asm.LoadMem(asm.R7, asm.R1, on.data, asm.Word),
				asm.LoadMem(asm.R8, asm.R1, on.end, asm.Word),
				asm.Mov.Reg(asm.R2, asm.R7),
				asm.Add.Imm(asm.R2, 14),
				asm.JGT.Reg(asm.R2, asm.R8, "exit"),
			}
			insns = append(insns, asm.Mov.Imm(asm.R1, 0))
			for off := int16(-64); off < 0; off += 8 {
				insns = append(insns, asm.StoreMem(asm.R10, off, asm.R1, asm.DWord))
			}
			insns = append(insns, code...)
			insns = append(insns, asm.BuiltinFunc(h.ID).Call(),
				asm.LoadMem(asm.R1, asm.R7, 0, asm.Byte),
				asm.Mov.Imm(asm.R0, 0).WithSymbol("exit"), asm.Return())
			p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: on.kind, License: "GPL", Instructions: insns})
			if err == nil {
				p.Close()
			}
			words := fmt.Sprintf("%+v", err)
			moves := err != nil && strings.Contains(words, "R7 invalid mem access")
			if err != nil && !moves {
				continue // refused for something else
			}
			if asked++; moves {
				moved++
			}
			if moves != h.Moves() {
				t.Errorf("helper %d (%s) in %v: packet pointers are lost: the kernel says %v, the row %v", h.ID, h.Name, on.kind, moves, h.Moves())
			}
		}
	}
	if asked < 60 || moved < 10 {
		t.Errorf("only %d asked, %d of them move the packet", asked, moved)
	}
	t.Logf("%d asked, %d of them move the packet", asked, moved)
}

// plainCall sets the arguments of a helper that takes numbers, the context and
// memory; ok is false for others.
func plainCall(h *Helper) (code asm.Instructions, ok bool) {
	for i, a := range h.Args {
		r := asm.R1 + asm.Register(i)
		switch a.Kind {
		case NoArg:
		case Scalar, Variadic:
			code = append(code, asm.Mov.Imm(r, 0))
		case MemSize, MemSizeZero:
			code = append(code, asm.Mov.Imm(r, 16))
		case Context:
			code = append(code, asm.Mov.Reg(r, asm.R6))
		case Mem:
			code = append(code, asm.Mov.Reg(r, asm.R10), asm.Add.Imm(r, -64))
		default:
			return nil, false
		}
	}
	return code, true
}
