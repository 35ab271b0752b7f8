package stream

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var sameStream = cmp.Options{cmpopts.IgnoreUnexported(Stream{}), cmpopts.EquateEmpty()}

func draw(t *rapid.T) *Stream {
	n := rapid.IntRange(0, 60).Draw(t, "requests")
	s := &Stream{IDs: make([]uint32, 0, n)}
	times, labels, sizes := rapid.Bool().Draw(t, "times"), rapid.Bool().Draw(t, "labels"), rapid.Bool().Draw(t, "sizes")
	s.Foreign = rapid.Bool().Draw(t, "foreign")
	if labels {
		s.LabelNames = []string{"legitimate", "attack"}
	}
	top := uint32(0) // dense: a new id is the next
	var now int64
	for i := range n {
		if top > 0 && rapid.IntRange(0, 9).Draw(t, "invalidate") == 0 {
			s.Invalidations = append(s.Invalidations, Invalidation{uint64(i), uint32(rapid.IntRange(0, int(top)-1).Draw(t, "which"))})
		}
		id := uint32(rapid.IntRange(0, int(top)).Draw(t, "id"))
		if rapid.IntRange(0, 9).Draw(t, "uncacheable") == 0 {
			id = None
		} else {
			top = max(top, id+1)
		}
		s.IDs = append(s.IDs, id)
		if times {
			now += rapid.Int64Range(0, 1e12).Draw(t, "gap")
			s.Time = append(s.Time, now)
			s.Bytes = append(s.Bytes, rapid.Uint32().Draw(t, "bytes"))
		}
		if labels {
			s.Labels = append(s.Labels, rapid.Uint8Range(0, 1).Draw(t, "label"))
		}
	}
	if sizes && top > 0 {
		for range top {
			s.Sizes = append(s.Sizes, rapid.Uint32Range(1, 1<<31).Draw(t, "size"))
			s.Costs = append(s.Costs, rapid.Uint32().Draw(t, "cost"))
			s.Keys = append(s.Keys, rapid.Uint64().Draw(t, "key"))
		}
	}
	return s
}

func TestOwnFormatRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		var b bytes.Buffer
		must.OK(t, Write(&b, s))
		whole := b.Bytes()
		g := must.Get(Read(bytes.NewReader(whole)))(t)
		if d := cmp.Diff(s, g, sameStream); d != "" {
			t.Fatal(d)
		}
		// A cut file, and one with a flipped bit, is an error and not a panic.
		cut := rapid.IntRange(0, len(whole)-1).Draw(t, "cut")
		if _, err := Read(bytes.NewReader(whole[:cut])); err == nil || !strings.HasPrefix(err.Error(), "offset ") {
			t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
		}
		bad := bytes.Clone(whole)
		bad[cut] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := Read(bytes.NewReader(bad)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Fatalf("bit flipped at %d: %v", cut, err)
		}
	})
}

