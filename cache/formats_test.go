package cache

import (
	"os"
	"path/filepath"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// TestFormatsCountAsLibCacheSim: the same 2,000 requests in every format give
// libCacheSim's misses, whether sizes are ignored or counted. In csv and vscsi
// 370 requests ask another size of their id than the one before.
func TestFormatsCountAsLibCacheSim(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "corpus", "cache", "formats")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("skipped: the shared corpus is missing: %v", err)
	}
	for _, c := range []struct {
		file, policy   string
		entries, slots uint64
		misses         uint64
	}{
		{"first2000.oracleGeneral.bin", "lru", 100, 0, 1027},
		{"first2000.oracleGeneral.bin", "fifo", 100, 0, 1133},
		{"first2000.oracleGeneral.bin", "lru", 0, 1 << 20, 938},
		{"first2000.oracleGeneral.bin", "fifo", 0, 1 << 20, 1069},
		{"first2000.vscsi", "lru", 100, 0, 1027},
		{"first2000.vscsi", "fifo", 100, 0, 1133},
		{"first2000.vscsi", "lru", 0, 1 << 20, 938},
		{"first2000.vscsi", "fifo", 0, 1 << 20, 1069},
		{"first2000.csv", "lru", 100, 0, 1027},
		{"first2000.csv", "fifo", 100, 0, 1133},
		{"first2000.csv", "lru", 0, 1 << 20, 938},
		{"first2000.csv", "fifo", 0, 1 << 20, 1069},
		{"first2000.txt", "lru", 100, 0, 1027},
		{"first2000.txt", "fifo", 100, 0, 1133},
	} {
		s := must.Get(stream.Open(t.Context(), filepath.Join(dir, c.file), stream.Options{}))(t)
		p := must.Get(Simulate(s, Config{Policy: c.policy, Entries: c.entries, Slots: c.slots}))(t)
		if p.Misses != c.misses {
			t.Errorf("%s, %s, %d entries, %d slots: %d misses, libCacheSim %d", c.file, c.policy, c.entries, c.slots, p.Misses, c.misses)
		}
	}
}
