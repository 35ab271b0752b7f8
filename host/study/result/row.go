// Package result makes the table of a study of what its cells gave: a row a point,
// with every coordinate as a column, as Parquet and CSV; and what is concluded of
// the rows, with confidence intervals and corrected comparisons.
package result

import (
	"math"
	"reflect"
	"strings"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/host/study/cell"
	"jitnic/host/study/run"
)

// A Row is a cache on a cell's paths, on a device where the study has some. Columns
// are named by their tags; what a row has no value of is null in Parquet and empty
// in CSV. It holds no times of the run, no machine and no folder.
type Row struct {
	Program       string `parquet:"program,dict" is:"object, or sample:NAME"`
	Entry         string `parquet:"entry,dict" is:"program of the object"`
	Maps          string `parquet:"maps,dict" is:"map files; empty: none, or the sample's own"`
	FIB           string `parquet:"fib,dict" is:"routing table"`
	Filter        string `parquet:"filter,dict" is:"packets that were let through"`
	Capture       string `parquet:"capture,dict" is:"capture, as the study names it"`
	ProgramSHA256 string `parquet:"program_sha256,dict" is:"of the object"`
	CaptureSHA256 string `parquet:"capture_sha256,dict" is:"of each file, or gen: and that of the generator's settings"`
	Mode          string `parquet:"mode,dict" is:"how traces are made"`
	Segments      string `parquet:"segments,dict" is:"cut into segments: none, auto, or at most so many tables"`
	Queues        int32  `parquet:"queues,dict" is:"receive queues"`
	Split         string `parquet:"split,dict" is:"none, flows/N or windows/N"`
	Part          int32  `parquet:"part,dict" is:"which part of a split, from 0"`
	Seed          uint64 `parquet:"seed,dict" is:"of everything drawn"`
	Policy        string `parquet:"policy,dict" is:"eviction policy"`
	Admission     string `parquet:"admission,dict" is:"which misses are installed"`
	Entries       uint64 `parquet:"entries,dict" is:"size in traces; 0: it is in slots"`
	Slots         uint64 `parquet:"slots,dict" is:"size in instruction slots; 0: it is in traces"`
	Hot           uint32 `parquet:"hot,dict" is:"installed at the how manieth miss"`
	InstallDelay  uint64 `parquet:"install_delay,dict" is:"packets an install takes"`
	Kind          string `parquet:"kind,dict" is:"software, hardware, bound, reference, or offline: not a cache anyone could build"`
	Bound         bool   `parquet:"bound" is:"no cache of the size misses less: proved"`

	Requests          uint64   `parquet:"requests" is:"packets that were counted"`
	Misses            uint64   `parquet:"misses" is:"of these, missed"`
	MissRatio         float64  `parquet:"miss_ratio" is:"misses / requests"`
	MissLow           *float64 `parquet:"miss_ratio_low,optional" is:"95 % confidence interval over windows of time: its lower end"`
	MissHigh          *float64 `parquet:"miss_ratio_high,optional" is:"and its upper end"`
	Hits              uint64   `parquet:"hits" is:"a trace was in"`
	Cold              uint64   `parquet:"cold" is:"misses: first packet of its path"`
	NotHot            uint64   `parquet:"not_hot" is:"misses: below the threshold, or not admitted"`
	Capacity          uint64   `parquet:"capacity" is:"misses: evicted before"`
	Invalidated       uint64   `parquet:"invalidated" is:"misses: a map entry changed"`
	InFlight          uint64   `parquet:"in_flight" is:"misses: being installed"`
	Uncacheable       uint64   `parquet:"uncacheable" is:"misses: the path can't be a trace"`
	ByteMissRatio     float64  `parquet:"byte_miss_ratio" is:"of the packets' bytes"`
	Installs          uint64   `parquet:"installs" is:"traces installed"`
	Evictions         uint64   `parquet:"evictions" is:"traces evicted"`
	InstallsPerSecond float64  `parquet:"installs_per_second" is:"at the capture's own rate"`
	LegitRequests     *uint64  `parquet:"legit_requests,optional" is:"packets a generator labelled legitimate"`
	LegitMisses       *uint64  `parquet:"legit_misses,optional" is:"of these, missed"`

	Paths        int64   `parquet:"paths" is:"distinct paths of the cell, or segments"`
	Tables       int32   `parquet:"tables,dict" is:"tables that segments stand in; 1: paths are whole"`
	NotRun       uint64  `parquet:"not_run" is:"packets of the cell that could not be run"`
	Seconds      float64 `parquet:"seconds" is:"of the captures' clock"`
	Instructions float64 `parquet:"instructions" is:"that the host interprets a packet, on average"`

	Device         *string  `parquet:"device,optional,dict" is:"device; empty: the study has none"`
	Host           *string  `parquet:"host,optional,dict" is:"host beside it"`
	Rate           *uint64  `parquet:"rate_pps,optional,dict" is:"offered load"`
	Tier           *int32   `parquet:"tier,optional,dict" is:"how far its traces are optimised"`
	DeviceHit      *float64 `parquet:"device_hit_ratio,optional" is:"hits that the device can take, of all packets"`
	NeedCores      *float64 `parquet:"hit_ratio_needed_cores,optional" is:"below it the offload costs host cores; above 1: at every hit ratio"`
	NeedLatency    *float64 `parquet:"hit_ratio_needed_latency,optional" is:"below it packets are slower than on the host alone"`
	CoreNS         *float64 `parquet:"host_core_ns,optional" is:"of the host's cores, a packet, at this hit ratio"`
	AloneCoreNS    *float64 `parquet:"host_only_core_ns,optional" is:"without the offload"`
	LatencyNS      *float64 `parquet:"latency_ns,optional" is:"mean of a packet, at this hit ratio"`
	AloneLatencyNS *float64 `parquet:"host_only_latency_ns,optional" is:"without the offload"`
	Pays           *string  `parquet:"pays,optional,dict" is:"pays: fewer cores and not slower; does not pay: no fewer; depends: fewer, but slower"`
	OwnCache       *string  `parquet:"device_own_answer,optional,dict" is:"what the model answers for the cache the device itself can hold, under lru"`

	Cell string `parquet:"cell,dict" is:"address of the cell's paths in the store"`
}

