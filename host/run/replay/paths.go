package replay

import (
	"context"

	"jitnic/cache/stream"
	"jitnic/host/run/jit"
	"jitnic/nic"
	"jitnic/pcaps"
)

// active is the packets' clock without what lies between one capture and the next:
// rates over it are of traffic, not of the years between two recordings.
func (s *Session) active(p *pcaps.Packet) uint64 { return s.first + p.ActiveNS }

// installAfter is the packet of a path that its trace is installed at where
// nothing depends on what is: making it native costs about as much as running it
// a hundred times.
const installAfter = 4

// Labels are the packet labels of a path stream, by pcaps.Label.
var Labels = []string{"unlabelled", "legit", "attack"}

// A Sink takes the stream of path numbers of a run as it comes into being: a
// stream.Recorder, a stream.Packer.
type Sink interface {
	Request(id, bytes uint32, ns int64, label uint8) error
	Invalidate(id uint32)
	Define(id uint32, key uint64, size, cost uint32)
}

// A Watcher is a Sink that looks at the run too.
type Watcher interface {
	Sink
	Begin(s *Session)    // before the first packet
	Saw(r Several) error // after packets were run, before their requests
}

// Record runs the program over the captures once and gives a sink the stream of
// path numbers that every policy, size and admission then runs over: each packet's
// path, or none where it can't be a trace (of a path that is cut a request for each
// segment), with its bytes and time, the
// invalidations between, and at the end each path's size and cost. Which traces are
// installed changes nothing in it. The session has run when it returns, and is
// closed by the caller.
func Record(ctx context.Context, in Input, how jit.Remedies, sink Sink) (*Session, error) {
	return record(ctx, in, how, sink, nil)
}

// record is Record with other options of the runtime. Where it optimises traces,
// paths have the sizes of those.
func record(ctx context.Context, in Input, how jit.Remedies, sink Sink, change func(o *jit.Options)) (*Session, error) {
	s, err := openRecord(ctx, in, how, change)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, sink); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openRecord opens a session of which a stream is recorded: whatever is installed stays,
// so that known paths go by as native code.
func openRecord(ctx context.Context, in Input, how jit.Remedies, change func(o *jit.Options)) (*Session, error) {
	return Open(ctx, in, Cache{Policy: "infinite", Entries: 1, HotThreshold: installAfter, Remedies: how, asked: usualCaches(in.Seed)}, change)
}

// record runs the session and gives the sink what it does.
func (s *Session) record(ctx context.Context, sink Sink) error {
	var pending []uint32
	s.Runtime.OnInvalidate(func(p nic.Path, during bool) {
		if during { // it takes effect after this packet's own request
			pending = append(pending, uint32(p))
			return
		}
		sink.Invalidate(uint32(p))
	})
	watcher, _ := sink.(Watcher)
	if watcher != nil {
		watcher.Begin(s)
	}
	after := func() { // a packet whose own run ended entries
		for _, q := range pending {
			sink.Invalidate(q)
		}
		pending = pending[:0]
	}
	run := s.recordPaths
	if len(s.Runtime.Tables()) > 1 {
		run = s.recordSegments
	}
	if err := run(ctx, sink, watcher, after); err != nil {
		return err
	}
	for id := range s.Runtime.Paths() {
		if s.Runtime.Optimises() && !s.Partial {
			if _, err := s.Runtime.Trace(nic.Path(id)); err != nil {
				return err
			}
		}
		slots, cost := s.Runtime.Price(nic.Path(id))
		sink.Define(uint32(id), uint64(id), slots, cost)
	}
	return nil
}

// recordPaths records a request for each packet.
func (s *Session) recordPaths(ctx context.Context, sink Sink, watcher Watcher, after func()) error {
	recorder, _ := sink.(*stream.Recorder)
	timed := recorder != nil && recorder.Keeps().Time
	var q stream.Requests
	return s.Follow(ctx, func(r Several) error {
		if watcher != nil {
			if err := watcher.Saw(r); err != nil {
				return err
			}
		}
		if recorder != nil {
			s.requests(&q, &r, timed)
			recorder.Several(q)
		} else {
			for k, id := range r.Paths { // stream.None where there is none
				if err := s.request(sink, id, &r.Packets[k]); err != nil {
					return err
				}
			}
		}
		after()
		return nil
	})
}

