package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"jitnic/nic/profile"
	"jitnic/pathcond"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"
)

// Report compares all matchers on one program. Shares are of the workload's
// packets, those without a path included.
type Report struct {
	Program     string       `json:"program"`
	Capture     string       `json:"capture"`
	NIC         string       `json:"nic"`
	Conditions  int          `json:"conditions"`
	Packets     uint64       `json:"packets"`
	PathPackets uint64       `json:"path_packets"`    // of paths that can be traces
	Predicates  []ClassCount `json:"predicates"`      // of the minimal conditions
	PerMean     float64      `json:"predicates_mean"` // of a condition, by packets
	PerMax      int          `json:"predicates_max"`
	Matchers    []Row        `json:"matchers"` // side by side
	Needs       []Need       `json:"needs"`    // what conditions ask for beyond ternary entries; they add up to all
	TCAM        Ternary      `json:"tcam"`
	Parsed      Ternary      `json:"tcam_parsed"` // with a parser before it
	TSS         Tuples       `json:"tss"`
	Blockers    []Blocker    `json:"blockers"` // predicates that no entry expresses, those of most packets first
	Paths       []PathRow    `json:"paths"`    // by packets
	// Behind are the same of the tables behind the first, where paths are cut into
	// segments: of their segments, and the packets that come to them.
	Behind []*Report `json:"behind,omitempty"`
}

// ClassCount counts predicates of one class.
type ClassCount struct {
	Class      string `json:"class"`
	Predicates int    `json:"predicates"`
	Conditions int    `json:"conditions"` // that have any
	Packets    uint64 `json:"packets"`    // of these
}

// Share is a number of conditions with their packets.
type Share struct {
	Conditions int    `json:"conditions"`
	Packets    uint64 `json:"packets"`
}

func (s *Share) add(j *Judged) {
	s.Conditions++
	s.Packets += j.Packets
}

// Need is a group of conditions by what they ask for beyond ternary entries.
type Need struct {
	What   string `json:"what"` // nothing; maps, arithmetic, latched inputs or several of them
	Share         // with the bare packet as the key
	Parsed Share  `json:"parsed"` // behind a parser
}

// Row is one kind of matcher.
type Row struct {
	Kind     profile.MatcherKind `json:"kind"`
	Own      bool                `json:"own"` // the profile's own, with its limits; the others are without
	Holds    Share               `json:"holds"`
	Entries  uint64              `json:"entries"`        // conditions, nodes, keys or TCAM entries
	Capacity uint64              `json:"capacity"`       // 0: no limit
	Width    int                 `json:"width_bits"`     // of the key
	Bits     uint64              `json:"memory_bits"`    // of what is held
	Steps    float64             `json:"steps_mean"`     // of a hit, by packets
	StepsMax int                 `json:"steps_max"`      //
	Lookups  float64             `json:"look_ups_mean"`  // of a hit, by packets
	Cycles   float64             `json:"hit_cycles"`     // mean by packets
	Max      uint32              `json:"hit_cycles_max"` //
	Miss     uint32              `json:"miss_cycles"`
	NS       float64             `json:"hit_ns"` // Cycles on the profile's clock
	Refused  []Refusal           `json:"refused"`
}

// Refusal is a reason why conditions can't be held.
type Refusal struct {
	Reason string `json:"reason"`
	Share
}

// Ternary is what a TCAM could hold at all, whatever its size.
type Ternary struct {
	Whole     Share   `json:"whole"`     // conditions that are nothing but entries
	Stateless Share   `json:"stateless"` // and those that are, but for what they ask of maps
	Parts     int     `json:"parts"`     // distinct stateless parts of these
	Expanded  uint64  `json:"expanded"`  // entries of Whole, see Judged
	Priority  uint64  `json:"priority"`
	Ranged    uint64  `json:"ranged"`
	Width     int     `json:"width_bits"`
	Key       []Field `json:"key"`
}

// Tuples is what tuple-space search makes of the conditions.
type Tuples struct {
	Masked         Share   `json:"masked"`          // conditions that are nothing but one masked equality
	Whole          Share   `json:"whole"`           // or several, after expansion
	ExpandedTuples int     `json:"expanded_tuples"` // masks of these
	Expanded       uint64  `json:"expanded"`        // and their entries
	Count          int     `json:"tuples"`          // masks of the masked-equality parts of all conditions
	Entries        int     `json:"entries"`         // and their keys
	Probes         float64 `json:"probes_mean"`     // of a hit, by packets
	ProbesMax      int     `json:"probes_max"`
	Candidates     float64 `json:"candidates_mean"` // looked at in the table where it is found
	CandidatesMax  int     `json:"candidates_max"`  // in all tables looked into before it is found
	Masks          []Mask  `json:"masks"`
}

