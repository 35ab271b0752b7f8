package feasibility

import (
	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/profile"
)

// Figures are one run of the model, in the units of reports: packets a second,
// nanoseconds, bytes a packet. Times are unrounded: the model's are exact to
// the picosecond. Shares and means are of the packets of the run, each followed
// to its end; what is a second (offered, throughput, installs, cores needed) is
// of the time in which they arrive; what is busy or queues is averaged over
// that time.
type Figures struct {
	Mode       string  `json:"mode"`
	Packets    uint64  `json:"packets"`
	Span       float64 `json:"span_ns"` // from the first arrival to the last
	Offered    float64 `json:"offered_pps"`
	BeyondWire bool    `json:"beyond_wire,omitempty"` // more than the device's link can bring in
	Throughput float64 `json:"throughput_pps"`        // offered × (1 - loss)
	Loss       float64 `json:"loss"`                  // of packets offered, where the program drops none of these
	Behind     int64   `json:"left_behind"`           // packets more in the device at the last arrival than half way
	Ingress    uint64  `json:"lost_ingress"`
	AtHost     uint64  `json:"lost_host"`
	Transmit   uint64  `json:"lost_transmit"` // the host's ring to the device was full
	Egress     uint64  `json:"lost_egress"`
	NeedsHost  uint64  `json:"lost_needs_host"`

	HitRatio float64           `json:"hit_ratio"` // of packets looked up
	Outcomes map[string]uint64 `json:"outcomes,omitempty"`

	Mean     float64 `json:"latency_mean_ns"`
	P50      float64 `json:"latency_p50_ns"`
	P99      float64 `json:"latency_p99_ns"`
	P999     float64 `json:"latency_p999_ns"`
	Max      float64 `json:"latency_max_ns"`
	HitMean  float64 `json:"hit_latency_mean_ns"`
	MissMean float64 `json:"miss_latency_mean_ns"`
	OfHits   uint64  `json:"hit_latency_packets"`  // finished on the NIC: those of hit_latency_mean_ns
	OfMisses uint64  `json:"miss_latency_packets"` // finished on the host: those of miss_latency_mean_ns

	Cores       float64   `json:"host_cores_busy"`
	CoresNeeded float64   `json:"host_cores_needed"`  // if nothing was lost, lost packets taken to cost what the others do
	HostTime    float64   `json:"host_ns_per_packet"` // a core's, of the packets that the device let in: cores needed are so much at the rate offered
	Uneven      float64   `json:"host_uneven"`        // work of the busiest core by the mean of all
	Stations    []Station `json:"stations"`

	PCIeUp     float64            `json:"pcie_up_bytes_per_packet"`
	PCIeDown   float64            `json:"pcie_down_bytes_per_packet"`
	PCIeCauses map[string]float64 `json:"pcie_bytes_per_packet,omitempty"` // both directions

	Installs float64 `json:"installs_per_second"`
	Begun    uint64  `json:"installs_begun"`
	Made     uint64  `json:"traces_made"` // compiled in the run: a trace is made once, and again only after an invalidation
	// What was begun is one of these in the end.
	Installed   uint64 `json:"installed"`
	Unwanted    uint64 `json:"refused"`        // compiled, and the policy did not take it
	Stale       uint64 `json:"stale"`          // invalidated under way
	Unrecorded  uint64 `json:"recording_lost"` // the packet to be recorded was lost at the host's ring
	NotCompiled uint64 `json:"not_compiled"`   // no room in the compile or install queue

	Stall float64 `json:"install_stall_ns"`

	Reordered uint64  `json:"reordered"`
	Extent    uint64  `json:"reordering_extent"`
	Held      uint64  `json:"held"`
	HoldMean  float64 `json:"hold_mean_ns"`
	PeakHeld  int64   `json:"peak_held"`

	Memory *Memory `json:"memory,omitempty"`
}

// Memory is what the accesses to map entries cost in a run.
type Memory struct {
	NICReads   uint64  `json:"nic_reads"`
	NICWrites  uint64  `json:"nic_writes"`
	HostReads  uint64  `json:"host_reads"`
	HostWrites uint64  `json:"host_writes"`
	Stalls     uint64  `json:"stalls"`
	StallNIC   float64 `json:"nic_stall_ns_per_packet"`
	StallHost  float64 `json:"host_stall_ns_per_packet"`
	Messages   uint64  `json:"invalidation_messages"`
	Bytes      float64 `json:"pcie_bytes_per_packet"` // map reads, writes and invalidations
}

// Station is a place where packets or traces wait and are served.
type Station struct {
	Name        string  `json:"name"`
	Servers     uint64  `json:"servers"` // that serve side by side
	Utilisation float64 `json:"utilisation"`
	MeanQueue   float64 `json:"mean_queue"`
	MaxQueue    int64   `json:"max_queue"`
	Wait        float64 `json:"mean_wait_ns"`
}

// hostStation is the model's name of the host's cores.
const hostStation = "host cores"

