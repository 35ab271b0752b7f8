package vm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
)

// Reason says why a run stopped short of its exit.
type Reason uint8

// The reasons of a [Fault].
const (
	BadAccess      Reason = iota + 1 // a load, store or helper argument outside every region it may touch
	BadInsn                          // not an instruction of the set
	BadPC                            // control left the program
	BadMap                           // a helper was given something that is no map, or of the wrong type
	BadFunc                          // a helper was given something that is no callback
	BadArg                           // a helper argument the verifier would have refused
	TooManySteps                     // the step limit
	TooManyCalls                     // more than MaxFrames frames
	NotSupportedFn                   // a helper the VM doesn't have
	NotSupported                     // what the loader couldn't link: a kernel function, a kernel variable
)

var reasons = [...]string{
	BadAccess:      "invalid access",
	BadInsn:        "unknown opcode",
	BadPC:          "jump out of the program",
	BadMap:         "not a map it can use",
	BadFunc:        "not a callback",
	BadArg:         "invalid argument",
	TooManySteps:   "step limit reached",
	TooManyCalls:   "call depth exceeded",
	NotSupportedFn: "not supported",
	NotSupported:   "not supported",
}

func (r Reason) String() string {
	if int(r) < len(reasons) && reasons[r] != "" {
		return reasons[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// Fault is an error of a run: where it happened and why. A verified program
// only meets those of unsupported helpers and of the step limit.
type Fault struct {
	Reason  Reason
	Program string
	PC      int    // instruction slot
	Insn    uint64 // of BadInsn: the slot as it stands in the object, little-endian
	Helper  int32  // the helper that was running, or -1
	Name    string // what wasn't linked, or the kernel function that was running: "kfunc bpf_dynptr_slice"
	Addr    uint64 // of BadAccess: what was touched
	Size    uint64
	Write   bool
	Detail  string
}

func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "program %q: insn %d: ", f.Program, f.PC)
	if f.Helper >= 0 {
		fmt.Fprintf(&b, "helper %d (%s): ", f.Helper, ebpf.HelperName(f.Helper))
	}
	if f.Name != "" {
		b.WriteString(f.Name + ": ")
	}
	switch f.Reason {
	case BadAccess:
		verb := "load"
		if f.Write {
			verb = "store"
		}
		fmt.Fprintf(&b, "invalid %s of %d bytes at %#x", verb, f.Size, f.Addr)
	case BadInsn:
		fmt.Fprintf(&b, "unknown opcode %#02x (%016x)", uint8(f.Insn), f.Insn)
	default:
		b.WriteString(f.Reason.String())
	}
	if f.Detail != "" {
		b.WriteString(": " + f.Detail)
	}
	return b.String()
}

// ErrShort and ErrLong refuse a packet before the program sees it, as
// BPF_PROG_TEST_RUN does with EINVAL and ENOMEM; ErrCPU is the caller's slip.
var (
	ErrShort = errors.New("packet: shorter than an Ethernet header of 14 bytes")
	ErrLong  = fmt.Errorf("packet: longer than %d bytes", MaxPacket)
	ErrCPU   = errors.New("packet: of a cpu the machine doesn't have")
)

// fault makes a fault of a helper; the interpreter adds the place.
func fault(r Reason, detail string) *Fault { return &Fault{Reason: r, Helper: -1, Detail: detail} }

func badAccess(addr, n uint64, write bool) *Fault {
	return &Fault{Reason: BadAccess, Helper: -1, Addr: addr, Size: n, Write: write}
}
