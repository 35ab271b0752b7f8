package gen

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Spec says what traffic to make. Fields left out have the value in brackets.
type Spec struct {
	Seed    uint64 `json:"seed"`    // [0]
	Packets uint64 `json:"packets"` // [1000000]

	RatePPS float64 `json:"rate_pps"` // packets per second of the timestamps, at most 1e9 [1e6]
	Poisson bool    `json:"poisson"`  // exponential gaps instead of equal ones [false]
	StartNS int64   `json:"start_ns"` // time of the first packet, ns since 1970 [1600000000e9]

	Flows   int     `json:"flows"`           // live at a time, at most 2^24 [1000]
	Uniform bool    `json:"uniform"`         // all flows equally popular [false: Zipf]
	Alpha   float64 `json:"alpha"`           // Zipf exponent: popularity of rank k is k^-alpha [1]
	Churn   float64 `json:"new_flows_per_s"` // a random live flow is replaced this often [0]
	Servers int     `json:"servers"`         // 1 to 254 [16]
	Replies float64 `json:"replies"`         // share of packets from server to client; TCP then shakes hands [0]

	// Size of frames on the wire without tags, frame check sequence included
	// as RFC 2544 section 9.1 counts it: 64 to 1518. Captures hold 4 bytes
	// less. 0 is the "simple IMIX" of test equipment: frames of 64, 594 and
	// 1518 bytes as 7:4:1 (IP packets of up to 46, 576 and 1500 bytes). No
	// standard fixes it; RFC 6985 gives the notation for such mixes. Headers
	// that don't fit make a frame longer. [0]
	Size int `json:"size"`

	IPv6  float64 `json:"ipv6"`  // share of flows [0]
	VLAN  float64 `json:"vlan"`  // share of flows with one 802.1Q tag [0]
	QinQ  float64 `json:"qinq"`  // share of flows with an 802.1ad and an 802.1Q tag [0]
	VLANs int     `json:"vlans"` // VLAN ids in use, 1 to 3000 [8]
	UDP   float64 `json:"udp"`   // share of flows; what UDP and ICMP leave is TCP [0]
	ICMP  float64 `json:"icmp"`  // share of flows: echo requests, ICMPv6 over IPv6 [0]

	Attack *Attack `json:"attack,omitempty"` // [none]
}

// Attack mixes hostile packets in.
type Attack struct {
	Kind  string  `json:"kind"`  // see Kinds
	Share float64 `json:"share"` // of all packets while it lasts [0.5]
	// From and Until bound it in time, as shares of the packets [0, 1].
	From  float64 `json:"from"`
	Until float64 `json:"until"`
	Paths uint64  `json:"paths"` // thrash: header shapes in a cycle [4096]
	Min   int     `json:"min"`   // burst: times each shape is sent, drawn from Min to Max [2, 4]
	Max   int     `json:"max"`
}

// Kinds of attack, with what they do.
var Kinds = []struct{ Name, Does string }{
	{"syn-flood", "TCP SYNs from random addresses and ports to one server"},
	{"thrash", "cycles through paths header shapes, one after the other: give one more than the cache holds"},
	{"unique", "a header shape never seen before with every packet"},
	{"burst", "each header shape 2 to 4 times in a row, then never again: enough to be installed, useless after"},
}

// Presets are specs for common studies, by name.
var Presets = []struct {
	Name, Does string
	Spec       Spec
}{
	{"zipf", "10,000 TCP and UDP flows over IPv4, Zipf 1.0, IMIX", Spec{Flows: 10000, UDP: 0.2}},
	{"uniform", "10,000 equally popular flows of 64-byte frames", Spec{Flows: 10000, Uniform: true, Size: 64, UDP: 0.5}},
	{"mix", "IPv4, IPv6, VLAN, QinQ, TCP, UDP and ICMP with replies", Spec{Flows: 5000, Replies: 0.45, IPv6: 0.3, VLAN: 0.15, QinQ: 0.05, UDP: 0.3, ICMP: 0.03}},
	{"churn", "5,000 flows of which 10,000 a second are replaced", Spec{Flows: 5000, Churn: 10000, Replies: 0.4, UDP: 0.2}},
	{"syn-flood", "half the packets are SYNs from everywhere", Spec{Flows: 5000, Replies: 0.4, Attack: &Attack{Kind: "syn-flood"}}},
	{"thrash", "half the packets cycle through 4,096 header shapes", Spec{Flows: 5000, IPv6: 0.2, Attack: &Attack{Kind: "thrash"}}},
	{"unique", "a fifth of the packets have shapes of their own", Spec{Flows: 5000, IPv6: 0.2, Attack: &Attack{Kind: "unique", Share: 0.2}}},
	{"burst", "a fifth of the packets are shapes sent 2 to 4 times", Spec{Flows: 5000, IPv6: 0.2, Attack: &Attack{Kind: "burst", Share: 0.2}}},
}

