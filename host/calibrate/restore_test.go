package calibrate

import (
	"encoding/binary"
	"testing"
	"time"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"

	cilium "github.com/cilium/ebpf"
)

// Programs that change what decides their path stay on it when it is restored,
// and leave it when it isn't: a counter of each side says so.
func TestRestored(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	cpu, err := kernel.CPU()
	if err != nil {
		t.Skip(err)
	}
	err = kernel.Isolated(cpu, func() error {
		for _, c := range []struct {
			name   string
			change code
		}{
			{"a byte", code{storeImm(ebpf.SizeB, 10, -8, 1), movx(1, 6), mov(2, 20), movx(3, 10), alu(ebpf.ALUAdd, 3, -8), mov(4, 1), helper(ebpf.FnXdpStoreBytes)}},
			{"a header before it", code{movx(1, 6), mov(2, -20), helper(ebpf.FnXdpAdjustHead)}},
			{"a header off", code{movx(1, 6), mov(2, 14), helper(ebpf.FnXdpAdjustHead)}},
			{"its end", code{movx(1, 6), mov(2, -8), helper(ebpf.FnXdpAdjustTail)}},
			{"a longer end", code{movx(1, 6), mov(2, 100), helper(ebpf.FnXdpAdjustTail)}},
			{"both", code{movx(1, 6), mov(2, -40), helper(ebpf.FnXdpAdjustHead), movx(1, 6), mov(2, -30), helper(ebpf.FnXdpAdjustTail)}},
			{"metadata", code{movx(1, 6), mov(2, -8), helper(ebpf.FnXdpAdjustMeta)}},
		} {
			b := &bench{meter: meter{ctx: t.Context(), rounds: 2, round: 10 * time.Microsecond, packet: make([]byte, 64)}, study: &Study{}}
			// Packets of 64 bytes whose byte 20 is 0, without metadata, count in
			// 0, all others in 1.
			first := code{movx(6, 1)}
			first.add(mapValue(7, 0)...)
			first.add(
				load(ebpf.SizeW, 1, 6, ctxXDPData), load(ebpf.SizeW, 2, 6, ctxXDPDataEnd), load(ebpf.SizeW, 3, 6, ctxXDPMeta),
				movx(4, 1), alu(ebpf.ALUAdd, 4, 21), jumpx(ebpf.JmpGT, 4, 2, 0), load(ebpf.SizeB, 5, 1, 20), mov(9, 1),
				store(ebpf.SizeDW, 7, 16, 1), load(ebpf.SizeDW, 0, 7, 16), store(ebpf.SizeDW, 7, 16, 2), load(ebpf.SizeDW, 2, 7, 16), alux(ebpf.ALUSub, 2, 0), // length
				store(ebpf.SizeDW, 7, 16, 3), load(ebpf.SizeDW, 3, 7, 16), alux(ebpf.ALUSub, 0, 3), // metadata
				jump(ebpf.JmpNE, 5, 0, 3), jump(ebpf.JmpNE, 2, 64, 2), jump(ebpf.JmpNE, 0, 0, 1), mov(9, 0))
			first.add(alu(ebpf.ALULsh, 9, 3), alux(ebpf.ALUAdd, 7, 9), mov(1, 1), atomic(ebpf.AtomicAdd, 7, 0, 1))
			for i := range first {
				if first[i].Op == ebpf.ClassJMP|ebpf.JmpGT|ebpf.SrcX {
					first[i].Off = int16(len(first) + len(c.change) - i - 1)
				}
			}
			first.add(c.change...)
			first.add(mov(0, xdpDrop), exit())
			ms, err := b.maps(array("counts", 24))
			if err != nil {
				return err
			}
			p, err := kernel.LoadRaw(kernel.Raw{Name: "changes", Insns: first, Type: cilium.XDP, Funcs: []loader.Func{{End: len(first)}}}, ms, kernel.Options{})
			if err != nil {
				t.Errorf("%s: %+v", c.name, err)
				continue
			}
			b.open = append(b.open, p)
			counts := func() (same, other uint64) {
				v, err := ms.Map(0).Lookup(make([]byte, 4))
				if err != nil || v == nil {
					t.Fatal(err)
				}
				must.OK(t, ms.Map(0).Update(make([]byte, 4), make([]byte, 24), 0))
				return binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])
			}
			if _, err := p.Bench(b.packet, 50); err != nil {
				return err
			}
			if _, other := counts(); other < 5 { // some get too short for it
				t.Errorf("%s: not restored, only %d of 50 runs left the path", c.name, other)
			}
			r, err := b.restored("restored", p, 0, b.packet)
			if err != nil {
				t.Errorf("%s: %+v", c.name, err)
				continue
			}
			for range 3 {
				if err := r.reset(); err != nil {
					return err
				}
				if _, err := r.prog.Bench(b.packet, 50); err != nil {
					return err
				}
				if same, other := counts(); same != 50 || other != 0 {
					t.Errorf("%s: restored, %d runs took the path and %d another", c.name, same, other)
				}
			}
			b.close()
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
