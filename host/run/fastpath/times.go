package fastpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"jitnic/host/calibrate"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic/fastpath"
	"jitnic/trace"

	"golang.org/x/sys/unix"
)

// Time is what packets of one path take, in ns a packet.
type Time struct {
	Path     int32 // -1: packets that no leaf takes
	Packets  uint64
	Original float64
	Plain    float64 // the fast path of plain traces
	Fast     float64 // of superoptimized ones; 0: there are none
	Why      string  // it could not be timed
}

// Times are those of a plan.
type Times struct {
	Rows []Time
	// Original, Plain and Fast are means over the packets of rows that were
	// timed, Share of all packets.
	Original, Plain, Fast float64
	Share                 float64
	Round                 time.Duration
	Rounds                int
}

// Rounds of a packet's measurement, and how long each program runs in one.
const (
	timeRounds = 9
	timeRound  = 300 * time.Microsecond
)

// sample is a packet of a path that stays on it when it is run again and again.
type sample struct {
	leaf int // index in the built leaves; their number: none took it
	data []byte
	n    uint64
	when []uint64 // the times of its packets
}

// Times measures original and fast path, packet by packet of each path, in turns
// and with large repeats, on maps as the run left them; for hot paths whose packets
// take another one by then (a connection's that has ended), as they are in the midst
// of the run.
func (p *Plan) Times(ctx context.Context) (*Times, error) {
	cpu, err := kernel.CPU()
	if err != nil {
		return nil, err
	}
	counted, err := p.object(true)
	if err != nil {
		return nil, err
	}
	samples, state, err := p.samples(ctx, counted)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	t := &Times{Round: timeRound, Rounds: timeRounds}
	err = kernel.Isolated(cpu, func() error {
		rows, err := p.times(ctx, counted, samples, state)
		if err != nil {
			return err
		}
		for i, s := range samples {
			if rows[i].Why == "" || 100*s.n < p.Packets {
				continue
			}
			mid, then, err := p.midway(ctx, counted, s)
			if err != nil {
				return err
			}
			if mid.data != nil {
				again, err := p.times(ctx, counted, []sample{mid}, then)
				if err != nil {
					then.Close()
					return err
				}
				rows[i] = again[0]
			}
			then.Close()
		}
		t.sum(rows, p.Packets)
		return nil
	})
	return t, err
}

// sum makes the means over the rows that were timed.
func (t *Times) sum(rows []Time, packets uint64) {
	t.Rows = rows
	var timed uint64
	for _, r := range rows {
		if r.Why != "" {
			continue
		}
		w := float64(r.Packets)
		t.Original, t.Plain, t.Fast = t.Original+w*r.Original, t.Plain+w*r.Plain, t.Fast+w*r.Fast
		timed += r.Packets
	}
	if timed > 0 {
		t.Original, t.Plain, t.Fast = t.Original/float64(timed), t.Plain/float64(timed), t.Fast/float64(timed)
	}
	t.Share = float64(timed) / float64(max(packets, 1))
}

// versions are the programs that are timed: the original, the fast path of plain
// traces, and that of superoptimized ones where there are some.
func (p *Plan) versions() ([]*loader.Object, []*loader.Program, error) {
	objs, progs := []*loader.Object{p.Session.Obj}, []*loader.Program{p.Session.Entry}
	saved := make([]*trace.Trace, len(p.Paths))
	differ := false
	for i := range p.Paths {
		x := &p.Paths[i]
		saved[i] = x.trace
		differ = differ || x.trace != x.plain
		x.trace = x.plain
	}
	plain, err := p.object(false)
	for i := range p.Paths {
		p.Paths[i].trace = saved[i]
	}
	if err != nil {
		return nil, nil, err
	}
	objs, progs = append(objs, plain.Object), append(progs, plain.Program)
	if differ {
		fast, err := p.object(false)
		if err != nil {
			return nil, nil, err
		}
		objs, progs = append(objs, fast.Object), append(progs, fast.Program)
	}
	return objs, progs, nil
}