// Preset returns the spec called name.
func Preset(name string) (Spec, error) {
	var names []string
	for _, p := range Presets {
		if p.Name == name {
			s := p.Spec
			if s.Attack != nil {
				a := *s.Attack
				s.Attack = &a
			}
			return s, nil
		}
		names = append(names, p.Name)
	}
	return Spec{}, fmt.Errorf("traffic %q: not one of %s", name, strings.Join(names, ", "))
}

// ReadSpec reads a spec as JSON; unknown fields are errors.
func ReadSpec(r io.Reader) (Spec, error) {
	var s Spec
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("traffic spec: offset %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return s, fmt.Errorf("traffic spec: offset %d: more than one value", d.InputOffset())
	}
	return s, nil
}

// filled returns s with what was left out filled in, or says what is wrong.
func (s Spec) filled() (Spec, error) {
	def(&s.Packets, 1_000_000)
	def(&s.RatePPS, 1e6)
	def(&s.StartNS, 1_600_000_000e9)
	def(&s.Flows, 1000)
	def(&s.Alpha, 1)
	def(&s.Servers, 16)
	def(&s.VLANs, 8)
	checks := []struct {
		field    string
		v        float64
		low, top float64
	}{
		{"rate_pps", s.RatePPS, 1e-3, 1e9},
		{"start_ns", float64(s.StartNS), 0, 1 << 62},
		{"flows", float64(s.Flows), 1, 1 << 24},
		{"alpha", s.Alpha, 0, 10},
		{"new_flows_per_s", s.Churn, 0, s.RatePPS},
		{"servers", float64(s.Servers), 1, 254},
		{"replies", s.Replies, 0, 1},
		{"ipv6", s.IPv6, 0, 1},
		{"vlan", s.VLAN, 0, 1},
		{"qinq", s.QinQ, 0, 1},
		{"vlan and qinq", s.VLAN + s.QinQ, 0, 1},
		{"vlans", float64(s.VLANs), 1, 3000},
		{"udp", s.UDP, 0, 1},
		{"icmp", s.ICMP, 0, 1},
		{"udp and icmp", s.UDP + s.ICMP, 0, 1},
		{"packets over rate_pps in seconds", float64(s.Packets) / s.RatePPS, 0, 1e9},
	}
	if s.Size != 0 {
		checks = append(checks, struct {
			field    string
			v        float64
			low, top float64
		}{"size", float64(s.Size), 64, 1518})
	}
	if s.Attack != nil {
		a := *s.Attack
		s.Attack = &a
		def(&a.Share, 0.5)
		def(&a.Until, 1)
		def(&a.Paths, 4096)
		def(&a.Min, 2)
		def(&a.Max, max(4, a.Min))
		kind := func(k struct{ Name, Does string }) bool { return k.Name == a.Kind }
		if !slices.ContainsFunc(Kinds, kind) {
			return s, fmt.Errorf("traffic spec: attack.kind %q: not known", a.Kind)
		}
		checks = append(checks, []struct {
			field    string
			v        float64
			low, top float64
		}{
			{"attack.share", a.Share, 0, 1},
			{"attack.from", a.From, 0, 1},
			{"attack.until", a.Until, a.From, 1},
			{"attack.paths", float64(a.Paths), 1, Shapes},
			{"attack.min", float64(a.Min), 1, 1000},
			{"attack.max", float64(a.Max), float64(a.Min), 1000},
		}...)
	}
	for _, c := range checks {
		if math.IsNaN(c.v) || c.v < c.low || c.v > c.top {
			return s, fmt.Errorf("traffic spec: %s is %v: not %v to %v", c.field, c.v, c.low, c.top)
		}
	}
	return s, nil
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
