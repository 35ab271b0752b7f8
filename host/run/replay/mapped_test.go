package replay

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/run/jit"
	"jitnic/pcaps"
)

// written is a plain capture in a file of its own, long enough to be mapped: the
// packets of a sample, many times.
func written(t *testing.T) string {
	t.Helper()
	src := must.Get(pcaps.Open(t.Context(), pcaps.Options{Paths: []string{"sample:lab"}, Loop: 8}))(t)
	defer src.Close()
	file := filepath.Join(t.TempDir(), "written.pcap")
	w := must.Get(pcaps.Create(file))(t)
	var pkt pcaps.Packet
	for src.Next(&pkt) == nil {
		must.OK(t, w.Write(&pkt))
	}
	must.OK(t, w.Close())
	return file
}

// A capture that is cut short while it is read ends the run with an error, in Go
// as in native code, and what was read before stands.
func TestCutWhileRead(t *testing.T) {
	file := written(t)
	for _, engine := range []string{"native", "go"} {
		short := filepath.Join(t.TempDir(), "short.pcap")
		b, err := os.ReadFile(file)
		must.OK(t, err)
		must.OK(t, os.WriteFile(short, b, 0o600))
		s, err := Open(t.Context(), Input{Program: "sample:firewall", Captures: []string{short}, Engine: engine}, Cache{}, func(*jit.Options) {})
		if err != nil {
			t.Skip(err)
		}
		packets, cut := 0, false
		err = s.Follow(t.Context(), func(p Several) error {
			if packets += len(p.Packets); !cut && p.Outcome == cache.Hit && packets > 2000 {
				cut = true
				return os.Truncate(short, 4096)
			}
			return nil
		})
		var damaged *pcaps.CaptureError
		if !errors.As(err, &damaged) || !strings.Contains(err.Error(), "shorter") {
			t.Errorf("%s: %v after %d packets, want that the file was made shorter", engine, err, packets)
		}
		if !cut || uint64(packets) > s.Runtime.Packets {
			t.Errorf("%s: cut %v, %d packets told, %d run", engine, cut, packets, s.Runtime.Packets)
		}
		s.Close()
	}
}

// Mapped and read, a capture gives the same packets, whatever is done to them.
func TestMappedAsRead(t *testing.T) {
	file := written(t)
	for _, o := range []pcaps.Options{{}, {Loop: 3}, {Filter: "udp"}, {StripVLAN: true}, {PadCut: true}} {
		o.Paths = []string{file, file}
		var got [2][]pcaps.Packet
		for i := range got {
			o.Map = i == 1
			src := must.Get(pcaps.Open(t.Context(), o))(t)
			pkts := make([]pcaps.Packet, 100)
			for {
				n, err := src.Batch(pkts)
				if err != nil {
					break
				}
				for _, p := range pkts[:n] {
					p.Data = append([]byte(nil), p.Data...)
					got[i] = append(got[i], p)
				}
			}
			src.Close()
		}
		if len(got[0]) == 0 || len(got[0]) != len(got[1]) {
			t.Fatalf("%+v: %d packets read, %d mapped", o, len(got[0]), len(got[1]))
		}
		for k := range got[0] {
			a, b := got[0][k], got[1][k]
			if string(a.Data) != string(b.Data) {
				t.Fatalf("%+v: packet %d: %x read, %x mapped", o, k, a.Data, b.Data)
			}
			if a.Data, b.Data = nil, nil; a.KTimeNS != b.KTimeNS || a.Len != b.Len || a.Frame != b.Frame || a.File != b.File || a.Tag != b.Tag {
				t.Fatalf("%+v: packet %d: %+v read, %+v mapped", o, k, a, b)
			}
		}
	}
}
