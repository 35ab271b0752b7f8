package vm

import (
	"jitnic/host/maps"

	"github.com/cilium/ebpf"
)

// reservation is a ring buffer record the program may write to.
type reservation struct {
	addr, size uint64
	ring       maps.Ring
}

// dropPending discards what a run that faulted left reserved.
func (s *State) dropPending() {
	for _, p := range s.pending {
		p.ring.Commit(p.addr, true)
	}
	s.pending = s.pending[:0]
}

// reachPending lets the program touch the records it has reserved.
func (s *State) reachPending(addr, n uint64) bool {
	for _, p := range s.pending {
		if addr-p.addr < p.size && n <= p.size-(addr-p.addr) {
			return true
		}
	}
	return false
}

func (s *State) ringArg(ptr uint64) (maps.Ring, int, *Fault) {
	m, i, f := s.mapArg(ptr, ebpf.RingBuf)
	if f != nil {
		return nil, 0, f
	}
	return m.(maps.Ring), i, nil
}

// ringReserve is bpf_ringbuf_reserve(ring, size, flags).
func ringReserve(s *State, r *[11]uint64) *Fault {
	ring, i, f := s.ringArg(r[1])
	if f != nil {
		return f
	}
	s.NoteKey(i, nil)
	addr := ring.Reserve(r[2], r[3])
	if addr != 0 {
		s.pending = append(s.pending, reservation{addr, r[2], ring})
	}
	r[0] = addr
	return nil
}

func ringSubmit(s *State, r *[11]uint64) *Fault { return s.ringCommit(r, false) }

func ringDiscard(s *State, r *[11]uint64) *Fault { return s.ringCommit(r, true) }

func (s *State) ringCommit(r *[11]uint64, discard bool) *Fault {
	for i, p := range s.pending {
		if p.addr == r[1] {
			p.ring.Commit(p.addr, discard)
			s.pending = append(s.pending[:i], s.pending[i+1:]...)
			r[0] = 0
			return nil
		}
	}
	return fault(BadArg, "not a reserved record")
}

// ringOutput is bpf_ringbuf_output(ring, data, size, flags).
func ringOutput(s *State, r *[11]uint64) *Fault {
	ring, i, f := s.ringArg(r[1])
	if f != nil {
		return f
	}
	data, f := s.bytes(r[2], uint64(uint32(r[3])), false)
	if f != nil {
		return f
	}
	s.NoteKey(i, nil)
	r[0] = negErrno(ring.Output(data, r[4]))
	return nil
}

// ringQuery is bpf_ringbuf_query(ring, flags).
func ringQuery(s *State, r *[11]uint64) *Fault {
	ring, _, f := s.ringArg(r[1])
	if f != nil {
		return f
	}
	r[0] = ring.Query(r[2])
	return nil
}

// perfEventOutput is bpf_xdp_event_output(ctx, map, flags, data, size): the
// record is the program's data and as many bytes of the packet as bits 32 to
// 51 of flags say.
func perfEventOutput(s *State, r *[11]uint64) *Fault {
	const (
		indexMask  = 0xffffffff
		packetMask = 0xfffff << 32
	)
	if f := s.ctxArg(r[1]); f != nil {
		return f
	}
	m, i, f := s.mapArg(r[2], ebpf.PerfEventArray)
	if f != nil {
		return f
	}
	own, f := s.bytes(r[4], r[5], false)
	if f != nil {
		return f
	}
	flags := r[3]
	n := flags & packetMask >> 32
	switch {
	case flags&^(indexMask|packetMask) != 0:
		r[0] = negErrno(maps.EINVAL)
		return nil
	case n > s.Len():
		r[0] = negErrno(efault)
		return nil
	}
	s.NoteKey(i, nil)
	r[0] = negErrno(m.(maps.Events).Output(flags&indexMask, s.CPU, own, s.Mem.B[s.Data:s.Data+n]))
	return nil
}
