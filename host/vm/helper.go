package vm

import (
	"jitnic/host/maps"

	"github.com/cilium/ebpf"
)

// HelperFunc is a helper: it reads its arguments in r[1] to r[5] and leaves its
// result in r[0]. Other registers stay as they are. A fault is an argument that
// the verifier would have refused; what the kernel refuses at run time is a
// negative errno in r[0].
type HelperFunc func(s *State, r *[11]uint64) *Fault

// helper is a line of the helper table.
type helper struct {
	fn         HelperFunc
	key, value int8 // which registers point to a map's key and value, for recordings
}

// helpers lists the helpers by number (uapi/linux/bpf.h). Those that move
// control stand in call.go: tail_call, loop and for_each_map_elem.
var helpers = [...]helper{
	1:   {fn: mapLookup, key: 2},
	2:   {fn: mapUpdate, key: 2, value: 3},
	3:   {fn: mapDelete, key: 2},
	4:   {fn: probeRead}, // probe_read
	5:   {fn: ktime},     // ktime_get_ns
	6:   {fn: tracePrintk},
	7:   {fn: prandom},
	8:   {fn: cpuID},
	23:  {fn: redirect},
	25:  {fn: perfEventOutput, value: 0},
	28:  {fn: csumDiff},
	42:  {fn: numaNode},
	44:  {fn: adjustHead},
	51:  {fn: redirectMap},
	54:  {fn: adjustMeta},
	65:  {fn: adjustTail},
	69:  {fn: fibLookup},
	84:  {fn: noSocket}, // sk_lookup_tcp
	85:  {fn: noSocket}, // sk_lookup_udp
	87:  {fn: mapPush, value: 2},
	88:  {fn: mapPop},
	89:  {fn: mapPeek, value: 2}, // a bloom filter's question
	93:  {fn: nothing},           // spin_lock: packets run one at a time
	94:  {fn: nothing},           // spin_unlock
	99:  {fn: noSocket},          // skc_lookup_tcp
	105: {fn: strtol},
	106: {fn: strtoul},
	113: {fn: probeRead}, // probe_read_kernel
	118: {fn: jiffies},
	125: {fn: ktime}, // ktime_get_boot_ns: the simulated machine never sleeps
	130: {fn: ringOutput},
	131: {fn: ringReserve},
	132: {fn: ringSubmit},
	133: {fn: ringDiscard},
	134: {fn: ringQuery},
	160: {fn: ktimeCoarse},
	163: {fn: checkMTU},
	165: {fn: snprintf},
	177: {fn: traceVprintk},
	182: {fn: strncmp},
	188: {fn: buffLen},
	189: {fn: loadBytes},
	190: {fn: storeBytes},
	195: {fn: mapLookupPerCPU, key: 2},
	197: {fn: dynptrFromMem},
	198: {fn: ringReserveDynptr},
	199: {fn: ringSubmitDynptr},
	200: {fn: ringDiscardDynptr},
	201: {fn: dynptrRead},
	202: {fn: dynptrWrite},
	203: {fn: dynptrData},
	208: {fn: ktime}, // ktime_get_tai_ns
}

// Helper returns a helper, or nil where the VM has none of that number or it
// moves control.
func Helper(id int32) HelperFunc {
	if uint32(id) >= uint32(len(helpers)) {
		return nil
	}
	return helpers[id].fn
}

// Supported says whether the VM has the helper, control flow or not.
func Supported(id int32) bool {
	return id == fnTailCall || id == fnLoop || id == fnForEach || Helper(id) != nil
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
func (s *State) mapArg(ptr uint64, types ...ebpf.MapType) (maps.Map, int, *Fault) {
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
