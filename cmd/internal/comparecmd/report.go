package comparecmd

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"jitnic/cache"
	"jitnic/cache/curve"
	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/replay"
	"jitnic/nic/workload"
	"jitnic/pcaps"
)

// Report is what --json writes.
type Report struct {
	Program       string        `json:"program"` // "" with --requests
	Entry         string        `json:"entry,omitempty"`
	Capture       string        `json:"capture"` // or the file of requests
	Captures      []string      `json:"captures"`
	Mode          string        `json:"mode,omitempty"`     // generic or specialised
	Remedies      []replay.Side `json:"remedies,omitempty"` // all ways to make traces, with --modes
	Seed          uint64        `json:"seed"`
	HotThreshold  uint32        `json:"hot_threshold"`
	InstallDelay  uint64        `json:"install_delay"`
	Partial       bool          `json:"partial"`        // it was interrupted: rows are missing, those here are whole
	PartialInput  bool          `json:"partial_input"`  // the captures were not read to the end
	PlannedPoints int           `json:"planned_points"` // rows there are without an interrupt

	// NotRun says of which packets this is no result, and why.
	NotRun *workload.NotRun `json:"not_run,omitempty"`

	Segments *session.Segments `json:"segments,omitempty"`    // where paths were cut, with --segments: rows then count a request for each segment
	Packets  []PacketRow       `json:"packet_rows,omitempty"` // of these, what whole packets hit

	// Superopt is what the optimiser made of the traces, whose sizes are those of the
	// optimised ones then; with tiers a hot trace takes other slots once it is swapped.
	Superopt *replay.Optimised `json:"superopt,omitempty"`

	Rows     []Row             `json:"rows"`
	Profile  Profile           `json:"profile"`
	Rankings []Ranking         `json:"rankings"`
	Winners  []Winner          `json:"winners"`
	Reaches  []Reach           `json:"reaches"`
	Policies []PolicyNote      `json:"policies"`
	Sampled  []Sampled         `json:"sampled,omitempty"` // estimates of --sample beside what was counted
	Attack   *cache.SiegeStudy `json:"attack,omitempty"`
	Paths    []PathRow         `json:"paths,omitempty"` // the most popular ones with their conditions
	Tree     []Node            `json:"tree,omitempty"`  // the same as the tree they form

	points []cache.Point
	notes  []pcaps.Note
	marks  []report.Mark
	index  map[pointKey]*cache.Point
}

// pointKey is what a point is of.
type pointKey struct {
	policy, admission string
	entries, slots    uint64
}

// A Row is one point: one cache on one stream.
type Row struct {
	Program string `json:"program"`
	Capture string `json:"capture"`
	cache.Point
	// Distance is the miss ratio above that of the tightest bound that was run
	// at the same budget, as a share of requests; absent without a bound.
	Distance *float64 `json:"distance_to_bound,omitempty"`
	Estimate bool     `json:"estimate,omitempty"` // by sampling (--shards), not counted
}

// A Profile is what the stream is like, whatever the cache.
type Profile struct {
	Requests      int                `json:"requests"`
	Paths         int                `json:"paths"`
	Uncacheable   int                `json:"uncacheable"`
	Invalidations int                `json:"invalidations"`
	Bytes         uint64             `json:"bytes"`
	Resized       uint64             `json:"resized,omitempty"` // requests whose id had another size before: an entry keeps the size it was put in with, bytes are as requested
	Unused        []string           `json:"unused_columns,omitempty"`
	Seconds       float64            `json:"seconds"` // 0: the stream has no times
	OneHit        int                `json:"one_hit_paths"`
	ZipfAlpha     float64            `json:"zipf_alpha"`
	ZipfR2        float64            `json:"zipf_r2"`
	Smallest      map[string]*uint64 `json:"smallest_lru"` // entries of lru that hit 0.90, 0.95, 0.99; null: none do
	SmallestIs    string             `json:"smallest_lru_is"`
	LRU           []CurvePoint       `json:"lru_curve"`
	LRUEstimate   bool               `json:"lru_curve_estimate"` // by SHARDS
	LRURate       float64            `json:"lru_curve_rate"`     // share of the paths it is from
	Popularity    []RankPoint        `json:"popularity"`         // every rank up to 100, then ever fewer
	ReuseStack    []Bucket           `json:"reuse_stack_distance"`
	ReuseTime     []Bucket           `json:"reuse_requests"`
	First         uint64             `json:"first_requests"`
	WorkingSet    []Span             `json:"working_set"`
	Slots         *Slots             `json:"slots,omitempty"`
	Labels        []LabelShare       `json:"labels,omitempty"` // where the generator labelled packets
}

