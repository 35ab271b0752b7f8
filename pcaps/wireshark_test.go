package pcaps

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
)

// TestWiresharkFormats reads what Wireshark's tools write: each format, and
// a pcapng whose interfaces differ in link type.
func TestWiresharkFormats(t *testing.T) {
	for _, tool := range []string{"editcap", "mergecap"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	dir := t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	ours := filepath.Join(dir, "ours.pcap")
	write(t, ours, 200, 1_600_000_000e9, 1000)
	sll := filepath.Join(dir, "sll.pcap")
	run("editcap", "-F", "pcap", "-T", "linux-sll", "-r", ours, sll, "1-70")
	want := map[string]Counters{}
	for _, format := range []string{"pcap", "nsecpcap", "modpcap", "pcapng"} {
		out := filepath.Join(dir, "out."+format)
		run("editcap", "-F", format, ours, out)
		want[out] = Counters{Packets: 200}
	}
	mixed := filepath.Join(dir, "mixed.pcapng")
	run("mergecap", "-w", mixed, ours, sll)
	want[mixed] = Counters{Packets: 200, Skipped: map[string]uint64{"LINUX_SLL": 70}}
	for path, c := range want {
		src, err := Open(context.Background(), Options{Paths: []string{path}, LinkType: LinkSkip})
		must.OK(t, err)
		pkts, got, err := drain(src)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		c.Bytes, c.Largest = got.Bytes, got.Largest
		if d := cmp.Diff(c, got); d != "" {
			t.Errorf("%s: %s", filepath.Base(path), d)
		}
		for i, p := range pkts {
			if want := int64(1_600_000_000e9) + int64(i)*1000; p.Time != want {
				t.Errorf("%s: packet %d: time %d, want %d", filepath.Base(path), p.Frame, p.Time, want)
				break
			}
		}
	}
}
