package calibrate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"jitnic/host/kernel"

	cilium "github.com/cilium/ebpf"
)

// Beside times XDP programs in turns on one packet, which each run finds as it
// was first (see restorer): the lower quartile of the time of one run, in
// nanoseconds, by program. It is to be called isolated (kernel.Isolated); flags
// are those the programs were loaded with.
func Beside(ctx context.Context, packet []byte, flags uint32, rounds int, round time.Duration, progs ...*kernel.Prog) ([]float64, error) {
	if len(packet) < 14 {
		return nil, fmt.Errorf("a packet of %d bytes is none that runs", len(packet))
	}
	b := &bench{meter: meter{ctx: ctx, rounds: rounds, round: round, packet: packet, fine: true}}
	defer b.close()
	nothing, err := kernel.LoadRaw(kernel.Raw{Name: "empty", Insns: code{mov(0, xdpDrop), exit()}, Type: cilium.XDP, Flags: flags}, &kernel.Maps{}, kernel.Options{})
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, nothing)
	var jobs []job
	for i, p := range append(slices.Clone(progs), nothing) {
		r, err := b.restored(fmt.Sprintf("beside%d", i), p, flags, packet)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{prog: r.prog, packet: packet, before: r.reset})
	}
	jobs = append(jobs, job{prog: nothing, packet: packet})
	times, err := b.series(jobs...)
	if err != nil {
		return nil, err
	}
	// The restorer goes, and what an empty program takes by itself comes back.
	n := len(progs)
	out := make([]float64, n)
	for i := range progs {
		whole := make([]float64, rounds)
		for k := range whole {
			whole[k] = times[i][k] + times[n+1][k]
		}
		out[i] = difference(whole, times[n], 1).Value
	}
	return out, nil
}
