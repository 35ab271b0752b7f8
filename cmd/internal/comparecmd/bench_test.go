package comparecmd_test

import (
	"path/filepath"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/hosttest/must"
)

// BenchmarkRequests is the whole verb on ten million requests in oracleGeneral at
// one size.
func BenchmarkRequests(b *testing.B) {
	path := filepath.Join(b.TempDir(), "z.oracleGeneral.bin")
	must.Get(stream.Save(path, "", stream.Zipf(100_000, 10_000_000, 42)))(b)
	for _, p := range []string{"lru", "fifo", "s3-fifo", "arc"} {
		b.Run(p, func(b *testing.B) {
			for b.Loop() {
				if _, err := try(b.Context(), "--requests", path, "--policies", p, "--entries", "10000"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
