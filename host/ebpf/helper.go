package ebpf

import "strings"

// Helper is a row of the table of helpers, or of that of kernel functions
// ([Kfuncs]): what a function takes, gives back, reads and writes, when it
// succeeds and when it fails. Engines keep their own behaviour and take such
// facts from here.
//
// The rows stand for the kernel of this version and later ones: a test in
// host/kernel compares argument kinds, licence and program types with the
// running kernel's own tables, and host/vm's tests hold what the buffers, the
// packet and the maps are after calls that succeed and calls that fail.
type Helper struct {
	ID     int32    // number (uapi/linux/bpf.h); 0 of a kernel function
	Name   string   // the kernel's, a helper's without bpf_
	Args   [5]Arg   // of r1 to r5
	Ret    Ret      // what is in r0 after it
	Bits   uint8    // of r0 that a number fills: 32, the rest is zero; 8, the rest is anything; 0, all
	Fails  FailSign // how r0 tells a failure
	Flow   Flow     // where control goes
	Latch  Latch    // the input from outside that decides r0
	Reads  Things   // beside the memory that arguments point to
	Writes Things   // likewise, where it succeeds
	OnFail Things   // likewise, where it fails
	GPL    bool     // programs of other licences may not call it
	Progs  ProgSet  // program types that may call it
	Since  string   // the kernel version since which the row holds
	From   string   // Linux 6.1.192's file and line (of later functions the file) of effects that no test run can show; else ""
}

// Arg is one argument of a function.
type Arg struct {
	Kind Kind
	Null bool   // NULL is allowed
	Size uint32 // bytes of the memory pointed to; 0: what the next argument says, or the map's key or value
	// Reads and Writes say what happens to the memory pointed to. What is
	// written only need not be initialised before.
	Reads, Writes bool
	// Done and Failed are what memory that is written holds after a call that
	// succeeded, and after one that failed.
	Done, Failed Fill
	Ends         bool // the object is used up: a record submitted, a reference given back
	Asks         bool // of a bloom filter the value is only read
}

// Kind says what an argument is.
type Kind uint8

// The kinds of argument (enum bpf_arg_type, include/linux/bpf.h).
const (
	NoArg       Kind = iota
	Scalar           // any value
	Context          // the program's context
	ConstMap         // a map, named by a constant or found in a map of maps
	MapKey           // points to a key of the map
	MapValue         // points to a value of the map
	Mem              // points to memory of Size bytes, or as many as the next argument says
	MemSize          // bytes of the memory before, 1 at least
	MemSizeZero      // the same; may be 0
	ConstSize        // a size that the verifier must know
	Text             // a constant string, of a read-only map
	SpinLock         // a bpf_spin_lock in a map value
	Timer            // a bpf_timer in a map value
	Callback         // a function of the program
	CallbackCtx      // handed to the callback: stack memory
	Dynptr           // a dynptr on the stack
	Record           // a reserved record of a ring buffer
	Socket           // a socket found before
	Object           // an object of the kernel, by its BTF type
	PerCPU           // a variable of the kernel that each CPU has
	KernelPtr        // a field of a map value that holds an object
	Variadic         // a value, where the program set one
)

// Ret says what a function leaves in r0.
type Ret uint8

// The kinds of result (enum bpf_return_type).
const (
	RetScalar   Ret = iota // a number
	RetNothing             // nothing: r0 can't be read
	RetMapValue            // a value of the map, or an inner map; NULL: not there
	RetMem                 // memory; NULL where Fails is FailsNull
	RetSocket              // a socket; NULL: not there
	RetObject              // an object of the kernel
)

// FailSign says how r0 tells that a call failed.
type FailSign uint8

// The signs of failure.
const (
	NeverFails    FailSign = iota
	FailsNegative          // a negative errno
	FailsNull              // 0
	FailsAborted           // XDP_ABORTED (a classifier: TC_ACT_SHOT)
	FailsVerdict           // XDP_ABORTED, or the verdict in the flags
	FailsOn                // control goes on behind the call
)

// Flow says where control goes from a call.
type Flow uint8

// The ways of control.
const (
	Returns   Flow = iota
	CallsBack      // runs a function of the program any number of times, then returns
	TailCalls      // goes on in another program, unless it fails
)

// Latch names an input from outside: the same for all calls in one packet, or,
// of a draw, a function of how many were made before.
type Latch uint8

