package vm

import (
	"jitnic/host/ebpf"

	cebpf "github.com/cilium/ebpf"
)

// Reasons why the VM hasn't a helper that XDP programs may call.
const (
	noTask     = "asks for the task that runs: packets are handled without one"
	noCounters = "reads counters of the processor, which are not simulated"
	noObjects  = "handles objects of the kernel, which are not simulated"
	noSockets  = "takes a socket, and look-ups find none"
	noSignal   = "signals the task that runs: packets are handled without one"
	noCgroups  = "asks for cgroups, which are not simulated"
)

// refused are the helpers that XDP programs may call and the VM hasn't.
var refused = map[int32]string{
	ebpf.FnGetCurrentComm:             noTask,
	ebpf.FnGetCgroupClassid:           noCgroups,
	ebpf.FnPerfEventRead:              noCounters,
	ebpf.FnGetCurrentTask:             noTask,
	ebpf.FnCurrentTaskUnderCgroup:     noCgroups,
	ebpf.FnPerfEventReadValue:         noCounters,
	ebpf.FnGetCurrentCgroupId:         noCgroups,
	ebpf.FnSkRelease:                  noSockets,
	ebpf.FnTcpCheckSyncookie:          noSockets,
	ebpf.FnSendSignal:                 noSignal,
	ebpf.FnTcpGenSyncookie:            noSockets,
	ebpf.FnSendSignalThread:           noSignal,
	ebpf.FnGetNsCurrentPidTgid:        noTask,
	ebpf.FnGetCurrentAncestorCgroupId: noCgroups,
	ebpf.FnSkcToTcp6Sock:              noSockets,
	ebpf.FnSkcToTcpSock:               noSockets,
	ebpf.FnSkcToTcpTimewaitSock:       noSockets,
	ebpf.FnSkcToTcpRequestSock:        noSockets,
	ebpf.FnSkcToUdp6Sock:              noSockets,
	ebpf.FnGetTaskStack:               noTask,
	ebpf.FnCopyFromUser:               noTask,
	ebpf.FnSnprintfBtf:                "prints by the kernel's own types",
	ebpf.FnPerCpuPtr:                  noObjects,
	ebpf.FnThisCpuPtr:                 noObjects,
	ebpf.FnTaskStorageGet:             noTask,
	ebpf.FnTaskStorageDelete:          noTask,
	ebpf.FnGetCurrentTaskBtf:          noTask,
	ebpf.FnTaskPtRegs:                 noTask,
	ebpf.FnGetBranchSnapshot:          noCounters,
	ebpf.FnSkcToUnixSock:              noSockets,
	ebpf.FnFindVma:                    noTask,
	ebpf.FnCopyFromUserTask:           noTask,
	ebpf.FnKptrXchg:                   noObjects,
	ebpf.FnSkcToMptcpSock:             noSockets,
	ebpf.FnUserRingbufDrain:           "takes what a program of user space wrote to a ring, and none runs",
	ebpf.FnCgrpStorageGet:             noCgroups,
	ebpf.FnCgrpStorageDelete:          noCgroups,
}

// Refusal says why the VM hasn't a helper or kernel function; "" where it has.
func Refusal(h *ebpf.Helper) string {
	switch {
	case h.ID == 0 && kfuncIndex(h.Name) >= 0, h.ID > 0 && Supported(h.ID):
		return ""
	case !h.Progs.Has(cebpf.XDP):
		return "XDP programs may not call it"
	case h.ID == 0:
		return noObjects
	}
	return refused[h.ID]
}