// CurvePoint is the miss ratio of lru at a number of entries.
type CurvePoint struct {
	Entries   uint64  `json:"entries"`
	MissRatio float64 `json:"miss_ratio"`
}

// RankPoint is how often the path of a rank was requested.
type RankPoint struct {
	Rank     int    `json:"rank"`
	Path     uint32 `json:"path"`
	Requests uint64 `json:"requests"`
}

// Bucket counts requests whose reuse distance is in From..To.
type Bucket struct {
	From     uint32 `json:"from"`
	To       uint32 `json:"to"`
	Requests uint64 `json:"requests"`
}

// Span is a stretch of the stream.
type Span struct {
	From   int `json:"from"`
	To     int `json:"to"`
	Unique int `json:"unique"` // paths requested in it: the working set
	New    int `json:"new"`    // of these, for the first time
	Known  int `json:"known"`  // paths requested up to its end
}

// Slots is how large the paths' traces are, in instruction slots.
type Slots struct {
	Min, Max uint32
	Mean     float64
	Total    uint64
}

// LabelShare is how many requests have a label.
type LabelShare struct {
	Label    string `json:"label"`
	Requests uint64 `json:"requests"`
}

// A Ranking is one budget: who misses least, and by how much.
type Ranking struct {
	Entries     uint64   `json:"entries"`
	Slots       uint64   `json:"slots"`
	Bound       string   `json:"bound,omitempty"`
	BoundMiss   *float64 `json:"bound_miss_ratio,omitempty"`
	Best        []Ranked `json:"best"`           // all caches, fewest misses first
	Ties        int      `json:"ties"`           // how many share the first place
	Next        string   `json:"next,omitempty"` // the first that misses more
	Lead        float64  `json:"lead"`           // miss ratio of Next less that of the first
	LeadLow     float64  `json:"lead_low"`
	LeadHigh    float64  `json:"lead_high"` // 95 % of bootstraps over windows of time
	Significant bool     `json:"lead_significant"`
}

// Ranked is a cache in a Ranking, with what it misses more than the first.
type Ranked struct {
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	MissRatio float64 `json:"miss_ratio"`
	Behind    float64 `json:"behind"` // miss ratio less that of the first
	// In a study of more than 5,000 points only the second of each size is
	// resampled: beyond it low and high are the mean.
	BehindLow   float64 `json:"behind_low"`
	BehindHigh  float64 `json:"behind_high"`
	Significant bool    `json:"significant"` // another capture would hardly make it otherwise
	point       *cache.Point
}

// A Winner is a cache that is first somewhere.
type Winner struct {
	Policy      string   `json:"policy"`
	Admission   string   `json:"admission"`
	Entries     []uint64 `json:"entries,omitempty"` // budgets where it is first
	Slots       []uint64 `json:"slots,omitempty"`
	Shared      int      `json:"shared"`      // of these, how many with others that miss as often
	Significant int      `json:"significant"` // of these, how many alone and by more than chance
	MostLead    float64  `json:"most_lead"`   // over the second
}

// A Reach is the smallest budget run at which a cache hits so much.
type Reach struct {
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	HitRatio  float64 `json:"hit_ratio"`
	Entries   uint64  `json:"entries"` // both 0: at no budget that was run
	Slots     uint64  `json:"slots"`
}

