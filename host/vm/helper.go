package vm

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

// HelperFunc is a helper: it reads its arguments in r[1] to r[5] and leaves its
// result in r[0]. Other registers stay as they are. A fault is an argument that
// the verifier would have refused; what the kernel refuses at run time is a
// negative errno in r[0].
type HelperFunc func(s *State, r *[11]uint64) *Fault

// helpers are the VM's functions for the rows of [ebpf.Helpers], by number.
// Those that move control stand in call.go: tail_call, loop and
// for_each_map_elem.
var helpers = [...]HelperFunc{
	ebpf.FnMapLookupElem:            mapLookup,
	ebpf.FnMapUpdateElem:            mapUpdate,
	ebpf.FnMapDeleteElem:            mapDelete,
	ebpf.FnProbeRead:                probeRead,
	ebpf.FnKtimeGetNs:               ktime,
	ebpf.FnTracePrintk:              tracePrintk,
	ebpf.FnGetPrandomU32:            prandom,
	ebpf.FnGetSmpProcessorId:        cpuID,
	ebpf.FnGetCurrentPidTgid:        idleTask,
	ebpf.FnGetCurrentUidGid:         idleTask,
	ebpf.FnRedirect:                 redirect,
	ebpf.FnPerfEventOutput:          perfEventOutput,
	ebpf.FnCsumDiff:                 csumDiff,
	ebpf.FnGetNumaNodeId:            numaNode,
	ebpf.FnXdpAdjustHead:            adjustHead,
	ebpf.FnRedirectMap:              redirectMap,
	ebpf.FnXdpAdjustMeta:            adjustMeta,
	ebpf.FnXdpAdjustTail:            adjustTail,
	ebpf.FnFibLookup:                fibLookup,
	ebpf.FnSkLookupTcp:              noSocket,
	ebpf.FnSkLookupUdp:              noSocket,
	ebpf.FnMapPushElem:              mapPush,
	ebpf.FnMapPopElem:               mapPop,
	ebpf.FnMapPeekElem:              mapPeek,
	ebpf.FnSpinLock:                 nothing, // packets run one at a time
	ebpf.FnSpinUnlock:               nothing,
	ebpf.FnSkcLookupTcp:             noSocket,
	ebpf.FnStrtol:                   strtol,
	ebpf.FnStrtoul:                  strtoul,
	ebpf.FnProbeReadUser:            probeReadUser,
	ebpf.FnProbeReadUserStr:         probeReadUser,
	ebpf.FnProbeReadKernelStr:       probeReadStr,
	ebpf.FnProbeReadKernel:          probeRead,
	ebpf.FnJiffies64:                jiffies,
	ebpf.FnKtimeGetBootNs:           ktime, // the simulated machine never sleeps
	ebpf.FnRingbufOutput:            ringOutput,
	ebpf.FnRingbufReserve:           ringReserve,
	ebpf.FnRingbufSubmit:            ringSubmit,
	ebpf.FnRingbufDiscard:           ringDiscard,
	ebpf.FnRingbufQuery:             ringQuery,
	ebpf.FnKtimeGetCoarseNs:         ktimeCoarse,
	ebpf.FnCheckMtu:                 checkMTU,
	ebpf.FnSnprintf:                 snprintf,
	ebpf.FnTimerInit:                timerInit,
	ebpf.FnTimerSetCallback:         timerSetCallback,
	ebpf.FnTimerStart:               timerStart,
	ebpf.FnTimerCancel:              timerCancel,
	ebpf.FnTraceVprintk:             traceVprintk,
	ebpf.FnStrncmp:                  strncmp,
	ebpf.FnXdpGetBuffLen:            buffLen,
	ebpf.FnXdpLoadBytes:             loadBytes,
	ebpf.FnXdpStoreBytes:            storeBytes,
	ebpf.FnMapLookupPercpuElem:      mapLookupPerCPU,
	ebpf.FnDynptrFromMem:            dynptrFromMem,
	ebpf.FnRingbufReserveDynptr:     ringReserveDynptr,
	ebpf.FnRingbufSubmitDynptr:      ringSubmitDynptr,
	ebpf.FnRingbufDiscardDynptr:     ringDiscardDynptr,
	ebpf.FnDynptrRead:               dynptrRead,
	ebpf.FnDynptrWrite:              dynptrWrite,
	ebpf.FnDynptrData:               dynptrData,
	ebpf.FnTcpRawGenSyncookieIpv4:   genSyncookie(false),
	ebpf.FnTcpRawGenSyncookieIpv6:   genSyncookie(true),
	ebpf.FnTcpRawCheckSyncookieIpv4: checkSyncookie(false),
	ebpf.FnTcpRawCheckSyncookieIpv6: checkSyncookie(true),
	ebpf.FnKtimeGetTaiNs:            ktime,
}

// Helper returns a helper, or nil where the VM has none of that number or it
// moves control.
func Helper(id int32) HelperFunc {
	if uint32(id) >= uint32(len(helpers)) {
		return nil
	}
	return helpers[id]
}

// Supported says whether the VM has the helper, control flow or not.
func Supported(id int32) bool {
	return id == ebpf.FnTailCall || id == ebpf.FnLoop || id == ebpf.FnForEachMapElem || Helper(id) != nil
}

// CallHelper calls a helper by number. An executor that calls it often binds
// it once with [Helper].
func (s *State) CallHelper(id int32, r *[11]uint64) error {
	fn := Helper(id)
	if fn == nil {
		return &Fault{Reason: NotSupportedFn, Helper: id}
	}
	if f := fn(s, r); f != nil {
		f.Helper = id
		return f
	}
	return nil
}

// negErrno is an errno as programs see it.
func negErrno(e maps.Errno) uint64 { return uint64(-int64(e)) }

// mapArg is the map a register names, which must be of one of the types, if
// any are given.
func (s *State) mapArg(ptr uint64, types ...cebpf.MapType) (maps.Map, int, *Fault) {
	i, ok := MapOf(ptr)
	if ok && i >= len(s.Maps) {
		s.sync()
	}
	if !ok || i >= len(s.Maps) {
		return nil, 0, fault(BadMap, "")
	}
	m := s.Maps[i]
	if len(types) > 0 {
		for _, t := range types {
			if m.Spec().Type == t {
				return m, i, nil
			}
		}
		return nil, 0, fault(BadMap, m.Spec().Type.String())
	}
	return m, i, nil
}

// ctxArg checks that a register holds the context.
func (s *State) ctxArg(ptr uint64) *Fault {
	if ptr != s.Ctx {
		return fault(BadArg, "not the context")
	}
	return nil
}

func nothing(s *State, r *[11]uint64) *Fault { r[0] = 0; return nil }

// noSocket is a socket lookup in a network namespace without sockets.
func noSocket(s *State, r *[11]uint64) *Fault {
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	r[0] = 0
	return nil
}
