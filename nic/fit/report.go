package fit

import "fmt"
import "jitnic/trace"

// Report says what of a workload a device can hold. All counts of packets are
// of the workload's.
type Report struct {
	Program string `json:"program"`
	Capture string `json:"capture"`
	NIC     string `json:"nic"`

	Packets     uint64  `json:"packets"`
	Traceable   uint64  `json:"traceable"`   // whose path is a trace, on whatever device
	Offloadable uint64  `json:"offloadable"` // whose path this device takes
	Share       float64 `json:"share"`       // Offloadable of Packets

	Paths    []PathFit `json:"paths"`    // by path number
	Maps     []MapFit  `json:"maps"`     // by map number
	Blockers []Blocker `json:"blockers"` // by packets blocked, falling
	Steps    []Step    `json:"steps"`    // liftings, the best first

	// Coverage is of all packets by traceable paths, and by those that fit.
	Coverage    []Cover `json:"coverage"`
	CoverageFit []Cover `json:"coverage_fit"`
	AtOnce      Cover   `json:"at_once"` // the hottest fitting paths that limit.slots and limit.entries hold together

	Needs  Needs `json:"needs"`  // of all offloadable paths
	Limits Needs `json:"limits"` // of the device; 0: none

	Trace Dist `json:"trace_insns"` // instructions of a trace
	Cond  Dist `json:"cond_preds"`  // predicates of a condition
	Slots Dist `json:"slots"`       // of both
}

// Kind is what kind of thing keeps packets from the device.
type Kind string

// The kinds of blockers.
const (
	KindAbort      Kind = "uncacheable" // the path is no trace: the name is the abort reason
	KindHelper     Kind = "helper"
	KindMapType    Kind = "map type"
	KindMapEntry   Kind = "map entry" // key and value are too long: the name is the map
	KindMapWrite   Kind = "map write" // the name is the map
	KindInsn       Kind = "instruction"
	KindTrace      Kind = "trace length"
	KindStore      Kind = "entry size"  // one trace with its condition exceeds the whole store
	KindTables     Kind = "tables"      // a segment's table is one more than the device has
	KindHeld       Kind = "held back"   // a path's segments but the last overwrite more than is held back for a packet
	KindMapEntries Kind = "map entries" // Σ max_entries
	KindMapMemory  Kind = "map memory"
)

// Kinds lists them all.
var Kinds = []Kind{KindAbort, KindHelper, KindMapType, KindMapEntry, KindMapWrite, KindInsn, KindTrace, KindStore, KindTables, KindHeld, KindMapEntries, KindMapMemory}

// Place is where something stands: a slot of a path's trace, and the
// instruction of the program it came from.
type Place struct {
	Path int32 `json:"path"` // -1: no path
	Slot int   `json:"slot"` // of the trace; -1: its condition
	Prog int32 `json:"prog"` // -1: not known
	Insn int32 `json:"insn"` // slot of the program

	Program string `json:"program,omitempty"` // name, where known
}

// Blocker is one thing the device can't do.
type Blocker struct {
	Kind   Kind    `json:"kind"`
	Name   string  `json:"name"`
	Detail string  `json:"detail,omitempty"`
	Limit  string  `json:"limit,omitempty"` // the parameter of the profile that says so
	Paths  int     `json:"paths"`           // traceable paths that it blocks
	Places []Place `json:"places"`          // the first few, by path
	More   int     `json:"more,omitempty"`  // places beyond them

	// Blocks is the packets that it blocks, alone or with others. It is 0 for a
	// limit on all maps together that only blocks once others are lifted.
	Blocks uint64 `json:"blocks"`
	Alone  uint64 `json:"alone"` // packets gained by lifting it alone

	Reason trace.Reason `json:"-"` // of an abort
}

// maxPlaces is how many places of a blocker are listed.
const maxPlaces = 8

// Step lifts one blocker, or a few that only together gain anything.
type Step struct {
	Lift  []int   `json:"lift"` // indexes into Blockers
	Gain  uint64  `json:"gain"` // packets
	Total uint64  `json:"total"`
	Share float64 `json:"share"` // Total of all packets
}

// PathFit is one path on the device.
type PathFit struct {
	Packets  uint64 `json:"packets"`
	Insns    int    `json:"insns"` // of its trace
	Preds    int    `json:"preds"`
	Slots    uint64 `json:"slots"`
	Maps     []int  `json:"maps"`     // that trace and condition use
	Blockers []int  `json:"blockers"` // indexes into Report.Blockers; none: it fits
}

// MapFit is one map on the device.
type MapFit struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Entry   uint64 `json:"entry"`   // bytes of key and value, each rounded up to 8
	Entries uint64 `json:"entries"` // max_entries
	Memory  uint64 `json:"memory"`  // bytes
	Paths   int    `json:"paths"`   // traceable paths that use it
	Packets uint64 `json:"packets"` // theirs
	Placed  bool   `json:"placed"`  // on the device, for the paths that fit
}

// Cover is how much it takes to cover a share of the packets.
type Cover struct {
	Target     float64 `json:"target"`  // share of all packets; 0: no target
	Reached    bool    `json:"reached"` // else the rest is what all paths give
	Packets    uint64  `json:"packets"`
	Share      float64 `json:"share"`
	Paths      int     `json:"paths"`
	Segments   int     `json:"segments,omitempty"` // of these paths, where they are cut, each once
	Slots      uint64  `json:"slots"`
	MapEntries uint64  `json:"map_entries"`
	MapMemory  uint64  `json:"map_memory"`
}

// traces is how many entries the paths are.
func (c *Cover) traces() int {
	if c.Segments > 0 {
		return c.Segments
	}
	return c.Paths
}

// Counted is how many paths it is, and of how many segments where they are cut.
func (c *Cover) Counted() string {
	out := fmt.Sprintf("%d paths", c.Paths)
	if c.Paths == 1 {
		out = "1 path"
	}
	if c.Segments > 0 {
		out += fmt.Sprintf(" of %d segments", c.Segments)
	}
	return out
}

// Targets are the shares that Coverage is given for.
var Targets = []float64{0.9, 0.99, 0.999, 1}

// Needs are amounts of what a device has limits of.
type Needs struct {
	Traces     uint64 `json:"traces"`
	Slots      uint64 `json:"slots"`
	Trace      uint64 `json:"trace"` // instructions of the longest
	MapEntries uint64 `json:"map_entries"`
	MapEntry   uint64 `json:"map_entry"` // bytes of the longest
	MapMemory  uint64 `json:"map_memory"`
}

// Dist is a distribution over paths, and over packets: each packet with its
// path's number.
type Dist struct {
	Paths   Quantiles `json:"paths"`
	Packets Quantiles `json:"packets"`
}

// Quantiles are by nearest rank.
type Quantiles struct {
	N    uint64  `json:"n"`
	Mean float64 `json:"mean"`
	Min  uint64  `json:"min"`
	P50  uint64  `json:"p50"`
	P90  uint64  `json:"p90"`
	P99  uint64  `json:"p99"`
	Max  uint64  `json:"max"`
}

// Fits says whether the device takes a path.
func (r *Report) Fits(path int) bool { return len(r.Paths[path].Blockers) == 0 }