// Mask is one tuple.
type Mask struct {
	Bits    int `json:"bits"`
	Entries int `json:"entries"`
	Share
}

// Blocker is a predicate that keeps conditions out of a TCAM.
type Blocker struct {
	Text   string `json:"text"`
	Class  string `json:"class"`
	Parsed bool   `json:"parsed"` // a parser would take it away
	Share
	Alone Share `json:"alone"` // conditions that nothing else keeps out
}

// PathRow is one condition.
type PathRow struct {
	Path       int32    `json:"path"`
	Packets    uint64   `json:"packets"`
	Predicates int      `json:"predicates"`
	Classes    []string `json:"classes"`
	Nodes      int      `json:"nodes"` // of its walk in the guard tree
	Lookups    int      `json:"look_ups"`
	Probes     int      `json:"probes"`
	Candidates int      `json:"candidates"`
	Whole      bool     `json:"whole"`
	Expanded   uint64   `json:"expanded"`
	Priority   uint64   `json:"priority"`
	Ranged     uint64   `json:"ranged"`
	Worst      string   `json:"worst"`
}

// maxBlockers is how many a report lists, maxText how long their text may be and
// maxPrinted how many operations a predicate may have to be written out.
const (
	maxBlockers = 24
	maxText     = 160
	maxPrinted  = 48
)

// Report compares the matchers for one device. Its own kind of matcher is priced
// with its limits; the other kinds with the same cycles per step and look-up, and
// without limits. One report is made at a time.
func (x *Analysis) Report(t Trees, n *profile.NIC) (*Report, error) {
	r, err := x.report(t.of(0), n)
	if err != nil || len(x.behind) == 0 {
		return r, err
	}
	next := *n
	next.MatcherBase = n.MatcherNext
	for i, b := range x.behind {
		of, err := b.report(t.of(i+1), &next)
		if err != nil {
			return nil, err
		}
		r.Behind = append(r.Behind, of)
	}
	return r, nil
}

func (x *Analysis) report(t *tree.Tree, n *profile.NIC) (*Report, error) {
	parsed, err := x.behindParser()
	if err != nil {
		return nil, err
	}
	r := &Report{Program: x.W.Program, Capture: x.W.Capture, NIC: n.Name, Conditions: len(x.Conds), Packets: uint64(len(x.W.Packets))}
	for _, j := range x.Conds {
		r.PathPackets += j.Packets
		r.PerMean += float64(len(j.Preds)) * float64(j.Packets)
		r.PerMax = max(r.PerMax, len(j.Preds))
	}
	if r.PathPackets > 0 {
		r.PerMean /= float64(r.PathPackets)
	}
	r.Packets = max(r.Packets, r.PathPackets)
	r.Predicates = x.classCounts()
	var trees *Costs
	for _, kind := range []profile.MatcherKind{profile.MatchLinear, profile.MatchTree, profile.MatchTSS, profile.MatchTCAM} {
		m := *n
		if own := kind == n.Matcher; !own {
			m.Matcher, m.MatcherCapacity, m.MatcherWidth, m.MatcherRange = kind, 0, 0, 0
		}
		c, err := x.costs(t, &m)
		if err != nil {
			return nil, err
		}
		if kind == profile.MatchTree {
			trees = c
		}
		row := x.row(c, &m)
		row.Own = kind == n.Matcher
		if kind == profile.MatchTree && t != nil {
			row.Entries = uint64(t.Nodes()) // shared by the paths
			if c.Entries > 0 {
				row.Bits = uint64(float64(c.Bits) * float64(row.Entries) / float64(c.Entries))
			}
		}
		if kind == profile.MatchTSS {
			row.Entries = uint64(x.tss.Entries()) // likewise
		}
		r.Matchers = append(r.Matchers, row)
	}
	r.Needs = needs(x, parsed)
	r.TCAM, r.Parsed = x.ternaryReport(), parsed.ternaryReport()
	r.TSS = x.tuplesReport()
	r.Blockers = x.blockers(parsed)
	s := x.tss
	for _, i := range x.byPackets() {
		j := x.Conds[i]
		p := PathRow{Path: j.Path, Packets: j.Packets, Predicates: len(j.Preds), Nodes: trees.Paths[i].Steps, Lookups: j.Lookups,
			Whole: j.Whole(), Expanded: j.Expanded, Priority: j.Priority, Ranged: j.Ranged, Worst: j.Worst().String()}
		for _, c := range j.Classes {
			p.Classes = append(p.Classes, c.String())
		}
		at := s.Place(j.Path)
		p.Probes, p.Candidates = at.Probes, at.Candidates
		r.Paths = append(r.Paths, p)
	}
	return r, nil
}

