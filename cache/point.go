package cache

import (
	"math/bits"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
)

// A Point is one cache on one stream: what was asked for, and what came out.
type Point struct {
	Policy       string `json:"policy"`
	Admission    string `json:"admission"`
	Entries      uint64 `json:"entries"` // the budget, 0 where it is in slots
	Slots        uint64 `json:"slots"`
	HotThreshold uint32 `json:"hot_threshold"`
	InstallDelay uint64 `json:"install_delay"`
	InstallTime  int64  `json:"install_time_ns"`
	Bound        bool   `json:"bound"`            // no cache of the budget misses less: proved
	Kind         string `json:"kind"`             // software, hardware, bound, reference, or offline: not a cache anyone could build, and no bound either
	Warmup       int    `json:"warmup,omitempty"` // requests at the start that are not counted

	Requests      uint64  `json:"requests"`
	Misses        uint64  `json:"misses"`
	MissRatio     float64 `json:"miss_ratio"`
	Bytes         uint64  `json:"bytes"` // of all requests; sizes stand in where packets have none
	MissBytes     uint64  `json:"miss_bytes"`
	ByteMissRatio float64 `json:"byte_miss_ratio"`

	Hits        uint64 `json:"hits"`
	Cold        uint64 `json:"cold"`
	NotHot      uint64 `json:"not_hot"`
	Capacity    uint64 `json:"capacity"`
	Invalid     uint64 `json:"invalidated"`
	InFlight    uint64 `json:"in_flight"`
	Uncacheable uint64 `json:"uncacheable"`

	Installs          uint64  `json:"installs"`
	Evictions         uint64  `json:"evictions"`
	InstallsPerSecond float64 `json:"installs_per_second"` // 0 where the stream has no times

	Labels  []LabelCount  `json:"labels,omitempty"`
	Windows []WindowCount `json:"-"`
	Parts   []PartCount   `json:"captures,omitempty"` // where there are several
}

// A PartCount is the requests of one capture that count.
type PartCount struct {
	Capture  string `json:"capture"`
	Requests uint64 `json:"requests"`
	Misses   uint64 `json:"misses"`
}

// A LabelCount is the part of the requests with one label.
type LabelCount struct {
	Label    string `json:"label"`
	Requests uint64 `json:"requests"`
	Misses   uint64 `json:"misses"`
}

// A WindowCount is a stretch of the stream.
type WindowCount struct {
	From, To int // requests From..To-1
	Misses   uint64
}

// A lab is a stream with what all points of a study need of it.
type lab struct {
	s       *stream.Stream
	n       int      // ids
	plain   bool     // every request cacheable, nothing invalidated
	first   []uint64 // bit set: first request of its id
	cold    uint64
	windows int
	bytes   uint64
	labels  []uint64 // requests by label; nil: they have none
	seconds float64
	from    int // requests before this number warm the cache and are not counted
}

// newLab reads what all points need. Of the first warmup requests nothing is
// counted.
func newLab(s *stream.Stream, windows, warmup int) *lab {
	l := &lab{s: s, n: s.NumIDs(), plain: s.Plain(), windows: windows, first: make([]uint64, (s.Len()+63)/64), from: min(max(warmup, 0), s.Len())}
	s.Firsts(func(i int) {
		l.first[i>>6] |= 1 << (i & 63)
		l.cold++
	})
	var ok bool
	if l.bytes, ok = s.TotalBytes(); !ok || l.from > 0 {
		l.bytes = 0
		for i := l.from; i < s.Len(); i++ {
			l.bytes += s.Weight(i)
		}
	}
	if l.labels = s.LabelCounts(); l.from > 0 && s.Labels != nil {
		for _, k := range s.Labels[:l.from] {
			l.labels[k]--
		}
	}
	switch k := len(s.Time); {
	case l.from == 0:
		l.seconds = s.Seconds()
	case k > l.from: // what is counted begins in the middle
		l.seconds = float64(s.Time[k-1]-s.Time[l.from]) / 1e9
	}
	return l
}

// bound is the end of window w.
func (l *lab) bound(w int) int {
	return l.from + int(uint64(l.s.Len()-l.from)*uint64(w)/uint64(l.windows))
}