// What was recorded, request by request or many at once, is what comes out, narrow and
// wide.
func TestRecorded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		for range rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11}).Draw(t, "doublings") { // beyond a block
			last := int64(0)
			if k := len(s.Time); k > 0 {
				last = s.Time[k-1] - s.Time[0]
			}
			for _, x := range s.Time {
				s.Time = append(s.Time, x+last)
			}
			s.IDs, s.Bytes, s.Labels = append(s.IDs, s.IDs...), append(s.Bytes, s.Bytes...), append(s.Labels, s.Labels...)
		}
		if rapid.Bool().Draw(t, "small") { // numbers that need little
			for i := range s.Bytes {
				s.Bytes[i] %= 1500
			}
		}
		if k := len(s.IDs); k > 0 && rapid.Bool().Draw(t, "more ids") {
			top := rapid.SampledFrom([]int{253, 254, 255, 256, 65534, 65535, 65536}).Draw(t, "top")
			s.IDs[rapid.IntRange(0, k-1).Draw(t, "at")] = uint32(top)
			s.Sizes, s.Costs, s.Keys = nil, nil, nil
		}
		f := Fields{s.Bytes != nil, s.Time != nil, s.Labels != nil, s.Foreign}
		r := NewRecorder(f, s.LabelNames...)
		for id := range s.Sizes {
			r.Define(uint32(id), s.Keys[id], s.Sizes[id], s.Costs[id])
		}
		v := 0
		for i := 0; i < len(s.IDs); {
			for ; v < len(s.Invalidations) && s.Invalidations[v].At == uint64(i); v++ {
				r.Invalidate(s.Invalidations[v].ID)
			}
			n := len(s.IDs) - i
			if v < len(s.Invalidations) {
				n = min(n, int(s.Invalidations[v].At)-i)
			}
			n = rapid.IntRange(max(1, n/2), n).Draw(t, "at once")
			q := Requests{IDs: s.IDs[i : i+n]}
			if f.Bytes {
				q.Bytes, q.Time = s.Bytes[i:i+n], s.Time[i:i+n]
			}
			if f.Labels {
				q.Labels = s.Labels[i : i+n]
			}
			if n > 1 {
				r.Several(q)
			} else {
				var b uint32
				var ns int64
				var l uint8
				if f.Bytes {
					b, ns = q.Bytes[0], q.Time[0]
				}
				if f.Labels {
					l = q.Labels[0]
				}
				must.OK(t, r.Request(q.IDs[0], b, ns, l))
			}
			i += n
		}
		g := r.Narrow()
		sum, has := s.TotalBytes()
		if n, ok := g.TotalBytes(); !g.Narrow() || g.Len() != s.Len() || n != sum || ok != has || g.NumIDs() != s.NumIDs() || g.Plain() != s.Plain() ||
			!slices.Equal(g.LabelCounts(), s.LabelCounts()) || !slices.Equal(firsts(g), firsts(s)) {
			t.Fatalf("narrow: %d requests, %d bytes %v, %d ids, plain %v, labels %v, firsts %v; want %d, %d %v, %d, %v, %v, %v", g.Len(), n, ok, g.NumIDs(), g.Plain(),
				g.LabelCounts(), firsts(g), s.Len(), sum, has, s.NumIDs(), s.Plain(), s.LabelCounts(), firsts(s))
		}
		from := rapid.IntRange(0, s.Len()).Draw(t, "from")
		to := rapid.IntRange(from, s.Len()).Draw(t, "to")
		part := &Stream{LabelNames: s.LabelNames, Foreign: s.Foreign}
		for c := range g.Chunks(from, to, WithAll) {
			part.IDs, part.Bytes, part.Time = append(part.IDs, c.IDs...), append(part.Bytes, c.Lengths...), append(part.Time, c.Times...)
			if f.Labels && c.Labels == nil {
				c.Labels = make([]uint8, len(c.IDs))
			}
			part.Labels = append(part.Labels, c.Labels...)
		}
		want := &Stream{IDs: s.IDs[from:to], LabelNames: s.LabelNames, Foreign: s.Foreign}
		if f.Bytes {
			want.Bytes, want.Time = s.Bytes[from:to], s.Time[from:to]
		}
		if f.Labels {
			want.Labels = s.Labels[from:to]
		}
		if !equal(want, part) {
			t.Fatalf("chunks of %d to %d differ", from, to)
		}
		if g.Widen(); !equal(s, g) {
			t.Fatal("what was recorded differs")
		}
	})
}

func equal(a, b *Stream) bool {
	return slices.Equal(a.IDs, b.IDs) && slices.Equal(a.Bytes, b.Bytes) && slices.Equal(a.Time, b.Time) && slices.Equal(a.Labels, b.Labels) && slices.Equal(a.Sizes, b.Sizes) &&
		slices.Equal(a.Costs, b.Costs) && slices.Equal(a.Keys, b.Keys) && slices.Equal(a.LabelNames, b.LabelNames) && slices.Equal(a.Invalidations, b.Invalidations) && a.Foreign == b.Foreign
}

// firsts are the requests that are the first of their id.
func firsts(s *Stream) (at []int) {
	s.Firsts(func(i int) { at = append(at, i) })
	return at
}

func TestCSVAndOracleRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := draw(t)
		s.Invalidations = nil
		var b bytes.Buffer
		must.Get(WriteCSV(&b, s))(t)
		g := must.Get(ReadCSV(&b))(t)
		// Ids may be numbered otherwise; what they stand for is the same.
		if len(g.IDs) != len(s.IDs) {
			t.Fatalf("%d requests, want %d", len(g.IDs), len(s.IDs))
		}
		distinct := map[uint64]bool{}
		for _, id := range s.IDs {
			if id != None {
				distinct[s.Key(id)] = true
			}
		}
		for i, id := range s.IDs {
			x := g.IDs[i]
			if (x == None) != (id == None) || id != None && g.Key(x) != s.Key(id) {
				t.Fatalf("request %d differs", i)
			}
			if g.Label(i) != s.Label(i) {
				t.Fatalf("label of request %d: %q, want %q", i, g.Label(i), s.Label(i))
			}
		}
		if g.Resized > 0 { // ids of one key and two sizes were drawn
			g.Bytes = s.Bytes
		}
		if d := cmp.Diff([]any{s.Bytes, s.Time}, []any{g.Bytes, g.Time}, sameStream); d != "" {
			t.Fatal(d)
		}
		b.Reset()
		dropped := must.Get(WriteOracle(&b, s))(t)
		if b.Len() != oracleRecord*(len(s.IDs)-dropped) {
			t.Fatalf("%d bytes", b.Len())
		}
		g = must.Get(ReadOracle(&b))(t)
		k := 0
		for _, id := range s.IDs {
			if id == None {
				continue
			}
			if g.Key(g.IDs[k]) != s.Key(id) {
				t.Fatalf("object %d differs", k)
			}
			k++
		}
		if g.NumIDs() != len(distinct) {
			t.Fatalf("%d ids, want %d", g.NumIDs(), len(distinct))
		}
	})
}

