package pcaps

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
)

func TestWriterRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.pcap", "a.pcapng", "a.pcap.gz", "a.pcapng.zst", "a.pcap.zst", "a.pcapng.gz"} {
		path := filepath.Join(dir, name)
		write(t, path, 300, 1e18+3, 1001)
		first, err := os.ReadFile(path)
		must.OK(t, err)
		src, err := Open(context.Background(), Options{Paths: []string{path}})
		must.OK(t, err)
		pkts, _, err := drain(src)
		if err != nil || len(pkts) != 300 {
			t.Fatalf("%s: %d packets, %v", name, len(pkts), err)
		}
		for i, p := range pkts {
			want := got{hex.EncodeToString(bytes.Repeat([]byte{byte(i)}, 14+i%50)), uint32(14 + i%50), 1e18 + 3 + int64(i)*1001, 0, uint64(i + 1), 0}
			if strings.Contains(name, "pcapng") {
				want.Label, want.Iface = Label(i%3), uint32(i%3)
			}
			if d := cmp.Diff(want, p); d != "" {
				t.Fatalf("%s: %s", name, d)
			}
		}
		write(t, path, 300, 1e18+3, 1001)
		if again, err := os.ReadFile(path); err != nil || !bytes.Equal(first, again) {
			t.Errorf("%s: the same packets gave other bytes (%v)", name, err)
		}
	}
}

func TestWriterWholeOrNone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.pcap")
	w := must.Get(Create(path))(t)
	if err := w.Write(&Packet{Data: make([]byte, 60), TimeNS: -1}); err == nil {
		t.Error("a time before 1970 was written")
	}
	if err := w.Close(); err == nil {
		t.Error("Close after a failed Write must fail")
	}
	w = must.Get(Create(path))(t)
	w.Abort()
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := w.Write(&Packet{}); err == nil {
		t.Error("Write after Abort succeeds")
	}
	if _, err := Create(filepath.Join(dir, "x.txt")); err == nil {
		t.Error("an unknown suffix was accepted")
	}
	// An empty pcapng is valid.
	write(t, filepath.Join(dir, "e.pcapng"), 0, 0, 0)
	b, _ := os.ReadFile(filepath.Join(dir, "e.pcapng"))
	if pkts, _, err := read(b, Options{}); err != nil || len(pkts) != 0 {
		t.Errorf("empty pcapng: %d packets, %v", len(pkts), err)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"b.pcap", "a.pcap", "c[1].pcap"} {
		write(t, filepath.Join(dir, name), i+1, 0, 1)
	}
	ctx := context.Background()
	var stdin bytes.Buffer
	stdin.Write(ngSample())
	src := must.Get(Open(ctx, Options{Paths: []string{filepath.Join(dir, "?.pcap"), "-", filepath.Join(dir, "c[1].pcap")}, Stdin: &stdin}))(t)
	var files []string
	for _, f := range src.Files() {
		files = append(files, filepath.Base(f))
	}
	if d := cmp.Diff([]string{"a.pcap", "b.pcap", "-", "c[1].pcap"}, files); d != "" {
		t.Error(d)
	}
	count := make([]int, 4)
	var p Packet
	for i := uint64(0); ; i++ {
		if err := src.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Index != i {
			t.Errorf("index %d, want %d", p.Index, i)
		}
		count[p.File]++
	}
	if d := cmp.Diff([]int{2, 1, 7, 3}, count); d != "" {
		t.Error(d)
	}

	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "capture: none given"},
		{Options{Paths: []string{dir}}, "is a directory, not a file"},
		{Options{Paths: []string{dir + "/none"}}, "no such file or directory"},
		{Options{Paths: []string{dir + "/*.none"}}, "no file matches"},
		{Options{Paths: []string{"-", "-"}}, "standard input named twice"},
		{Options{Paths: []string{"-"}, Loop: 2}, "can't be read more than once"},
		{Options{Paths: []string{"sample:none"}}, `sample capture "none": not one of`},
		{Options{Paths: []string{dir + "/a.pcap"}, Filter: "port"}, `filter "port": column 5`},
	} {
		if _, err := Open(ctx, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
		}
	}
}

