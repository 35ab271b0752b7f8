package policy

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// corpus is the folder of shared inputs, found by walking up to go.mod.
func corpus(t testing.TB) string {
	dir := must.Get(os.Getwd())(t)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("skipped: no go.mod above the working directory")
		}
		dir = up
	}
	c := filepath.Join(dir, "..", "shared", "corpus", "cache")
	if _, err := os.Stat(c); err != nil {
		t.Skipf("skipped: the shared corpus is missing: %v", err)
	}
	return c
}

// goldenNames maps libCacheSim's names in goldens.csv to ours.
var goldenNames = map[string]string{
	"lru": "lru", "fifo": "fifo", "clock": "clock", "sieve": "sieve", "lfu": "lfu", "lfucpp": "lfu",
	"lfuda": "lfuda", "arc": "arc", "s3fifo": "s3-fifo-v0", "s3fifo-new": "s3-fifo",
	"twoq": "2q", "slru": "slru", "lirs": "lirs-libcachesim", "gdsf": "gdsf", "wtinylfu": "w-tinylfu-libcachesim", "belady": "belady", "qdlp": "qdlp",
}

// run plays the whole stream and counts misses, and their slots.
func run(t testing.TB, name string, c Config, s *stream.Stream) (misses, slots uint64) {
	t.Helper()
	c.IDs = s.NumIDs()
	miss := make([]uint64, (len(s.IDs)+63)/64)
	if name == "belady" {
		r := Requests{IDs: s.IDs, N: c.IDs}
		if c.Sized {
			r.Sizes = s.Sizes
		}
		Belady(r, c.Capacity, miss)
		return count(miss, s)
	}
	c.Keys = s.Keys
	p := must.Get(New(name, c))(t)
	if c.Sized {
		RunSized(p, s.IDs, s.Sizes, nil, miss)
	} else {
		Run(p, s.IDs, miss)
	}
	return count(miss, s)
}

func count(miss []uint64, s *stream.Stream) (misses, slots uint64) {
	for w, m := range miss {
		misses += uint64(bits.OnesCount64(m))
		for ; m != 0; m &= m - 1 {
			slots += uint64(s.Size(s.IDs[64*w+bits.TrailingZeros64(m)]))
		}
	}
	return misses, slots
}

// heavy allows the long tables.
var heavy = os.Getenv("JITNIC_HEAVY") != ""

// What libCacheSim counts on the corpus's Zipf stream, exactly. By default the
// unit-size lines at 10,000 entries; with JITNIC_HEAVY=1 all.
func TestZipfGoldens(t *testing.T) {
	f := must.Get(os.Open(filepath.Join(corpus(t), "goldens.csv")))(t)
	defer f.Close()
	unit := stream.Zipf(100_000, 10_000_000, 42)
	sized := *unit
	sized.SetSizes(stream.ZipfSize)
	sc := bufio.NewScanner(f)
	sc.Scan()
	for sc.Scan() {
		l := strings.Split(sc.Text(), ",")
		name, ok := goldenNames[l[2]]
		if !ok {
			continue
		}
		capacity, _ := strconv.ParseUint(l[3], 10, 64)
		if name == "w-tinylfu-libcachesim" && l[1] == "1" {
			continue // libCacheSim's slip: it refuses what is larger than its window
		}
		if !heavy && (l[1] == "1" || capacity != 10_000) {
			continue
		}
		t.Run(strings.Join([]string{name, l[1], l[3]}, "/"), func(t *testing.T) {
			t.Parallel()
			s, c := unit, Config{Capacity: capacity}
			if l[1] == "1" {
				s, c.Sized = &sized, true
			}
			misses, slots := run(t, name, c, s)
			if g := strconv.FormatUint(misses, 10); g != l[4] {
				t.Errorf("%s misses, want %s", g, l[4])
			}
			if g := strconv.FormatUint(slots, 10); g != l[5] {
				t.Errorf("%s slots missed, want %s", g, l[5])
			}
		})
	}
}

