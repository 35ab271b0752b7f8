package stream

import (
	"fmt"
	"os"
)

// A Recorder collects a stream while a program runs: in memory, and from a
// number of requests on in a temporary file, in the own format.
type Recorder struct {
	mem    Stream
	fields Fields
	limit  int
	dir    string
	file   *os.File
	w      *Writer
	defs   map[uint32]def
}

type def struct {
	key        uint64
	size, cost uint32
}

// NewRecorder makes one that spills to a file in dir ("": the system's place
// for temporary files) after limit requests; limit 0 is 64 Mi.
func NewRecorder(f Fields, limit int, dir string, labels ...string) *Recorder {
	if limit == 0 {
		limit = 64 << 20
	}
	return &Recorder{mem: Stream{LabelNames: labels, Foreign: f.Foreign}, fields: f, limit: limit, dir: dir, defs: map[uint32]def{}}
}

// Request notes a request of id, or of an uncacheable packet (None).
func (r *Recorder) Request(id, bytes uint32, ns int64, label uint8) error {
	if r.w == nil && len(r.mem.IDs) >= r.limit {
		if err := r.spill(); err != nil {
			return err
		}
	}
	if r.w != nil {
		r.w.Request(id, bytes, ns, label)
		return r.w.err
	}
	m := &r.mem
	if len(m.IDs) == cap(m.IDs) {
		r.room(1)
	}
	m.IDs = append(m.IDs, id)
	if r.fields.Bytes {
		m.Bytes = append(m.Bytes, bytes)
	}
	if r.fields.Time {
		m.Time = append(m.Time, ns)
	}
	if r.fields.Labels {
		m.Labels = append(m.Labels, label)
	}
	return nil
}

// Requests are what a Recorder notes of requests that came one after the other, by
// request: what to fill in. A field that it doesn't keep is nil.
type Requests struct {
	IDs, Bytes []uint32
	Time       []int64
	Labels     []uint8
}

// Add notes n requests, to be filled in before anything else is noted; false where
// they have to be told one by one (Request).
func (r *Recorder) Add(n int) (q Requests, ok bool) {
	m := &r.mem
	if r.w != nil || len(m.IDs)+n > r.limit {
		return q, false
	}
	if len(m.IDs)+n > cap(m.IDs) {
		r.room(n)
	}
	m.IDs, q.IDs = longer(m.IDs, n)
	if r.fields.Bytes {
		m.Bytes, q.Bytes = longer(m.Bytes, n)
	}
	if r.fields.Time {
		m.Time, q.Time = longer(m.Time, n)
	}
	if r.fields.Labels {
		m.Labels, q.Labels = longer(m.Labels, n)
	}
	return q, true
}

// longer is s with n more behind it, for which there is room, and those.
func longer[T any](s []T, n int) (all, added []T) {
	all = s[:len(s)+n]
	return all, all[len(s):]
}

// room makes sixteen times the room for requests, and for n more at least: a recording
// may be long, and append's own steps copy it several times over, into memory that
// costs more to get than to fill.
func (r *Recorder) room(n int) {
	m := &r.mem
	n = max(n, min(max(15*len(m.IDs), 4096), r.limit-len(m.IDs)))
	m.IDs = more(m.IDs, n)
	if r.fields.Bytes {
		m.Bytes = more(m.Bytes, n)
	}
	if r.fields.Time {
		m.Time = more(m.Time, n)
	}
	if r.fields.Labels {
		m.Labels = more(m.Labels, n)
	}
}

// more is s with room for n more. Fresh memory is zero, so what of it stays unused
// is never touched, as append would.
func more[T any](s []T, n int) []T {
	t := make([]T, len(s), len(s)+n)
	copy(t, s)
	return t
}

// Invalidate notes that id is invalidated before the next request.
func (r *Recorder) Invalidate(id uint32) {
	if r.w != nil {
		r.w.Invalidate(id)
		return
	}
	r.mem.Invalidations = append(r.mem.Invalidations, Invalidation{uint64(len(r.mem.IDs)), id})
}

// Define notes what id is; the last word holds.
func (r *Recorder) Define(id uint32, key uint64, size, cost uint32) {
	r.defs[id] = def{key, max(size, 1), cost}
}

func (r *Recorder) spill() error {
	f, err := os.CreateTemp(r.dir, "jitnic-requests-*")
	if err != nil {
		return fmt.Errorf("stream: spilling to disk: %w", err)
	}
	r.file = f
	if len(r.mem.LabelNames) == 0 && r.fields.Labels {
		r.mem.LabelNames = []string{""}
	}
	w := NewWriter(f, r.fields, r.mem.LabelNames...)
	v := 0
	for i, id := range r.mem.IDs {
		for ; v < len(r.mem.Invalidations) && r.mem.Invalidations[v].At <= uint64(i); v++ {
			w.Invalidate(r.mem.Invalidations[v].ID)
		}
		var bytes uint32
		var ns int64
		var label uint8
		if r.fields.Bytes {
			bytes = r.mem.Bytes[i]
		}
		if r.fields.Time {
			ns = r.mem.Time[i]
		}
		if r.fields.Labels {
			label = r.mem.Labels[i]
		}
		w.Request(id, bytes, ns, label)
	}
	for ; v < len(r.mem.Invalidations); v++ {
		w.Invalidate(r.mem.Invalidations[v].ID)
	}
	r.w = w
	r.mem = Stream{LabelNames: r.mem.LabelNames, Foreign: r.fields.Foreign}
	return w.err
}

// Spilled reports whether the stream is in a file by now.
func (r *Recorder) Spilled() bool { return r.w != nil }

// Stream ends the recording and returns what was recorded. The temporary file
// is removed.
func (r *Recorder) Stream() (*Stream, error) {
	s := &r.mem
	if r.w != nil {
		defer os.Remove(r.file.Name())
		defer r.file.Close()
		if err := r.w.Close(); err != nil {
			return nil, fmt.Errorf("stream: spilling to disk: %w", err)
		}
		if _, err := r.file.Seek(0, 0); err != nil {
			return nil, fmt.Errorf("stream: reading back: %w", err)
		}
		var err error
		if s, err = Read(r.file); err != nil {
			return nil, fmt.Errorf("stream: reading back: %w", err)
		}
	}
	s.ids = 0
	n := s.NumIDs()
	if len(r.defs) > 0 {
		s.Keys, s.Sizes, s.Costs = make([]uint64, n), make([]uint32, n), make([]uint32, n)
		for id := range s.Sizes {
			s.Sizes[id], s.Costs[id] = 1, 1
		}
		for id, d := range r.defs {
			if int(id) < n {
				s.Keys[id], s.Sizes[id], s.Costs[id] = d.key, d.size, d.cost
			}
		}
	}
	return s, nil
}

// Close removes the temporary file of a recording that is not wanted after all.
func (r *Recorder) Close() {
	if r.file != nil {
		r.file.Close()
		os.Remove(r.file.Name())
	}
}