// A PolicyNote says what a policy is.
type PolicyNote struct {
	Policy string `json:"policy"`
	Kind   string `json:"kind"`
	Is     string `json:"is"`
	Source string `json:"source,omitempty"`
	Sizes  string `json:"on_slot_budgets"`
	Note   string `json:"note,omitempty"` // what a reader of its counts must know
}

// Sampled is a cache's estimate from a share of the paths beside what it missed
// when all were run.
type Sampled struct {
	Policy    string  `json:"policy"`
	Admission string  `json:"admission"`
	Entries   uint64  `json:"entries"`
	Slots     uint64  `json:"slots"`
	Share     float64 `json:"share"`
	MissRatio float64 `json:"miss_ratio"`
	Estimate  float64 `json:"estimate"`
	Error     float64 `json:"error"` // estimate less miss ratio
}

// windows of time are for the bootstrap and the plots over time. A study of very
// many points gets fewer, which all have to be kept.
func windows(points int) int {
	if points > manyPoints {
		return 25
	}
	return 100
}

// manyPoints is from where on only the first few caches of each size are
// resampled.
const (
	manyPoints = 5000
	fewRanks   = 2
)

// newReport puts together what a study found.
func newReport(o *options, src *source, g *cache.Grid, study *cache.Study, estimated []cache.Point, p *cache.Profile) *Report {
	r := &Report{
		Program: src.program, Entry: src.entry, Capture: src.capture, Captures: src.captures,
		Seed: o.in.Seed, HotThreshold: o.hot, InstallDelay: o.delay,
		Partial: study.Partial || src.partial, PartialInput: src.partial, PlannedPoints: study.Planned,
		Segments: src.segments, Paths: src.paths, Tree: src.tree, NotRun: src.notRun, points: study.Points, notes: src.notes, marks: src.marks,
		// Lists of nothing are [] in JSON and not null.
		Rows: []Row{}, Rankings: []Ranking{}, Winners: []Winner{}, Reaches: []Reach{}, Policies: []PolicyNote{},
	}
	if src.sized != nil {
		r.Superopt = src.sized.Optimised
	}
	if r.Program != "" {
		r.Mode = o.how.String()
	}
	r.index = make(map[pointKey]*cache.Point, len(r.points))
	for i := range r.points {
		p := &r.points[i]
		r.index[pointKey{p.Policy, p.Admission, p.Entries, p.Slots}] = p
	}
	r.Profile = newProfile(src, p)
	r.Profile.Resized, r.Profile.Unused = src.stream.Resized, src.stream.Unused
	if r.Profile.Labels == nil {
		for i := range study.Points {
			study.Points[i].Labels = nil
		}
	}
	for _, name := range g.Policies {
		if i, err := policy.Lookup(name); err == nil {
			r.Policies = append(r.Policies, PolicyNote{name, i.Kind.String(), i.Is, i.Source, i.Sizes, i.Note})
		}
	}
	r.rank(study, o.in.Seed)
	bounds := map[[2]uint64]*float64{}
	for i := range r.Rankings {
		k := &r.Rankings[i]
		bounds[[2]uint64{k.Entries, k.Slots}] = k.BoundMiss
	}
	for _, pt := range study.Points {
		row := Row{Program: r.Program, Capture: r.Capture, Point: pt}
		if b := bounds[[2]uint64{pt.Entries, pt.Slots}]; b != nil {
			d := pt.MissRatio - *b
			row.Distance = &d
		}
		r.Rows = append(r.Rows, row)
	}
	if p.LRU.Estimate {
		r.Rows = append(r.Rows, estimates(r, g, p)...)
	}
	r.sampled(o.sample, estimated)
	for _, x := range study.Reaches(cache.HitTargets...) {
		r.Reaches = append(r.Reaches, Reach{x.Policy, x.Admission, x.HitRatio, x.Entries, x.Slots})
	}
	return r
}

