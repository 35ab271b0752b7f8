package study_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"jitnic/cache"
	"jitnic/host/hosttest/must"
	"jitnic/host/programs"
	"jitnic/host/run/replay"
	"jitnic/host/study"
	"jitnic/host/study/cell"
	"jitnic/host/study/result"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"

	"golang.org/x/sys/unix"
)

// killed is set in a child of TestKill: it runs a study and dies as soon as so many
// cells are done.
const killed = "JITNIC_TEST_KILL_AFTER"

func TestMain(m *testing.M) {
	after := os.Getenv(killed)
	if after == "" {
		os.Exit(m.Run())
	}
	n := 0
	fmt.Sscan(after, &n)
	s, err := spec.Read(os.Args[1])
	if err != nil {
		panic(err)
	}
	_, err = study.Run(context.Background(), s, study.Options{Out: os.Args[2], Options: run.Options{Jobs: 2, Tell: func(*run.Done, time.Duration) {
		if n--; n == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}})
	if err != nil {
		panic(err)
	}
}

// write makes a folder with a study's file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	must.OK(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

func do(t *testing.T, path, out string, change func(o *study.Options)) *study.Outcome {
	t.Helper()
	s := must.Get(spec.Read(path))(t)
	text := must.Get(os.ReadFile(path))(t)
	o := study.Options{Out: out, Text: text, Options: run.Options{Jobs: 2}}
	if change != nil {
		change(&o)
	}
	r := must.Get(study.Run(t.Context(), s, o))(t)
	return r
}

// tables are the results that must be the same byte for byte.
func tables(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, n := range []string{"rows.parquet", "rows.csv", "cells.csv", "ranking.csv", "pairs.csv", "windows.csv", "study.yaml"} {
		b := must.Get(os.ReadFile(filepath.Join(dir, n)))(t)
		out[n] = string(b)
	}
	return out
}

func same(t *testing.T, what string, a, b map[string]string) {
	t.Helper()
	for n := range a {
		if a[n] != b[n] {
			t.Errorf("%s: %s differs", what, n)
		}
	}
}

const small = `
programs: [sample:ipv6filter, sample:firewall, sample:conntrack]
captures: [sample:dns, sample:vlan]
modes: [generic, specialised]
policies: [lru, s3-fifo, random, belady-bypass]
entries: [2, 8, 32]
`

// TestKill kills runs of a study after each few cells; the next one goes on. No cell
// that was done is made again, and the tables are those of a run that nobody killed.
func TestKill(t *testing.T) {
	path := write(t, small)
	straight := filepath.Join(t.TempDir(), "r")
	whole := do(t, path, straight, nil)
	if whole.Cells != 12 || whole.Ran != 12 || whole.Summary.Points != 12*12 || whole.Failed != 0 {
		t.Fatalf("%+v", whole.Summary)
	}
	out := filepath.Join(t.TempDir(), "r")
	for _, after := range []int{1, 3, 4} {
		c := exec.CommandContext(t.Context(), os.Args[0], path, out)
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killed, after))
		text, err := c.CombinedOutput()
		var x *exec.ExitError
		if !errors.As(err, &x) || x.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("after %d cells: %v\n%s", after, err, text)
		}
		if _, err := os.Stat(filepath.Join(out, "rows.csv")); err == nil {
			t.Fatal("a run that was killed wrote its rows")
		}
	}
	half := filepath.Join(out, "cells", "ab", ".half-x-1")
	must.OK(t, os.MkdirAll(filepath.Dir(half), 0o777))
	must.OK(t, os.WriteFile(half, nil, 0o666))
	rest := do(t, path, out, nil)
	// Of the four that the last one told of, some it had found. A cell killed between
	// its stream and its points is neither found whole nor run again.
	if rest.Found < 4 || rest.Ran > 12-rest.Found {
		t.Errorf("4 cells and more were done before: %d found, %d run", rest.Found, rest.Ran)
	}
	if _, err := os.Stat(half); err == nil {
		t.Error("what a killed run left half written is still there")
	}
	same(t, "after three kills", tables(t, straight), tables(t, out))
	if again := do(t, path, out, nil); again.Found != 12 || again.Ran != 0 || again.Summary.Points != 0 {
		t.Errorf("nothing was left to do: %+v", again.Summary)
	}
}

