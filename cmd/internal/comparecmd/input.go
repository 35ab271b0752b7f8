package comparecmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/jit"
	"jitnic/host/run/offload"
	"jitnic/host/run/replay"
	"jitnic/nic/workload"
	"jitnic/pcaps"
)

// options are the flags as they were given.
type options struct {
	in       replay.Input
	how      jit.Remedies
	super    replay.Optimiser
	modes    bool
	dev      offload.Device // of modes
	requests string
	format   string
	columns  string
	stdin    io.Reader

	policies   string
	admissions string
	entries    string
	slots      string
	hot        uint32
	delay      uint64
	shards     float64
	sample     float64
	warmup     string
	ttl        time.Duration
	attack     string
	share      float64
	workers    int

	to report.Outputs
}

// grid reads the flags that say what is run. For the paths of a program bounds
// are added where none was asked for, so that there is a distance to tell; a
// stream of requests may be a hundred times as long, and gets those it asks for.
func (o *options) grid() (*cache.Grid, error) {
	g := &cache.Grid{HotThreshold: o.hot, InstallDelay: o.delay, TTL: int64(o.ttl), Seed: o.in.Seed, Workers: o.workers}
	var err error
	entries := o.entries
	if entries == "" && o.slots == "" {
		entries = "1..4096"
	}
	if entries != "" {
		if g.Entries, err = cache.ParseSizes(entries); err != nil {
			return nil, fmt.Errorf("--entries: %w", err)
		}
	}
	if o.slots != "" {
		if g.Slots, err = cache.ParseSizes(o.slots); err != nil {
			return nil, fmt.Errorf("--slots: %w", err)
		}
	}
	if g.Policies, err = policy.Parse(o.policies); err != nil {
		return nil, fmt.Errorf("--policies: %w", err)
	}
	g.Policies = o.bounded(g)
	if g.Admissions, err = admissions(o.admissions); err != nil {
		return nil, err
	}
	switch {
	case o.hot < 1:
		return nil, fmt.Errorf("--hot 0: want 1 or more")
	case !(o.shards >= 0 && o.shards <= 1<<32) || o.shards > 1 && o.shards != float64(int(o.shards)):
		return nil, fmt.Errorf("--shards %v: want a share of the paths above 0 and up to 1, or a whole number of paths", o.shards)
	case !(o.sample >= 0 && o.sample <= 1):
		return nil, fmt.Errorf("--sample %v: want a share of the paths above 0 and up to 1", o.sample)
	case o.ttl < 0:
		return nil, fmt.Errorf("--ttl %v: want a time above 0", o.ttl)
	case o.workers < 0:
		return nil, fmt.Errorf("--workers %d: want 1 or more, or 0 for one a CPU", o.workers)
	case !(o.share > 0 && o.share < 1):
		return nil, fmt.Errorf("--attack-share %v: want a share of the requests between 0 and 1", o.share)
	}
	return g, nil
}

// bounded is the policies with a bound for each unit of size, where none was
// asked for that is one; a stream of requests may be a hundred times as long as a
// program's, and gets those it asks for. After a warm-up none is known but that of
// a cache without limits.
func (o *options) bounded(g *cache.Grid) []string {
	policies := slices.Clone(g.Policies)
	want := func(may func(*policy.Info) bool) {
		names := policy.Bounds(may)
		if !slices.ContainsFunc(policies, func(p string) bool { return slices.Contains(names, p) }) {
			policies = append(policies, names[0])
		}
	}
	if len(g.Entries) > 0 && slices.ContainsFunc(policies, func(p string) bool { b, _ := policy.Lookup(p); return b.TakesAll }) {
		want(func(b *policy.Info) bool { return b.OneSize && !b.TakesAll })
	}
	if o.requests != "" {
		return policies
	}
	if o.warmup != "" {
		want(func(b *policy.Info) bool { return !b.IsOffline() })
		return slices.DeleteFunc(policies, func(p string) bool {
			b, _ := policy.Lookup(p)
			return b.CountsOnly() && !strings.Contains(o.policies, p)
		})
	}
	if len(g.Entries) > 0 {
		want(func(b *policy.Info) bool { return !b.TakesAll })
	}
	if len(g.Slots) > 0 {
		want(func(b *policy.Info) bool { return !b.OneSize })
	}
	return policies
}