// sampled takes the estimates of --sample in: as rows of their own, and beside
// what was counted.
func (r *Report) sampled(share float64, estimated []cache.Point) {
	for _, pt := range estimated {
		exact := r.index[pointKey{pt.Policy, pt.Admission, pt.Entries, pt.Slots}]
		if exact == nil {
			continue
		}
		r.Sampled = append(r.Sampled, Sampled{
			Policy: pt.Policy, Admission: pt.Admission, Entries: pt.Entries, Slots: pt.Slots, Share: share,
			MissRatio: exact.MissRatio, Estimate: pt.MissRatio, Error: pt.MissRatio - exact.MissRatio,
		})
		pt.Policy += "-sampled"
		r.Rows = append(r.Rows, Row{Program: r.Program, Capture: r.Capture, Point: pt, Estimate: true})
	}
}

// estimates are lru's rows as SHARDS has them.
func estimates(r *Report, g *cache.Grid, p *cache.Profile) []Row {
	var out []Row
	for _, n := range g.Entries {
		row := Row{Program: r.Program, Capture: r.Capture, Estimate: true}
		row.Policy, row.Admission, row.Entries, row.HotThreshold = "lru-shards", "always", n, 1
		row.Requests = uint64(p.Requests)
		row.Uncacheable = uint64(p.Uncacheable)
		cacheable := float64(p.Requests - p.Uncacheable)
		row.Misses = uint64(math.Round(p.LRU.MissRatio(n)*cacheable)) + row.Uncacheable
		row.Hits = row.Requests - row.Misses
		if row.Requests > 0 {
			row.MissRatio = float64(row.Misses) / float64(row.Requests)
		}
		out = append(out, row)
	}
	return out
}

// rank orders the caches of each budget and finds who wins where.
func (r *Report) rank(study *cache.Study, seed uint64) {
	type key struct{ policy, admission string }
	at, order := map[key]int{}, map[key]int{}
	for i, p := range study.Points {
		k := key{p.Policy, p.Admission}
		if _, ok := order[k]; !ok {
			order[k] = i
		}
	}
	for _, k := range study.Rankings(seed) {
		n := Ranking{Entries: k.Entries, Slots: k.Slots}
		if k.Bound != nil {
			n.Bound, n.BoundMiss = k.Bound.Policy, &k.Bound.MissRatio
		}
		// Points that miss as often stand in the order they were asked for.
		slices.SortStableFunc(k.Points, func(a, b *cache.Point) int {
			return cmp.Or(cmp.Compare(a.Misses, b.Misses), cmp.Compare(order[key{a.Policy, a.Admission}], order[key{b.Policy, b.Admission}]))
		})
		for i, p := range k.Points {
			if p.Misses == k.Points[0].Misses {
				n.Ties++
			} else if n.Next == "" {
				d := cache.Compare(p, k.Points[0], seed)
				n.Next, n.Lead, n.LeadLow, n.LeadHigh, n.Significant = name(p.Policy, p.Admission), d.Mean, d.Low, d.High, d.Significant
			}
			x := Ranked{Policy: p.Policy, Admission: p.Admission, MissRatio: p.MissRatio, point: p}
			x.Behind = p.MissRatio - k.Points[0].MissRatio
			x.BehindLow, x.BehindHigh = x.Behind, x.Behind
			if i > 0 && (i < fewRanks || len(study.Points) <= manyPoints) {
				d := cache.Compare(p, k.Points[0], seed)
				x.Behind, x.BehindLow, x.BehindHigh, x.Significant = d.Mean, d.Low, d.High, d.Significant
			}
			n.Best = append(n.Best, x)
		}
		r.Rankings = append(r.Rankings, n)
		for i := range n.Best { // all that share the first place
			x := &n.Best[i]
			if x.point.Misses != n.Best[0].point.Misses || len(n.Best) < 2 {
				break
			}
			id := key{x.Policy, x.Admission}
			w, ok := at[id]
			if !ok {
				w = len(r.Winners)
				at[id] = w
				r.Winners = append(r.Winners, Winner{Policy: x.Policy, Admission: x.Admission})
			}
			win := &r.Winners[w]
			if n.Entries > 0 {
				win.Entries = append(win.Entries, n.Entries)
			} else {
				win.Slots = append(win.Slots, n.Slots)
			}
			switch {
			case n.Ties > 1: // a tie of many is no win of each
				win.Shared++
				continue
			case n.Significant:
				win.Significant++
			}
			win.MostLead = max(win.MostLead, n.Lead)
		}
	}
	slices.SortStableFunc(r.Winners, func(a, b Winner) int {
		if a.Significant != b.Significant {
			return b.Significant - a.Significant
		}
		first := func(w Winner) int { return len(w.Entries) + len(w.Slots) }
		if x, y := first(a)-a.Shared, first(b)-b.Shared; x != y {
			return y - x
		}
		return first(b) - first(a)
	})
}

