package fastpath

import (
	"bytes"
	"context"
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
}

// Times measures original and fast path, packet by packet of each path, in turns
// and with large repeats, on maps as the run left them.
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
	return t, kernel.Isolated(cpu, func() error { return p.times(ctx, t, counted, samples, state) })
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

func (p *Plan) times(ctx context.Context, t *Times, counted *fastpath.Built, samples []sample, state *vm.State) error {
	objs, entries, err := p.versions()
	if err != nil {
		return err
	}
	var progs []*kernel.Prog
	for i := range objs {
		k, err := kernel.Load(objs[i], entries[i], kernel.Options{Plain: true})
		if err != nil {
			return err
		}
		defer k.Maps.Close()
		defer k.Close()
		if err := Pour(state, p.Session.Obj, k.Maps, loopback, func(string) {}); err != nil {
			return err
		}
		progs = append(progs, k)
	}
	// The fast path with counters, on maps of its own, says whether a packet is on
	// its path by the kernel's clock, too.
	told, err := kernel.Load(counted.Object, counted.Program, kernel.Options{Plain: true})
	if err != nil {
		return err
	}
	defer told.Maps.Close()
	defer told.Close()
	if err := Pour(state, p.Session.Obj, told.Maps, loopback, func(string) {}); err != nil {
		return err
	}
	stays := func(s sample) (bool, error) {
		before := kernelCounters(counted, told.Maps)
		if _, err := told.Run(s.data, kernel.Context{}); err != nil {
			return false, err
		}
		after := kernelCounters(counted, told.Maps)
		return len(after) > s.leaf && len(before) == len(after) && after[s.leaf] == before[s.leaf]+1, nil
	}
	var timed uint64
	for _, s := range samples {
		row := Time{Path: -1, Packets: s.n}
		if s.leaf < len(counted.Leaves) {
			row.Path = counted.Leaves[s.leaf].ID
		}
		if s.data == nil {
			row.Why = "no packet stays on it when it is run again and again"
		} else if on, err := stays(s); err != nil {
			return err
		} else if !on {
			row.Why = "by the kernel's clock its packet takes another path"
		} else {
			ns, err := calibrate.Beside(ctx, s.data, p.Session.Entry.LoadFlags, timeRounds, timeRound, progs...)
			if err != nil {
				return fmt.Errorf("times: %w", err)
			}
			if on, err := stays(s); err != nil {
				return err
			} else if !on {
				row.Why = "while it was measured its packet came to another path"
				t.Rows = append(t.Rows, row)
				continue
			}
			row.Original, row.Plain = ns[0], ns[1]
			if len(ns) > 2 {
				row.Fast = ns[2]
			}
			w := float64(s.n)
			t.Original, t.Plain, t.Fast = t.Original+w*row.Original, t.Plain+w*row.Plain, t.Fast+w*row.Fast
			timed += s.n
		}
		t.Rows = append(t.Rows, row)
	}
	if timed > 0 {
		t.Original, t.Plain, t.Fast = t.Original/float64(timed), t.Plain/float64(timed), t.Fast/float64(timed)
	}
	t.Share = float64(timed) / float64(max(p.Packets, 1))
	return nil
}

// samples finds for each leaf, and for what none takes, a packet that stays on
// it; state is what the maps hold after the captures.
func (p *Plan) samples(ctx context.Context, b *fastpath.Built) ([]sample, *vm.State, error) {
	it, err := p.Session.Machine(b.Object, b.Program)
	if err != nil {
		return nil, nil, err
	}
	// What the run leaves in maps of the clock is to make sense to the kernel's: the
	// captures end now.
	shift, err := p.untilNow(ctx)
	if err != nil {
		it.S.Close()
		return nil, nil, err
	}
	const keep = 4 // candidates of each
	n := len(b.Leaves) + 1
	out := make([]sample, n)
	last := make([][][]byte, n)
	before := counters(b, it.S)
	var now uint64
	took := func(in *vm.Input) int {
		var o vm.Output
		it.Run(in, &o)
		after := counters(b, it.S)
		for i := range after {
			if after[i] != before[i] {
				before = after
				return i
			}
		}
		return -1
	}
	err = p.each(ctx, func(pkt *vm.Input) error {
		pkt.TimeNS += shift
		now = pkt.TimeNS
		i := took(pkt)
		if i < 0 || len(pkt.Data) > vm.MaxLinear/2 {
			return nil
		}
		out[i].n++
		if l := last[i]; len(l) < keep {
			last[i] = append(l, bytes.Clone(pkt.Data))
		} else {
			copy(l, l[1:])
			l[keep-1] = bytes.Clone(pkt.Data)
		}
		return nil
	})
	if err != nil {
		it.S.Close()
		return nil, nil, err
	}
	for i := range out {
		out[i].leaf = i
		for k := len(last[i]) - 1; k >= 0 && out[i].data == nil; k-- {
			steady := true
			for r := range 64 {
				now += 100
				steady = steady && took(&vm.Input{Data: last[i][k], IfIndex: 1, TimeNS: now, Packet: uint64(r)}) == i
			}
			if steady {
				out[i].data = last[i][k]
			}
		}
	}
	return out, it.S, nil
}

// untilNow is how far the kernel's clock is ahead of the captures' last packet.
func (p *Plan) untilNow(ctx context.Context) (uint64, error) {
	var last uint64
	if err := p.each(ctx, func(pkt *vm.Input) error { last = max(last, pkt.TimeNS); return nil }); err != nil {
		return 0, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil { // that of bpf_ktime_get_ns
		return 0, fmt.Errorf("the kernel's clock: %w", err)
	}
	return uint64(now.Nano()) - last, nil
}
