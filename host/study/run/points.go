package run

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/study/cell"
	"jitnic/host/study/spec"
)

// A Point is a cache on a cell's paths, as the store keeps it.
type Point struct {
	Key string `json:"key"`
	cache.Point
	Missed []uint64 `json:"missed"` // by window
}

// Points are those of a cell that the store has, by key.
func (w *Worker) Points(c *cell.Cell) (map[string]*Point, error) {
	out := map[string]*Point{}
	err := w.readZstd(c.Address+".points", func(r io.Reader) error {
		d := json.NewDecoder(r)
		for {
			p := &Point{}
			if err := d.Decode(p); err == io.EOF {
				return nil
			} else if err != nil {
				clear(out) // cut by a crash: made again
				return nil
			}
			out[p.Key] = p
		}
	})
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (w *Worker) keepPoints(c *cell.Cell, have map[string]*Point) error {
	keys := make([]string, 0, len(have))
	for k := range have {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return w.writeZstd(c.Address+".points", func(out io.Writer) error {
		b := bufio.NewWriter(out)
		e := json.NewEncoder(b)
		for _, k := range keys {
			if err := e.Encode(have[k]); err != nil {
				return err
			}
		}
		return b.Flush()
	})
}

// missing are the cell's points that aren't among those, in its order.
func missing(c *cell.Cell, have map[string]*Point) []cache.Config {
	var out []cache.Config
	for i := range c.Points {
		if have[c.PointKey(&c.Points[i])] == nil {
			out = append(out, c.Points[i])
		}
	}
	return out
}

// steps is how many requests × caches are run between two times that what is done
// is kept: a second or so.
const steps = 100_000_000

// points runs what is missing over the cell's stream, and keeps it now and then.
// made is how many there were.
func (w *Worker) points(ctx context.Context, c *cell.Cell, f *Facts, workers int) (made int, failed []string, err error) {
	have, err := w.Points(c)
	if err != nil {
		return 0, nil, err
	}
	todo := missing(c, have)
	if len(todo) == 0 {
		return 0, nil, nil
	}
	if f.Tables > 1 {
		return w.segmented(ctx, c, f, have, todo)
	}
	if f.Requests > w.whole() {
		return w.passes(ctx, c, f, have, todo)
	}
	s, err := w.stream(c)
	if err != nil {
		return 0, nil, err
	}
	warm, err := spec.WarmupOf(c.Warmup, s.Len())
	if err != nil {
		return 0, nil, err
	}
	warm += int(f.Lead)
	most := max(1, steps/max(s.Len(), 1))
	list := grids(todo, most)
	for len(list) > 0 {
		g := list[0]
		list = list[1:]
		g.Windows, g.Warmup, g.Workers = c.Windows, warm, workers
		study, err := g.Run(ctx, s)
		if err != nil {
			if ctx.Err() != nil {
				return made, failed, ctx.Err()
			}
			if configs := g.Configs(); len(configs) > 1 { // those that can be run are
				for i := range configs {
					list = append(list, grids(configs[i:i+1], 1)...)
				}
				continue
			}
			failed = append(failed, fmt.Sprintf("%s: %v", strings.Join(g.Policies, ","), err))
			continue
		}
		if study.Partial {
			return made, failed, context.Cause(ctx)
		}
		for i := range study.Points {
			p := &study.Points[i]
			have2(have, c, p, g.Seed)
			made++
		}
		if err := w.keepPoints(c, have); err != nil {
			return made, failed, err
		}
	}
	slices.Sort(failed)
	return made, slices.Compact(failed), nil
}

// segmented runs what is missing of a cell whose paths are cut: what counts are
// packets, of which all segments have to hit.
func (w *Worker) segmented(ctx context.Context, c *cell.Cell, f *Facts, have map[string]*Point, todo []cache.Config) (made int, failed []string, err error) {
	if f.Segments > w.whole() {
		return 0, []string{fmt.Sprintf("segments: %d requests are more than %d: split it into windows/N", f.Segments, w.whole())}, nil
	}
	s, err := w.stream(c)
	if err != nil {
		return 0, nil, err
	}
	requests, err := w.requests(c, f)
	if err != nil {
		return 0, nil, err
	}
	warm, err := spec.WarmupOf(c.Warmup, len(requests))
	if err != nil {
		return 0, nil, err
	}
	warm += int(f.Lead)
	lab := cache.NewPacketLab(s, requests, c.Windows, warm)
	unkept := 0
	for _, cfg := range todo {
		if err := ctx.Err(); err != nil {
			return made, failed, err
		}
		p, err := lab.Point(cfg)
		if err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", cfg.Policy, err))
			continue
		}
		have2(have, c, &p, cfg.Seed)
		made++
		if unkept += s.Len(); unkept >= steps {
			if err := w.keepPoints(c, have); err != nil {
				return made, failed, err
			}
			unkept = 0
		}
	}
	slices.Sort(failed)
	return made, slices.Compact(failed), w.keepPoints(c, have)
}

// have2 puts a point among those that are kept.
func have2(have map[string]*Point, c *cell.Cell, p *cache.Point, seed uint64) {
	q := &Point{Point: *p}
	cfg := cache.Config{Policy: p.Policy, Admission: p.Admission, Entries: p.Entries, Slots: p.Slots, HotThreshold: p.HotThreshold, InstallDelay: p.InstallDelay, Seed: seed}
	q.Key = c.PointKey(&cfg)
	for _, n := range p.Windows {
		q.Missed = append(q.Missed, n.Misses)
	}
	have[q.Key] = q
}

// grids are products that are, together, the points; none has more than so many,
// but for those of one policy.
func grids(todo []cache.Config, most int) []*cache.Grid {
	type key struct {
		policy, admission string
		hot               uint32
		delay, seed       uint64
	}
	var order []key
	budgets := map[key]*cache.Grid{}
	for _, p := range todo {
		k := key{p.Policy, p.Admission, p.HotThreshold, p.InstallDelay, p.Seed}
		g := budgets[k]
		if g == nil {
			g = &cache.Grid{Policies: []string{p.Policy}, Admissions: []string{p.Admission}, HotThreshold: p.HotThreshold, InstallDelay: p.InstallDelay, Seed: p.Seed}
			budgets[k] = g
			order = append(order, k)
		}
		if p.Entries > 0 {
			g.Entries = append(g.Entries, p.Entries)
		} else {
			g.Slots = append(g.Slots, p.Slots)
		}
	}
	var out []*cache.Grid
	for _, k := range order {
		g := budgets[k]
		i := slices.IndexFunc(out, func(o *cache.Grid) bool {
			return slices.Equal(o.Admissions, g.Admissions) && o.HotThreshold == g.HotThreshold && o.InstallDelay == g.InstallDelay && o.Seed == g.Seed &&
				slices.Equal(o.Entries, g.Entries) && slices.Equal(o.Slots, g.Slots) && (len(o.Policies)+1)*(len(o.Entries)+len(o.Slots)) <= most
		})
		if i < 0 {
			out = append(out, g)
			continue
		}
		out[i].Policies = append(out[i].Policies, g.Policies...)
	}
	return out
}

// passes runs the caches over a stream that is too long to be held, block by block.
func (w *Worker) passes(ctx context.Context, c *cell.Cell, f *Facts, have map[string]*Point, todo []cache.Config) (made int, failed []string, err error) {
	var can []cache.Config
	for _, p := range todo {
		info, err := policy.Lookup(p.Policy)
		if err == nil && info.IsOffline() {
			failed = append(failed, fmt.Sprintf("%s: needs all of a stream at once, and %d requests are more than %d: split it into windows/N", p.Policy, f.Requests, w.whole()))
			continue
		}
		can = append(can, p)
	}
	slices.Sort(failed)
	failed = slices.Compact(failed)
	warm, err := spec.WarmupOf(c.Warmup, int(f.Requests))
	if err != nil || len(can) == 0 {
		return 0, failed, err
	}
	warm += int(f.Lead)
	for group := range slices.Chunk(can, passCaches) {
		pass, err := cache.NewPass(group, int(f.Requests), c.Windows, warm)
		if err != nil {
			return made, append(failed, err.Error()), nil
		}
		if err := w.pass(ctx, c, pass); err != nil {
			return made, failed, err
		}
		points := pass.Points()
		for i := range points {
			have2(have, c, &points[i], group[i].Seed)
			made++
		}
		if err := w.keepPoints(c, have); err != nil {
			return made, failed, err
		}
	}
	return made, failed, nil
}

// passCaches is how many caches are run beside each other over a long stream.
const passCaches = 64

// pass reads a cell's stream twice: what ids are, which is known at its end, and
// the requests.
func (w *Worker) pass(ctx context.Context, c *cell.Cell, pass *cache.Pass) error {
	about, err := w.unpack(ctx, c, 0, func(*stream.Unpacker, *stream.Chunk) {})
	if err != nil {
		return err
	}
	if err := pass.Define(about.NumIDs(), about.Sizes, about.Costs, about.Invalidations); err != nil {
		return err
	}
	_, err = w.unpack(ctx, c, stream.WithLengths|stream.WithLabels, func(u *stream.Unpacker, k *stream.Chunk) { pass.Take(k) })
	pass.Labels(about.Head.Labels)
	return err
}

func (w *Worker) unpack(ctx context.Context, c *cell.Cell, with int, each func(*stream.Unpacker, *stream.Chunk)) (*stream.Unpacker, error) {
	r, err := w.Store.Open(c.Address + ".paths")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	u, err := stream.NewUnpacker(r, with)
	if err != nil {
		return nil, err
	}
	var k stream.Chunk
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := u.Next(&k)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if len(k.IDs) > 0 {
			each(u, &k)
		}
		if err == io.EOF {
			return u, nil
		}
	}
}
