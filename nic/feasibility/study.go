package feasibility

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"jitnic/cache"
	"jitnic/nic/designs"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/fit"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/vliw"
	"jitnic/nic/workload"
)

// Options say what a study asks.
type Options struct {
	Cache    cache.Config // policy, admission, budget, threshold; no budget: the device's own
	Rate     uint64       // packets a second, for the verdict
	Rates    []uint64     // of the load curves; nil: none
	Arrivals device.Arrivals
	Packets  int // of a run; the capture is repeated to reach it. 0: the capture, 100,000 at least
	Ordered  bool
	Remote   bool // host memory on the other socket
	Seed     uint64

	Seeds       int  // runs more, each with another seed, for what is chance
	Throughput  bool // RFC 2544's search
	Memory      bool // the four memory models
	Sensitivity bool // every assumed figure at the ends of its range
	Designs     bool // the competing designs and JITNIC's claims

	// Program and Prefix are what designs needs of whole programs; see
	// designs.Setting. Static is the whole program's schedule on the device.
	Program func(shape uint32) (cycles uint32, ok bool)
	Prefix  []uint32
	Static  *vliw.ProgramSchedule

	Workers  int // 0: one a CPU; changes no result
	Progress func(what string, done, total int)
}

// Profile names a profile.
type Profile struct {
	Name   string          `json:"name"`
	Title  string          `json:"title"`
	Params []profile.Param `json:"parameters"`
}

// Study is what an offload of one program on one device would do for one
// capture's traffic.
type Study struct {
	Program string  `json:"program"`
	Capture string  `json:"capture"`
	Packets uint64  `json:"packets"` // of the capture
	Seconds float64 `json:"seconds"`
	Paths   int     `json:"paths"`
	NIC     Profile `json:"nic"`
	Host    Profile `json:"host"`
	// Segments is what paths that are cut are made of; nil: they are whole.
	Segments *Segments `json:"segments,omitempty"`

	Rate      uint64  `json:"rate_pps"`
	LineRate  uint64  `json:"line_rate_pps"` // what link.rate can bring in of the capture's frames; 0: no limit
	Frame     float64 `json:"frame_bytes"`   // of the capture, mean, with what the link adds (link.overhead)
	Arrivals  string  `json:"arrivals"`
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	Budget    string  `json:"budget"` // of the trace cache
	Hot       uint32  `json:"hot"`
	Optimised bool    `json:"superoptimized"`
	InOrder   bool    `json:"flows_in_order"` // kept so
	Remote    bool    `json:"remote_memory"`  // the host's, on the other socket

	Verdict   Verdict   `json:"verdict"`
	BreakEven BreakEven `json:"break_even"`
	Need      Need      `json:"need"`

	Fit       *fit.Report   `json:"fit"`
	Matchers  *match.Report `json:"matchers"`
	Executors Executors     `json:"executors"`

	Point      []*Figures          `json:"point"`              // both, host only, NIC only at Rate
	Ordered    *Figures            `json:"other_order"`        // flows kept in order, or not where Point has them so
	Cold       *Figures            `json:"cold"`               // beginning with an empty cache
	Pays       *Payback            `json:"trace_pays"`         // in that run
	Captured   *Figures            `json:"captured,omitempty"` // both, at the capture's own rate
	Chance     *Chance             `json:"chance,omitempty"`   // what the runs of Point give over seeds
	Memory     []MemoryRow         `json:"memory_models,omitempty"`
	Curves     []Curve             `json:"curves,omitempty"`
	Throughput []Throughput        `json:"throughput,omitempty"`
	SwingBase  *SwingEnd           `json:"sensitivity_base,omitempty"` // what Swings are compared with: runs as long as theirs
	Swings     []Swing             `json:"sensitivity,omitempty"`
	Swept      uint64              `json:"sensitivity_packets,omitempty"` // of a run of Swings; Point's, but of very long runs
	Designs    *designs.Comparison `json:"designs,omitempty"`
	// Loaded are the designs under Rate, in the order of Designs.Results.
	Loaded []*Figures `json:"designs_loaded,omitempty"`

	// NotRun are packets that could not be run; with too many of them there is no
	// verdict.
	NotRun *workload.NotRun `json:"not_run,omitempty"`

	Partial bool `json:"partial"` // interrupted: sections are missing, those here are whole
}

