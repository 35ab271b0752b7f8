package device

import "jitnic/cache"

// Mode is who works.
type Mode uint8

// The modes.
const (
	Both     Mode = iota // NIC and host: hits run on the NIC, misses on the host
	HostOnly             // a plain NIC: every packet goes to the host
	NICOnly              // every path is installed and stays, invalidations or not; what can't be offloaded is lost
)

var modeNames = [...]string{"nic+host", "host", "nic"}

func (m Mode) String() string { return modeNames[m] }

// Options are what a run is beside device, host and load.
type Options struct {
	Mode Mode
	// Cache is policy, admission, budget, threshold and seed of the trace cache
	// in mode Both. Policy "" is lru; without a budget the device's is taken:
	// limit.slots, else limit.entries, else room for all paths. Its delays must
	// be 0, since the model has its own.
	Cache cache.Config
	// Ordered lets the packets of a flow leave in the order they arrived in.
	Ordered bool
	// Warm is how many packets come before those that are counted.
	Warm int
	// Settle is how many times the packets pass the trace cache before time
	// begins, each install done at once: what is counted is then the steady
	// state, however long the first installs take.
	Settle int
	// Remote: the host's memory is on the other socket. Each crossing is then
	// RemoteNUMA longer, where the device's pcie.numa does not say otherwise.
	Remote bool
	// Groups is how many groups the packets of the Input are of, in turn: packet i
	// is of group i mod Groups. 0: they are told together only.
	Groups int
	// Stop, where set, is asked now and then: its error ends the run, which
	// then has no result.
	Stop func() error
}

// RemoteNUMA is, in ns, what pcie-bench (SIGCOMM'18) measured a crossing to
// take longer to the other socket's memory.
const RemoteNUMA = 107

// Latency is of packets, from fully received to the verdict's end, in ps: the
// last bit on the wire, a dropped packet's verdict, or a core's end of work on
// a packet for the host's stack. Quantiles are by nearest rank with a relative
// error below 2^-10; the others are exact.
type Latency struct {
	Packets                  uint64
	Mean                     float64
	Min, P50, P99, P999, Max int64
}

// Drops counts packets lost, by where. (A packet that the program drops is
// finished and not lost.)
type Drops struct {
	Ingress   uint64 // the matcher's queue was full: never looked up
	Host      uint64 // the core's receive ring was full
	Transmit  uint64 // the core's transmit ring was full
	Egress    uint64 // the port's queue was full
	NeedsHost uint64 // can't be offloaded, and there is no host (NICOnly)
}

// Total is all of them.
func (d Drops) Total() uint64 { return d.Ingress + d.Host + d.Transmit + d.Egress + d.NeedsHost }

// Finished counts packets by their fate.
type Finished struct {
	Drop uint64
	Wire uint64
	Up   uint64
}

// Total is all of them.
func (f Finished) Total() uint64 { return f.Drop + f.Wire + f.Up }

// Cause is why bytes cross PCIe.
type Cause uint8

// The causes.
const (
	PacketsUp     Cause = iota // to the host, with descriptors
	PacketsBack                // from the host, with descriptors
	Installs                   // traces and conditions
	MapReads                   // and what they ask with
	MapWrites                  //
	Invalidations              // of traces, and of copies of map entries
	Causes        = int(iota)
)

var causeNames = [Causes]string{"packets up", "packets back", "installs", "map reads", "map writes", "invalidations"}

func (c Cause) String() string { return causeNames[c] }

// Traffic is bytes on one direction of PCIe, by cause, with what TLPs add.
type Traffic [Causes]uint64

// Total is all of them.
func (t Traffic) Total() (n uint64) {
	for _, v := range t {
		n += v
	}
	return n
}

// Side is what one side did with map entries.
type Side struct {
	Reads, Writes uint64 // accesses
	Stalls        uint64 // reads that waited for PCIe
	Stall         int64  // ps waited by units or cores
	Messages      uint64 // sent to take the other side's copy out (replicated)
}

// Memory is what accesses to map entries cost.
type Memory struct{ NIC, Host Side }