// libCacheSim's own trace: reading and writing it gives the same bytes.
func TestOracleIsLibCacheSims(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "corpus", "cache", "cloudPhysicsIO.oracleGeneral.bin")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("skipped: the shared corpus is missing: %v", err)
	}
	s, err := Open(t.Context(), path, Options{})
	must.OK(t, err)
	if s.Len() != 113_872 || s.NumIDs() != 48_974 {
		t.Errorf("%d requests of %d objects", s.Len(), s.NumIDs())
	}
	var total uint64
	for i := range s.IDs {
		total += s.Weight(i)
	}
	if total != 4_368_040_448 {
		t.Errorf("%d bytes", total)
	}
	if s.Time == nil {
		t.Skip("its times are not in order: they are not kept, so the bytes can't be compared")
	}
	var b bytes.Buffer
	must.Get(WriteOracle(&b, s))(t)
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("written again it is another file")
	}
}

func TestFilesAndErrors(t *testing.T) {
	dir := t.TempDir()
	s := Zipf(50, 1000, 1)
	for _, name := range []string{"a.req", "a.req.zst", "a.csv.gz", "a.oracleGeneral.bin"} {
		path := filepath.Join(dir, name)
		must.Get(Save(path, "", s))(t)
		g := must.Get(Open(t.Context(), path, Options{}))(t)
		if d := cmp.Diff(s.IDs, g.IDs); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must.OK(t, os.WriteFile(path, []byte(text), 0o666))
		return path
	}
	for _, c := range []struct{ name, text, want string }{
		{"cut.bin", strings.Repeat("\x00", 24*2+3), "offset 0: it is of no format that its content tells: give --format (jitnic, packed, oracle, lcs, vscsi, twr, twrns, csv, tsv, txt)"},
		{"empty.bin", "", "offset 0: empty"},
		{"a.csv", "id,size\n1,2\n1,x\n", `line 3: size "x" is not a number from 0 to 4294967295`},
		{"b.csv", "1,2\n3\n", "line 2: 1 fields, the first line has 2"},
		{"d.csv", "1,2,3\n", "line 1: 3 columns without a header line: say which is which, --columns id=N,size=N,time=N"},
		{"e.csv", "id,size\n\"1,\n", `line 2: extraneous or missing " in quoted-field`},
		{"f.csv", "id,time_ns\n1,5\n1,4\n", "line 3: time_ns 4 is before the line above's 5"},
		{"g.gz", "\x1f\x8bnonsense that is no gzip", "gzip: invalid header"},
	} {
		path := write(c.name, c.text)
		_, err := Open(t.Context(), path, Options{})
		if want := `stream "` + path + `": ` + c.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", c.name, err, want)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "none"), Options{}); err == nil || !strings.HasSuffix(err.Error(), "none\": no such file or directory") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Open(t.Context(), write("h.csv", "1\n"), Options{Format: "xml"}); err == nil {
		t.Error("format xml is taken")
	}
}

func TestAttacks(t *testing.T) {
	for kind, want := range map[string][]uint32{
		"unique": {0, 1, 2, 3, 4, 5, 6, 7},
		"cycle":  {0, 1, 2, 3, 0, 1, 2, 3},
	} {
		s := must.Get(Attack(kind, 3, 8, 1))(t)
		if d := cmp.Diff(want, s.IDs); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
	s, _ := Attack("burst", 3, 1000, 1)
	runs := map[int]bool{}
	for i := 0; i < 990; {
		n := 1
		for s.IDs[i+n] == s.IDs[i] {
			n++
		}
		runs[n] = true
		i += n
	}
	if d := cmp.Diff(map[int]bool{2: true, 3: true, 4: true}, runs); d != "" {
		t.Errorf("bursts: %s", d)
	}
	if _, err := Attack("rain", 1, 1, 1); err == nil {
		t.Error("rain is an attack")
	}
	m := Mix(Zipf(100, 9000, 1), s, 0.25)
	hostile := 0
	for i := range m.IDs {
		if m.Label(i) == "attack" {
			hostile++
			if m.IDs[i] < 100 && int(m.IDs[i]) < Zipf(100, 9000, 1).NumIDs() {
				t.Fatal("attack and legitimate ids meet")
			}
		}
	}
	if m.Len() < 11_990 || m.Len() > 12_001 || hostile < 2990 {
		t.Errorf("%d requests, %d hostile", m.Len(), hostile)
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	must.OK(f, Write(&b, Zipf(20, 50, 1)))
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Read(bytes.NewReader(data)); err == nil {
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte("id,size\na,1\n,\n\"b\",3\n"))
	f.Add([]byte("1,2\n3,4\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ReadCSV(bytes.NewReader(data)); err == nil {
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