func newProfile(src *source, p *cache.Profile) Profile {
	out := Profile{
		Requests: p.Requests, Paths: p.IDs, Uncacheable: p.Uncacheable, Invalidations: p.Invalidated,
		Bytes: p.Bytes, Seconds: p.Seconds, OneHit: p.Popularity.OneHit, ZipfAlpha: finite(p.Popularity.Alpha), ZipfR2: finite(p.Popularity.R2),
		Smallest: map[string]*uint64{}, LRUEstimate: p.LRU.Estimate, LRURate: p.LRU.Rate, First: p.Reuse.First,
		LRU: []CurvePoint{}, Popularity: []RankPoint{}, ReuseStack: []Bucket{}, ReuseTime: []Bucket{}, WorkingSet: []Span{},
		SmallestIs: "entries of lru, every number of them, that hit this share of the cacheable requests; without thresholds, delays and invalidations",
	}
	for _, h := range cache.HitTargets {
		name := fmt.Sprintf("%.2f", h)
		out.Smallest[name] = nil
		if k, ok := p.Smallest[h]; ok {
			out.Smallest[name] = &k
		}
	}
	last := uint64(0)
	for x := 1.0; ; x *= math.Pow(2, 0.125) {
		k := uint64(math.Round(x))
		if k == last {
			continue
		}
		last = k
		out.LRU = append(out.LRU, CurvePoint{k, p.LRU.MissRatio(k)})
		if k >= uint64(max(p.IDs, 1)) {
			break
		}
	}
	next := 0
	for i, x := range p.Popularity.Rank {
		if i < next && i != len(p.Popularity.Rank)-1 {
			continue
		}
		next = max(i+1, i+i/40)
		out.Popularity = append(out.Popularity, RankPoint{i + 1, x.ID, x.Count})
	}
	buckets := func(in []curve.Bucket) []Bucket {
		out := []Bucket{}
		for _, b := range in {
			out = append(out, Bucket{b.From, b.To, b.Requests})
		}
		return out
	}
	out.ReuseStack, out.ReuseTime = buckets(p.Reuse.Stack), buckets(p.Reuse.Time)
	for _, s := range p.WorkingSet {
		out.WorkingSet = append(out.WorkingSet, Span{s.From, s.To, s.Unique, s.New, s.Known})
	}
	st := src.stream
	if st.Sizes != nil && st.NumIDs() > 0 {
		z := &Slots{Min: math.MaxUint32}
		for _, n := range st.Sizes[:st.NumIDs()] {
			z.Min, z.Max, z.Total = min(z.Min, n), max(z.Max, n), z.Total+uint64(n)
		}
		z.Mean = float64(z.Total) / float64(st.NumIDs())
		out.Slots = z
	}
	if n := st.LabelCounts(); n != nil {
		kinds, labelled := 0, false
		for l, k := range n {
			if k > 0 {
				kinds++
				labelled = labelled || src.program == "" || l != int(pcaps.Unlabelled)
			}
		}
		for l, k := range n {
			if labelled && kinds > 0 && k > 0 {
				out.Labels = append(out.Labels, LabelShare{st.LabelNames[l], k})
			}
		}
	}
	return out
}

// finite is x, or 0 where a fit has no value.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

// name is what a cache is called in tables and legends.
func name(policy, admission string) string {
	if admission == "" || admission == "always" {
		return policy
	}
	return policy + " + " + admission
}
