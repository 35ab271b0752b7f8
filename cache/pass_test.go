package cache

import (
	"bytes"
	"context"
	"io"
	"testing"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
)

// TestPassIsTheGrid runs every policy that can be driven step by step over streams
// in blocks and whole: the same counts, window by window.
func TestPassIsTheGrid(t *testing.T) {
	for _, plain := range []bool{true, false} {
		var b bytes.Buffer
		w := stream.NewPacker(&b)
		x := uint32(7)
		for i := range 140_000 {
			x = x*1664525 + 1013904223
			id := x >> 24 * (x >> 16 & 0xff) >> 9
			if !plain && x>>8&0xff == 3 {
				id = stream.None
			}
			if !plain && x>>4&0x7ff == 5 {
				w.Invalidate(x >> 25)
			}
			must.OK(t, w.Request(id, 60+x>>28, int64(i), uint8(x>>27&1)))
		}
		for id := range uint32(128) {
			w.Define(id, uint64(id), id%7+1, id%9+1)
		}
		must.OK(t, w.Close(stream.Head{Labels: []string{"a", "b"}}))
		s, _, err := stream.Unpack(bytes.NewReader(b.Bytes()), stream.WithLengths|stream.WithLabels)
		must.OK(t, err)
		warm := 0
		if !plain {
			warm = 5000
		}
		g := Grid{Policies: policy.Names(), Entries: []uint64{20}, Slots: []uint64{40}, Seed: 1, Windows: 13, Warmup: warm}
		want, err := g.Run(context.Background(), s)
		must.OK(t, err)
		p, err := NewPass(g.Configs(), s.Len(), 13, warm)
		must.OK(t, err)
		for _, define := range []bool{true, false} { // what ids are stands at the end
			u := must.Get(stream.NewUnpacker(bytes.NewReader(b.Bytes()), stream.WithLengths|stream.WithLabels))(t)
			var c stream.Chunk
			for {
				err := u.Next(&c)
				if err != nil && err != io.EOF {
					t.Fatal(err)
				}
				if !define {
					p.Take(&c)
				}
				if err == io.EOF {
					break
				}
			}
			if define {
				must.OK(t, p.Define(u.NumIDs(), u.Sizes, u.Costs, u.Invalidations))
			} else {
				p.Labels(u.Head.Labels)
			}
		}
		got := p.Points()
		for i := range got {
			want.Points[i].InstallsPerSecond = 0
		}
		for i := range got {
			if d := cmp.Diff(want.Points[i], got[i]); d != "" {
				t.Errorf("%s, plain %v, warm-up %d: %s", got[i].Policy, plain, warm, d)
			}
		}
	}
}