// TestTwoAtOnce runs a study twice on one folder: the cells are shared, and each run
// of a program is made once.
func TestTwoAtOnce(t *testing.T) {
	path := write(t, small)
	out := filepath.Join(t.TempDir(), "r")
	got := make(chan *study.Outcome, 2)
	for range 2 {
		go func() { got <- do(t, path, out, nil) }()
	}
	a, b := <-got, <-got
	if a.Ran+b.Ran != 12 || a.Summary.Points+b.Summary.Points != 144 {
		t.Errorf("run %d and %d, points %d and %d", a.Ran, b.Ran, a.Summary.Points, b.Summary.Points)
	}
	straight := filepath.Join(t.TempDir(), "r")
	do(t, path, straight, func(o *study.Options) { o.Jobs = 1 })
	same(t, "two at once", tables(t, straight), tables(t, out))
}

// object copies a sample's object into a folder.
func object(t *testing.T, dir, name, as string) {
	t.Helper()
	s := must.Get(programs.Get(name))(t)
	must.OK(t, os.WriteFile(filepath.Join(dir, as), s.Object, 0o666))
}

// TestChangedInput: what a change makes new is what depends on it, and a wider study
// adds what it has more of.
func TestChangedInput(t *testing.T) {
	path := write(t, "programs: [a.o, b.o]\ncaptures: [sample:dns, sample:vlan]\npolicies: lru\nentries: [2, 8]\n")
	dir := filepath.Dir(path)
	object(t, dir, "firewall", "a.o")
	object(t, dir, "ipv6filter", "b.o")
	out := filepath.Join(t.TempDir(), "r")
	if r := do(t, path, out, nil); r.Ran != 4 || r.Failed != 0 {
		t.Fatalf("%+v", r.Summary)
	}
	object(t, dir, "router", "b.o")
	if r := do(t, path, out, nil); r.Ran != 2 || r.Found != 2 {
		t.Errorf("one of two programs changed: %+v", r.Summary)
	}
	must.OK(t, os.WriteFile(path, []byte("programs: [a.o, b.o]\ncaptures: [sample:dns, sample:vlan]\npolicies: [lru, fifo]\nentries: [2, 8, 16]\n"), 0o666))
	if r := do(t, path, out, nil); r.Ran != 0 || r.Summary.Points != 4*4 || r.Rows != 4*6 {
		t.Errorf("a size and a policy more: %+v, %d rows", r.Summary, r.Rows)
	}
	// A store of its own serves another folder's study.
	other := filepath.Join(t.TempDir(), "r")
	if r := do(t, path, other, func(o *study.Options) { o.Cells = filepath.Join(out, "cells") }); r.Ran != 0 || r.Found != 4 {
		t.Errorf("another study on the same store: %+v", r.Summary)
	}
	same(t, "from the store", tables(t, out), tables(t, other))
}

// TestFailures: cells that fail are a line each, and the rest goes on.
func TestFailures(t *testing.T) {
	path := write(t, `
programs: [sample:ipv6filter, bad.o]
captures: [sample:dns, cut.pcap]
policies: [lru, pfoo-l]
entries: 4
warmup: 10%
`)
	for name, text := range map[string]string{"bad.o": "no object", "cut.pcap": "\xd4\xc3\xb2\xa1\x02\x00\x04\x00cut"} {
		must.OK(t, os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o666))
	}
	out := filepath.Join(t.TempDir(), "r")
	r := do(t, path, out, nil)
	if r.Failed != 4 || r.Rows != 1 {
		t.Errorf("%+v, %d rows", r.Summary, r.Rows)
	}
	cells := must.Get(result.ReadTable[study.CellRow](filepath.Join(out, "cells.csv")))(t)
	for i, want := range []struct{ status, says string }{{"part", "pfoo-l: policy \"pfoo-l\": bounds a whole stream"}, {"failed", "\"cut.pcap\": offset 0: "}, {"failed", "bad.o: "}, {"failed", "bad.o: "}} {
		c := cells[i]
		if c.Status != want.status || !strings.Contains(c.Error, want.says) || strings.ContainsAny(c.Error, "\n/") {
			t.Errorf("cell %d: %s, %q; want %s, %q", i, c.Status, c.Error, want.status, want.says)
		}
	}
	// They are tried again, and what can be read by then is.
	must.OK(t, os.Remove(filepath.Join(filepath.Dir(path), "bad.o")))
	object(t, filepath.Dir(path), "firewall", "bad.o")
	if r := do(t, path, out, nil); r.Failed != 4 || r.Ran != 1 {
		t.Errorf("with an object that can be loaded: %+v", r.Summary)
	}
}