// Need is what the offload asks of the device, against its limits.
type Need struct {
	CapturedInstalls float64 `json:"installs_per_second_captured"` // at the capture's own rate
	Installs         float64 `json:"installs_per_second"`          // at Rate
	CompileTrace     float64 `json:"compile_ns_per_trace"`         // mean of the paths that the device takes
	InstallLimit     float64 `json:"install_limit_per_second"`     // 0: no limit
	Offload          float64 `json:"offloadable"`                  // share of packets that matcher and executor can take
	CoresSaved       float64 `json:"host_cores_saved"`
	CompileCores     float64 `json:"compile_cores"`
	PCIeSaved        float64 `json:"pcie_bytes_saved_per_packet"`
	LatencyWon       float64 `json:"latency_won_ns"`
}

// Executors is what traces and the whole program take on cores.
type Executors struct {
	Kind    string   `json:"kind"`
	Lanes   uint64   `json:"lanes"`
	Clock   float64  `json:"clock_mhz"`
	Program struct { // hXDP's way: the whole program, statically scheduled
		Insns   int     `json:"insns"`
		Bundles int     `json:"bundles"`
		IPC     float64 `json:"ipc"`
		// Schedule is the program's, bundle by bundle.
		Schedule string `json:"schedule,omitempty"`
	} `json:"program"`
	// Traces, before and after superoptimization: means over paths and over packets.
	Raw  TraceCost `json:"raw"`
	Best TraceCost `json:"optimised"`
	// Schedule is the most taken path's, bundle by bundle.
	Schedule     string `json:"schedule"`
	SchedulePath int    `json:"schedule_path"`
}

// TraceCost is what traces take.
type TraceCost struct {
	Insns         float64 `json:"insns"`
	Cycles        float64 `json:"cycles"` // on the device's executor
	Scalar        float64 `json:"scalar_cycles"`
	IPC           float64 `json:"ipc"` // all paths' instructions over all paths' cycles
	PacketInsns   float64 `json:"insns_per_packet"`
	PacketCycles  float64 `json:"cycles_per_packet"`
	PacketScalar  float64 `json:"scalar_cycles_per_packet"`
	LongestInsns  uint32  `json:"longest_insns"`
	LongestCycles uint32  `json:"longest_cycles"`
}

// MemoryRow is the run at Rate under one memory model.
type MemoryRow struct {
	Model string `json:"model"`
	*Figures
}

// Curve is a mode's answers to a rising load.
type Curve struct {
	Mode   string     `json:"mode"`
	Points []*Figures `json:"points"`
}

// Throughput is the highest rate without loss (RFC 2544, section 26.1) and the
// latency there (26.2).
type Throughput struct {
	Mode      string  `json:"mode"`
	Optimised bool    `json:"superoptimized"`
	Rate      uint64  `json:"rate_pps"`
	Bound     string  `json:"bound"` // what keeps it from more
	Mean      float64 `json:"latency_mean_ns"`
	P99       float64 `json:"latency_p99_ns"`
}

// Swing is what an assumed figure at the ends of its range does.
type Swing struct {
	Key    string     `json:"key"`
	Value  string     `json:"value"`
	Ends   []SwingEnd `json:"ends"`
	Turns  bool       `json:"turns"`  // at one end the answer is another, and more than chance makes it so
	Spread float64    `json:"spread"` // largest relative change of mean latency or host cores
}

// SwingEnd is one end.
type SwingEnd struct {
	Value  string  `json:"value"`
	Answer Answer  `json:"answer"`
	Cores  float64 `json:"host_cores_needed"` // those that make traces included
	Mean   float64 `json:"latency_mean_ns"`
	Loss   float64 `json:"loss"`
	Hits   float64 `json:"hit_ratio"`
}

// LeastPackets is how many packets a run has at least: enough for a p999.
const LeastPackets = 100_000

// study is a Study in the making.
type study struct {
	*Study
	ctx   context.Context
	opt   Options
	w     *workload.Workload
	x     *match.Analysis
	trees match.Trees
	n     *profile.NIC
	h     *profile.Host
}

