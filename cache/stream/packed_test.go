package stream

import (
	"bytes"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func pack(t testing.TB, s *Stream) []byte {
	t.Helper()
	var b bytes.Buffer
	p := NewPacker(&b)
	v := 0
	for i, id := range s.IDs {
		for ; v < len(s.Invalidations) && s.Invalidations[v].At <= uint64(i); v++ {
			p.Invalidate(s.Invalidations[v].ID)
		}
		must.OK(t, p.Request(id, s.Bytes[i], s.Time[i], s.Labels[i]))
	}
	for ; v < len(s.Invalidations); v++ {
		p.Invalidate(s.Invalidations[v].ID)
	}
	for id := range s.Sizes {
		p.Define(uint32(id), s.Keys[id], s.Sizes[id], s.Costs[id])
	}
	must.OK(t, p.Close(Head{Name: s.Name, Labels: s.LabelNames, Active: s.Active}))
	return b.Bytes()
}

func drawStream(t *rapid.T) *Stream {
	s := &Stream{Name: "x", LabelNames: []string{"a", "b"}, Active: rapid.Int64Range(0, 1<<40).Draw(t, "active")}
	n := rapid.IntRange(0, 300).Draw(t, "n")
	top := rapid.SampledFrom([]uint32{3, 255, 256, 300, 65535, 65536, 70000}).Draw(t, "top")
	var ns int64
	for i := range n {
		id := rapid.Uint32Range(0, top).Draw(t, "id")
		if rapid.IntRange(0, 9).Draw(t, "none") == 0 {
			id = None
		}
		ns += rapid.Int64Range(0, 1<<33).Draw(t, "ns")
		s.IDs, s.Bytes = append(s.IDs, id), append(s.Bytes, rapid.Uint32Range(0, 1<<20).Draw(t, "len"))
		s.Time, s.Labels = append(s.Time, ns), append(s.Labels, uint8(rapid.IntRange(0, 1).Draw(t, "label")))
		if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
			s.Invalidations = append(s.Invalidations, Invalidation{uint64(i), rapid.Uint32Range(0, top).Draw(t, "id")})
		}
	}
	for id := range s.NumIDs() {
		s.Keys, s.Sizes, s.Costs = append(s.Keys, uint64(id)*7), append(s.Sizes, uint32(id)%50+1), append(s.Costs, uint32(id)%90)
	}
	return s
}

// TestPackedRoundTrip packs streams and reads the same back, and notices each cut.
func TestPackedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStream(t)
		var tb testing.TB = new(testing.T)
		b := pack(tb, s)
		got, _, err := Unpack(bytes.NewReader(b), WithAll)
		must.OK(t, err)
		if d := cmp.Diff(s, got, cmpopts.IgnoreUnexported(Stream{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		bare, _, err := Unpack(bytes.NewReader(b), 0)
		if err != nil || bare.Bytes != nil || bare.Time != nil || bare.Labels != nil || !cmp.Equal(bare.IDs, s.IDs, cmpopts.EquateEmpty()) {
			t.Fatalf("ids alone: %v, %v", bare, err)
		}
		if _, _, err := Unpack(bytes.NewReader(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]), WithAll); err == nil {
			t.Fatal("a cut file was read")
		}
	})
}

// TestPackedBlocks crosses the limits of blocks.
func TestPackedBlocks(t *testing.T) {
	s := &Stream{LabelNames: []string{"a"}}
	for i := range 2*packedBlock + 5 {
		s.IDs, s.Bytes = append(s.IDs, uint32(i%300)), append(s.Bytes, 60)
		s.Time, s.Labels = append(s.Time, int64(i)), append(s.Labels, 0)
		if i%3 == 0 {
			s.Invalidations = append(s.Invalidations, Invalidation{uint64(i), 7})
		}
	}
	got, _, err := Unpack(bytes.NewReader(pack(t, s)), WithAll)
	must.OK(t, err)
	if d := cmp.Diff(s, got, cmpopts.IgnoreUnexported(Stream{})); d != "" {
		t.Fatal(d)
	}
}

// TestPackedDamage flips bytes: an error, or the very stream; never another one.
func TestPackedDamage(t *testing.T) {
	s := &Stream{LabelNames: []string{"a"}}
	for i := range 500 {
		s.IDs, s.Bytes = append(s.IDs, uint32(i*i%90)), append(s.Bytes, uint32(60+i%9))
		s.Time, s.Labels = append(s.Time, int64(10*i)), append(s.Labels, 0)
	}
	b := pack(t, s)
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 0x20
		got, _, err := Unpack(bytes.NewReader(c), WithAll)
		if err == nil && !cmp.Equal(got.IDs, s.IDs) {
			t.Fatalf("byte %d flipped: another stream was read", i)
		}
	}
}

// BenchmarkUnpackIDs is how fast path numbers are read back.
func BenchmarkUnpackIDs(b *testing.B) {
	s := &Stream{LabelNames: []string{"a"}}
	x := uint32(1)
	for i := range 1 << 22 {
		x = x*1664525 + 1013904223
		s.IDs, s.Bytes = append(s.IDs, x>>24*(x>>16&0xff)>>11), append(s.Bytes, 60)
		s.Time, s.Labels = append(s.Time, int64(i)), append(s.Labels, 0)
	}
	data := pack(b, s)
	b.ResetTimer()
	for b.Loop() {
		u, err := NewUnpacker(bytes.NewReader(data), 0)
		if err != nil {
			b.Fatal(err)
		}
		var c Chunk
		for u.Next(&c) == nil {
		}
		if u.Requests != uint64(s.Len()) {
			b.Fatal(u.Requests)
		}
	}
	b.ReportMetric(float64(s.Len())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrequests/s")
	b.ReportMetric(float64(len(data))/float64(s.Len()), "bytes/request")
}
