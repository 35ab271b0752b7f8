package offload

import (
	"context"
	"errors"
	"fmt"

	"jitnic/cache"
	"jitnic/host/run/replay"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/feasibility"
	"jitnic/nic/profile"
)

// Device is what ways to make traces are tried on (Sides): a NIC's model, beside the
// host of the cited figures.
type Device struct {
	NIC  string // a built-in profile, or a file; "": none
	Rate string // offered load, as feasibility reads it

	nic  *profile.NIC
	host *profile.Host
}

// Open reads the profiles, and says what is wrong with the settings; it does nothing
// where no device is named.
func (d *Device) Open() (err error) {
	if d.NIC == "" {
		return nil
	}
	if d.nic, err = profile.Load(d.NIC); err != nil {
		return fmt.Errorf("--nic: %w", err)
	}
	if d.host, err = profile.LoadHost("paper"); err != nil {
		return err
	}
	if r, err := (load.Wire{Frame: 1000, Line: 1}).Rates(d.Rate); err != nil || len(r) != 1 {
		return fmt.Errorf("--rate %s: want one rate, as 10Mpps, 40Gbps or line", d.Rate)
	}
	return nil
}

// Sides tells of each way what it would do on the device, with a trace cache of
// replay.SideEntries entries, which says where paths are cut too: latency at the rate,
// and the highest rate without loss. A way that can't be had there says why. The
// program runs once more in each. Where ctx ends, the ways from there on have nothing.
func (d *Device) Sides(ctx context.Context, in replay.Input, policy string, ways []replay.Remedies, sides []replay.Side) error {
	if d.nic == nil {
		return nil
	}
	for i := range sides {
		on, err := d.side(ctx, in, policy, ways[i])
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%v: %w", ways[i], err)
		}
		sides[i].Device = on
	}
	return nil
}

func (d *Device) side(ctx context.Context, in replay.Input, policy string, how replay.Remedies) (*replay.SideDevice, error) {
	on := &replay.SideDevice{NIC: d.nic.Name}
	held := cache.Config{Policy: policy, Entries: replay.SideEntries, HotThreshold: 1, Seed: in.Seed}
	run, err := Observe(ctx, in, Options{Remedies: how, Caches: []cache.Config{held}}, d.nic)
	var refused *replay.SettingError
	if errors.As(err, &refused) {
		on.Missing = err.Error()
		return on, nil
	}
	if err != nil {
		return nil, err
	}
	defer run.Close()
	rates, err := feasibility.Wire(run.Workload, d.nic).Rates(d.Rate)
	if err != nil {
		return nil, fmt.Errorf("--rate: %w", err)
	}
	on.Rate = rates[0]
	s, err := run.Study(ctx, d.nic, d.host, feasibility.Options{Cache: held, Rate: on.Rate, Seed: in.Seed, Throughput: true})
	if err != nil {
		on.Missing = err.Error()
		return on, nil
	}
	for _, f := range s.Point {
		if f.Mode == device.Both.String() {
			on.HitRatio, on.Mean, on.P99, on.Loss, on.Installs = f.HitRatio, f.Mean, f.P99, f.Loss, f.Installs
		}
	}
	for _, t := range s.Throughput {
		if t.Mode == device.Both.String() {
			on.LossFree, on.Bound = t.Rate, t.Bound
		}
	}
	return on, nil
}