// What the program of LIRS's author counts on one of its traces.
func TestLIRSAuthorsCounts(t *testing.T) {
	f := must.Get(os.Open(filepath.Join(corpus(t), "multi3.trace.gz")))(t)
	defer f.Close()
	z := must.Get(gzip.NewReader(f))(t)
	s := &stream.Stream{}
	dense := map[string]uint32{}
	for sc := bufio.NewScanner(z); sc.Scan(); {
		if _, ok := dense[sc.Text()]; !ok {
			dense[sc.Text()] = uint32(len(dense))
		}
		s.IDs = append(s.IDs, dense[sc.Text()])
	}
	for _, g := range []struct{ capacity, misses uint64 }{{100, 21865}, {200, 19882}, {500, 16768}, {1000, 15255}} {
		if m, _ := run(t, "lirs", Config{Capacity: g.capacity}, s); m != g.misses {
			t.Errorf("%d entries: %d misses of %d, want %d", g.capacity, m, s.Len(), g.misses)
		}
	}
}

// What libCacheSim's own test suite demands on its public trace at 128 MiB × 1..8.
func TestCloudPhysicsGoldens(t *testing.T) {
	b := must.Get(os.ReadFile(filepath.Join(corpus(t), "cloudPhysicsIO.oracleGeneral.bin")))(t)
	s := &stream.Stream{}
	dense := map[uint64]uint32{}
	for ; len(b) >= 24; b = b[24:] {
		key := binary.LittleEndian.Uint64(b[4:])
		id, ok := dense[key]
		if !ok {
			id = uint32(len(dense))
			dense[key] = id
			s.Sizes = append(s.Sizes, binary.LittleEndian.Uint32(b[12:]))
		}
		s.IDs = append(s.IDs, id)
	}
	for name, want := range map[string][8]uint64{
		"lru":              {93374, 89783, 83572, 81722, 72494, 72104, 71972, 71704},
		"fifo":             {93403, 89386, 84387, 84025, 72498, 72228, 72182, 72140},
		"clock":            {93313, 89775, 83411, 81328, 74815, 72283, 71927, 64456},
		"sieve":            {91699, 86720, 78578, 76707, 69945, 66221, 64445, 64376},
		"arc":              {90252, 85861, 78168, 74297, 67381, 65685, 64439, 64772},
		"s3-fifo-v0":       {89307, 82387, 77041, 76791, 71300, 70343, 70455, 70355},
		"s3-fifo":          {90117, 80915, 75060, 72191, 69815, 65542, 60799, 56045},
		"slru/5":           {89624, 86725, 82781, 80203, 75388, 65645, 59035, 56063},
		"lirs-libcachesim": {89819, 79237, 73143, 70363, 68405, 64494, 58640, 53924},
		"belady":           {79256, 70724, 65481, 61594, 59645, 57599, 50873, 48974},
		// Not in the corpus's README, but in the same test suite.
		"lfuda": {92637, 88601, 82001, 80240, 73214, 71386, 70415, 71128},
		"mru":   {100738, 95058, 89580, 85544, 81725, 77038, 71070, 66919},
		"lfu":   {91699, 86720, 78578, 76707, 69945, 66221, 64445, 64376},
	} {
		for i, w := range want {
			if g, _ := run(t, name, Config{Capacity: uint64(i+1) << 27, Sized: true}, s); g != w {
				t.Errorf("%s at %d MiB: %d misses, want %d", name, 128*(i+1), g, w)
			}
		}
	}
}

// RunSized is Run for entries with sizes and costs, both per id; cost may be nil.
func RunSized(p Policy, ids, size, cost []uint32, miss []uint64) {
	var evicted []uint32
	for w := 0; len(ids) > 0; w++ {
		k := min(64, len(ids))
		var m uint64
		for i, id := range ids[:k] {
			if !p.Access(id) {
				m |= 1 << i
				c := uint32(1)
				if cost != nil {
					c = cost[id]
				}
				evicted = p.Insert(id, size[id], c, evicted[:0])
			}
		}
		miss[w] = m
		ids = ids[k:]
	}
}