// Run makes a study. x are w's conditions, judged; trees, where not nil, are their
// guard trees. When ctx ends, the sections that are finished are returned,
// marked as partial.
func Run(ctx context.Context, w *workload.Workload, x *match.Analysis, trees match.Trees, n *profile.NIC, h *profile.Host, opt Options) (*Study, error) {
	if len(w.Packets) == 0 {
		return nil, fmt.Errorf("%s: no packets", w.Capture)
	}
	if opt.Rate == 0 {
		return nil, fmt.Errorf("feasibility: no rate")
	}
	if opt.Packets == 0 {
		opt.Packets = max(len(w.Packets), LeastPackets)
	}
	if opt.Arrivals == "" {
		opt.Arrivals = device.Constant
	}
	s := &study{Study: &Study{NotRun: w.NotRun}, ctx: ctx, opt: opt, w: w, x: x, trees: trees, n: n, h: h}
	if err := s.run(); err != nil {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		s.Partial = true
	}
	return s.Study, nil
}

// step reports progress and says whether to stop.
func (s *study) step(what string, done, total int) error {
	if s.opt.Progress != nil {
		s.opt.Progress(what, done, total)
	}
	return s.ctx.Err()
}

func (s *study) run() error {
	w, n, h := s.w, s.n, s.h
	s.Study.Program, s.Capture = w.Program, w.Capture
	s.Study.Packets, s.Paths = uint64(len(w.Packets)), len(w.Paths)
	s.Seconds = float64(cmp.Or(w.Active, w.Time[len(w.Time)-1])) / 1e9
	s.NIC = Profile{n.Name, n.Title, n.Params()}
	s.Host = Profile{h.Name, h.Title, h.Params()}
	s.Rate, s.Arrivals = s.opt.Rate, string(s.opt.Arrivals)
	s.InOrder, s.Remote = s.opt.Ordered, s.opt.Remote
	s.Policy, s.Admission, s.Hot = s.opt.Cache.Policy, s.opt.Cache.Admission, max(s.opt.Cache.HotThreshold, 1)
	for i := range w.Traces() {
		s.Optimised = s.Optimised || w.Traces()[i].Optimised
	}
	if err := s.step("pricing", 0, 1); err != nil {
		return err
	}
	c, err := s.cost(n, h, false)
	if err != nil {
		return err
	}
	s.Fit = c.fit
	s.Budget = c.says
	if s.Matchers, err = s.x.Report(s.trees, n); err != nil {
		return err
	}
	s.LineRate, s.Frame = device.LineRate(c.prices.In, n), frame(w, n)
	s.Segments = segmentsOf(w, c)
	raw := c
	if s.Optimised {
		if raw, err = s.cost(n, h, true); err != nil {
			return err
		}
	}
	if err := s.executors(raw.prices, c.prices); err != nil {
		return err
	}
	o, err := s.point(raw, c)
	if err != nil {
		return err
	}
	s.BreakEven = o.Even
	if err := s.need(o, c); err != nil {
		return err
	}
	s.decide(o) // and again with what chance and assumed figures do to it
	for _, section := range []struct {
		on bool
		do func() error
	}{
		{s.opt.Seeds > 0, func() error {
			if err := s.chance(c, o); err != nil {
				return err
			}
			s.decide(o)
			return nil
		}},
		{true, func() error { return s.order(c) }},
		{s.opt.Memory, func() error { return s.memory(c) }},
		{s.opt.Sensitivity, func() error {
			if err := s.sensitivity(c, o); err != nil {
				return err
			}
			s.decide(o)
			return nil
		}},
		{len(s.opt.Rates) > 0, func() error { return s.curves(c) }},
		{s.opt.Throughput, func() error {
			if err := s.throughput(raw, c); err != nil {
				return err
			}
			s.decide(o)
			return nil
		}},
		{s.opt.Designs, func() error { return s.designs(c) }},
	} {
		if !section.on {
			continue
		}
		if err := section.do(); err != nil {
			return err
		}
	}
	return nil
}

// Wire is what the packets of a workload are on a device's link, for rates in
// bits a second.
func Wire(w *workload.Workload, n *profile.NIC) load.Wire {
	x := load.Wire{Frame: frame(w, n), Overhead: n.LinkOverhead}
	if n.Link > 0 {
		x.Line = uint64(float64(n.Link) * 1e6 / 8 / x.Frame)
	}
	return x
}

