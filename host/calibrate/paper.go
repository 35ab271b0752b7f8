package calibrate

import "fmt"

// A Comparison is a published figure beside the one measured here.
type Comparison struct {
	What   string  `json:"what"`
	Lo     float64 `json:"paper_lo"` // the published figure, or its range
	Hi     float64 `json:"paper_hi"`
	Here   float64 `json:"here"`
	Unit   string  `json:"unit"`
	Source string  `json:"source"`
	Note   string  `json:"note,omitempty"`
}

// Ratio is the figure here over the published one, of a range its nearer end.
func (c *Comparison) Ratio() float64 {
	switch {
	case c.Here < c.Lo:
		return c.Here / c.Lo
	case c.Here > c.Hi:
		return c.Here / c.Hi
	}
	return 1
}

// The papers. CoNEXT'25 measured a Xeon Silver 4310 under Linux 6.8.
const (
	conext18 = "Høiland-Jørgensen et al., The eXpress Data Path, CoNEXT'18"
	conext25 = "Shahinfar et al., Demystifying Performance of eBPF Network Applications, CoNEXT'25"
)

// table3 is an access to a map from within a program, by type (CoNEXT'25).
var table3 = []struct {
	kind string
	ns   float64
}{{"array", 3.9}, {"hash", 18.8}, {"lru_hash", 19.2}}

// falls are how much throughput falls from 100 to 100,000 uniform flows
// (CoNEXT'25, figures 11 and 12), in percent.
var falls = []struct {
	kind    string
	percent float64
}{{"array", 10.8}, {"hash", 30.5}, {"lru_hash", 22.6}}

// Compare puts the papers' figures beside those measured; what wasn't measured
// is left out.
func (s *Study) Compare() []Comparison {
	var out []Comparison
	add := func(what string, lo, hi float64, f *Figure, source, note string) {
		if f != nil {
			out = append(out, Comparison{what, lo, hi, f.Value, "ns", source, note})
		}
	}
	for _, t := range table3 {
		add("map access, "+t.kind, t.ns, t.ns, s.FindMap("type", "access", t.kind), conext25+", table 3", fmt.Sprintf("%d entries here", tableEntries))
	}
	if d, what := s.PacketCost(); d > 0 {
		for _, t := range falls {
			if x, ok := s.fall(t.kind, d, "uniform"); ok {
				out = append(out, Comparison{"throughput lost from 100 to 100 K flows, " + t.kind, t.percent, t.percent, round3(x), "%", conext25 + ", figures 11 and 12", "a packet taken for " + what + " and one access; 100 K entries live in a cache that is shared: load shows"})
			}
		}
	}
	for _, k := range []string{"array", "hash", "lru_hash"} {
		add("look-up through bpf(2), "+k, 485, 495, s.FindMap("user", "lookup", k), conext25+", table 4", "")
	}
	for _, k := range []string{"percpu_array", "percpu_hash"} {
		add("look-up through bpf(2), "+k, 1550, 1550, s.FindMap("user", "lookup", k), conext25+", table 4", fmt.Sprintf("values of %d CPUs here", s.Machine.CPUs))
	}
	add("XDP_DROP, a packet", 41.6, 41.6, s.Find("live", "live_drop"), conext18, "live frames here: no descriptors, no DMA")
	add("XDP hook", 38, 38, s.Find("floor", "xdp_drop"), conext25+", table 1", "BPF_PROG_TEST_RUN's loop here: no driver")
	add("XDP_PASS until TC is reached", 273, 273, s.Find("live", "live_pass"), conext25+", table 1", "live frames here")
	return out
}

// PacketCost is what a packet costs before its map access, and what that is; 0
// where it wasn't measured.
func (s *Study) PacketCost() (ns float64, what string) {
	if f := s.Find("live", "live_drop"); f != nil {
		return f.Value, fmt.Sprintf("%.1f ns (live frames, dropped)", f.Value)
	}
	if f := s.Find("floor", "xdp_drop"); f != nil {
		return f.Value, fmt.Sprintf("%.1f ns (empty program)", f.Value)
	}
	return 0, ""
}

// fall is how many percent of the packets a second get lost when a map has
// 100,000 entries instead of 100.
func (s *Study) fall(kind string, packet float64, keys string) (float64, bool) {
	small, large := s.At("access", kind, 100, keys), s.At("access", kind, 100_000, keys)
	if small == nil || large == nil {
		return 0, false
	}
	return 100 * (1 - (packet+small.Value)/(packet+large.Value)), true
}

// A Check is a statement of the paper, and whether it holds here.
type Check struct {
	What   string `json:"what"`
	Holds  bool   `json:"holds"`
	Detail string `json:"detail"`
}

// Rough agreement of times on different machines is a factor of 2; two times
// within a tenth of each other are taken for equal.
const (
	rough = 2.0
	equal = 0.10
)

// Checks says what of table 3 and figures 11 and 12 holds here.
func (s *Study) Checks() []Check {
	var out []Check
	a, h, l := s.FindMap("type", "access", "array"), s.FindMap("type", "access", "hash"), s.FindMap("type", "access", "lru_hash")
	if a != nil && h != nil && l != nil {
		out = append(out, Check{"table 3, order: array < hash ≤ LRU hash", a.Value < h.Value && h.Value <= l.Value*(1+equal),
			fmt.Sprintf("array %.2f, hash %.2f, LRU hash %.2f ns", a.Value, h.Value, l.Value)})
		c := Check{"table 3, ratio: an LRU hash costs what a hash costs, within a tenth", within(l.Value/h.Value, 1, 1+equal), ""}
		c.Detail = fmt.Sprintf("LRU hash : hash %.2f, the paper's %.2f", l.Value/h.Value, 19.2/18.8)
		out = append(out, c)
		c = Check{"table 3, ratio: a hash costs several times what an array costs", h.Value/a.Value >= rough, ""}
		c.Detail = fmt.Sprintf("array : hash : LRU hash 1 : %.1f : %.1f, the paper's 1 : %.1f : %.1f", h.Value/a.Value, l.Value/a.Value, 18.8/3.9, 19.2/3.9)
		if f := s.Find("helper", "get_numa_node_id"); f != nil {
			c.Detail += fmt.Sprintf("; an array look-up is inlined, a hash look-up is calls, of which an empty one costs %.1f ns here", f.Value)
		}
		out = append(out, c)
		c = Check{What: fmt.Sprintf("table 3, times: each within a factor of %g of the paper's", rough), Holds: true}
		for i, f := range []*Figure{a, h, l} {
			r := f.Value / table3[i].ns
			c.Holds = c.Holds && within(r, 1, rough)
			if i > 0 {
				c.Detail += ", "
			}
			c.Detail += fmt.Sprintf("%s × %.2f", table3[i].kind, r)
		}
		out = append(out, c)
	}
	d, _ := s.PacketCost()
	if fa, ok := s.fall("array", d, "uniform"); ok && d > 0 {
		fh, okh := s.fall("hash", d, "uniform")
		fl, okl := s.fall("lru_hash", d, "uniform")
		if okh && okl {
			out = append(out, Check{"figures 11 and 12: more flows cost hashes more throughput than arrays", fa < fh && fa < fl,
				fmt.Sprintf("array −%.1f %%, hash −%.1f %%, LRU hash −%.1f %%; the paper's −10.8, −30.5, −22.6", fa, fh, fl)})
		}
	}
	return out
}

// within says whether x is at most a factor away from want.
func within(x, want, factor float64) bool { return x >= want/factor && x <= want*factor }