// The inputs.
const (
	NoLatch Latch = iota
	LatchTime
	LatchCoarse // the clock at the last tick
	LatchJiffies
	LatchRandom
	LatchCPU
	LatchNuma
	LatchTask // the running task: its number, name, cgroup
)

// Things is a set of what calls read and write beside the memory that their
// arguments point to.
type Things uint16

// The things.
const (
	Packet         Things = 1 << iota // all of its bytes
	Bounds                            // data, data_end, data_meta: who writes them makes packet pointers invalid
	MapKeys                           // which keys the map of the arguments has, and what a queue holds
	MapValues                         // the values of that map
	MapOrder                          // the order of use in an LRU map
	RedirectTarget                    // what XDP_REDIRECT will use
	Draws                             // the count of random draws
	Output                            // what goes out beside the packet: events, prints
	Rings                             // records of ring buffers
	Locks                             // spin locks, RCU, preemption, interrupts
	Timers                            // timers in map values
	Stack                             // the stack (behind a dynptr)
	AnyMemory                         // memory at an address given as a number
	World                             // what else the kernel holds: routes, sockets, devices
)

// Fill says what a call left in memory that it may write.
type Fill uint8

// The states of a buffer after a call.
const (
	NotWritten Fill = iota // the call writes nothing there
	Kept                   // as it was
	Filled                 // every byte is written
	Cleared                // every byte is zero
	Partly                 // some bytes are written, the rest is as it was
)

// HelperByID returns the row of a helper, or nil.
func HelperByID(id int32) *Helper {
	if id <= 0 || int(id) > len(helpers) {
		return nil
	}
	return &helpers[id-1]
}

// Helpers returns all rows, by number.
func Helpers() []Helper { return helpers[:] }

// Kfuncs returns the rows of the kernel functions that are known, by name.
func Kfuncs() []Helper { return kfuncs }

// KfuncByName returns the row of a kernel function, or nil.
func KfuncByName(name string) *Helper {
	for i := range kfuncs {
		if kfuncs[i].Name == name {
			return &kfuncs[i]
		}
	}
	return nil
}

// HelperName is the kernel's name of a helper, without its bpf_ prefix:
// map_lookup_elem for 1. A number that isn't known gives "helper".
func HelperName(id int32) string {
	if h := HelperByID(id); h != nil {
		return h.Name
	}
	if id == 0 {
		return "unspec" // as the kernel's list begins
	}
	return "helper"
}

// Answer is the input from outside that a call's result is, and nothing else;
// NoLatch where the result is another thing.
func (h *Helper) Answer() Latch {
	if h == nil || h.Ret != RetScalar || h.NumArgs() > 0 {
		return NoLatch
	}
	return h.Latch
}

// HelperNumber is the inverse of [HelperName]; a bpf_ in front is fine.
func HelperNumber(name string) (int32, bool) {
	n, ok := helperByName[strings.TrimPrefix(name, "bpf_")]
	return n, ok
}

var helperByName = func() map[string]int32 {
	m := make(map[string]int32, len(helpers))
	for i := range helpers {
		m[helpers[i].Name] = helpers[i].ID
	}
	return m
}()

// Called returns the row of the helper that an instruction calls, or nil:
// where it calls no helper, or one that isn't known.
func (i Insn) Called() *Helper {
	if i.Op != OpCall || i.Src != CallHelper {
		return nil
	}
	return HelperByID(i.Imm)
}

// NumArgs is how many arguments the function takes.
func (h *Helper) NumArgs() int {
	n := 0
	for i, a := range h.Args {
		if a.Kind != NoArg {
			n = i + 1
		}
	}
	return n
}

// ArgRegs are the registers that a call reads.
func (h *Helper) ArgRegs() Regs { return Regs(1)<<(h.NumArgs()+1) - 2 }

// MapArg is the register that names the map, or 0.
func (h *Helper) MapArg() uint8 {
	for i, a := range h.Args {
		if a.Kind == ConstMap {
			return uint8(i + 1)
		}
	}
	return 0
}

// SizeArg is the register that holds the size of the memory that register r
// points to, or 0 where its size is known otherwise or r points to none.
func (h *Helper) SizeArg(r uint8) uint8 {
	if r < 1 || r > 4 || h.Args[r-1].Kind != Mem || h.Args[r-1].Size != 0 {
		return 0
	}
	return r + 1
}

// Moves says whether packet pointers are invalid after a call, whether it
// succeeded or not (bpf_helper_changes_pkt_data, net/core/filter.c).
func (h *Helper) Moves() bool { return h.Writes&Bounds != 0 }