// warm reads --warmup: a number of requests, or a share of all in percent.
func (o *options) warm(requests int) (int, error) {
	if o.warmup == "" {
		return 0, nil
	}
	text, percent := strings.CutSuffix(o.warmup, "%")
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x >= 0) || percent && x >= 100 || !percent && x != float64(int(x)) {
		return 0, fmt.Errorf("--warmup %s: want a number of requests, or a share as 10%%", o.warmup)
	}
	if percent {
		x = float64(requests) * x / 100
	}
	if int(x) >= requests && x > 0 {
		return 0, fmt.Errorf("--warmup %s: leaves nothing of %d requests to count", o.warmup, requests)
	}
	return int(x), nil
}

// estimate runs the caches of the grid on a sample of the stream; nil: not
// asked for. Bounds and references are left out: nobody needs an estimate of them.
func (o *options) estimate(ctx context.Context, g *cache.Grid, s *stream.Stream) ([]cache.Point, error) {
	if o.sample == 0 {
		return nil, nil
	}
	if g.Warmup > 0 {
		return nil, fmt.Errorf("--sample: estimates whole streams, without --warmup")
	}
	var configs []cache.Config
	for _, c := range g.Configs() {
		if i, err := policy.Lookup(c.Policy); err == nil && (i.Kind == policy.Software || i.Kind == policy.Hardware) {
			configs = append(configs, c)
		}
	}
	points, _, err := cache.MiniSim(ctx, s, configs, o.sample, o.in.Seed)
	if ctx.Err() != nil {
		return points, nil
	}
	return points, err
}

// admissions reads --admissions: names joined by commas, or all.
func admissions(text string) ([]string, error) {
	if text == "all" {
		return cache.AdmissionNames(), nil
	}
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" || slices.Contains(out, name) {
			continue
		}
		if _, err := cache.NewAdmission(name, 1, 1); err != nil {
			return nil, fmt.Errorf("--admissions: %w", err)
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("--admissions: name at least one, or all")
	}
	return out, nil
}

// siege reads --attack; nil: none was asked for.
func (o *options) siege(g *cache.Grid, admissionsGiven bool) (*cache.Siege, error) {
	if o.attack == "" {
		return nil, nil
	}
	s := &cache.Siege{Entries: g.Entries, Share: o.share, HotThreshold: o.hot, InstallDelay: o.delay, Seed: o.in.Seed, Workers: o.workers}
	if len(g.Entries) == 0 {
		return nil, fmt.Errorf("--attack: needs --entries; attacks are made to measure in entries")
	}
	for _, p := range g.Policies {
		if i, err := policy.Lookup(p); err == nil && i.Kind != policy.Bound {
			s.Policies = append(s.Policies, p)
		}
	}
	if len(s.Policies) == 0 {
		return nil, fmt.Errorf("--attack: bounds can't be attacked: name a policy")
	}
	if admissionsGiven {
		s.Admissions = g.Admissions
	}
	if o.attack != "all" {
		for kind := range strings.SplitSeq(o.attack, ",") {
			if !slices.Contains(stream.Attacks(), kind) {
				return nil, fmt.Errorf("--attack: kind %q: not known; there are all, %s", kind, strings.Join(stream.Attacks(), ", "))
			}
			s.Attacks = append(s.Attacks, kind)
		}
	}
	return s, nil
}