// times measures samples on what the maps of state hold.
func (p *Plan) times(ctx context.Context, counted *fastpath.Built, samples []sample, state *vm.State) (rows []Time, err error) {
	objs, entries, err := p.versions()
	if err != nil {
		return nil, err
	}
	var progs []*kernel.Prog
	for i := range objs {
		k, err := kernel.Load(objs[i], entries[i], kernel.Options{Context: ctx, Plain: true})
		if err != nil {
			return nil, err
		}
		defer k.Maps.Close()
		defer k.Close()
		if err := Pour(state, p.Session.Obj, k.Maps, loopback, func(string) {}); err != nil {
			return nil, err
		}
		progs = append(progs, k)
	}
	// The fast path with counters, on maps of its own, says whether a packet is on
	// its path by the kernel's clock, too.
	told, err := kernel.Load(counted.Object, counted.Program, kernel.Options{Context: ctx, Plain: true})
	if err != nil {
		return nil, err
	}
	defer told.Maps.Close()
	defer told.Close()
	if err := Pour(state, p.Session.Obj, told.Maps, loopback, func(string) {}); err != nil {
		return nil, err
	}
	stays := func(s sample) (bool, error) {
		before := kernelCounters(counted, told.Maps)
		if _, err := told.Run(s.data, kernel.Context{}); err != nil {
			return false, err
		}
		after := kernelCounters(counted, told.Maps)
		return len(after) > s.leaf && len(before) == len(after) && after[s.leaf] == before[s.leaf]+1, nil
	}
	for _, s := range samples {
		row := Time{Path: -1, Packets: s.n}
		if s.leaf < len(counted.Leaves) {
			row.Path = counted.Leaves[s.leaf].ID
		}
		if s.data == nil {
			row.Why = "no packet stays on it when it is run again and again"
		} else if on, err := stays(s); err != nil {
			return nil, err
		} else if !on {
			row.Why = "by the kernel's clock its packet takes another path"
		} else {
			ns, err := calibrate.Beside(ctx, s.data, p.Session.Entry.LoadFlags, timeRounds, timeRound, progs...)
			if err != nil {
				return nil, fmt.Errorf("times: %w", err)
			}
			if on, err := stays(s); err != nil {
				return nil, err
			} else if !on {
				row.Why = "while it was measured its packet came to another path"
				rows = append(rows, row)
				continue
			}
			row.Original, row.Plain = ns[0], ns[1]
			if len(ns) > 2 {
				row.Fast = ns[2]
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// follower runs packets through a fast path with counters in the VM, and says which
// leaf took them.
type follower struct {
	it     *vm.Interp
	b      *fastpath.Built
	before []uint64
}

func (p *Plan) follower(b *fastpath.Built) (*follower, error) {
	it, err := p.Session.Machine(b.Object, b.Program)
	if err != nil {
		return nil, err
	}
	return &follower{it, b, counters(b, it.S)}, nil
}

// run gives the leaf's index, their number for none, -1 for no run.
func (f *follower) run(in *vm.Input) int {
	var o vm.Output
	f.it.Run(in, &o)
	after := counters(f.b, f.it.S)
	for i := range after {
		if after[i] != f.before[i] {
			f.before = after
			return i
		}
	}
	return -1
}

// stays says whether a packet stays on its leaf when it is run again and again.
func (f *follower) stays(data []byte, leaf int, now *uint64) bool {
	for r := range 64 {
		*now += 100
		if f.run(&vm.Input{Data: data, IfIndex: 1, TimeNS: *now, Packet: uint64(r)}) != leaf {
			return false
		}
	}
	return true
}

// samples finds for each leaf, and for what none takes, a packet that stays on
// it; state is what the maps hold after the captures.
func (p *Plan) samples(ctx context.Context, b *fastpath.Built) ([]sample, *vm.State, error) {
	// What the run leaves in maps of the clock is to make sense to the kernel's: the
	// captures end now.
	var end uint64
	if err := p.each(ctx, func(pkt *vm.Input) error { end = max(end, pkt.TimeNS); return nil }); err != nil {
		return nil, nil, err
	}
	shift, err := untilNow(end)
	if err != nil {
		return nil, nil, err
	}
	f, err := p.follower(b)
	if err != nil {
		return nil, nil, err
	}
	const keep = 4 // candidates of each
	n := len(b.Leaves) + 1
	out := make([]sample, n)
	last := make([][][]byte, n)
	var now uint64
	err = p.each(ctx, func(pkt *vm.Input) error {
		was := pkt.TimeNS
		pkt.TimeNS += shift
		now = pkt.TimeNS
		i := f.run(pkt)
		if i < 0 || len(pkt.Data) > vm.MaxLinear/2 {
			return nil
		}
		out[i].n++
		out[i].when = append(out[i].when, was)
		if l := last[i]; len(l) < keep {
			last[i] = append(l, bytes.Clone(pkt.Data))
		} else {
			copy(l, l[1:])
			l[keep-1] = bytes.Clone(pkt.Data)
		}
		return nil
	})
	if err != nil {
		f.it.S.Close()
		return nil, nil, err
	}
	for i := range out {
		out[i].leaf = i
		for k := len(last[i]) - 1; k >= 0 && out[i].data == nil; k-- {
			if f.stays(last[i][k], i, &now) {
				out[i].data = last[i][k]
			}
		}
	}
	return out, f.it.S, nil
}

var errFound = errors.New("found")

// midway runs the captures up to the middle one of a path's packets, and takes that,
// if it stays on its path then.
func (p *Plan) midway(ctx context.Context, b *fastpath.Built, s sample) (sample, *vm.State, error) {
	mid := len(s.when) / 2
	out := sample{leaf: s.leaf, n: s.n}
	shift, err := untilNow(s.when[mid])
	if err != nil {
		return out, nil, err
	}
	f, err := p.follower(b)
	if err != nil {
		return out, nil, err
	}
	err = p.each(ctx, func(pkt *vm.Input) error {
		pkt.TimeNS += shift
		if i := f.run(pkt); i != s.leaf || len(pkt.Data) > vm.MaxLinear/2 {
			return nil
		}
		if mid--; mid >= 0 {
			return nil
		}
		data, now := bytes.Clone(pkt.Data), pkt.TimeNS
		if f.stays(data, s.leaf, &now) {
			out.data = data
		}
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		f.it.S.Close()
		return out, nil, err
	}
	return out, f.it.S, nil
}

// untilNow is how far the kernel's clock is ahead of a time.
func untilNow(then uint64) (uint64, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil { // that of bpf_ktime_get_ns
		return 0, fmt.Errorf("the kernel's clock: %w", err)
	}
	return uint64(now.Nano()) - then, nil
}