// requests are those of packets, in q's own room; their times where they are wanted.
func (s *Session) requests(q *stream.Requests, r *Several, timed bool) {
	n := len(r.Paths)
	if cap(q.Bytes) < n {
		*q = stream.Requests{Bytes: make([]uint32, n, batch), Time: make([]int64, n, batch), Labels: make([]uint8, n, batch)}
	}
	q.IDs, q.Bytes, q.Time, q.Labels = r.Paths, q.Bytes[:n], q.Time[:n], q.Labels[:n]
	pkts := r.Packets[:n]
	for k := range pkts {
		p := &pkts[k]
		q.Bytes[k], q.Labels[k] = uint32(len(p.Data)), label(p)
		if timed {
			q.Time[k] = int64(s.active(p))
		}
	}
}

// label is a packet's, as streams have it.
func label(p *pcaps.Packet) uint8 { return uint8(min(p.Label, pcaps.Attack)) }

// recordSegments records a request for each segment of each packet.
func (s *Session) recordSegments(ctx context.Context, sink Sink, watcher Watcher, after func()) error {
	s.Requests = []uint8{}
	return s.Run(ctx, func(p *Packet) error {
		if watcher != nil {
			one := Several{[]pcaps.Packet{*p.Packet}, []uint32{uint32(p.Result.Path)}, p.Result.Outcome}
			if err := watcher.Saw(one); err != nil {
				return err
			}
		}
		ways := p.Result.Segments
		s.Requests = append(s.Requests, uint8(max(len(ways), 1)))
		if len(ways) == 0 {
			if err := s.request(sink, stream.None, p.Packet); err != nil {
				return err
			}
		}
		for _, id := range ways {
			if err := s.request(sink, uint32(id), p.Packet); err != nil {
				return err
			}
		}
		after()
		return nil
	})
}

// Request is the number of a packet's first request in a recorded stream.
func (s *Session) Request(packet int) int {
	if s.Requests == nil {
		return packet
	}
	n := 0
	for _, k := range s.Requests[:min(packet, len(s.Requests))] {
		n += int(k)
	}
	return n
}

func (s *Session) request(sink Sink, id uint32, p *pcaps.Packet) error {
	return sink.Request(id, uint32(len(p.Data)), int64(s.active(p)), label(p))
}

// Paths is the stream that Record records, in memory.
func Paths(ctx context.Context, in Input, how jit.Remedies) (*stream.Stream, *Session, error) {
	st, s, err := paths(ctx, in, how, everything, nil)
	if err == nil {
		st.Widen()
	}
	return st, s, err
}

// Untimed is Paths without the time of each request, and as it was recorded
// (stream.Stream.Narrow): what costs least. How long all of them took is known
// (stream.Stream.Seconds).
func Untimed(ctx context.Context, in Input, how jit.Remedies) (*stream.Stream, *Session, error) {
	return paths(ctx, in, how, untimed, nil)
}

// everything is all that is known of a packet's requests.
var (
	everything = stream.Fields{Bytes: true, Time: true, Labels: true}
	untimed    = stream.Fields{Bytes: true, Labels: true}
)

func paths(ctx context.Context, in Input, how jit.Remedies, keep stream.Fields, change func(o *jit.Options)) (*stream.Stream, *Session, error) {
	rec := stream.NewRecorder(keep, Labels...)
	s, err := record(ctx, in, how, rec, change)
	if err != nil {
		return nil, nil, err
	}
	st := rec.Narrow()
	st.Name, st.Active, st.Clocked = s.Entry.Name, int64(s.Source.Active()), true
	return st, s, nil
}