// behindParser is the analysis of the same conditions with a parser.
func (x *Analysis) behindParser() (*Analysis, error) {
	if x.a.opt.Parser {
		return x, nil
	}
	if x.parsed == nil {
		opt := x.a.opt
		opt.Parser = true
		var err error
		conds := make([]Condition, len(x.Conds))
		for i, j := range x.Conds {
			conds[i] = j.Condition
		}
		if x.parsed, err = analyse(x.W, conds, opt); err != nil {
			return nil, err
		}
	}
	return x.parsed, nil
}

func (x *Analysis) classCounts() []ClassCount {
	out := make([]ClassCount, Classes)
	for c := range out {
		out[c].Class = Class(c).String()
	}
	for _, j := range x.Conds {
		var seen [Classes]bool
		for _, c := range j.Classes {
			out[c].Predicates++
			if !seen[c] {
				seen[c] = true
				out[c].Conditions++
				out[c].Packets += j.Packets
			}
		}
	}
	return out
}

func (x *Analysis) row(c *Costs, n *profile.NIC) Row {
	r := Row{Kind: c.Kind, Entries: c.Entries, Capacity: n.MatcherCapacity, Width: c.Width, Bits: c.Bits, Miss: c.Miss}
	reasons := map[string]int{}
	var steps, lookups, cycles float64
	for i, p := range c.Paths {
		j := x.Conds[i]
		if p.Refused != "" {
			k, ok := reasons[p.Refused]
			if !ok {
				k = len(r.Refused)
				reasons[p.Refused] = k
				r.Refused = append(r.Refused, Refusal{Reason: p.Refused})
			}
			r.Refused[k].add(j)
			continue
		}
		r.Holds.add(j)
		w := float64(j.Packets)
		steps += w * float64(p.Steps)
		lookups += w * float64(p.Lookups)
		cycles += w * float64(p.Match)
		r.StepsMax, r.Max = max(r.StepsMax, p.Steps), max(r.Max, p.Match)
	}
	if r.Holds.Packets > 0 {
		w := float64(r.Holds.Packets)
		r.Steps, r.Lookups, r.Cycles = steps/w, lookups/w, cycles/w
	}
	if n.Clock > 0 {
		r.NS = r.Cycles * 1e6 / float64(n.Clock)
	}
	slices.SortStableFunc(r.Refused, func(a, b Refusal) int { return cmp.Compare(b.Packets, a.Packets) })
	return r
}

