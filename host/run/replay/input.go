package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"jitnic/cache"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic/native"
	"jitnic/pcaps"
	"jitnic/pcaps/rss"
)

// Input says which program is fed which packets.
type Input struct {
	Program  string   // file, sample:NAME, or filter:EXPR
	Params   []string // of an expression: NAME=VALUE, folded in; those without stand in its .data
	Entry    string   // program of the object; "": the only XDP one
	BTF      string   // kernel types for CO-RE; "": the running kernel's
	Inner    []string // what maps of maps hold whose definitions don't say it: OUTER=MAP, OUTER=TYPE:KEY:VALUE:ENTRIES
	Captures []string // files, globs, "-", sample:NAME
	Filter   string   // only packets that match; "": all
	Limit    uint64   // packets; 0: all
	Loop     int      // how often the captures are read; 0: once
	LinkType string   // of packets without an Ethernet header: "" and pcaps.LinkEthernet put one in front, pcaps.LinkSkip leaves them out
	PadCut   bool     // cut packets are filled up to their length on the wire with zeros
	Strip    bool     // the outer VLAN tag is taken off, as a NIC does, and told as XDP metadata
	Jobs     int      // above 1: captures are read and unpacked beside the run; no result depends on it
	Maps     []string // map files, each a path or NAME=PATH (the entries of map NAME); nil: a sample's own
	FIB      string   // routing table; "": empty
	CT       string   // connections; "": none
	Queues   int      // receive queues, a CPU each, over which RSS spreads flows; 0: 1
	Seed     uint64   // of everything that is drawn
	Engine   string   // what runs code (jit.Engines); "": the default; no result depends on it
	PerfMap  bool     // machine code is named for perf (code.NameForPerf)

	// Keep, where set, says which packets are run; the others pass as if they had
	// gone to another machine. Timed updates of maps are made at their packets
	// whether these are run or not.
	Keep func(p *pcaps.Packet) bool `json:"-"`
	// Progress, where set, is told now and then how many packets have been
	// processed, and once more when the run is over.
	Progress func(packets uint64, done bool) `json:"-"`
}

// Remedies say how paths become traces.
type Remedies = jit.Remedies

// Cache says what the trace cache is, and which traces go into it.
type Cache struct {
	Policy       string // of eviction; "": lru
	Admission    string // "": always
	Entries      uint64 // size in traces
	Slots        uint64 // or in instruction slots; 0 both: 64 traces
	HotThreshold uint32 // a path is installed when it misses for the how manieth time; 0: the first
	InstallDelay uint64 // packets an install takes
	jit.Remedies

	asked []cache.Config // the caches by which cuts are chosen; nil: this one
}

// Config is the cache as the runtime takes it.
func (ca *Cache) Config(seed uint64) cache.Config {
	return cache.Config{Policy: ca.Policy, Admission: ca.Admission, Entries: ca.Entries, Slots: ca.Slots,
		HotThreshold: ca.HotThreshold, InstallDelay: ca.InstallDelay, Seed: seed}
}

// Source opens the captures as the settings say.
func (in *Input) Source(ctx context.Context) (*pcaps.Source, error) { return in.source(ctx, false) }

// source is Source, with plain files mapped or not.
func (in *Input) source(ctx context.Context, mapped bool) (*pcaps.Source, error) {
	return pcaps.Open(ctx, pcaps.Options{Paths: in.Captures, Limit: in.Limit, Loop: in.Loop, Filter: in.Filter,
		LinkType: in.LinkType, PadCut: in.PadCut, StripVLAN: in.Strip, Jobs: in.Jobs, Map: mapped})
}

// Packet makes the program's input of a packet of the captures, whose files are
// named. Where packets were left out before it, or there are several files, it
// says which frame of which it is.
func (in *Input) Packet(pkt *pcaps.Packet, files []string) (v vm.Input) {
	in.input(pkt, files, &v)
	return v
}

// input is Packet into v, field by field: a whole vm.Input would be put together
// elsewhere first, and waited for.
func (in *Input) input(pkt *pcaps.Packet, files []string, v *vm.Input) {
	basics(pkt, files, v)
	v.Tag.Offload, v.Tag.Proto, v.Tag.TCI = in.Strip, pkt.Tag.Proto, pkt.Tag.TCI
	if in.Queues > 1 {
		v.CPU = rss.Queue(pkt.Data, in.Queues)
		v.RxQueue = uint32(v.CPU)
	}
}

// basics are the part of input that is the same with one queue and without tags taken
// off.
func basics(pkt *pcaps.Packet, files []string, v *vm.Input) {
	v.Data, v.TimeNS, v.IfIndex, v.Packet, v.Added = pkt.Data, pkt.KTimeNS, 1, pkt.Index, uint8(pkt.Added)
	if pkt.Frame != pkt.Index+1 {
		v.Frame, v.File = pkt.Frame, files[pkt.File]
	} else if v.Frame != 0 {
		v.Frame, v.File = 0, ""
	}
}

// inputs is input of packets into ins, which none but it has written to.
func (in *Input) inputs(pkts []pcaps.Packet, files []string, ins []vm.Input) {
	ins = ins[:len(pkts)]
	if in.Strip || in.Queues > 1 {
		for i := range pkts {
			in.input(&pkts[i], files, &ins[i])
		}
		return
	}
	for i := range pkts {
		basics(&pkts[i], files, &ins[i])
	}
}

// A SettingError is a setting with a value it can't have.
type SettingError struct {
	Setting string // as the command line names it, without dashes
	Value   string // "" where the error says enough
	Err     error
}

func (e *SettingError) Error() string {
	if e.Value == "" {
		return e.Setting + ": " + e.Err.Error()
	}
	return e.Setting + " " + e.Value + ": " + e.Err.Error()
}

func (e *SettingError) Unwrap() error { return e.Err }

// setting makes a SettingError.
func setting(name string, value any, err error) error {
	return &SettingError{name, fmt.Sprint(value), err}
}

// MaxQueues is how many receive queues there can be: as many as entries of an
// RSS indirection table.
const MaxQueues = rss.TableSize

// check refuses impossible settings before anything is opened, and puts defaults
// in.
func (in *Input) check() error {
	switch {
	case in.Program == "":
		return setting("program", "", errors.New("name an object file, sample:NAME or filter:EXPR"))
	case len(in.Captures) == 0:
		return setting("capture", "", errors.New("name a capture file, or sample:NAME"))
	case in.Queues < 0 || in.Queues > MaxQueues:
		return setting("queues", in.Queues, fmt.Errorf("want 1 to %d", MaxQueues))
	case in.LinkType != "" && in.LinkType != pcaps.LinkEthernet && in.LinkType != pcaps.LinkSkip:
		return setting("linktype", in.LinkType, fmt.Errorf("neither %s nor %s", pcaps.LinkEthernet, pcaps.LinkSkip))
	case in.Engine != "" && !slices.ContainsFunc(jit.Engines(), func(e jit.Engine) bool { return e.Name == in.Engine }):
		return setting("engine", in.Engine, errors.New("want "+native.Choices))
	case in.PerfMap && in.Engine == native.Go.String():
		return setting("perf-map", "", errors.New("engine go makes no machine code"))
	case in.Loop < 0:
		return setting("loop", in.Loop, errors.New("want 1 or more"))
	}
	in.Queues, in.Loop = max(in.Queues, 1), max(in.Loop, 1)
	return nil
}
