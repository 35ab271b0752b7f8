package pcaps

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// corpusDir returns ../shared/corpus/captures beside the repository, or skips.
func corpusDir(tb testing.TB) string { return sharedDir(tb, "corpus", "captures") }

// sharedDir returns a folder of ../shared, or skips.
func sharedDir(tb testing.TB, names ...string) string {
	tb.Helper()
	dir := must.Get(os.Getwd())(tb)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(append([]string{dir, "..", "shared"}, names...)...)
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("shared files not here: %v", err)
	}
	return dir
}

type manifestLine struct {
	file           string
	packets, bytes uint64
}

func manifest(tb testing.TB, dir string) []manifestLine {
	tb.Helper()
	f := must.Get(os.Open(filepath.Join(dir, "manifest.tsv")))(tb)
	defer f.Close()
	var out []manifestLine
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		c := strings.Split(sc.Text(), "\t")
		if c[0] == "file" {
			continue
		}
		packets := must.Get(strconv.ParseUint(c[5], 10, 64))(tb)
		bytes := must.Get(strconv.ParseUint(c[7], 10, 64))(tb)
		out = append(out, manifestLine{c[0], packets, bytes})
	}
	return out
}

func TestCorpus(t *testing.T) {
	dir := corpusDir(t)
	for _, m := range manifest(t, dir) {
		t.Run(m.file, func(t *testing.T) {
			src := must.Get(Open(context.Background(), Options{Paths: []string{filepath.Join(dir, m.file)}}))(t)
			defer src.Close()
			var pkt Packet
			var ktime uint64
			for {
				err := src.Next(&pkt)
				if err == io.EOF {
					break
				}
				must.OK(t, err)
				if pkt.KTimeNS < ktime {
					t.Fatalf("packet %d: clock went from %d to %d", pkt.Index, ktime, pkt.KTimeNS)
				}
				ktime = pkt.KTimeNS
			}
			c := src.Counters()
			if c.Packets != m.packets || c.Bytes != m.bytes {
				t.Errorf("%d packets, %d bytes; the manifest says %d, %d", c.Packets, c.Bytes, m.packets, m.bytes)
			}
		})
	}
}

// BenchmarkRead is the cost of a packet of echo-connections (67 bytes on
// average) in each container, endlessly repeated.
func BenchmarkRead(b *testing.B) {
	path := filepath.Join(corpusDir(b), "echo-connections.pcap.gz")
	dir := b.TempDir()
	for _, name := range []string{"plain.pcap", "plain.pcapng", "gzip.pcap.gz", "zstd.pcap.zst"} {
		for jobs := range 2 {
			b.Run(fmt.Sprintf("%s/jobs=%d", name, jobs+1), func(b *testing.B) {
				copyTo := filepath.Join(dir, name)
				src := must.Get(Open(context.Background(), Options{Paths: []string{path}}))(b)
				w := must.Get(Create(copyTo))(b)
				var pkt Packet
				for src.Next(&pkt) == nil {
					must.OK(b, w.Write(&pkt))
				}
				must.OK(b, w.Close())
				src = must.Get(Open(context.Background(), Options{Paths: []string{copyTo}, Loop: -1, Jobs: jobs + 1}))(b)
				defer src.Close()
				b.ReportAllocs()
				for b.Loop() {
					if err := src.Next(&pkt); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
