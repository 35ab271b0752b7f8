package calibrate

import (
	"fmt"
	"os"
	"time"

	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// outputs times what hands records on: queues, stacks and ring buffers.
func outputs(b *bench) error {
	value := func(dst uint8) code { return code{movx(dst, 10), alu(ebpf.ALUAdd, dst, -8)} }
	for _, t := range []struct {
		name string
		typ  cilium.MapType
	}{{"queue", cilium.Queue}, {"stack", cilium.Stack}} {
		ms, err := b.maps(&maps.Spec{Name: t.name, Type: t.typ, ValueSize: valueSize, Max: 128})
		if err != nil {
			return err
		}
		call := func(id int32) code {
			c := code(mapFD(1, 0))
			c.add(value(2)...)
			return append(c, mov(3, 0), helper(id))
		}
		n := len(b.study.Figures)
		if err := b.operations("output", cilium.SchedCLS, ms, code{storeImm(ebpf.SizeDW, 10, -8, 7)}, []operation{
			{name: "push_pop", n: 64, body: func(int) code { return append(call(ebpf.FnMapPushElem), call(ebpf.FnMapPopElem)...) }, note: "bpf_map_push_elem and bpf_map_pop_elem"},
		}); err != nil {
			return err
		}
		for i := n; i < len(b.study.Figures); i++ {
			b.study.Figures[i].Map = t.name
		}
		if left, err := ms.Map(0).Drain(); err != nil || len(left) > 0 {
			return fmt.Errorf("%s: %d values are left, %v", t.name, len(left), err)
		}
	}
	return ring(b)
}

// ring times records of 64 bytes into a ring buffer whose reader is not woken;
// it is emptied between the rounds.
func ring(b *bench) error {
	const (
		size   = 1 << 20
		record = 64
		n      = 32
		runs   = size / 2 / (record + 8) / n
	)
	ms, err := b.maps(&maps.Spec{Name: "ring", Type: cilium.RingBuf, Max: size}, array("values", record))
	if err != nil {
		return err
	}
	fd, err := unix.FcntlInt(uintptr(ms.Map(0).FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("ring: dup: %w", err)
	}
	m, err := cilium.NewMapFromFD(fd)
	if err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	b.open = append(b.open, m)
	r, err := ringbuf.NewReader(m)
	if err != nil {
		return fmt.Errorf("ring: %w", err)
	}
	b.open = append(b.open, r)
	got := 0
	var rec ringbuf.Record
	drain := func() error {
		got = 0
		for r.AvailableBytes() > 0 {
			r.SetDeadline(time.Now())
			if err := r.ReadInto(&rec); err != nil {
				if os.IsTimeout(err) {
					break
				}
				return fmt.Errorf("ring: %w", err)
			}
			got++
		}
		return nil
	}
	empty := code(mapValue(6, 1))
	out, reserve := code{}, code{}
	for range n {
		out.add(mapFD(1, 0)...)
		out.add(movx(2, 6), mov(3, record), mov(4, flagRingNoWake), helper(ebpf.FnRingbufOutput))
		reserve.add(mapFD(1, 0)...)
		reserve.add(mov(2, record), mov(3, 0), helper(ebpf.FnRingbufReserve), jump(ebpf.JmpEQ, 0, 0, 3), movx(1, 0), mov(2, flagRingNoWake), helper(ebpf.FnRingbufSubmit))
	}
	tail := code{mov(0, xdpDrop), exit()}
	var jobs []job
	for _, c := range []code{nil, out, reserve} {
		p, err := b.checked("ring", cilium.SchedCLS, append(append(append(code{}, empty...), c...), tail...), ms, xdpDrop)
		if err != nil {
			return err
		}
		if err := drain(); err != nil {
			return err
		}
		if c != nil && got != n {
			return fmt.Errorf("ring: %d records of %d came", got, n)
		}
		jobs = append(jobs, job{prog: p, runs: uint32(runs), after: drain})
	}
	times, err := b.series(jobs...)
	if err != nil {
		return err
	}
	for i, name := range []string{"output", "reserve_submit"} {
		f := difference(times[i+1], times[0], n)
		f.Group, f.Name, f.Map, f.Note = "output", name, "ringbuf", fmt.Sprintf("a record of %d bytes, reader not woken", record)
		b.note(f)
	}
	return nil
}

// xdpHelpers times helpers that only XDP has.
func xdpHelpers(b *bench) error {
	ms, err := b.maps(&maps.Spec{Name: "devs", Type: cilium.DevMap, KeySize: 4, ValueSize: 4, Max: 8})
	if err != nil {
		return err
	}
	if err := ms.Map(0).Update(make([]byte, 4), []byte{1, 0, 0, 0}, 0); err != nil { // the loopback device
		return err
	}
	redirect := code(mapFD(1, 0))
	redirect.add(mov(2, 0), mov(3, 0), helper(ebpf.FnRedirectMap))
	adjust := func(id int32) func(int) code {
		return func(int) code { return code{movx(1, 6), mov(2, 0), helper(id)} }
	}
	return b.operations("helper", cilium.XDP, ms, code{movx(6, 1)}, []operation{
		{name: "redirect_map", n: 64, body: func(int) code { return redirect }, note: "into a device map; sending is not part of it"},
		{name: "xdp_adjust_head", n: 64, body: adjust(ebpf.FnXdpAdjustHead), note: "by 0 bytes"},
		{name: "xdp_adjust_tail", n: 64, body: adjust(ebpf.FnXdpAdjustTail), note: "by 0 bytes"},
	})
}
