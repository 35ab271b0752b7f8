package flows_test

import (
	"context"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/host/run/replay"
	"jitnic/host/study/flows"
	"jitnic/pcaps"
	"jitnic/pcaps/rss"
)

// paths takes down which path each packet takes.
type paths struct {
	*flows.Watch
	ids    []uint32
	index  []uint64
	queues []int
	n      int
}

func (p *paths) Request(id, _ uint32, _ int64, _ uint8) error {
	p.ids = append(p.ids, id)
	return nil
}
func (p *paths) Invalidate(uint32)                     {}
func (p *paths) Define(uint32, uint64, uint32, uint32) {}

func (p *paths) Saw(r replay.Several) error {
	for i := range r.Packets {
		p.index, p.queues = append(p.index, r.Packets[i].Index), append(p.queues, rss.Queue(r.Packets[i].Data, p.n))
	}
	return p.Watch.Saw(r)
}

func record(t *testing.T, program, capture string, n int, shared []string, keep func(*pcaps.Packet) bool) *paths {
	t.Helper()
	p := &paths{Watch: flows.New(shared), n: n}
	s := must.Get(replay.Record(context.Background(), replay.Input{Program: program, Captures: []string{capture}, Queues: n, Jobs: 1, Keep: keep}, jit.Remedies{}, p))(t)
	s.Close()
	return p
}

// TestQueuesApart runs the load balancer whole and queue by queue: what is shown of
// its keys is so, as packets take the same paths, but for their numbers.
func TestQueuesApart(t *testing.T) {
	const n = 4
	for _, capture := range []string{"sample:lab", "sample:web", "sample:vlan", "sample:ipv6"} {
		whole := record(t, "sample:loadbalancer", capture, n, nil, nil)
		var parts [][]flows.Map
		for q := range n {
			part := record(t, "sample:loadbalancer", capture, n, []string{"flows"}, func(p *pcaps.Packet) bool { return rss.Queue(p.Data, n) == q })
			parts = append(parts, part.Maps())
			to, from := map[uint32]uint32{}, map[uint32]uint32{}
			k := 0
			for i, id := range whole.ids {
				if whole.queues[i] != q {
					continue
				}
				if k >= len(part.ids) || part.index[k] != whole.index[i] {
					t.Fatalf("%s, queue %d: packet %d of the whole is not in the part", capture, q, whole.index[i])
				}
				x := part.ids[k]
				a, ok := to[id]
				b, back := from[x]
				if ok && a != x || back && b != id {
					t.Fatalf("%s, queue %d: packet %d takes another path than in the whole", capture, q, whole.index[i])
				}
				to[id], from[x] = x, id
				k++
			}
			if k != len(part.ids) {
				t.Errorf("%s, queue %d: %d packets, %d in the whole", capture, q, len(part.ids), k)
			}
		}
		if why := flows.Apart(parts); why != "" {
			t.Errorf("%s: %s", capture, why)
		}
	}
}
