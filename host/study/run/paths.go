package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"jitnic/cache/stream"
	"jitnic/host/run/replay"
	"jitnic/host/study/cell"
	"jitnic/host/study/flows"
	"jitnic/host/study/store"

	"github.com/klauspost/compress/zstd"
)

// Facts are what a run of a program tells beside its paths.
type Facts struct {
	Entry    string `json:"entry"`
	Requests uint64 `json:"requests"` // packets of the cell, those that warm its cache included
	// Of paths that are cut: the tables there are, where they begin, and the requests
	// that all packets make, one for each segment.
	Tables        int               `json:"tables,omitempty"`
	Cuts          []string          `json:"cuts,omitempty"`
	Segments      uint64            `json:"segments,omitempty"`
	Lead          uint64            `json:"lead,omitempty"`
	IDs           int               `json:"ids"` // paths
	Bytes         uint64            `json:"bytes"`
	Uncacheable   uint64            `json:"uncacheable"`
	Invalidations uint64            `json:"invalidations"`
	ActiveNS      int64             `json:"active_ns"` // of the captures' clock
	NotRun        uint64            `json:"not_run"`
	Causes        []string          `json:"causes,omitempty"` // why
	Aborts        map[string]uint64 `json:"aborts,omitempty"` // why paths can't be traces
	Notes         []string          `json:"notes,omitempty"`  // what was done to packets
	Stored        uint64            `json:"stored"`           // bytes of the stream as it is kept
	Instructions  float64           `json:"instructions"`     // interpreted a packet, on average
	Top1          float64           `json:"top1"`             // share of all packets that take the most taken path
	Top10         float64           `json:"top10"`            // and the ten most taken ones
	Top20         float64           `json:"top20"`
	Cover90       int               `json:"cover90"` // paths that 90 % of the packets which have one take
	Cover99       int               `json:"cover99"`
	// Shared is, of a part of a run split into queues, how it used the maps that these
	// share.
	Shared []flows.Map `json:"shared,omitempty"`
}

// cover says how few paths cover how many packets.
func (f *Facts) cover(packets []uint64) {
	n := slices.Clone(packets)
	slices.SortFunc(n, func(a, b uint64) int { return cmp.Compare(b, a) })
	requests := max(f.Requests, f.Segments)
	all := requests - f.Uncacheable
	var sum uint64
	for i, k := range n {
		sum += k
		share := float64(sum) / float64(requests)
		if i < 1 {
			f.Top1 = share
		}
		if i < 10 {
			f.Top10 = share
		}
		if i < 20 {
			f.Top20 = share
		}
		if f.Cover90 == 0 && float64(sum) >= 0.9*float64(all) {
			f.Cover90 = i + 1
		}
		if f.Cover99 == 0 && float64(sum) >= 0.99*float64(all) {
			f.Cover99 = i + 1
		}
	}
}

// counter counts what goes through a sink, and what is written below it.
type counter struct {
	*stream.Packer
	facts *Facts
	ids   []uint64     // packets by path
	watch *flows.Watch // nil: nobody looks at keys

	first, last int64 // on the captures' clock
}

func (c *counter) Begin(s *replay.Session) {
	if c.watch != nil {
		c.watch.Begin(s)
	}
}

func (c *counter) Saw(r replay.Several) error {
	c.facts.Requests += uint64(len(r.Packets))
	for i := range r.Packets {
		c.facts.Bytes += uint64(len(r.Packets[i].Data))
	}
	if c.watch != nil {
		return c.watch.Saw(r)
	}
	return nil
}

func (c *counter) Request(id, bytes uint32, ns int64, label uint8) error {
	if c.facts.Segments == 0 {
		c.first = ns
	}
	c.last = ns
	c.facts.Segments++
	if id == stream.None {
		c.facts.Uncacheable++
	} else {
		for int(id) >= len(c.ids) {
			c.ids = append(c.ids, 0)
		}
		c.ids[id]++
	}
	return c.Packer.Request(id, bytes, ns, label)
}

func (c *counter) Invalidate(id uint32) {
	c.facts.Invalidations++
	c.Packer.Invalidate(id)
}

func (c *counter) Define(id uint32, key uint64, size, cost uint32) {
	if int(id) < len(c.ids) {
		c.facts.Instructions += float64(c.ids[id]) * float64(cost)
	}
	c.Packer.Define(id, key, size, cost)
}