// needsOf names what a condition asks for beyond entries.
func needsOf(j *Judged) string {
	var maps, arithmetic, latched bool
	for _, c := range j.Classes {
		maps, arithmetic, latched = maps || c == State, arithmetic || c == Relation, latched || c == Latched
	}
	var out []string
	for _, n := range []struct {
		need bool
		what string
	}{{maps, "maps"}, {arithmetic, "arithmetic"}, {latched, "latched inputs"}} {
		if n.need {
			out = append(out, n.what)
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

func needs(x, parsed *Analysis) []Need {
	order := []string{"nothing", "maps", "arithmetic", "maps, arithmetic", "latched inputs", "maps, latched inputs",
		"arithmetic, latched inputs", "maps, arithmetic, latched inputs"}
	by := map[string]*Need{}
	for _, o := range order {
		by[o] = &Need{What: o}
	}
	for i, j := range x.Conds {
		by[needsOf(j)].add(j)
		by[needsOf(parsed.Conds[i])].Parsed.add(j)
	}
	var out []Need
	for _, o := range order {
		if n := by[o]; n.Conditions > 0 || n.Parsed.Conditions > 0 {
			out = append(out, *n)
		}
	}
	return out
}

func (x *Analysis) ternaryReport() (r Ternary) {
	var whole []*Judged
	parts := map[string]bool{}
	for _, j := range x.Conds {
		if j.Stateless() {
			r.Stateless.add(j)
			parts[j.partsName()] = true
		}
		if j.Whole() {
			r.Whole.add(j)
			r.Expanded += j.Expanded
			r.Priority += min(j.Priority, j.Expanded)
			r.Ranged += min(j.Ranged, j.Priority, j.Expanded)
			whole = append(whole, j)
		}
	}
	r.Parts = len(parts)
	k := KeyOf(whole)
	r.Width, r.Key = k.Width(), k.Fields()
	return r
}

// partsName is the same for conditions with the same entries.
func (j *Judged) partsName() string {
	names := make([]string, 0, len(j.parts))
	for _, p := range j.parts {
		var s strings.Builder
		for _, c := range p.expanded {
			fmt.Fprintf(&s, "%d:%s", len(c), c.name())
		}
		names = append(names, s.String())
	}
	slices.Sort(names)
	return strings.Join(names, "|")
}

// maxTuples bounds the masks that are told apart after expansion.
const maxTuples = 1 << 16

func (x *Analysis) tuplesReport() (r Tuples) {
	s := x.tss
	r.Count, r.Entries = len(s.Tuples), s.Entries()
	for _, u := range s.Tuples {
		r.Masks = append(r.Masks, Mask{Bits: u.Bits, Entries: u.Keys, Share: Share{u.Paths, u.Packets}})
	}
	var probes, candidates float64
	var packets uint64
	masks := map[string]bool{}
	for _, j := range x.Conds {
		p := s.Place(j.Path)
		probes += float64(p.Probes) * float64(j.Packets)
		candidates += float64(p.Candidates) * float64(j.Packets)
		packets += j.Packets
		r.ProbesMax, r.CandidatesMax = max(r.ProbesMax, p.Probes), max(r.CandidatesMax, p.Worst)
		if j.Whole() {
			r.Whole.add(j)
			r.Expanded += j.Expanded
			if j.Unmasked == 0 {
				r.Masked.add(j)
			}
			j.expandedMasks(masks)
		}
	}
	r.ExpandedTuples = len(masks)
	if packets > 0 {
		r.Probes, r.Candidates = probes/float64(packets), candidates/float64(packets)
	}
	return r
}

// expandedMasks adds the masks of a condition's expanded entries.
func (j *Judged) expandedMasks(all map[string]bool) {
	masks := []string{""}
	parts := slices.Clone(j.parts)
	slices.SortFunc(parts, func(a, b *part) int { return cmp.Compare(a.bits[0], b.bits[0]) })
	for _, p := range parts {
		own := map[string]bool{}
		var next []string
		for _, c := range p.expanded {
			if m := c.mask(); !own[m] {
				own[m] = true
				for _, s := range masks {
					next = append(next, s+m)
				}
			}
		}
		if masks = next; len(masks)+len(all) > maxTuples {
			return
		}
	}
	for _, m := range masks {
		all[m] = true
	}
}

func (x *Analysis) blockers(parsed *Analysis) []Blocker {
	index := map[string]int{}
	texts := map[pathcond.Pred]string{}
	var out []Blocker
	for i, j := range x.Conds {
		still := map[pathcond.Pred]bool{}
		for _, p := range parsed.Conds[i].Residual {
			still[p] = true
		}
		seen := map[string]bool{}
		for k, p := range j.Preds {
			if j.Classes[k].Ternary() {
				continue
			}
			key := pathcond.Pred{Term: p.Term, Want: p.Want}
			text, ok := texts[key]
			if !ok {
				text = x.text(j, p)
				texts[key] = text
			}
			if seen[text] {
				continue
			}
			seen[text] = true
			b, ok := index[text]
			if !ok {
				b = len(out)
				index[text] = b
				out = append(out, Blocker{Text: text, Class: j.Classes[k].String(), Parsed: !still[p]})
			}
			out[b].add(j)
			if len(j.Residual) == 1 {
				out[b].Alone.add(j)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Blocker) int { return cmp.Compare(b.Packets, a.Packets) })
	return out[:min(len(out), maxBlockers)]
}

// text prints a predicate, or says how large it is.
func (x *Analysis) text(j *Judged, p pathcond.Pred) string {
	if n := x.a.size(p.Term); n > maxPrinted {
		return fmt.Sprintf("predicates of more than %d operations", maxPrinted)
	}
	s := text.In(x.a.c, j.Cond).Line(p)
	if len(s) > maxText {
		s = s[:maxText-len("…")] + "…"
	}
	return s
}
