package vm

import (
	"bytes"
	"math"
	"slices"

	"jitnic/host/maps"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// timer is a struct bpf_timer in a map value that was initialised
// (kernel/bpf/helpers.c, struct bpf_hrtimer). Its bytes in the value stay zero.
type timer struct {
	addr     uint64 // of the struct
	index    int    // of the map
	key      []byte
	value    uint64 // address of the value it lies in
	callback uint64 // a FuncPtr, 0: none
	armed    bool
	expires  uint64 // simulated time, ns
	seq      uint64 // of those that expire together the first set goes first
}

const (
	ebusy   = maps.Errno(16)
	edeadlk = maps.Errno(35)
)

// timerArg is the place of the timer that a register points to, and the timer,
// or nil before it is initialised.
func (s *State) timerArg(addr uint64) (*timer, *Fault) {
	const size = 16
	if !s.Reach(addr, size, true) {
		return nil, badAccess(addr, size, true)
	}
	if r := s.Mem.Find(addr, size); r == nil || r.Kind != mem.KindMap {
		return nil, fault(BadArg, "not a timer in a map value")
	}
	for i, t := range s.timers {
		if t.addr == addr {
			if s.alive(t) {
				return t, nil
			}
			s.timers = slices.Delete(s.timers, i, i+1)
			break
		}
	}
	return nil, nil
}

// What TimerState says of a timer.
const (
	TimerInit     = 1 << iota // it was initialised
	TimerCallback             // and has a callback
	TimerArmed                // and will call it
)

// TimerState is what is known of the timer at addr; 0: nothing. It changes nothing,
// and conditions use it.
func (s *State) TimerState(addr uint64) (state uint64) {
	for _, t := range s.timers {
		if t.addr == addr && s.alive(t) {
			state = TimerInit
			if t.callback != 0 {
				state |= TimerCallback
			}
			if t.armed {
				state |= TimerArmed
			}
		}
	}
	return state
}

// alive says whether the entry that a timer stands in is still there.
func (s *State) alive(t *timer) bool { return s.Maps[t.index].Peek(t.key, s.CPU) == t.value }

// TimerClock says whether bpf_timer_init takes these flags: they name a clock.
func TimerClock(flags uint64) bool {
	const realtime, monotonic, boottime = 0, 1, 7
	return flags == realtime || flags == monotonic || flags == boottime
}

// timerInit is bpf_timer_init(timer, map, flags).
func timerInit(s *State, r *[11]uint64) *Fault {
	t, f := s.timerArg(r[1])
	if f != nil {
		return f
	}
	m, i, f := s.mapArg(r[2])
	if f != nil {
		return f
	}
	switch {
	case !TimerClock(r[3]):
		r[0] = negErrno(maps.EINVAL)
		return nil
	case t != nil:
		r[0] = negErrno(ebusy)
		return nil
	}
	o, ok := m.(maps.Owner)
	if !ok || o.KeyOf(r[1]) == nil {
		return fault(BadArg, "not a timer of the map")
	}
	s.timers = append(s.timers, &timer{addr: r[1], index: i, key: bytes.Clone(o.KeyOf(r[1])), value: o.ValueOf(r[1])})
	r[0] = 0
	return nil
}

// timerSetCallback is bpf_timer_set_callback(timer, callback).
func timerSetCallback(s *State, r *[11]uint64) *Fault {
	t, f := s.timerArg(r[1])
	if f != nil {
		return f
	}
	if _, _, ok := FuncOf(r[2]); !ok {
		return fault(BadFunc, "")
	}
	if t == nil {
		r[0] = negErrno(maps.EINVAL)
		return nil
	}
	t.callback = r[2]
	r[0] = 0
	return nil
}

// timerStart is bpf_timer_start(timer, nsecs, flags).
func timerStart(s *State, r *[11]uint64) *Fault {
	t, f := s.timerArg(r[1])
	if f != nil {
		return f
	}
	const absolute, pinned = 1, 2
	if r[3]&^(absolute|pinned) != 0 || t == nil || t.callback == 0 {
		r[0] = negErrno(maps.EINVAL)
		return nil
	}
	t.armed, t.expires = true, r[2]
	if r[3]&absolute == 0 {
		t.expires += s.TimeNS
	}
	s.timerSeq++
	t.seq = s.timerSeq
	r[0] = 0
	return nil
}

// timerCancel is bpf_timer_cancel(timer): whether it was running. It takes the
// callback away too.
func timerCancel(s *State, r *[11]uint64) *Fault {
	t, f := s.timerArg(r[1])
	switch {
	case f != nil:
		return f
	case t == nil:
		r[0] = negErrno(maps.EINVAL)
	case t == s.firing:
		r[0] = negErrno(edeadlk)
	default:
		r[0] = b2u(t.armed)
		t.armed, t.callback = false, 0
	}
	return nil
}

// dropTimers takes timers away with their entry: a deleted one, or one that
// was replaced where that makes a new one.
func (s *State) dropTimers(index int, key []byte) {
	if len(s.timers) == 0 {
		return
	}
	if t := s.Maps[index].Spec().Type; t == ebpf.Array || t == ebpf.PerCPUArray {
		return // an array's entries stay, with their timers
	}
	s.timers = slices.DeleteFunc(s.timers, func(t *timer) bool { return t.index == index && bytes.Equal(t.key, key) })
}

// NextTimer is when the next timer expires, in nanoseconds of the packets'
// clock; the highest number where none is armed.
func (s *State) NextTimer() uint64 {
	next := uint64(math.MaxUint64)
	for _, t := range s.timers {
		if t.armed {
			next = min(next, t.expires)
		}
	}
	return next
}

// RunTimers runs the callbacks of the timers that expire up to time now, in the
// order of time, and returns how many ran. An interpreter does so by itself
// before a packet; what runs packets by other means asks for it. Writes are
// those of the callbacks then.
func (it *Interp) RunTimers(now uint64) (ran int, err error) {
	s := it.S
	for len(s.timers) > 0 {
		var next *timer
		for _, t := range s.timers {
			if t.armed && t.expires <= now && (next == nil || t.expires < next.expires || t.expires == next.expires && t.seq < next.seq) {
				next = t
			}
		}
		if next == nil {
			return ran, err
		}
		next.armed = false
		if !s.alive(next) {
			continue
		}
		if ran == 0 {
			s.Writes, s.keys = s.Writes[:0], s.keys[:0]
		}
		ran++
		if f := it.fire(next); f != nil && err == nil {
			err = f
		}
		if ran == MaxSteps { // timers that set themselves to now
			return ran, fault(TooManySteps, "timers")
		}
	}
	return ran, err
}

// fire calls a timer's callback with its map, key and value.
func (it *Interp) fire(t *timer) *Fault {
	s := it.S
	prog, pc, _ := FuncOf(t.callback)
	if prog >= len(it.code) {
		return fault(BadFunc, "")
	}
	s.TimeNS = t.expires
	s.Depth, s.frame = 0, s.Stack
	clear(s.Mem.B[s.Stack : s.Stack+StackSize])
	s.iter, s.lent = s.iter[:0], s.lent[:0]
	it.r = [16]uint64{1: MapPtr(t.index), 2: s.lendKey(t.key), 3: t.value, 10: s.FrameTop(0)}
	entry, at := it.entry, it.at
	it.entry, it.at = prog, pc
	s.firing = t
	it.begin()
	_, _, f := it.loop(nil, never)
	s.firing = nil
	it.entry, it.at = entry, at
	if f != nil {
		s.dropPending()
	}
	return f
}