// LooksUp says whether a call gives the map's value of a key and changes none:
// all it may leave behind is an order of use.
func (h *Helper) LooksUp() bool {
	return h.Ret == RetMapValue && h.Args[1].Kind == MapKey && (h.Writes|h.OnFail)&^MapOrder == 0
}

// ChangesMap says whether a call may change keys or values of the map of its
// arguments.
func (h *Helper) ChangesMap() bool {
	return (h.Writes|h.OnFail)&(MapKeys|MapValues) != 0 && h.MapArg() != 0
}

// KeepsOnFailure says of memory that a call fills where it succeeds and leaves
// as it was where it fails, which a negative result tells: then what was there
// before matters on that path alone.
func (h *Helper) KeepsOnFailure(a Arg) bool {
	return a.Writes && !a.Reads && a.Done == Filled && a.Failed == Kept && h.Fails == FailsNegative && h.Ret == RetScalar
}

// The words of the table.
var (
	scalar      = Arg{Kind: Scalar}
	variadic    = Arg{Kind: Variadic}
	ctx         = Arg{Kind: Context}
	constMap    = Arg{Kind: ConstMap}
	mapKey      = Arg{Kind: MapKey, Reads: true}
	mapValue    = Arg{Kind: MapValue, Reads: true}
	valueOut    = Arg{Kind: MapValue, Writes: true}
	asked       = Arg{Kind: MapValue, Writes: true, Asks: true}
	mem         = Arg{Kind: Mem, Reads: true}
	out         = Arg{Kind: Mem, Writes: true}
	inout       = Arg{Kind: Mem, Reads: true, Writes: true}
	size        = Arg{Kind: MemSize}
	size0       = Arg{Kind: MemSizeZero}
	constSize   = Arg{Kind: ConstSize}
	text        = Arg{Kind: Text, Reads: true}
	spinLock    = Arg{Kind: SpinLock}
	timer       = Arg{Kind: Timer}
	callback    = Arg{Kind: Callback}
	callbackCtx = Arg{Kind: CallbackCtx, Reads: true, Writes: true}
	dynptr      = Arg{Kind: Dynptr, Size: DynptrSize, Reads: true}
	newDynptr   = Arg{Kind: Dynptr, Size: DynptrSize, Writes: true}
	changed     = Arg{Kind: Dynptr, Size: DynptrSize, Reads: true, Writes: true}
	endDynptr   = Arg{Kind: Dynptr, Size: DynptrSize, Reads: true, Writes: true, Done: Cleared, Failed: Cleared, Ends: true}
	record      = Arg{Kind: Record, Ends: true}
	socket      = Arg{Kind: Socket}
	object      = Arg{Kind: Object}
	perCPU      = Arg{Kind: PerCPU}
	kptr        = Arg{Kind: KernelPtr}
)

// DynptrSize is the bytes of a dynptr on the stack (struct bpf_dynptr).
const DynptrSize = 16

func (a Arg) of(n uint32) Arg { a.Size = n; return a }

func (a Arg) orNull() Arg { a.Null = true; return a }

// ends marks an argument that is used up.
func (a Arg) ends() Arg { a.Ends = true; return a }

// fills says what written memory holds after success and after failure.
func (a Arg) fills(done, failed Fill) Arg { a.Done, a.Failed = done, failed; return a }

// Needs says whether a call may leave any of the old bytes of the memory that
// the argument points to, or looks at them: then they matter before the call.
func (a Arg) Needs() bool {
	return a.Reads || a.Asks || a.Writes && (a.Done != Filled && a.Done != Cleared || a.Failed != Filled && a.Failed != Cleared)
}

// Bytes is how many bytes an argument points to, where the call is for a map with
// keys and values of so many; 0: the next argument says.
func (a Arg) Bytes(key, value uint32) int {
	switch a.Kind {
	case MapKey:
		return int(key)
	case MapValue:
		return int(value)
	}
	return int(a.Size)
}

// OfMap says whether an argument points to a key or a value of the call's map.
func (a Arg) OfMap() bool { return a.Kind == MapKey || a.Kind == MapValue }

// IsNumber says whether an argument is one the verifier takes any number for.
func (a Arg) IsNumber() bool {
	switch a.Kind {
	case Scalar, MemSize, MemSizeZero, ConstSize:
		return true
	}
	return false
}

// IsMemory says whether an argument points to memory that the call looks at or
// writes.
func (a Arg) IsMemory() bool { return a.OfMap() || a.Kind == Mem }
