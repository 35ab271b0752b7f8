package stream

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// TestTextFiles: delimiter, header and columns are found, ids are any text, and
// what can't be told is refused. The named ones went wrong once.
func TestTextFiles(t *testing.T) {
	for _, c := range []struct {
		name, text, columns string
		ids                 string // numbers in order of first use
		bytes               uint64
		err                 string
	}{
		{name: "csv-bom", text: "\xef\xbb\xbfid\n1\n1\n", ids: "0 0", bytes: 2},
		{name: "csv-hash-id", text: "id\n#1\n#2\n1\n", ids: "0 1 2", bytes: 3},
		{name: "csv-header-other-name", text: "key\n1\n1\n", ids: "0 0", bytes: 2},
		{name: "csv-semicolon", text: "1;10\n2;20\n1;10\n", ids: "0 1 0", bytes: 40},
		{name: "format-guess-oracle", text: "1001\n1002\n1001\n1003\n100\n", ids: "0 1 0 2 3", bytes: 5},
		{name: "tabs", text: "1\t10\n2\t20\n", ids: "0 1", bytes: 30},
		{name: "columns by name", text: "version,time,op,size,lbn\n1,5,2a,512,42\n1,6,2a,512,43\n1,6,2a,512,42\n", ids: "0 1 0", bytes: 1536},
		{name: "columns by number", text: "9,a,5\n9,b,6\n9,a,5\n", columns: "id=2,size=3", ids: "0 1 0", bytes: 16},
		{name: "columns by the header's names", text: "x,y\na,7\nb,7\n", columns: "id=x,size=y", ids: "0 1", bytes: 14},
		{name: "a header said not to be", text: "key\n1\n", columns: "id=1,header=no", ids: "0 1", bytes: 2},
		{name: "spaces when said", text: "1 10\n2 20\n", columns: "id=1,size=2,delimiter=space", ids: "0 1", bytes: 30},
		{name: "spaces are part of an id", text: "a b\na c\na b\n", ids: "0 1 0", bytes: 3},
		{name: "ids of any text", text: "/index.html?a=1\n/\n/index.html?a=1\n007\n7\n", ids: "0 1 0 2 3", bytes: 5},
		{name: "numbers, then text", text: "5\n6\n5\nx\n5\n007\n", ids: "0 1 0 2 0 3", bytes: 6},
		{name: "line ends of Windows", text: "id,size\r\na,3\r\nb,4\r\n", ids: "0 1", bytes: 7},
		{name: "no line end", text: "1\n2", ids: "0 1", bytes: 2},
		{name: "sizes that change", text: "id,size\na,10\nb,5\na,30\na,30\n", ids: "0 1 0 0", bytes: 75},
		{name: "time of a clock that falls", text: "id,time\n1,5\n2,4\n", ids: "0 1", bytes: 2},

		{name: "a word over numbers", text: "foo\n1\n2\n", err: `line 1: is "foo" an id, or the name of a column? say --columns id=1,header=yes (or header=no)`},
		{name: "no id", text: "size,time\n1,2\n", err: `line 1: is "size" an id, or the name of a column?`},
		{name: "two ids", text: "id,key\n1,2\n", err: `line 1: columns "id" and "key" may both be the id: say --columns id=N`},
		{name: "three columns", text: "1,2,3\n", err: "line 1: 3 columns without a header line: say which is which, --columns id=N,size=N,time=N"},
		{name: "no such column", text: "1,2\n", columns: "id=3", err: "line 1: id is column 3, and there are 2"},
		{name: "no such name", text: "a,b\n", columns: "id=z", err: `line 1: no column is called "z": there are a, b`},
		{name: "no id said", text: "1,2\n", columns: "size=1", err: `--columns: "size=1": which column is the id? id=N`},
		{name: "not a column", text: "1,2\n", columns: "id=1,colour=2", err: `--columns: column "colour": there are id, size, cost, bytes, time_ns, label, delimiter and header`},
		{name: "column 0", text: "1,2\n", columns: "id=0", err: "--columns: id=0: columns are counted from 1"},
		{name: "a report", text: "{\n  \"requests\": 3\n}\n", err: "offset 0: it is of no format that its content tells: give --format ("},
		{name: "lines of JSON", text: "{\"id\":3}\n{\"id\":4}\n", err: "offset 0: it is of no format that its content tells: give --format ("},
		{name: "ids in brackets", text: "[::1]:80\n{x}\n[::1]:80\n", ids: "0 1 0", bytes: 3},
		{name: "UTF-16", text: "\xff\xfe1\x00\n\x00", err: "offset 0: it is of no format that its content tells: give --format ("},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(t.Context(), "-", Options{Columns: c.columns, Stdin: strings.NewReader(c.text)})
			if c.err != "" {
				if want := `stream "-": ` + c.err; err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%v\nwant %s", err, want)
				}
				return
			}
			must.OK(t, err)
			var got []string
			var sum uint64
			for i, id := range s.IDs {
				got = append(got, string(rune('0'+id)))
				sum += s.Weight(i)
			}
			if strings.Join(got, " ") != c.ids || sum != c.bytes {
				t.Errorf("ids %v of %d bytes, want %s of %d", got, sum, c.ids, c.bytes)
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// lcsFile makes an lcs file of a version: requests of objects 7, 8, 7.
func lcsFile(version int) []byte {
	le := binary.LittleEndian
	b := make([]byte, lcsHeader)
	le.PutUint64(b, lcsMagic)
	le.PutUint64(b[8:], uint64(version))
	le.PutUint64(b[lcsHeader-8:], lcsMagic)
	for i, obj := range []uint64{7, 8, 7} {
		r := make([]byte, lcsRecords[version])
		le.PutUint32(r, uint32(i))
		le.PutUint64(r[4:], obj)
		le.PutUint32(r[12:], 100)
		b = append(b, r...)
	}
	return b
}

// TestBinaryFiles: formats are told by content that can't be anything else.
func TestBinaryFiles(t *testing.T) {
	le := binary.LittleEndian
	var twr []byte
	for i, obj := range []uint64{7, 8, 7} {
		twr = le.AppendUint32(twr, uint32(i))
		twr = le.AppendUint64(twr, obj)
		twr = le.AppendUint32(twr, 10<<22|90)
		twr = le.AppendUint32(twr, 1<<24|60)
	}
	var v2 []byte
	for i, obj := range []uint64{7, 8, 7} {
		v2 = le.AppendUint16(v2, 0x2a)
		v2 = le.AppendUint16(v2, 0x0200)
		v2 = le.AppendUint32(v2, uint32(i))
		v2 = le.AppendUint32(v2, 100)
		v2 = le.AppendUint32(v2, 1)
		v2 = le.AppendUint64(v2, obj)
		v2 = le.AppendUint64(v2, uint64(i)*1e6)
		v2 = le.AppendUint64(v2, 5)
	}
	var oracle, mine, zipped bytes.Buffer
	s := FromKeys32([]uint32{7, 8, 7})
	s.SetSizes(func(uint64) uint32 { return 100 })
	must.Get(WriteOracle(&oracle, s))(t)
	must.OK(t, Write(&mine, s))
	z, _ := zstd.NewWriter(&zipped)
	z.Write(oracle.Bytes())
	z.Close()
	files := []struct {
		name   string
		b      []byte
		format string
	}{
		{"oracle", oracle.Bytes(), ""}, {"zst-by-name-only", zipped.Bytes(), ""}, {"jitnic", mine.Bytes(), ""},
		{"twr", twr, "twr"}, {"vscsi 2", v2, ""}, {"oracleGeneral by its own name", oracle.Bytes(), "oracleGeneral"},
	}
	for v := 1; v < len(lcsRecords); v++ {
		files = append(files, struct {
			name   string
			b      []byte
			format string
		}{"lcs", lcsFile(v), ""})
	}
	for _, c := range files {
		path := filepath.Join(t.TempDir(), "requests")
		must.OK(t, os.WriteFile(path, c.b, 0o600))
		s, err := Open(t.Context(), path, Options{Format: c.format})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(s.IDs) != 3 || s.IDs[0] != 0 || s.IDs[1] != 1 || s.IDs[2] != 0 || s.Key(1) != 8 || s.Weight(0) != 100 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
		o    Options
		want string
	}{
		{"twr without its name", twr, Options{}, "offset 0: it is of no format that its content tells"},
		{"cut", oracle.Bytes()[:50], Options{Format: "oracle"}, "offset 48: record cut after 2 of 24 bytes"},
		{"lcs version", func() []byte { b := lcsFile(1); b[8] = 99; return b }(), Options{}, "offset 8: lcs version 99: only 1 to 8 are known"},
		{"lcs cut in its header", lcsFile(1)[:100], Options{}, "offset 0: not an lcs file: it lacks the header of 8192 bytes between magic numbers"},
		{"columns", oracle.Bytes(), Options{Columns: "id=1"}, "--columns: a oracle file has none"},
		{"not vscsi", oracle.Bytes(), Options{Format: "vscsi"}, "offset 0: not a vscsi trace: its records tell neither version 1 nor 2"},
	} {
		c.o.Stdin = bytes.NewReader(c.b)
		if _, err := Open(t.Context(), "-", c.o); err == nil || !strings.HasPrefix(err.Error(), `stream "-": `+c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, err, c.want)
		}
	}
}

// TestCorpusFormats: the same 2,000 requests in four formats are the same
// stream.
func TestCorpusFormats(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "corpus", "cache", "formats")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("skipped: the shared corpus is missing: %v", err)
	}
	var first *Stream
	var sum uint64
	for _, name := range []string{"first2000.oracleGeneral.bin", "first2000.vscsi", "first2000.csv", "first2000.txt"} {
		s, err := Open(t.Context(), filepath.Join(dir, name), Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		var total uint64
		for i := range s.IDs {
			total += s.Weight(i)
		}
		if first == nil {
			if first, sum = s, total; s.Len() != 2000 {
				t.Errorf("%d requests", s.Len())
			}
			continue
		}
		same := s.Len() == first.Len()
		for i := range s.IDs {
			same = same && s.IDs[i] == first.IDs[i] && s.Key(s.IDs[i]) == first.Key(first.IDs[i])
		}
		if !same {
			t.Errorf("%s: other requests", name)
		}
		// The oracleGeneral file has an object's sizes made one; those who carry
		// the requests as they were agree on their bytes.
		if !strings.HasSuffix(name, ".txt") && (total != 18_577_920 || s.Resized != 370) {
			t.Errorf("%s: %d bytes, %d changes of size; want 18577920, 370", name, total, s.Resized)
		}
	}
	if sum != 16_809_472 || first.Resized != 0 {
		t.Errorf("oracleGeneral: %d bytes, %d changes of size", sum, first.Resized)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("id,size\na,1\n"), "")
	f.Add(lcsFile(2), "")
	f.Add([]byte("1\n2\n"), "id=1")
	f.Fuzz(func(t *testing.T, b []byte, columns string) {
		s, err := Open(t.Context(), "-", Options{Columns: columns, Stdin: bytes.NewReader(b)})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("two lines: %q", err)
			}
			return
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkOpen reads ten million requests.
func BenchmarkOpen(b *testing.B) {
	s := Zipf(100_000, 10_000_000, 42)
	for _, name := range []string{"z.oracleGeneral.bin", "z.req"} {
		path := filepath.Join(b.TempDir(), name)
		must.Get(Save(path, "", s))(b)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Open(b.Context(), path, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// In however many stretches records are read, the stream is the same.
func TestStretchesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		for i := range rapid.IntRange(0, 300).Draw(t, "records") {
			r := make([]byte, oracleRecord)
			binary.LittleEndian.PutUint32(r, uint32(i/rapid.IntRange(1, 3).Draw(t, "a second")))
			binary.LittleEndian.PutUint64(r[4:], rapid.Uint64Range(0, 40).Draw(t, "key"))
			binary.LittleEndian.PutUint32(r[12:], rapid.Uint32Range(0, 3).Draw(t, "size"))
			b = append(b, r...)
		}
		want := must.Get(recordsIn(b, layoutOracle, 1))(t)
		got := must.Get(recordsIn(b, layoutOracle, rapid.IntRange(2, 7).Draw(t, "stretches")))(t)
		if d := cmp.Diff(want, got, sameStream); d != "" {
			t.Fatal(d)
		}
	})
}
