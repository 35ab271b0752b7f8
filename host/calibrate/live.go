package calibrate

import (
	"errors"
	"fmt"

	"jitnic/host/kernel"

	cilium "github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// live times packets that are really taken through the kernel's XDP path
// (BPF_F_TEST_XDP_LIVE_FRAMES): pages come from a page pool, dropped ones go
// back to it, passed ones become an skb and enter the stack. It is what a
// driver does without its descriptors and its DMA.
func live(b *bench) error {
	type what struct {
		name    string
		verdict int32
		note    string
	}
	whats := []what{
		{"live_drop", xdpDrop, "live frames, XDP_DROP: page pool, program, recycling"},
		{"live_pass", xdpPass, "live frames, XDP_PASS: an skb is built and the stack entered, which drops an unknown EtherType"},
	}
	var progs []*kernel.Prog
	for _, w := range whats {
		p, err := b.checked(w.name, cilium.XDP, code{mov(0, w.verdict), exit()}, nil, uint32(w.verdict))
		if err != nil {
			return err
		}
		progs = append(progs, p)
	}
	packet := make([]byte, 64)
	packet[12], packet[13] = 0x88, 0xb5 // local experimental EtherType 1 (IEEE 802)
	n := uint32(max(256, b.round.Microseconds()*10))
	times := make([][]float64, len(whats))
	for r := range warm + min(b.rounds, slowRounds) {
		for i := range whats {
			if err := b.ctx.Err(); err != nil {
				return err
			}
			t, err := progs[i].Live(packet, n)
			if errors.Is(err, unix.EINVAL) {
				return nil // before Linux 5.18 there is no such mode
			}
			if err != nil {
				return fmt.Errorf("%s: %w", whats[i].name, err)
			}
			if r >= warm {
				times[i] = append(times[i], float64(t.Nanoseconds()))
			}
		}
	}
	for i, w := range whats {
		f := difference(times[i], nil, 1).half()
		f.Group, f.Name, f.Bytes, f.Note = "live", w.name, len(packet), w.note
		b.note(f)
	}
	f := difference(times[1], times[0], 1)
	f.Group, f.Name, f.Bytes, f.Note = "live", "pass", len(packet), "what XDP_PASS costs more than XDP_DROP"
	b.note(f)
	return nil
}
