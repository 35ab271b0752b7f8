package cell

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"jitnic/cache"
	"jitnic/host/run/replay"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"
	"jitnic/pcaps/rss"
)

// Semantics is a number that rises whenever the same inputs give another stream of
// path numbers than before, other outcomes or other figures of a device: what was
// kept under an older number is made again. TestSemantics fails when it should have
// risen.
const Semantics = 4

// An Identity is all that the paths of a cell depend on.
type Identity struct {
	Semantics int      `json:"semantics"`
	Object    string   `json:"object"` // sha256 of the file
	Code      string   `json:"code"`   // and of what the loader linked, as relocations may depend on the machine
	Entry     string   `json:"entry"`
	Maps      []string `json:"maps"` // sha256 of each, behind the map's name where it is of one
	FIB       string   `json:"fib,omitempty"`
	Captures  []string `json:"captures"`
	Filter    string   `json:"filter,omitempty"`
	Limit     uint64   `json:"limit,omitempty"`
	Loop      int      `json:"loop,omitempty"`
	LinkType  string   `json:"linktype,omitempty"`
	PadCut    bool     `json:"pad_cut,omitempty"`
	StripVLAN bool     `json:"strip_vlan,omitempty"`
	Mode      string   `json:"mode"`
	Segments  int      `json:"segments,omitempty"` // of jit.Remedies
	Queues    int      `json:"queues"`
	Split     string   `json:"split,omitempty"`
	Part      int      `json:"part,omitempty"`
	Lead      uint64   `json:"lead,omitempty"` // packets before a part that warm its cache
	From      uint64   `json:"from,omitempty"` // of a stretch of time: its packets
	To        uint64   `json:"to,omitempty"`
	Seed      uint64   `json:"seed,omitempty"` // where anything is drawn
}

// Address is the identity's hash.
func (id *Identity) Address() string { return Hash(id) }

// Hash is the sha256 of a value's JSON.
func Hash(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what is hashed are plain values
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// A Cell is one run of a program over a capture, with what is asked of its paths.
type Cell struct {
	Address  string   `json:"address"`
	Identity Identity `json:"identity"`
	Fail     string   `json:"fail,omitempty"` // why it can't be run; known before it is

	// Its coordinates, as rows have them.
	Program string `json:"program"`
	Entry   string `json:"entry"`
	Maps    string `json:"maps,omitempty"`
	FIB     string `json:"fib,omitempty"`
	Filter  string `json:"filter,omitempty"`
	Capture string `json:"capture"`
	Mode    string `json:"mode"`
	// Segments is how many tables paths are cut into at most, as jit.Remedies has it.
	Segments int    `json:"segments,omitempty"`
	Queues   int    `json:"queues"`
	Split    string `json:"split"`
	Part     int    `json:"part"` // from 0; the whole: 0
	Seed     uint64 `json:"seed"`

	// Shared are, of a split into queues, maps that these share and the program
	// changes: their keys have to tell the queues apart.
	Shared []string `json:"shared,omitempty"`

	// How it is run.
	Input replay.Input `json:"input"`
	Gen   *gen.Spec    `json:"gen,omitempty"` // the capture is made by it

	Points  []cache.Config `json:"points"`
	Devices []Device       `json:"devices,omitempty"`
	Windows int            `json:"windows"`
	Warmup  string         `json:"warmup,omitempty"`

	Bytes int64 `json:"bytes"` // of the captures' files, for estimates
}

// Remedies are how the cell's paths become traces.
func (c *Cell) Remedies() (replay.Remedies, error) { return remedies(c.Mode, c.Segments) }

func remedies(mode string, segments int) (replay.Remedies, error) {
	m, err := replay.ModeOf(mode)
	m.Remedies.Segments = segments
	return m.Remedies, err
}

// A Device is a device under a load, with traces of a tier.
type Device struct {
	Name string   `json:"name"` // as rows have it
	NIC  string   `json:"nic"`
	Set  []string `json:"set,omitempty"`
	Host string   `json:"host"`
	Rate uint64   `json:"rate"`
	Tier int      `json:"tier"`
	// Of the profiles, all parameters: figures depend on them.
	NICHash, HostHash string
}

// DeviceAddress is where the figures of a device for a cell are kept.
func (c *Cell) DeviceAddress(d *Device) string {
	return Hash(struct {
		Cell, NIC, Host string
		Rate            uint64
		Tier            int
	}{c.Address, d.NICHash, d.HostHash, d.Rate, d.Tier})
}

// Key tells cells of a plan apart: cells of equal paths may have other coordinates.
func (c *Cell) Key() string { return Hash(c.coordinates()) }

// Whole tells which parts of a split make one run: it is the same for all of them,
// and of no other cell.
func (c *Cell) Whole() string {
	if c.Split == "none" {
		return c.Key()
	}
	x := *c
	x.Identity.Part, x.Identity.From, x.Identity.To, x.Identity.Lead = 0, 0, 0, 0
	x.Address = x.Identity.Address()
	return x.Key()
}

// PointKey tells the points of a cell apart.
func (c *Cell) PointKey(p *cache.Config) string {
	return fmt.Sprintf("%s|%s|e%d|s%d|h%d|d%d|r%d|w%s/%d", p.Policy, p.Admission, p.Entries, p.Slots, p.HotThreshold, p.InstallDelay, p.Seed, c.Warmup, c.Windows)
}

// Keep says which packets of the capture are the cell's; nil: all.
func (c *Cell) Keep() func(p *pcaps.Packet) bool {
	id := &c.Identity
	switch {
	case id.To > 0:
		return func(p *pcaps.Packet) bool { return p.Index+id.Lead >= id.From }
	case id.Split != "":
		n, part := id.Queues, id.Part
		return func(p *pcaps.Packet) bool { return rss.Queue(p.Data, n) == part }
	}
	return nil
}

// Estimated is about how many packets the cell has, from the size of its files.
func (c *Cell) Estimated() float64 {
	n := float64(c.Bytes) / bytesPerPacket * float64(max(c.Input.Loop, 1))
	if c.Gen != nil {
		n = float64(c.Gen.Packets)
	}
	if c.Input.Limit > 0 {
		n = min(n, float64(c.Input.Limit))
	}
	switch {
	case c.Identity.To > 0:
		n = float64(c.Identity.To - c.Identity.From + c.Identity.Lead)
	case c.Identity.Split != "":
		n /= float64(c.Identity.Queues)
	}
	return max(n, 1)
}

// bytesPerPacket of a capture's file as it lies on the disk: the mean over the
// recorded captures of the corpus, most of them packed.
const bytesPerPacket = 60
