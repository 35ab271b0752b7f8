package vm

import (
	"jitnic/host/maps"

	"github.com/cilium/ebpf"
)

// keyArg is a helper's view of the map key at addr.
func (s *State) keyArg(m maps.Map, addr uint64) ([]byte, *Fault) {
	return s.bytes(addr, uint64(m.Spec().KeySize), false)
}

func mapLookup(s *State, r *[11]uint64) *Fault {
	return s.lookup(r, s.CPU)
}

// mapLookupPerCPU is bpf_map_lookup_percpu_elem: a CPU that isn't there gives
// NULL.
func mapLookupPerCPU(s *State, r *[11]uint64) *Fault {
	cpu := uint32(r[3])
	if cpu >= uint32(s.Opt.CPUs) {
		r[0] = 0
		return nil
	}
	return s.lookup(r, int(cpu))
}

func (s *State) lookup(r *[11]uint64, cpu int) *Fault {
	m, _, f := s.mapArg(r[1])
	if f != nil {
		return f
	}
	key, f := s.keyArg(m, r[2])
	if f != nil {
		return f
	}
	if o, ok := m.(maps.OfMaps); ok {
		// A program gets the inner map itself, not a value.
		r[0] = 0
		if i := o.Inner(key); i >= 0 {
			r[0] = MapPtr(i)
		}
		return nil
	}
	r[0] = m.Lookup(key, cpu)
	return nil
}

func mapUpdate(s *State, r *[11]uint64) *Fault {
	m, i, f := s.mapArg(r[1])
	if f != nil {
		return f
	}
	key, f := s.keyArg(m, r[2])
	if f != nil {
		return f
	}
	value, f := s.bytes(r[3], uint64(m.Spec().ValueSize), false)
	if f != nil {
		return f
	}
	s.NoteKey(i, key)
	e := m.Update(key, value, r[4], s.CPU)
	if e == 0 {
		s.dropTimers(i, key)
	}
	r[0] = negErrno(e)
	return nil
}

func mapDelete(s *State, r *[11]uint64) *Fault {
	m, i, f := s.mapArg(r[1])
	if f != nil {
		return f
	}
	key, f := s.keyArg(m, r[2])
	if f != nil {
		return f
	}
	s.NoteKey(i, key)
	e := m.Delete(key)
	if e == 0 {
		s.dropTimers(i, key)
	}
	r[0] = negErrno(e)
	return nil
}

// queueArg is the queue, stack or bloom filter of register 1 and the value
// register 2 points to.
func (s *State) queueArg(r *[11]uint64, write bool) (maps.Queue, int, []byte, *Fault) {
	m, i, f := s.mapArg(r[1])
	if f != nil {
		return nil, 0, nil, f
	}
	q, ok := m.(maps.Queue)
	if !ok {
		return nil, 0, nil, fault(BadMap, m.Spec().Type.String())
	}
	value, f := s.bytes(r[2], uint64(m.Spec().ValueSize), write)
	return q, i, value, f
}

func mapPush(s *State, r *[11]uint64) *Fault {
	q, i, value, f := s.queueArg(r, false)
	if f != nil {
		return f
	}
	s.NoteKey(i, nil)
	r[0] = negErrno(q.PushElem(value, r[3]))
	return nil
}

func mapPop(s *State, r *[11]uint64) *Fault {
	q, i, value, f := s.queueArg(r, true)
	if f != nil {
		return f
	}
	s.NoteKey(i, nil)
	r[0] = negErrno(q.PopElem(value))
	return nil
}

// mapPeek is bpf_map_peek_elem. What it fills may be what it asks: a bloom
// filter's value is only read.
func mapPeek(s *State, r *[11]uint64) *Fault {
	m, _, f := s.mapArg(r[1])
	if f != nil {
		return f
	}
	q, _, value, f := s.queueArg(r, m.Spec().Type != ebpf.BloomFilter)
	if f != nil {
		return f
	}
	r[0] = negErrno(q.PeekElem(value))
	return nil
}

// redirectMap is bpf_redirect_map(map, key, flags): __bpf_xdp_redirect_map of
// include/linux/filter.h. The low bits of flags are the verdict when nothing
// stands at the key.
func redirectMap(s *State, r *[11]uint64) *Fault {
	const (
		verdicts = XDPAborted | XDPDrop | XDPPass | XDPTx
		bcast    = 1 << 3 // BPF_F_BROADCAST
		exclude  = 1 << 4 // BPF_F_EXCLUDE_INGRESS
	)
	m, i, f := s.mapArg(r[1], ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap, ebpf.XSKMap)
	if f != nil {
		return f
	}
	allowed := uint64(verdicts)
	if t := m.Spec().Type; t == ebpf.DevMap || t == ebpf.DevMapHash {
		allowed |= bcast | exclude
	}
	index, flags := r[2], r[3]
	if flags&^allowed != 0 {
		r[0] = XDPAborted
		return nil
	}
	if flags&bcast != 0 {
		s.Redirect = Redirect{Kind: RedirectBcast, Map: int32(i), Flags: flags}
		r[0] = XDPRedirect
		return nil
	}
	if !s.redirectTarget(m, index) {
		s.Redirect = Redirect{}
		r[0] = flags & verdicts
		return nil
	}
	s.Redirect = Redirect{Kind: RedirectMap, Map: int32(i), Index: index}
	r[0] = XDPRedirect
	return nil
}

// redirectTarget says whether something stands at key. The kernel's lookups
// take the key as 32 bits.
func (s *State) redirectTarget(m maps.Map, key uint64) bool {
	t := m.(maps.Redirects)
	k := uint32(key)
	if m.Spec().Type != ebpf.DevMapHash && k >= m.Spec().Max {
		return false
	}
	_, _, ok := t.Target(k)
	return ok
}