func TestLimitFilterLoop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcap")
	write(t, path, 10, 1000, 100)
	open := func(o Options) []got {
		t.Helper()
		o.Paths = []string{path}
		src := must.Get(Open(context.Background(), o))(t)
		defer src.Close()
		var p Packet
		var out []got
		var last uint64
		for {
			if err := src.Next(&p); done(err) {
				return out
			} else if err != nil {
				t.Fatal(err)
			}
			if p.KTimeNS < last || uint64(p.TimeNS) != p.KTimeNS {
				t.Errorf("packet %d: clock %d after %d, time %d", p.Index, p.KTimeNS, last, p.TimeNS)
			}
			last = p.KTimeNS
			out = append(out, got{Len: p.Len, Time: p.TimeNS})
		}
	}
	if n := len(open(Options{Limit: 3})); n != 3 {
		t.Errorf("limit 3: %d packets", n)
	}
	loop := open(Options{Loop: 3})
	if len(loop) != 30 {
		t.Fatalf("3 passes: %d packets", len(loop))
	}
	for i, p := range loop {
		if p.Time != 1000+int64(i)*100 { // a pass follows at the usual distance
			t.Errorf("pass %d packet %d: time %d", i/10, i%10, p.Time)
		}
	}
	if n := len(open(Options{Loop: -1, Limit: 25})); n != 25 {
		t.Errorf("endless loop, limit 25: %d packets", n)
	}
	if n := len(open(Options{Loop: -1, Filter: "greater 1000"})); n != 0 {
		t.Errorf("endless loop without a match: %d packets", n)
	}
	if n := len(open(Options{Loop: 2, Filter: "greater 20"})); n != 8 {
		t.Errorf("filter: %d packets, want 8", n)
	}
}

// TestClock: recorded clocks go back, KTimeNS does not, and is never 0.
func TestClock(t *testing.T) {
	le := orders["little"]
	file := func(secs ...uint32) []byte {
		b := le.pcapFile(magicNanos, 0, 1, 4)
		for _, s := range secs {
			b = append(le.u32s(b, s, 0, 1, 1), 0)
		}
		return b
	}
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must.OK(t, os.WriteFile(a, file(0, 5, 4, 6), 0o600))
	must.OK(t, os.WriteFile(b, file(1, 2), 0o600))
	src := must.Get(Open(context.Background(), Options{Paths: []string{a, b}}))(t)
	var k []uint64
	var p Packet
	for src.Next(&p) == nil {
		k = append(k, p.KTimeNS)
	}
	if d := cmp.Diff([]uint64{1, 5e9, 5e9, 6e9, 6e9 + 1000, 7e9 + 1000}, k); d != "" {
		t.Error(d)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	path := filepath.Join(t.TempDir(), "a.pcap")
	write(t, path, 100, 0, 1)
	src, err := Open(ctx, Options{Paths: []string{path}, Loop: -1})
	must.OK(t, err)
	var p Packet
	must.OK(t, src.Next(&p))
	cancel()
	for err == nil {
		err = src.Next(&p)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: %v", err)
	}
	src.Close()
	if e := src.Next(&p); e != err {
		t.Errorf("after the end: %v, want the same error", e)
	}
}

// TestBuffer: packets and blocks larger than the window, and none grows it
// past what the file holds.
func TestBuffer(t *testing.T) {
	le := orders["little"]
	big := bytes.Repeat([]byte{0xab}, maxPacket)
	note := bytes.Repeat([]byte("long comment "), 40000)
	long := le.u32s(nil, 0, 0, 0, 2, 2)
	long = append(long, 1, 2, 0, 0)
	long = append(long, note...)
	b := slices.Concat(le.shb(), le.idb(1, 0), le.epb(0, 0, maxPacket, big...), le.block(blockEnhancedPacket, long), le.epb(0, 0, 1, 9))
	pkts, _, err := read(b, Options{})
	if err != nil || len(pkts) != 3 {
		t.Fatalf("%d packets, %v", len(pkts), err)
	}
	if pkts[0].Data != hex.EncodeToString(big) || pkts[1].Data != "0102" || pkts[2].Data != "09" {
		t.Error("packets differ")
	}
	w := newWindow(context.Background(), bytes.NewReader(make([]byte, 100)), nil, nil)
	if n := len(w.need(1 << 30)); n != 100 || len(w.buf) > 2*windowSize {
		t.Errorf("asked for 1 GiB of 100 bytes: got %d, buffer of %d", n, len(w.buf))
	}
}