// Station is a place where packets, or traces, wait and are served.
type Station struct {
	Name        string
	Servers     uint64
	Served      uint64  // that began service
	Utilisation float64 // of all servers, 0 to 1
	MeanQueue   float64 // waiting, over time
	MaxQueue    int64
	MeanWait    float64 // ps, of those served
}

// Compile is what became of traces to be. Begun is all from Installed to Stopped
// together, once all work is done.
type Compile struct {
	Begun     uint64 // a miss was hot enough
	Made      uint64 // traces compiled; the host keeps them, and compiles anew only what was invalidated
	Installed uint64
	Refused   uint64 // compiled, but the policy didn't take it
	Lost      uint64 // the packet that was to be recorded was lost at the host's ring
	NoWorker  uint64 // the compile queue was full
	NoChannel uint64 // the install queue was full
	Stopped   uint64 // by invalidation
	Evicted   uint64
	Dropped   uint64 // installed ones taken out by invalidation
	// Of tier 2: Hot are Searched and Unfinished together, once all work is done.
	Hot        uint64 // traces that were to be searched
	Searched   uint64 // to the end
	Unfinished uint64 // not so: invalidated before, or no packet was left
	Found      uint64 // of those searched: a better trace was found
	Swapped    uint64 // put in the place of the other while that was installed
	Stall      int64  // ps in which the matcher took no packet because of installs and invalidations
}

// Pay is when the trace of a path had saved host cores as much time as compiling it
// took, in ps. A trace that was at hand before time began cost nothing.
type Pay struct {
	First int64 // its first packet was looked up; -1: none was
	After int64 // then, until it had; -1: it never has
	Spent int64 // of compilers
	Saved int64 // of cores, by hits until then
}

// Order is how far packets of a flow left in another order than they came, by
// RFC 4737 at the port and at the host's stack each, and what keeping it cost.
type Order struct {
	Reordered uint64 // section 3.3: left behind a packet that came later
	Extent    uint64 // section 4.2.1: the largest reordering extent, in packets
	Held      uint64 // packets that had to wait for an earlier one
	HoldTime  int64  // ps, of all that were held
	PeakHeld  int64  // at once
}

// Group is what became of a group's packets.
type Group struct {
	Packets  uint64 // offered
	Finished uint64
	Outcome  cache.Counts
	Latency  float64 // ps, of all that finished together
}

// Result is what a run gave. Counts are of the packets after the warm-up, each
// followed to its end; queues and utilisations are of the window from the first
// such packet's arrival to the last arrival, or to the end of all work where
// that is no time. Rates are of the packets counted over the time in which they
// arrive: Throughput is Offered × (1 − Loss()), and what is in the device at the
// last arrival, and finishes later, is in it (Growth says how much that may be).
// Times are in ps.
type Result struct {
	Mode     Mode
	Packets  uint64 // offered
	Bytes    uint64
	Finished Finished
	Drops    Drops
	Groups   []Group      // by group, Options.Groups of them
	Outcome  cache.Counts // of the packets looked up; all 0 in mode HostOnly
	Cache    cache.Stats  // of the whole run, settling and warm-up included
	Pays     []Pay        // by trace, of the whole run
	Better   []Pay        // of tier 2's work, likewise: Spent on searching, Saved of executors; nil without it

	Latency     Latency // of packets finished
	HitLatency  Latency // run on the NIC
	MissLatency Latency // run on the host

	Window     int64   // ps
	Offered    float64 // packets/s
	Throughput float64 // packets/s that finished, of those offered
	OfferedBit float64 // bit/s, without the link's overhead
	Bit        float64 // bit/s out of the port and up, likewise

	// Growth is how many more packets are in the device at the last arrival than
	// when half of those counted have come. A device that keeps up has about as
	// many; one that does not, and whose queues are long, may lose nothing yet.
	Growth int64

	Stations []Station
	HostBusy int64   // ps of all cores together, stalls included, in the window
	HostWork int64   // ps of all cores together that the packets counted want, in the window or later; those lost at full rings too
	Cores    float64 // cores busy, on average over the window
	Uneven   float64 // work of the busiest core by the mean of all: 1 where flows spread evenly, host.Cores where all are on one; 0 without work

	Memory   Memory
	PCIeUp   Traffic // NIC to host
	PCIeDown Traffic // host to NIC
	Compile  Compile
	Order    Order
}