// run is the figures of a run at a rate, which may be beyond the wire.
func run(in *device.Input, n *profile.NIC, rate uint64, r *device.Result) *Figures {
	f := figures(r)
	line := device.LineRate(in, n)
	f.BeyondWire = line > 0 && rate > line
	return f
}

// behind is the share of the packets of the second half by which a device that
// loses none falls behind, where that is more than what comes and goes: its queues
// are long and hold for now what a longer run loses.
func (f *Figures) behind() float64 {
	half := float64(f.Packets) / 2
	if f.Loss > lostLeast || float64(f.Behind) <= max(stir, least*half) { // what loses shows it
		return 0
	}
	return float64(f.Behind) / half
}

// stir is how many packets more or fewer say nothing: those in flight, and two
// bursts.
const stir = 2 * burst

// keepsUp says whether the device does with the load.
func (f *Figures) keepsUp() bool { return f.Loss <= lostLeast && f.behind() == 0 }

func figures(r *device.Result) *Figures {
	ns := func(ps float64) float64 { return ps / 1000 }
	per := func(n float64) float64 { return n / float64(max(r.Packets, 1)) }
	f := &Figures{
		Mode: r.Mode.String(), Packets: r.Packets, Offered: r.Offered, Throughput: r.Throughput, Loss: r.Loss(), Behind: r.Growth,
		Ingress: r.Drops.Ingress, AtHost: r.Drops.Host, Transmit: r.Drops.Transmit, Egress: r.Drops.Egress, NeedsHost: r.Drops.NeedsHost,
		HitRatio: r.HitRatio(),
		Mean:     ns(r.Latency.Mean), P50: ns(float64(r.Latency.P50)), P99: ns(float64(r.Latency.P99)), P999: ns(float64(r.Latency.P999)),
		Max: ns(float64(r.Latency.Max)), HitMean: ns(r.HitLatency.Mean), MissMean: ns(r.MissLatency.Mean), OfHits: r.HitLatency.Packets, OfMisses: r.MissLatency.Packets,
		Cores: r.Cores, CoresNeeded: r.Cores, Uneven: r.Uneven,
		PCIeUp: per(float64(r.PCIeUp.Total())), PCIeDown: per(float64(r.PCIeDown.Total())), PCIeCauses: map[string]float64{},
		Begun: r.Compile.Begun, Made: r.Compile.Made, Installed: r.Compile.Installed, Unwanted: r.Compile.Refused, Stale: r.Compile.Stopped, Unrecorded: r.Compile.Lost, NotCompiled: r.Compile.NoWorker + r.Compile.NoChannel, Stall: ns(float64(r.Compile.Stall)),
		Reordered: r.Order.Reordered, Extent: r.Order.Extent, Held: r.Order.Held, PeakHeld: r.Order.PeakHeld,
	}
	if r.Order.Held > 0 {
		f.HoldMean = ns(float64(r.Order.HoldTime)) / float64(r.Order.Held)
	}
	if r.Offered > 0 {
		f.Span = ns(float64(r.Window))
		f.Installs = per(float64(r.Compile.Begun)) * r.Offered
	}
	for c := range device.Causes {
		if b := r.PCIeUp[c] + r.PCIeDown[c]; b > 0 {
			f.PCIeCauses[device.Cause(c).String()] = per(float64(b))
		}
	}
	if r.Outcome.Total() > 0 {
		f.Outcomes = map[string]uint64{}
		for o := range cache.Outcomes {
			f.Outcomes[cache.Outcome(o).String()] = r.Outcome[o]
		}
	}
	for _, s := range r.Stations {
		f.Stations = append(f.Stations, Station{Name: s.Name, Servers: s.Servers, Utilisation: min(s.Utilisation, 1), MeanQueue: s.MeanQueue, MaxQueue: s.MaxQueue, Wait: ns(s.MeanWait)})
	}
	if n := r.Packets - r.Drops.Ingress; n > 0 { // of those lost before they were looked up as much as of the others
		f.HostTime = ns(float64(r.HostWork) / float64(n))
		f.CoresNeeded = f.HostTime * r.Offered / 1e9
	}
	m := &r.Memory
	if m.NIC.Reads+m.NIC.Writes+m.Host.Reads+m.Host.Writes > 0 {
		bytes := 0.0
		for _, c := range []device.Cause{device.MapReads, device.MapWrites, device.Invalidations} {
			bytes += per(float64(r.PCIeUp[c] + r.PCIeDown[c]))
		}
		f.Memory = &Memory{NICReads: m.NIC.Reads, NICWrites: m.NIC.Writes, HostReads: m.Host.Reads, HostWrites: m.Host.Writes,
			Stalls: m.NIC.Stalls + m.Host.Stalls, StallNIC: ns(per(float64(m.NIC.Stall))), StallHost: ns(per(float64(m.Host.Stall))),
			Messages: m.NIC.Messages + m.Host.Messages, Bytes: bytes}
	}
	return f
}
