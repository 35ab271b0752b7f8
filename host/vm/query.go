package vm

import "jitnic/host/maps"

// Fib is what bpf_fib_lookup would answer: params is a struct bpf_fib_lookup,
// read and written. The result is a BPF_FIB_LKUP_RET_* or a negative errno.
func (s *State) Fib(params []byte, flags uint32) int { return s.Opt.FIB.Lookup(params, flags) }

// RedirectTarget says whether bpf_redirect_map finds something at key.
func (s *State) RedirectTarget(m maps.Map, key uint64) bool { return s.redirectTarget(m, key) }
