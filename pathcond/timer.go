package pathcond

import (
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// timerState is what the path has made of one timer: bits of vm.TimerState.
type timerState struct {
	addr     bv.Term
	concrete uint64 // address in the recorded run
	state    bv.Term
}

const timerBits = 3

// timer is the timer that register r points to. Which of the path's own timers it
// is, if any, becomes part of the condition.
func (x *exec) timer(c *call, r int) *timerState {
	b := x.b
	addr, concrete := x.f.fixed(x.r[r]), c.rec.Args[r-1]
	_, owner := x.place(concrete, 16)
	if owner < 0 {
		x.abort(trace.ReasonInternal, "a timer in no map")
	}
	for k := range x.timers {
		t := &x.timers[k]
		same := t.addr == addr
		if !same && !b.Opaque(t.addr) && !b.Opaque(addr) {
			same = t.concrete == concrete
			x.decide(b.Bin(bv.OpEq, t.addr, addr), same, WhyAlias)
			same = same && x.alive(owner, t.addr)
		}
		if same && x.alive(owner, addr) {
			return t
		}
	}
	state := b.Const(0, timerBits) // of an entry that the path itself has made
	if base, _ := x.split(addr); !x.made(base) {
		if !x.alive(owner, addr) {
			x.abort(trace.ReasonStaleEntry, x.s.Maps[owner].Spec().Name)
		}
		if b.Opaque(addr) {
			x.abort(trace.ReasonOpaqueAddress, x.whence(addr))
		}
		state = b.Extract(b.Fun(FunTimer, 64, bv.Fact{}, addr), 0, timerBits)
	}
	x.timers = append(x.timers, timerState{addr, concrete, state})
	return &x.timers[len(x.timers)-1]
}

// made says whether an address is that of an element the path itself has made.
func (x *exec) made(base bv.Term) bool {
	if base == 0 || x.b.Op(base) != bv.OpFun {
		return false
	}
	id, _ := FunParts(x.b.K(base))
	return id == FunFresh
}

// alive decides whether the entry that an address lies in is still the one it was
// got of: what the path does to its key takes the timer away.
func (x *exec) alive(i int, addr bv.Term) bool {
	ms := x.mapState(i)
	if isArray(x.s.Maps[i].Spec().Type) || len(ms.events) == 0 {
		return true
	}
	base, _ := x.split(addr)
	if base == 0 || x.b.Op(base) != bv.OpFun {
		return false
	}
	last := -1
	id, _ := FunParts(x.b.K(base))
	key := x.b.Args(base)
	for k := range ms.events {
		e := &ms.events[k]
		if e.fresh == base {
			last, key = k, e.key
		}
	}
	concrete, known := x.keys[base]
	if last >= 0 {
		concrete = string(ms.events[last].concrete)
	} else if id != FunLookup || !known {
		return false
	}
	x.unevicted(i, last)
	for k := last + 1; k < len(ms.events); k++ {
		if x.applies(&ms.events[k], key, []byte(concrete)) {
			return false
		}
	}
	return true
}

// timerCall answers a helper of timers: with EINVAL where the timer isn't as it has
// to be.
func (x *exec) timerCall(ok, then bv.Term) bv.Term {
	return x.b.Ite(ok, then, x.errno(int64(maps.EINVAL)))
}

func (t *timerState) has(x *exec, bits uint64) bv.Term {
	k := x.b.Const(bits, timerBits)
	return x.b.Bin(bv.OpEq, x.b.Bin(bv.OpAnd, t.state, k), k)
}

// symTimerInit is bpf_timer_init(timer, map, flags).
func symTimerInit(x *exec, c *call) bv.Term {
	const ebusy = 16
	c.meta.Args = 3
	x.mapArg(c, 2)
	flags := x.constArg(c, 3)
	if !vm.TimerClock(flags) {
		return x.errno(int64(maps.EINVAL))
	}
	t := x.timer(c, 1)
	was := t.has(x, vm.TimerInit)
	t.state = x.b.Ite(was, t.state, x.b.Const(vm.TimerInit, timerBits))
	return x.b.Ite(was, x.errno(ebusy), x.u64(0))
}

// symTimerSetCallback is bpf_timer_set_callback(timer, callback).
func symTimerSetCallback(x *exec, c *call) bv.Term {
	c.meta.Args = 2
	x.constArg(c, 2)
	t := x.timer(c, 1)
	ok := t.has(x, vm.TimerInit)
	t.state = x.b.Ite(ok, x.b.Bin(bv.OpOr, t.state, x.b.Const(vm.TimerCallback, timerBits)), t.state)
	return x.timerCall(ok, x.u64(0))
}

// symTimerStart is bpf_timer_start(timer, nsecs, flags).
func symTimerStart(x *exec, c *call) bv.Term {
	const absolute, pinned = 1, 2
	c.meta.Args = 3
	t := x.timer(c, 1)
	if x.constArg(c, 3)&^(absolute|pinned) != 0 {
		return x.errno(int64(maps.EINVAL))
	}
	ok := t.has(x, vm.TimerInit|vm.TimerCallback)
	t.state = x.b.Ite(ok, x.b.Bin(bv.OpOr, t.state, x.b.Const(vm.TimerArmed, timerBits)), t.state)
	return x.timerCall(ok, x.u64(0))
}

// symTimerCancel is bpf_timer_cancel(timer): 1 where it was armed.
func symTimerCancel(x *exec, c *call) bv.Term {
	c.meta.Args = 1
	t := x.timer(c, 1)
	ok, armed := t.has(x, vm.TimerInit), t.has(x, vm.TimerArmed)
	t.state = x.b.Ite(ok, x.b.Const(vm.TimerInit, timerBits), t.state)
	return x.timerCall(ok, x.b.ZExt(armed, 64))
}