// A Column is one of the table's.
type Column struct{ Name, Is string }

// Columns are those of a Row, in order.
func Columns() []Column {
	t := reflect.TypeFor[Row]()
	var out []Column
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("parquet"), ",")
		out = append(out, Column{name, t.Field(i).Tag.Get("is")})
	}
	return out
}

// CellRows are the rows of a cell, in the order of the study. points are what the
// store has; those that it hasn't have no row, nor have devices without figures.
func CellRows(p *cell.Plan, c *cell.Cell, f *run.Facts, points map[string]*run.Point, figures []*run.Figures) []Row {
	base := Row{Program: c.Program, Entry: c.Entry, Maps: c.Maps, FIB: c.FIB, Filter: c.Filter, Capture: c.Capture, ProgramSHA256: c.Identity.Object,
		CaptureSHA256: strings.Join(c.Identity.Captures, " "), Mode: c.Mode, Segments: jit.SegmentsName(c.Segments), Queues: int32(c.Queues), Split: c.Split, Part: int32(c.Part), Seed: c.Seed,
		Paths: int64(f.IDs), Tables: int32(max(f.Tables, 1)), NotRun: f.NotRun, Seconds: float64(f.ActiveNS) / 1e9, Instructions: f.Instructions, Cell: c.Address}
	if base.Entry == "" {
		base.Entry = f.Entry
	}
	var out []Row
	for i := range c.Points {
		cfg := &c.Points[i]
		pt := points[c.PointKey(cfg)]
		if pt == nil {
			continue
		}
		r := base
		r.point(cfg, pt)
		if len(c.Devices) == 0 {
			out = append(out, r)
			continue
		}
		for k, fig := range figures {
			if fig == nil || cell.Excluded(p.Study.Exclude, c, cfg, &c.Devices[k]) {
				continue
			}
			x := r
			x.device(fig, f)
			out = append(out, x)
		}
	}
	return out
}

