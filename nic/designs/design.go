package designs

import (
	"fmt"
	"strings"

	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// Setting is what all designs are given: one capture, one device, one budget.
type Setting struct {
	W    *workload.Workload
	NIC  *profile.NIC
	Host *profile.Host

	// In is the workload at this device's and host's prices, as nic/price makes
	// it: what a path's trace costs on the device, a packet's run on the host.
	In *device.Input

	// Cache is the policy and the budget of every design that has a cache. With
	// a budget in slots each design's entries count their own size.
	Cache cache.Config

	// Program is what the whole program costs on the device on a run of a shape:
	// cycles of an executor unit, dispatch included; ok is false where the
	// device can't execute something the run needs. nil is Sequential.
	Program func(shape uint32) (cycles uint32, ok bool)

	// Prefix is by shape how many instructions a run executes before its first
	// stateful operation, as Stateless counts them; nil: estimated from
	// conditions and traces.
	Prefix []uint32
}

// A Design is a way to split the work between NIC and host. Run is a pure
// function of the setting: the same gives the same.
type Design interface {
	Name() string // as in a list of designs
	Is() string   // one line: what it does
	Run(s *Setting) (*Result, error)
}

// designs is the one list, in the order of display.
var designs = []Design{traces{}, hxdp{}, warp{}, flow{}, flow{sound: true}, megaflow{}}

// Names lists the designs in the order of display.
func Names() []string {
	var out []string
	for _, d := range designs {
		out = append(out, d.Name())
	}
	return out
}

// Lookup finds a design by its name; the error lists the names there are.
func Lookup(name string) (Design, error) {
	for _, d := range designs {
		if d.Name() == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("design %q: not known; there are %s", name, strings.Join(Names(), ", "))
}

// Result is what one design does with the workload. Times and cycles are of an
// idle device: see Latency. How the design behaves under load nic/device tells,
// which runs Input with Cache.
type Result struct {
	Design string `json:"design"`
	Is     string `json:"is"`

	Packets  uint64  `json:"packets"`
	Hits     uint64  `json:"hits"`      // ran wholly on the NIC, and as the program would have it
	Wrong    uint64  `json:"wrong"`     // decided by the NIC to another outcome (verdict, bytes, redirect, maps) than the program's
	Part     uint64  `json:"part"`      // began on the NIC and ended on the host
	HitRatio float64 `json:"hit_ratio"` // Hits by Packets

	WorkShare float64 `json:"work_share"`         // instructions that the NIC takes over, of all
	HostSaved float64 `json:"host_saved"`         // time of host cores saved, of what host alone takes
	HostNS    float64 `json:"host_ns_per_packet"` // time of host cores that is left
	Cycles    float64 `json:"device_cycles"`      // mean of matcher and executor, of all packets
	Latency   float64 `json:"latency_ns"`         // mean, see Latency

	Cached  bool   `json:"cached"`  // entries come and go; else they are there from the start
	Need    []Need `json:"need"`    // entries for hit ratios, by Targets
	Entries uint64 `json:"entries"` // distinct ones that packets ask for
	Used    uint64 `json:"used"`    // most that were in at once
	Slots   uint64 `json:"slots"`   // most that entries took at once, with the code they share; 8 bytes each
	Masks   int    `json:"masks"`   // of a tuple-space search; 0: none

	Counts        cache.Counts `json:"outcomes"` // by cache.Outcome
	Installs      uint64       `json:"installs"`
	InstallRate   float64      `json:"installs_per_second"` // of the capture's time; 0 where it has none
	Evictions     uint64       `json:"evictions"`
	Invalidations uint64       `json:"invalidations"` // entries taken out as state or the flow's path had changed

	Input *device.Input `json:"-"` // for nic/device; Packet.Path numbers the design's entries
	Cache cache.Config  `json:"-"` // to run Input with; how long installs take the device says
}

// Targets are the hit ratios that Need is told for, of all packets.
var Targets = []float64{0.90, 0.99, 0.999}

// Need is the least number of lru entries (or of static ones, the most used
// first) with which a share of all packets hits.
type Need struct {
	Target  float64 `json:"target"`
	Entries uint64  `json:"entries"`
	Reached bool    `json:"reached"` // false: no number of entries does
}

func (s *Setting) check() error {
	w := s.W
	switch {
	case w == nil || s.In == nil || s.NIC == nil || s.Host == nil:
		return fmt.Errorf("designs: workload, prices, nic and host are needed")
	case len(s.In.Packets) != len(w.Packets) || len(s.In.Paths) != len(w.Paths):
		return fmt.Errorf("designs: prices of %d packets and %d paths, workload of %d and %d",
			len(s.In.Packets), len(s.In.Paths), len(w.Packets), len(w.Paths))
	case w.Time != nil && len(w.Time) != len(w.Packets):
		return fmt.Errorf("designs: %d times of %d packets", len(w.Time), len(w.Packets))
	case s.NIC.Clock == 0:
		return fmt.Errorf("designs: nic %q: clock 0", s.NIC.Name)
	case len(s.In.Segments) != len(w.Segments):
		return fmt.Errorf("designs: prices of %d segments, workload of %d", len(s.In.Segments), len(w.Segments))
	}
	for i := range w.Packets {
		p := &w.Packets[i]
		if int(p.Path) >= len(w.Paths) || p.Path < workload.None || int(p.Shape) >= len(w.Shapes) {
			return fmt.Errorf("designs: packet %d: path %d of %d, shape %d of %d", i+1, p.Path, len(w.Paths), p.Shape, len(w.Shapes))
		}
		if int(p.First)+int(p.N) > len(w.Accesses) {
			return fmt.Errorf("designs: packet %d: accesses %d to %d of %d", i+1, p.First, int(p.First)+int(p.N), len(w.Accesses))
		}
	}
	return nil
}

// path is the packet's path if a trace of it can be on the device, else None.
func (s *Setting) path(i int) int32 {
	p := s.W.Packets[i].Path
	if p >= 0 && s.In.Paths[p].Refused {
		return workload.None
	}
	return p
}

// seconds is how long the capture took.
func (s *Setting) seconds() float64 {
	if len(s.W.Time) == 0 {
		return 0
	}
	return float64(s.W.Time[len(s.W.Time)-1]-s.W.Time[0]) / 1e9
}