// TestFullDisk fills a small file system: the run ends with an error that says so,
// nothing half written stays, and with room it goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=160k"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	path := write(t, small)
	s, err := spec.Read(path)
	must.OK(t, err)
	out := filepath.Join(dir, "r")
	_, err = study.Run(t.Context(), s, study.Options{Out: out, Options: run.Options{Jobs: 2}})
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), out) {
		t.Fatalf("%v", err)
	}
	must.OK(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if strings.Contains(p, ".half-") {
			t.Errorf("%s is left", p)
		}
		return err
	}))
	must.OK(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=8m"))
	if r := do(t, path, out, nil); r.Failed != 0 || r.Ran == 12 || r.Rows != 144 {
		t.Errorf("with room: %+v", r.Summary)
	}
}

// TestAxes counts what include, exclude, seeds, generators and devices make.
func TestAxes(t *testing.T) {
	path := write(t, `
programs: sample:ipv6filter
captures:
  - sample:dns
  - {gen: {preset: thrash, packets: 2000}, name: attack}
policies: [lru, random]
entries: [2, 8]
seeds: [1, 2]
devices: [hxdp, {nic: hxdp, set: {clock: 300 MHz}}]
exclude:
  - {capture: attack, policy: random, entries: 8}
  - {capture: "sample:*", device: "hxdp clock*"}
include:
  - {captures: sample:vlan, policies: fifo, entries: 4}
  - {programs: sample:telemetry, captures: sample:lab, segments: 3, policies: lru, entries: 8, devices: hxdp}
`)
	out := filepath.Join(t.TempDir(), "r")
	r := do(t, path, out, nil)
	// dns: 2 seeds × 4 points × 1 device; attack: 2 × 3 × 2; vlan: 1; segments: 1.
	if r.Failed != 0 || r.Cells != 6 || r.Rows != 8+12+1+1 {
		t.Fatalf("%+v, %d rows", r.Summary, r.Rows)
	}
	rows := must.Get(result.Read(filepath.Join(out, "rows.parquet")))(t)
	for i := range rows {
		x := &rows[i]
		switch {
		case x.Requests != x.Hits+x.Cold+x.NotHot+x.Capacity+x.Invalidated+x.InFlight+x.Uncacheable:
			t.Errorf("row %d: outcomes don't add up: %+v", i, x)
		case x.Capture == "attack" && (x.LegitRequests == nil || *x.LegitRequests == 0 || *x.LegitMisses > *x.LegitRequests):
			t.Errorf("row %d: legitimate packets: %+v", i, x)
		case x.MissLow == nil || *x.MissLow > x.MissRatio || *x.MissHigh < x.MissRatio:
			t.Errorf("row %d: interval around %v", i, x.MissRatio)
		case (x.Device == nil) != (x.Capture == "sample:vlan"):
			t.Errorf("row %d: device %v", i, x.Device)
		case x.Device != nil && (*x.DeviceHit < 0 || *x.DeviceHit > 1 || *x.Pays == ""):
			t.Errorf("row %d: %+v", i, x)
		}
	}
	// The log has what rows must not have.
	b := must.Get(os.ReadFile(filepath.Join(out, "log.jsonl")))(t)
	for line := range strings.Lines(string(b)) {
		var x map[string]any
		if err := json.Unmarshal([]byte(line), &x); err != nil || x["seconds"] == nil || x["at"] == nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestSplit: parts are of programs whose maps allow it, and what can't be split says
// which map keeps it from that.
func TestSplit(t *testing.T) {
	path := write(t, `
programs: [sample:firewall, sample:conntrack, sample:ipv6filter, sample:loadbalancer, sample:ratelimiter, sample:nat, sample:telemetry]
captures: sample:lab
split: [none, flows/2, windows/3]
policies: [lru, infinite]
entries: 4
include: {programs: sample:loadbalancer, modes: specialised, split: flows/2, policies: infinite, entries: 4}
`)
	out := filepath.Join(t.TempDir(), "r")
	r := do(t, path, out, nil)
	cells, err := result.ReadTable[study.CellRow](filepath.Join(out, "cells.csv"))
	must.OK(t, err)
	const shared = "is changed by the program and shared between queues"
	why := map[string]string{
		"sample:conntrack flows/2":                "map conns " + shared + ": keys for packets hashed as IPv4 hold source address, destination address in more than one order",
		"sample:ratelimiter flows/2":              "map buckets " + shared + ": keys for packets hashed as IPv4 don't tell the source address, destination address",
		"sample:nat flows/2":                      "map incoming " + shared + ": keys for packets hashed as",
		"sample:telemetry flows/2":                "map samples " + shared + ": a map of type RingBuf has no keys",
		"sample:loadbalancer flows/2 specialised": "map flows " + shared + ": what its keys tell is shown of generic traces, not of specialised ones",
		"sample:firewall windows/3":               "map counters is changed by the program",
		"sample:conntrack windows/3":              "map conns is changed",
		"sample:loadbalancer windows/3":           "is changed by the program",
		"sample:ratelimiter windows/3":            "is changed by the program",
		"sample:nat windows/3":                    "is changed by the program",
		"sample:telemetry windows/3":              "is changed by the program",
	}
	packets := map[string]uint64{}
	for _, c := range cells {
		key := c.Program + " " + c.Split
		if c.Mode != "generic" {
			key += " " + c.Mode
		}
		packets[key] += c.Packets
		if want := why[key]; want == "" != (c.Error == "") || !strings.Contains(c.Error, want) {
			t.Errorf("%s part %d: %q, want %q", key, c.Part, c.Error, want)
		}
	}
	for _, p := range []string{"sample:firewall", "sample:ipv6filter", "sample:loadbalancer"} {
		if packets[p+" flows/2"] != 17516 {
			t.Errorf("%s: %d packets in its queues", p, packets[p+" flows/2"])
		}
	}
	if r.Refused != 2*3 || r.Failed != r.Refused+2*2+6*3 { // what has to be run before it is refused
		t.Errorf("%d refused, %d failed", r.Refused, r.Failed)
	}
	rows, err := result.Read(filepath.Join(out, "rows.parquet"))
	must.OK(t, err)
	counted := map[string]uint64{}
	for _, r := range rows {
		counted[r.Program+" "+r.Split+" "+r.Policy] += r.Requests
		if key := r.Program + " " + r.Split; why[key] != "" {
			t.Errorf("a row of what is refused: %s part %d", key, r.Part)
		}
	}
	if counted["sample:ipv6filter windows/3 lru"] != 17516 || counted["sample:ipv6filter none lru"] != 17516 {
		t.Errorf("requests that count: %v", counted)
	}
	windows, err := result.ReadTable[result.Window](filepath.Join(out, "windows.csv"))
	if err != nil || len(windows) != 2 {
		t.Fatalf("%d comparisons of windows with the whole, %v", len(windows), err)
	}
	for _, w := range windows {
		if w.Program != "sample:ipv6filter" || w.Requests != 17516 || w.Error != w.MissRatio-w.Whole || w.Whole <= 0 || w.Error < -0.01 || w.Error > 0.01 {
			t.Errorf("%+v", w)
		}
	}
}

// TestLongStreams reads streams block by block as it does whole.
func TestLongStreams(t *testing.T) {
	s, err := spec.Read(write(t, small))
	must.OK(t, err)
	p, err := study.Plan(t.Context(), s, "")
	must.OK(t, err)
	whole, blocks := &memory{}, &memory{}
	for _, w := range []*run.Worker{{Store: whole, Files: cell.Folder{}}, {Store: blocks, Files: cell.Folder{}, Whole: 100}} {
		c := p.Cells[2]
		d := must.Get(w.Do(t.Context(), c, 1))(t)
		if w.Whole > 0 && (len(d.Failed) != 1 || !strings.Contains(d.Failed[0], "belady-bypass: needs all of a stream at once")) {
			t.Errorf("%v", d.Failed)
		}
	}
	a, err := (&run.Worker{Store: whole}).Points(p.Cells[2])
	must.OK(t, err)
	b, err := (&run.Worker{Store: blocks}).Points(p.Cells[2])
	if err != nil || len(a) != 12 || len(b) != 9 {
		t.Fatalf("%d and %d points, %v", len(a), len(b), err)
	}
	for k, x := range b {
		if y := a[k]; fmt.Sprint(*x) != fmt.Sprint(*y) {
			t.Errorf("%s:\n%+v\n%+v", k, x, y)
		}
	}
}

// A study's axis of segments: what its rows count of a program that is cut are packets,
// as a run with the same cuts counts them; a killed run is taken up, and what counts
// requests alone is refused by name.
func TestSegments(t *testing.T) {
	path := write(t, "programs: [sample:telemetry, sample:conntrack]\ncaptures: [{file: sample:lab, limit: 3000}]\nsegments: [none, auto, 3]\npolicies: [lru, sieve]\nentries: [4, 64]\nslots: [3000]\nhot: [1, 2]\n"+
		"include: {programs: sample:telemetry, segments: 3, policies: belady, entries: 64}\n")
	straight := filepath.Join(t.TempDir(), "r")
	whole := do(t, path, straight, nil)
	if whole.Cells != 6 || whole.Failed != 1 {
		t.Fatalf("%+v", whole.Summary)
	}
	out := filepath.Join(t.TempDir(), "r")
	c := exec.CommandContext(t.Context(), os.Args[0], path, out)
	c.Env = append(os.Environ(), killed+"=3")
	if text, err := c.CombinedOutput(); err == nil {
		t.Fatalf("not killed: %s", text)
	}
	if rest := do(t, path, out, nil); rest.Found < 2 { // of three and more that were done, one has a point that can't be had
		t.Errorf("3 cells and more were done before: %+v", *rest.Summary)
	}
	same(t, "after a kill", tables(t, straight), tables(t, out))
	rows := must.Get(result.Read(filepath.Join(straight, "rows.parquet")))(t)
	ran := 0
	for _, r := range rows {
		if r.Segments == "none" && r.Tables != 1 || r.Segments == "3" && r.Tables < 2 {
			t.Errorf("%s, segments %s: %d tables", r.Program, r.Segments, r.Tables)
		}
		if r.Segments != "3" || r.Slots > 0 {
			continue
		}
		ran++
		s := must.Get(replay.Open(t.Context(), replay.Input{Program: r.Program, Captures: []string{"sample:lab"}, Limit: 3000, Seed: 1},
			replay.Cache{Policy: r.Policy, Entries: r.Entries, HotThreshold: r.Hot, Remedies: replay.Remedies{Segments: 3}}, nil))(t)
		must.OK(t, s.Run(t.Context(), nil))
		o := s.Runtime.NIC.Outcomes()
		if o[cache.Hit] != r.Hits || o[cache.Cold] != r.Cold || o[cache.NotHot] != r.NotHot || o[cache.Capacity] != r.Capacity || o.Total() != r.Requests || o.Total()-o[cache.Hit] != r.Misses ||
			int(r.Paths) != len(s.Runtime.Paths()) || int(r.Tables) != len(s.Runtime.Tables()) {
			t.Errorf("%s, %s, %d entries, hot %d: %+v; a run has %v of %d segments in %d tables", r.Program, r.Policy, r.Entries, r.Hot, r, o, len(s.Runtime.Paths()), len(s.Runtime.Tables()))
		}
		s.Close()
	}
	if ran != 16 {
		t.Errorf("%d rows were looked at", ran)
	}
}