// frame is the mean length of the capture's frames on the wire, what the link
// adds included.
func frame(w *workload.Workload, n *profile.NIC) float64 {
	sum := 0.0
	for i := range w.Packets {
		sum += float64(w.Packets[i].Len - uint16(w.Packets[i].Added))
	}
	return sum/float64(len(w.Packets)) + float64(n.LinkOverhead)
}

// budget is the trace cache's on a device: what the user gave, or whichever of
// the device's limits holds the fewest of the workload's traces.
func (s *study) budget(c *costs) (cfg cache.Config, says string) {
	cfg = s.opt.Cache
	switch n := c.n; {
	case cfg.Entries > 0:
		return cfg, fmt.Sprintf("%d traces, as asked for", cfg.Entries)
	case cfg.Slots > 0:
		return cfg, fmt.Sprintf("%d slots, as asked for", cfg.Slots)
	default:
		var paths, slots, entries uint64
		traces := c.prices.In.Traces()
		for i := range traces {
			if p := &traces[i]; !p.Refused {
				paths++
				slots += uint64(p.Slots)
				entries += c.match.Paths[i].Entries
			}
		}
		if n.Matcher == profile.MatchTree && len(s.trees) > 0 && s.trees[0] != nil { // its nodes are shared
			entries = min(entries, uint64(s.trees.Nodes()))
		}
		if paths == 0 {
			cfg.Entries = 1
			return cfg, "none: no path fits"
		}
		held := uint64(math.MaxUint64)
		if n.Entries > 0 {
			held, cfg.Entries = n.Entries, n.Entries
			says = fmt.Sprintf("%d traces: limit.entries", n.Entries)
		}
		if n.MatcherCapacity > 0 && entries > n.MatcherCapacity {
			if h := max(n.MatcherCapacity*paths/entries, 1); h < held {
				held, cfg.Entries = h, h
				says = fmt.Sprintf("%d traces: matcher.capacity of %d at %.1f entries a trace", h, n.MatcherCapacity, float64(entries)/float64(paths))
			}
		}
		if n.Slots > 0 && n.Slots*paths/slots < held {
			cfg.Entries, cfg.Slots = 0, n.Slots
			says = fmt.Sprintf("%d slots: limit.slots", n.Slots)
		}
		if cfg.Entries == 0 && cfg.Slots == 0 {
			cfg.Entries = max(paths, uint64(len(s.w.Traces())))
			says = "all traces: the device has no limit"
		}
	}
	return cfg, says
}

// captured is the run at the capture's own rate, where it has one.
func (s *study) captured(c *costs) error {
	if s.Seconds == 0 {
		return nil
	}
	own := float64(s.Study.Packets) / s.Seconds
	if own > float64(max(s.LineRate, s.Rate)) { // times of no clock
		return nil
	}
	f, err := s.loaded(c, s.load(max(uint64(own+0.5), 1), s.opt.Packets), s.options(c, device.Both))
	if err != nil {
		return err
	}
	s.Captured = f
	s.Need.CapturedInstalls = float64(f.Begun) / float64(f.Packets) * own
	return nil
}

// need is what the offload asks for and what it gives.
func (s *study) need(o *outcome, c *costs) error {
	if err := s.captured(c); err != nil {
		return err
	}
	d := &s.Need
	d.Installs = o.Both.Installs
	d.CompileTrace = meanCompile(c.prices.In)
	var install, n float64
	for i, traces := 0, c.prices.In.Traces(); i < len(traces); i++ {
		if p := &traces[i]; !p.Refused {
			install += float64(p.Install)
			n++
		}
	}
	if install > 0 {
		d.InstallLimit = 1e12 / (install / n)
	}
	if r := float64(c.n.InstallRate); r > 0 && (d.InstallLimit == 0 || r < d.InstallLimit) {
		d.InstallLimit = r
	}
	d.CompileCores = o.CompileCores
	d.Offload = o.Offload
	d.CoresSaved = o.Host.CoresNeeded - o.Both.CoresNeeded - d.CompileCores
	d.PCIeSaved = o.Host.PCIeUp + o.Host.PCIeDown - o.Both.PCIeUp - o.Both.PCIeDown
	d.LatencyWon = o.Host.Mean - o.Both.Mean
	return nil
}
