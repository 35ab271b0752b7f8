package cell

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/host/run/jit"
	"jitnic/host/study/spec"
)

func both(a, b string) string {
	if a != "" && b != "" {
		return "(" + a + ") and (" + b + ")"
	}
	return a + b
}

func (c *Cell) coordinates() string {
	return fmt.Sprintf("%s\x00%s\x00%d\x00%s\x00%s\x00%s\x00%s", c.Address, c.Split, c.Seed, c.Program, c.Entry, c.Capture, c.Maps)
}

// join adds what is new of another cell of the same coordinates.
func (c *Cell) join(o *Cell) {
	for _, p := range o.Points {
		if !slices.ContainsFunc(c.Points, func(q cache.Config) bool { return c.PointKey(&q) == c.PointKey(&p) }) {
			c.Points = append(c.Points, p)
		}
	}
	for _, d := range o.Devices {
		if !slices.ContainsFunc(c.Devices, func(x Device) bool {
			return x.NICHash == d.NICHash && x.HostHash == d.HostHash && x.Rate == d.Rate && x.Tier == d.Tier
		}) {
			c.Devices = append(c.Devices, d)
		}
	}
}

// points are the caches that are run over the cell's paths. A bound knows no
// admission, and what draws nothing gives the same for every seed: it has the
// first alone.
func (r *resolver) points(a *spec.Axes, c *Cell, seed uint64) []cache.Config {
	var out []cache.Config
	for _, p := range a.Policies {
		info, err := policy.Lookup(p)
		for i, adm := range a.Admissions {
			if err == nil && info.Kind == policy.Bound {
				if i > 0 {
					continue
				}
				adm = "always"
			}
			for _, hot := range a.Hot {
				for _, delay := range a.InstallDelay {
					cfg := cache.Config{Policy: p, Admission: adm, HotThreshold: hot, InstallDelay: delay, Seed: seed}
					for _, n := range a.Entries {
						cfg.Entries, cfg.Slots = n, 0
						out = r.keep(out, c, cfg)
					}
					for _, n := range a.Slots {
						cfg.Entries, cfg.Slots = 0, n
						out = r.keep(out, c, cfg)
					}
				}
			}
		}
	}
	return out
}

func (r *resolver) keep(out []cache.Config, c *Cell, cfg cache.Config) []cache.Config {
	if Excluded(r.study.Exclude, c, &cfg, nil) {
		r.plan.Skipped++
		return out
	}
	return append(out, cfg)
}

// wanted are the devices that are not excluded for every point of the cell.
func (r *resolver) wanted(c *Cell, devices []Device) []Device {
	var out []Device
	for i := range devices {
		if !Excluded(r.study.Exclude, c, nil, &devices[i]) {
			out = append(out, devices[i])
		}
	}
	return out
}

// Excluded says whether a row is taken out: the row of a cell's point on a device,
// either of which may be nil. Then items that say something of it don't hold.
func Excluded(exclude []spec.Match, c *Cell, p *cache.Config, d *Device) bool {
	for _, m := range exclude {
		all := true
		for _, w := range m.Want {
			v, ok := coordinate(w.Column, c, p, d)
			all = all && ok && slices.ContainsFunc(w.Any, func(pattern string) bool {
				hit, err := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(v, "/", "\x01"))
				return pattern == v || err == nil && hit
			})
		}
		if all {
			return true
		}
	}
	return false
}

func coordinate(column string, c *Cell, p *cache.Config, d *Device) (string, bool) {
	switch column {
	case "program":
		return c.Program, true
	case "entry":
		return c.Entry, true
	case "capture":
		return c.Capture, true
	case "mode":
		return c.Mode, true
	case "segments":
		return jit.SegmentsName(c.Segments), true
	case "queues":
		return fmt.Sprint(c.Queues), true
	case "split":
		return c.Split, true
	case "seed":
		return fmt.Sprint(c.Seed), true
	}
	if p != nil {
		switch column {
		case "policy":
			return p.Policy, true
		case "admission":
			return p.Admission, true
		case "entries":
			return fmt.Sprint(p.Entries), true
		case "slots":
			return fmt.Sprint(p.Slots), true
		case "hot":
			return fmt.Sprint(p.HotThreshold), true
		case "install_delay":
			return fmt.Sprint(p.InstallDelay), true
		}
	}
	if d != nil {
		switch column {
		case "device":
			return d.Name, true
		case "host":
			return d.Host, true
		case "rate_pps":
			return fmt.Sprint(d.Rate), true
		case "tier":
			return fmt.Sprint(d.Tier), true
		}
	}
	return "", false
}