// point makes the part of a Point that follows from which requests missed; with
// nil, what follows from cfg and the stream alone. Misses before the first
// request that counts are cleared in miss.
func (l *lab) point(cfg Config, miss []uint64) Point {
	p := Point{
		Policy: cfg.Policy, Admission: cfg.Admission, Entries: cfg.Entries, Slots: cfg.Slots,
		HotThreshold: max(cfg.HotThreshold, 1), InstallDelay: cfg.InstallDelay, InstallTime: cfg.InstallTime,
		Requests: uint64(l.s.Len() - l.from), Bytes: l.bytes, Warmup: l.from,
	}
	if p.Admission == "" {
		p.Admission = "always"
	}
	if info, err := policy.Lookup(cfg.Policy); err == nil {
		p.Kind, p.Bound = l.kind(info, cfg.Slots > 0)
	}
	if miss == nil {
		return p
	}
	clear(miss[:l.from>>6])
	if l.from&63 != 0 {
		miss[l.from>>6] &^= 1<<(l.from&63) - 1
	}
	for _, m := range miss {
		p.Misses += uint64(bits.OnesCount64(m))
	}
	if len(l.labels) > 0 {
		p.Labels = make([]LabelCount, len(l.labels))
		for i, name := range l.s.LabelNames {
			p.Labels[i] = LabelCount{Label: name, Requests: l.labels[i]}
		}
	}
	l.missed(&p, miss)
	for w := range l.windows {
		from, to := l.bound(w), l.bound(w+1)
		p.Windows = append(p.Windows, WindowCount{from, to, countBits(miss, from, to)})
	}
	l.eachPart(func(name string, from, to int) {
		p.Parts = append(p.Parts, PartCount{name, uint64(to - from), countBits(miss, from, to)})
	})
	p.ratios()
	return p
}

// missed counts what missed in bytes and by label.
func (l *lab) missed(p *Point, miss []uint64) {
	for from := 0; from < l.s.Len(); from += step {
		to := min(from+step, l.s.Len())
		if countBits(miss, from, to) == 0 {
			continue
		}
		for c := range l.s.Chunks(from, to, stream.WithLengths|stream.WithLabels) {
			for w, m := range miss[c.From/64 : (int(c.From)+len(c.IDs)+63)/64] {
				for ; m != 0; m &= m - 1 {
					i := 64*w + bits.TrailingZeros64(m)
					switch {
					case c.Lengths != nil:
						p.MissBytes += uint64(c.Lengths[i])
					case l.s.Sizes == nil || c.IDs[i] == stream.None:
						p.MissBytes++
					default:
						p.MissBytes += uint64(l.s.Sizes[c.IDs[i]])
					}
					switch {
					case c.Labels != nil:
						p.Labels[c.Labels[i]].Misses++
					case p.Labels != nil:
						p.Labels[0].Misses++
					}
				}
			}
		}
	}
}

// eachPart calls f with the counted requests of each capture.
func (l *lab) eachPart(f func(name string, from, to int)) {
	for k, part := range l.s.Parts {
		to := max(l.s.PartEnd(k), l.from)
		f(part.Name, min(max(part.From, l.from), to), to)
	}
}

// kind says what a policy's counts are worth: Belady's choices are optimal for
// entries of one size and over a whole stream only.
func (l *lab) kind(info policy.Info, sized bool) (kind string, bound bool) {
	if info.Kind != policy.Bound {
		return info.Kind.String(), false
	}
	if info.OneSize && (sized || l.from > 0) {
		return "offline", false
	}
	return info.Kind.String(), true
}

func (p *Point) ratios() {
	if p.Requests > 0 {
		p.MissRatio = float64(p.Misses) / float64(p.Requests)
	}
	if p.Bytes > 0 {
		p.ByteMissRatio = float64(p.MissBytes) / float64(p.Bytes)
	}
}

func countBits(b []uint64, from, to int) (n uint64) {
	for i := from; i < to; {
		w, k := i>>6, i&63
		m := b[w] >> k
		step := 64 - k
		if left := to - i; left < step {
			m &= 1<<left - 1
			step = left
		}
		n += uint64(bits.OnesCount64(m))
		i += step
	}
	return n
}

// outcomes fills in the classes from a TraceCache's counts.
func (p *Point) outcomes(c Counts) {
	p.Hits, p.Cold, p.NotHot, p.Capacity = c[Hit], c[Cold], c[NotHot], c[Capacity]
	p.Invalid, p.InFlight, p.Uncacheable = c[Invalidated], c[InFlight], c[Uncacheable]
}

// Counts is the Point's classes as a TraceCache counts them.
func (p *Point) Counts() Counts {
	return Counts{p.Hits, p.Cold, p.NotHot, p.Capacity, p.Invalid, p.InFlight, p.Uncacheable}
}