func (r *Row) point(cfg *cache.Config, p *run.Point) {
	r.Policy, r.Admission, r.Entries, r.Slots = cfg.Policy, cfg.Admission, cfg.Entries, cfg.Slots
	r.Hot, r.InstallDelay, r.Kind, r.Bound = max(cfg.HotThreshold, 1), cfg.InstallDelay, p.Kind, p.Bound
	r.Requests, r.Misses, r.MissRatio = p.Requests, p.Misses, p.MissRatio
	r.Hits, r.Cold, r.NotHot, r.Capacity = p.Hits, p.Cold, p.NotHot, p.Capacity
	r.Invalidated, r.InFlight, r.Uncacheable = p.Invalid, p.InFlight, p.Uncacheable
	r.ByteMissRatio, r.Installs, r.Evictions = p.ByteMissRatio, p.Installs, p.Evictions
	if r.Seconds > 0 {
		r.InstallsPerSecond = float64(p.Installs) / r.Seconds
	}
	if lo, hi, ok := interval(p); ok {
		r.MissLow, r.MissHigh = &lo, &hi
	}
	for _, l := range p.Labels {
		if l.Label == "legit" && l.Requests > 0 {
			r.LegitRequests, r.LegitMisses = &l.Requests, &l.Misses
		}
	}
}

// device judges the point's hit ratio by what hits and misses cost there. Of the
// packets that hit, the device takes the share whose traces fit it.
func (r *Row) device(f *run.Figures, facts *run.Facts) {
	e := &f.Even
	cacheable := 1 - float64(facts.Uncacheable)/float64(max(facts.Requests, 1))
	takes := 1.0
	if cacheable > 0 {
		takes = min(1, e.Share/cacheable)
	}
	hit := min((1-r.MissRatio)*takes, e.Share)
	core := hit*e.HitCore + (e.Share-hit)*(e.MissCore+e.Compile) + (1-e.Share)*e.Rest
	alone := e.Share*e.HostCore + (1-e.Share)*e.RestHost
	latency := hit*e.HitLatency + (1-hit)*e.MissLatency
	r.Device, r.Host, r.Rate = &f.Device, &f.Host, &f.Rate
	tier := int32(f.Tier)
	answer := judge(core, alone, latency, e.HostLatency)
	r.Tier, r.DeviceHit, r.NeedCores, r.NeedLatency = &tier, &hit, &e.Cores, &e.Latency
	r.CoreNS, r.AloneCoreNS, r.LatencyNS, r.AloneLatencyNS = &core, &alone, &latency, &e.HostLatency
	r.Pays, r.OwnCache = &answer, &f.Answer
}

// least is the difference that counts, as a share: that of nic/feasibility.
const least = 0.01

func judge(core, alone, latency, aloneLatency float64) string {
	saves := core < alone*(1-least)
	slower := latency > aloneLatency*(1+least)
	switch {
	case !saves:
		return "does not pay"
	case slower:
		return "depends"
	}
	return "pays"
}

// interval is the 95 % confidence interval of a point's miss ratio: windows of time
// are clusters, the ratio is of their sums, and its error that of a ratio estimator
// (Cochran, Sampling Techniques, 1977, section 6.4) with Student's t of so many
// windows less one. Windows that depend on each other make it too narrow.
func interval(p *run.Point) (lo, hi float64, ok bool) {
	n := len(p.Missed)
	if n < 2 || p.Requests == 0 {
		return 0, 0, false
	}
	total := int(p.Requests)
	bound := func(w int) int { return int(uint64(total) * uint64(w) / uint64(n)) }
	var sum float64
	for w, m := range p.Missed {
		d := float64(m) - p.MissRatio*float64(bound(w+1)-bound(w))
		sum += d * d
	}
	e := T975(n-1) * math.Sqrt(sum*float64(n)/float64(n-1)) / float64(total)
	return max(0, p.MissRatio-e), min(1, p.MissRatio+e), true
}