// Facts are those of a cell whose paths are in the store; nil: they aren't.
func (w *Worker) Facts(c *cell.Cell) (*Facts, error) {
	var f Facts
	err := w.readJSON(c.Address+".facts", &f)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// Apart says why the cells of a split run may not stand apart, by Cell.Whole: those
// of which a map that queues share could show one what another did. The others of
// such a run are refused with the one that showed it.
func (w *Worker) Apart(cells []*cell.Cell) (map[string]string, error) {
	parts := map[string][][]flows.Map{}
	for _, c := range cells {
		if len(c.Shared) == 0 || c.Fail != "" {
			continue
		}
		f, err := w.Facts(c)
		if err != nil {
			return nil, err
		}
		if f != nil { // one that failed says so itself
			parts[c.Whole()] = append(parts[c.Whole()], f.Shared)
		}
	}
	out := map[string]string{}
	for k, p := range parts {
		if why := flows.Apart(p); why != "" {
			out[k] = why
		}
	}
	return out, nil
}

// paths runs the cell's program and keeps its stream.
func (w *Worker) paths(ctx context.Context, c *cell.Cell) (*Facts, error) {
	in, err := w.local(ctx, c)
	if err != nil {
		return nil, err
	}
	in.Keep = c.Keep()
	in.Jobs = 1
	how, err := c.Remedies()
	if err != nil {
		return nil, err
	}
	f := &Facts{Lead: c.Identity.Lead}
	err = w.Store.Write(c.Address+".paths", func(out io.Writer) error {
		n := &counting{w: out}
		sink := &counter{Packer: stream.NewPacker(n), facts: f}
		if c.Shared != nil {
			sink.watch = flows.New(c.Shared)
		}
		s, err := replay.Record(ctx, in, how, sink)
		if err != nil {
			return err
		}
		defer s.Close()
		if s.Partial {
			return context.Cause(ctx)
		}
		if f.Requests == 0 {
			return errors.New("no packets")
		}
		if err := s.NotRun().Err(); err != nil {
			return err
		}
		f.Entry, f.IDs, f.ActiveNS = s.Entry.Name, len(s.Runtime.Paths()), int64(s.Source.Active())
		if c.Identity.To > 0 { // the source has read all before it too
			f.ActiveNS = sink.last - sink.first
		}
		if nr := s.NotRun(); nr != nil {
			f.NotRun = nr.Packets
			for _, k := range nr.Causes {
				f.Causes = append(f.Causes, fmt.Sprintf("%d: %s", k.Packets, k.Cause))
			}
		}
		for _, x := range s.Source.Notes() {
			f.Notes = append(f.Notes, fmt.Sprint(x))
		}
		slices.Sort(f.Notes)
		for reason, k := range s.Runtime.Aborts {
			if k > 0 {
				if f.Aborts == nil {
					f.Aborts = map[string]uint64{}
				}
				f.Aborts[fmt.Sprint(reason)] += k
			}
		}
		if s.Requests == nil {
			f.Segments = 0 // a request a packet
		} else {
			f.Tables, f.Cuts = len(s.Runtime.Tables()), s.Cuts.Places
			if err := w.keepRequests(c, s.Requests); err != nil {
				return err
			}
		}
		if sink.watch != nil {
			f.Shared = sink.watch.Maps()
		}
		f.Instructions /= float64(f.Requests)
		f.cover(sink.ids)
		more, err := json.Marshal(c.Identity)
		if err != nil {
			return err
		}
		err = sink.Close(stream.Head{Name: s.Entry.Name, Labels: replay.Labels, Active: f.ActiveNS, More: more})
		f.Stored = n.n
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, w.writeJSON(c.Address+".facts", f)
}

// counting counts bytes.
type counting struct {
	w io.Writer
	n uint64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += uint64(n)
	return n, err
}

// keepRequests keeps how many requests each packet of a cell makes whose paths are cut.
func (w *Worker) keepRequests(c *cell.Cell, requests []uint8) error {
	return w.writeZstd(c.Address+".segments", func(out io.Writer) error {
		_, err := out.Write(requests)
		return err
	})
}

// requests reads them.
func (w *Worker) requests(c *cell.Cell, f *Facts) (b []uint8, err error) {
	err = w.readZstd(c.Address+".segments", func(r io.Reader) (err error) {
		b, err = io.ReadAll(io.LimitReader(r, int64(f.Requests)+1))
		return err
	})
	if err == nil && uint64(len(b)) != f.Requests {
		err = fmt.Errorf("cell %s: its segments are of %d packets, not of %d", c.Address, len(b), f.Requests)
	}
	return b, err
}

// writeZstd keeps what f writes, compressed.
func (w *Worker) writeZstd(name string, f func(io.Writer) error) error {
	return w.Store.Write(name, func(out io.Writer) error {
		z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		if err := f(z); err != nil {
			return err
		}
		return z.Close()
	})
}

// readZstd has f read what writeZstd kept.
func (w *Worker) readZstd(name string, f func(io.Reader) error) error {
	r, err := w.Store.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	return f(z)
}

// stream reads a cell's paths, without times.
func (w *Worker) stream(c *cell.Cell) (*stream.Stream, error) {
	r, err := w.Store.Open(c.Address + ".paths")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s, _, err := stream.Unpack(r, stream.WithLengths|stream.WithLabels)
	return s, err
}

func (w *Worker) readJSON(name string, v any) error {
	r, err := w.Store.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := json.NewDecoder(r).Decode(v); err != nil {
		return fs.ErrNotExist // cut by a crash: as if it weren't there
	}
	return nil
}

func (w *Worker) writeJSON(name string, v any) error {
	return w.Store.Write(name, func(out io.Writer) error { return json.NewEncoder(out).Encode(v) })
}

// isStore says whether an error is the store's own, which ends a run.
func isStore(err error) bool {
	var f *store.Failure
	return errors.As(err, &f)
}
