package ebpf

import "github.com/cilium/ebpf"

// ProgSet is a set of program types, bit n for type n of enum bpf_prog_type
// (uapi/linux/bpf.h). Programs whose attach point decides what they may call
// (fentry and its kin, LSM, struct_ops, extensions) stand in no set.
type ProgSet uint64

// Has says whether programs of the type may call the function.
func (s ProgSet) Has(t ebpf.ProgramType) bool { return t < 64 && s>>t&1 != 0 }

const (
	onSocketFilter   = ProgSet(1) << ebpf.SocketFilter
	onKprobe         = ProgSet(1) << ebpf.Kprobe
	onSchedCLS       = ProgSet(1)<<ebpf.SchedCLS | 1<<ebpf.SchedACT // one table in the kernel
	onTracePoint     = ProgSet(1) << ebpf.TracePoint
	onXDP            = ProgSet(1) << ebpf.XDP
	onPerfEvent      = ProgSet(1) << ebpf.PerfEvent
	onCGroupSKB      = ProgSet(1) << ebpf.CGroupSKB
	onCGroupSock     = ProgSet(1) << ebpf.CGroupSock
	onLWTIn          = ProgSet(1) << ebpf.LWTIn
	onLWTOut         = ProgSet(1) << ebpf.LWTOut
	onLWTXmit        = ProgSet(1) << ebpf.LWTXmit
	onSockOps        = ProgSet(1) << ebpf.SockOps
	onSkSKB          = ProgSet(1) << ebpf.SkSKB
	onCGroupDevice   = ProgSet(1) << ebpf.CGroupDevice
	onSkMsg          = ProgSet(1) << ebpf.SkMsg
	onRawTracepoint  = ProgSet(1)<<ebpf.RawTracepoint | 1<<ebpf.RawTracepointWritable
	onCGroupSockAddr = ProgSet(1) << ebpf.CGroupSockAddr
	onLWTSeg6Local   = ProgSet(1) << ebpf.LWTSeg6Local
	onSkReuseport    = ProgSet(1) << ebpf.SkReuseport
	onFlowDissector  = ProgSet(1) << ebpf.FlowDissector
	onCGroupSysctl   = ProgSet(1) << ebpf.CGroupSysctl
	onCGroupSockopt  = ProgSet(1) << ebpf.CGroupSockopt
	onSkLookup       = ProgSet(1) << ebpf.SkLookup
	onSyscall        = ProgSet(1) << ebpf.Syscall
	onNetfilter      = ProgSet(1) << ebpf.Netfilter

	fromTracers = onKprobe | onTracePoint | onPerfEvent | onRawTracepoint | onSyscall
	fromNet     = onSocketFilter | onSchedCLS | onXDP | onCGroupSKB | onLWTIn | onLWTOut | onLWTXmit | onSockOps | onSkSKB | onSkMsg |
		onCGroupSockAddr | onLWTSeg6Local | onFlowDissector | onSkLookup | onSyscall
	every = fromTracers | fromNet | onCGroupSock | onCGroupDevice | onSkReuseport | onCGroupSysctl | onCGroupSockopt | onNetfilter
)
