package device

import (
	"fmt"

	"jitnic/nic/profile"
)

// Check errs on an input whose parts don't belong together.
func (in *Input) Check() error {
	for i := range in.Packets {
		p := &in.Packets[i]
		switch {
		case p.Path < -1 || int(p.Path) >= len(in.Paths):
			return fmt.Errorf("packet %d: path %d: there are %d", i+1, p.Path, len(in.Paths))
		case uint64(p.First)+uint64(p.N) > uint64(len(in.Accesses)):
			return fmt.Errorf("packet %d: accesses %d to %d: there are %d", i+1, p.First, uint64(p.First)+uint64(p.N), len(in.Accesses))
		case p.Fate > Up:
			return fmt.Errorf("packet %d: fate %d is not known", i+1, p.Fate)
		case p.Flow == 1<<32-1:
			return fmt.Errorf("packet %d: flow %d: too many", i+1, p.Flow)
		}
	}
	for i, a := range in.Accesses {
		if int64(a.Entry) >= int64(in.Entries) {
			return fmt.Errorf("access %d: entry %d: there are %d", i, a.Entry, in.Entries)
		}
	}
	traces := in.Traces()
	for i := range in.Paths {
		parts := in.Paths[i].Parts
		if (len(parts) == 0) != (in.Segments == nil) {
			return fmt.Errorf("path %d: %d segments, of %d", i, len(parts), len(in.Segments))
		}
		for _, x := range parts {
			if int64(x.Segment) >= int64(len(in.Segments)) {
				return fmt.Errorf("path %d: segment %d: there are %d", i, x.Segment, len(in.Segments))
			}
		}
	}
	for i := range traces {
		if p := &traces[i]; p.Compile > maxTime || p.Install > maxTime {
			return fmt.Errorf("path %d: compiles in %d ps and installs in %d ps: more than %d", i, p.Compile, p.Install, uint64(maxTime))
		}
		if b := &traces[i].Better; b.Search > maxTime || b.Install > maxTime {
			return fmt.Errorf("path %d: is searched in %d ps and swapped in %d ps: more than %d", i, b.Search, b.Install, uint64(maxTime))
		}
	}
	for i, v := range in.Invalidations {
		switch {
		case int(v.ID) >= len(traces):
			return fmt.Errorf("invalidation %d: path %d: there are %d", i, v.ID, len(traces))
		case i > 0 && v.At < in.Invalidations[i-1].At:
			return fmt.Errorf("invalidation %d: before packet %d, and the one in front of it before packet %d", i, v.At, in.Invalidations[i-1].At)
		case v.At > uint64(len(in.Packets)):
			return fmt.Errorf("invalidation %d: before packet %d: there are %d", i, v.At, len(in.Packets))
		}
	}
	return nil
}

// No single time is longer than 1,000 s, so that sums of them stay in 63 bits.
const (
	maxTime = 1000 * second
	maxNs   = maxTime / 1000
)

// checkProfiles errs on parameters the model can't run with.
func checkProfiles(n *profile.NIC, h *profile.Host) error {
	for _, p := range []struct {
		key               string
		value, from, upto uint64
	}{
		{"clock", n.Clock, 1000, 1_000_000_000},
		{"link.rate", n.Link, 0, 1e12},
		{"link.overhead", n.LinkOverhead, 0, 1 << 16},
		{"ingress.queue", n.IngressQueue, 0, 1 << 31},
		{"egress.queue", n.EgressQueue, 0, 1 << 31},
		{"matcher.interval", n.MatcherInterval, 0, 1 << 32},
		{"exec.units", n.Units, 1, 1 << 20},
		{"exec.queue", n.UnitQueue, 0, 1 << 31},
		{"pcie.read", n.PCIeRead, 0, maxNs},
		{"pcie.writeread", n.PCIeWriteRead, n.PCIeRead, maxNs},
		{"pcie.numa", n.PCIeNUMA, 0, maxNs},
		{"pcie.rate", n.PCIeRate, 0, 1e12},
		{"pcie.tlp", n.PCIeTLP, 0, 1 << 16},
		{"pcie.payload", n.PCIePayload, 0, 1 << 31},
		{"pcie.descriptor", n.PCIeDesc, 0, 1 << 20},
		{"pcie.doorbell", n.Doorbell, 0, maxNs},
		{"install.stall", n.InstallStall, 0, 1 << 32},
		{"install.queue", n.InstallQueue, 0, 1 << 31},
	} {
		if p.value < p.from || p.value > p.upto {
			return fmt.Errorf("device %q: %s is %d: from %d to %d are possible", n.Name, p.key, p.value, p.from, p.upto)
		}
	}
	switch n.Memory {
	case profile.MemNIC, profile.MemHost, profile.MemShared, profile.MemReplicated:
	default:
		return fmt.Errorf("device %q: memory.model %q is not known", n.Name, n.Memory)
	}
	for _, p := range []struct {
		key               string
		value, from, upto uint64
	}{
		{"cores", h.Cores, 1, 1 << 16},
		{"queue", h.Queue, 1, 1 << 31},
		{"driver", h.Driver, 0, maxTime},
		{"verdict.pass", h.Pass, 0, maxTime},
		{"compile.workers", h.Compilers, 1, 1 << 16},
		{"compile.queue", h.CompileQueue, 0, 1 << 31},
	} {
		if p.value < p.from || p.value > p.upto {
			return fmt.Errorf("host %q: %s is %d: from %d to %d are possible", h.Name, p.key, p.value, p.from, p.upto)
		}
	}
	return nil
}