// source is where a stream is from.
type source struct {
	stream   *stream.Stream
	program  string
	entry    string
	capture  string
	captures []string
	partial  bool
	notRun   *workload.NotRun
	sized    *replay.Sized     // where traces are optimised
	requests []uint8           // of each packet, where paths are cut
	segments *session.Segments // where they are
	tree     []Node
	paths    []PathRow
	notes    []pcaps.Note  // on the captures
	marks    []report.Mark // where captures begin, but for the first
}

// open reads the file of requests, or runs the program over the captures.
func (o *options) open(ctx context.Context, stderr io.Writer) (*source, error) {
	if o.super.On {
		switch {
		case o.requests != "":
			return nil, fmt.Errorf("--superopt: traces are those of a program: it goes with --program and --capture, not with --requests")
		case o.modes:
			return nil, fmt.Errorf("--superopt: not with --modes, which sets traces as they are recorded side by side")
		}
	}
	if o.requests != "" {
		if o.modes {
			return nil, fmt.Errorf("--modes: are those of a program: it goes with --program and --capture, not with --requests")
		}
		if o.in.Program != "" || len(o.in.Captures) > 0 {
			return nil, fmt.Errorf("--requests: stands in place of --program and --capture: give one or the other")
		}
		st, err := stream.Open(ctx, o.requests, stream.Options{Format: o.format, Columns: o.columns, Jobs: o.in.Jobs, Stdin: o.stdin})
		if err != nil {
			return nil, err
		}
		return &source{stream: st, capture: report.Name(o.requests), captures: []string{report.Name(o.requests)}}, nil
	}
	if o.in.Program == "" && len(o.in.Captures) == 0 {
		return nil, fmt.Errorf("--program and --capture, or --requests: name what to compare on")
	}
	if o.format != "" {
		return nil, fmt.Errorf("--format: is that of --requests, which was not given")
	}
	if o.columns != "" {
		return nil, fmt.Errorf("--columns: are those of --requests, which was not given")
	}
	var sized *replay.Sized
	var st *stream.Stream
	var s *replay.Session
	var err error
	if o.super.On {
		if err = o.super.Open(ctx); err == nil {
			sized, err = replay.SizedPaths(ctx, o.in, o.how, &o.super)
		}
		if err == nil { // closed when the caches have run
			st, s = sized.Stream, sized.Session
		}
	} else {
		paths := replay.Untimed
		if o.ttl > 0 || o.warmup != "" || o.attack != "" || o.sample > 0 { // they ask when each request was
			paths = replay.Paths
		}
		if st, s, err = paths(ctx, o.in, o.how); err == nil {
			defer s.Close()
			if o.how.Segments != 0 {
				st.Widen()
			}
		}
	}
	if err != nil {
		return nil, session.Flag(err)
	}
	src := &source{
		sized:  sized,
		stream: st, program: report.Name(o.in.Program), entry: s.Entry.Name, captures: report.Names(s.Source.Files()),
		capture: strings.Join(report.Names(o.in.Captures), ","), partial: s.Partial, notRun: s.NotRun(),
	}
	src.paths, src.tree = conditions(s.Runtime)
	src.requests, src.segments = s.Requests, session.SegmentsOf(s)
	if src.segments != nil { // the run was made for the stream: its cache holds everything
		src.segments.Hits = 0
	}
	src.notes = s.Source.Notes()
	caps := s.Source.Captures()
	for i, c := range caps {
		if len(caps) > 1 {
			st.Parts = append(st.Parts, stream.Part{Name: report.Name(c.Name), From: s.Request(begin(caps, i, st.Len()))})
		}
		if i > 0 && c.Packets > 0 {
			src.marks = append(src.marks, report.Mark{X: float64(s.Request(int(c.Index))), Text: report.Name(c.Name)})
		}
	}
	return src, nil
}

// begin is the request that capture i begins with; of one without packets, that
// of the next.
func begin(caps []pcaps.Capture, i, end int) int {
	for _, c := range caps[i:] {
		if c.Packets > 0 {
			return min(int(c.Index), end)
		}
	}
	return end
}
