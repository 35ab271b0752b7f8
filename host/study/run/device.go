package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"jitnic/cache"
	"jitnic/host/run/offload"
	"jitnic/host/run/replay"
	"jitnic/host/study/cell"
	"jitnic/nic/device"
	"jitnic/nic/feasibility"
	"jitnic/nic/profile"
)

// Figures are what an offload to a device costs for a cell's packets: of a hit, of
// a miss, of a packet on the host alone. With them each point's hit ratio tells
// whether it pays there.
type Figures struct {
	Device  string                `json:"device"`
	Host    string                `json:"host"`
	Rate    uint64                `json:"rate_pps"`
	Tier    int                   `json:"tier"`
	Packets uint64                `json:"packets"` // that the model saw
	Answer  string                `json:"answer"`  // of the device with the cache it can hold, under lru
	Why     string                `json:"why"`
	Budget  string                `json:"budget"`
	Hit     float64               `json:"hit_ratio"` // there
	Loss    float64               `json:"loss"`
	Cores   float64               `json:"host_cores"`
	Alone   float64               `json:"host_only_cores"`
	Mean    float64               `json:"latency_mean_ns"`
	AloneNS float64               `json:"host_only_latency_mean_ns"`
	Even    feasibility.BreakEven `json:"break_even"`
	// What the optimiser failed at; "": nothing.
	Unoptimised string `json:"unoptimised,omitempty"`
}

// devicePackets is how many packets of a cell the models of devices see at most:
// what each did is held in memory.
const devicePackets = 1 << 20

// Figures are those of a device that the store has; nil: none.
func (w *Worker) Figures(c *cell.Cell, d *cell.Device) (*Figures, error) {
	var f Figures
	err := w.readJSON(c.DeviceAddress(d)+".device", &f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// tiers say how far the traces of a device are optimised.
var tiers = []func() *replay.Optimiser{
	0: func() *replay.Optimiser { return nil },
	1: func() *replay.Optimiser { return &replay.Optimiser{On: true, Layers: "pr"} },
	2: func() *replay.Optimiser { return &replay.Optimiser{On: true} },
}

// devices asks each device of the cell that the store doesn't know. The program is
// run once more for each tier, recorded: what a packet touches is no part of its
// path's number.
func (w *Worker) devices(ctx context.Context, c *cell.Cell) (made int, failed []string, err error) {
	for tier, optimiser := range tiers {
		var todo []*cell.Device
		for i := range c.Devices {
			d := &c.Devices[i]
			if d.Tier != tier {
				continue
			}
			f, err := w.Figures(c, d)
			if err != nil {
				return made, failed, err
			}
			if f == nil {
				todo = append(todo, d)
			}
		}
		if len(todo) == 0 {
			continue
		}
		m, lines, err := w.observe(ctx, c, optimiser(), todo)
		made, failed = made+m, append(failed, lines...)
		if err != nil {
			if isStore(err) || ctx.Err() != nil {
				return made, failed, err
			}
			failed = append(failed, "devices: "+err.Error())
		}
	}
	return made, failed, nil
}

func (w *Worker) observe(ctx context.Context, c *cell.Cell, opt *replay.Optimiser, todo []*cell.Device) (made int, failed []string, err error) {
	in, err := w.local(ctx, c)
	if err != nil {
		return 0, nil, err
	}
	in.Keep, in.Jobs = c.Keep(), 1
	if in.Limit == 0 || in.Limit > devicePackets {
		in.Limit = devicePackets
	}
	if to := c.Identity.To; to > 0 { // the packets before it are not run
		in.Limit = min(to, c.Identity.From+devicePackets)
	}
	how, err := c.Remedies()
	if err != nil {
		return 0, nil, err
	}
	var nics []*profile.NIC
	var hosts []*profile.Host
	for _, d := range todo {
		nic, host, err := cell.LoadProfiles(d.NIC, d.Host, d.Set)
		if err != nil {
			return 0, nil, err
		}
		nics, hosts = append(nics, nic), append(hosts, host)
	}
	run, err := offload.Observe(ctx, in, offload.Options{Remedies: how, Optimiser: opt}, nics...)
	if err != nil {
		return 0, nil, err
	}
	defer run.Close()
	if run.Session.Partial {
		return 0, nil, context.Cause(ctx)
	}
	for i, d := range todo {
		s, err := run.Study(ctx, nics[i], hosts[i], feasibility.Options{
			Cache: cache.Config{Policy: "lru", Admission: "always", HotThreshold: 1, Seed: c.Seed},
			Rate:  d.Rate, Arrivals: device.Arrivals("constant"), Seed: c.Seed, Workers: 1,
		})
		switch {
		case ctx.Err() != nil || err == nil && s.Partial:
			return made, failed, context.Cause(ctx)
		case err != nil:
			failed = append(failed, fmt.Sprintf("device %s: %v", d.Name, err))
			continue
		}
		both, alone := s.Point[0], s.Point[1]
		f := &Figures{Device: d.Name, Host: s.Host.Name, Rate: d.Rate, Tier: d.Tier, Packets: s.Packets, Answer: string(s.Verdict.Answer), Why: s.Verdict.Sentence,
			Budget: s.Budget, Hit: both.HitRatio, Loss: both.Loss, Cores: both.CoresNeeded, Alone: alone.CoresNeeded, Mean: both.Mean, AloneNS: alone.Mean, Even: s.BreakEven, Unoptimised: run.Superopt.Faulty()}
		if err := w.writeJSON(c.DeviceAddress(d)+".device", f); err != nil {
			return made, failed, err
		}
		made++
	}
	return made, failed, nil
}
