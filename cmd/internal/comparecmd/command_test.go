package comparecmd_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/cmd/internal/comparecmd"
	"jitnic/host/hosttest/must"
)

// try runs the verb and returns what it printed.
func try(ctx context.Context, args ...string) (string, error) {
	c := comparecmd.Command()
	var out, errs bytes.Buffer
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t.Context(), args...)
	if err != nil {
		t.Fatalf("compare %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// zipfFile is a stream of 30,000 requests over 2,000 ids with sizes 1 to 9.
func zipfFile(t *testing.T) string {
	t.Helper()
	s := stream.Zipf(2000, 30_000, 1)
	s.SetSizes(func(key uint64) uint32 { return uint32(1 + key%9) })
	path := filepath.Join(t.TempDir(), "zipf.jps")
	must.Get(stream.Save(path, "jitnic", s))(t)
	return path
}

// study is what the tests read of the JSON.
type study struct {
	Partial bool `json:"partial"`
	Planned int  `json:"planned_points"`
	Rows    []row
	Attack  *struct {
		Losses   []struct{ Policy, Attack string }
		Defences []struct{ Mean float64 }
	}
	Tree     []struct{ Packets uint64 }
	Rankings []struct {
		Bound string
		Best  []struct{ Policy string }
	}
	Sampled []struct {
		MissRatio float64 `json:"miss_ratio"`
	}
}

type row struct {
	Policy, Admission string
	Kind              string
	Warmup            int
	Entries, Slots    uint64
	Requests, Misses  uint64
	MissRatio         float64 `json:"miss_ratio"`
	Bound, Estimate   bool
	Distance          *float64 `json:"distance_to_bound"`
	Hits, Cold        uint64
	NotHot            uint64 `json:"not_hot"`
	Capacity          uint64
	Invalidated       uint64
	InFlight          uint64 `json:"in_flight"`
	Uncacheable       uint64
}

func read(t *testing.T, text string) study {
	t.Helper()
	var s study
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return s
}

func TestJSON(t *testing.T) {
	file := zipfFile(t)
	out := run(t, "--requests", file, "--policies", "all", "--admissions", "always,threshold/3", "--entries", "10,100", "--slots", "500", "--json", "-")
	s := read(t, out)
	want := 0
	for _, i := range append(policy.All(), policy.Offline()...) {
		k := 2
		switch i.Kind {
		case policy.Bound: // has no admission
			k = 1
		case policy.Reference: // is not in "all"
			continue
		}
		want += k * 3
	}
	if len(s.Rows) != want || s.Partial || s.Planned != want {
		t.Fatalf("%d rows, planned %d, partial %v; want %d", len(s.Rows), s.Planned, s.Partial, want)
	}
	for _, r := range s.Rows {
		if r.Requests != 30_000 || r.Hits+r.Misses != r.Requests || r.Misses != r.Cold+r.NotHot+r.Capacity+r.Invalidated+r.InFlight+r.Uncacheable {
			t.Errorf("%+v: outcomes don't add up", r)
		}
		if r.Distance == nil || r.Entries > 0 && *r.Distance < 0 && !r.Bound {
			t.Errorf("%+v: below the bound", r)
		}
	}
	// Same input, same seed, other workers: the same bytes.
	if again := run(t, "--requests", file, "--policies", "all", "--admissions", "always,threshold/3", "--entries", "10,100", "--slots", "500", "--json", "-", "--workers", "1"); again != out {
		t.Error("another number of workers: another study")
	}
	table := run(t, "--requests", file, "--policies", "all", "--admissions", "always,threshold/3", "--entries", "10,100", "--slots", "500", "--csv", "-")
	lines, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(lines) != want+1 {
		t.Errorf("csv: %d lines, %v; want %d", len(lines), err, want+1)
	}
}

func TestShards(t *testing.T) {
	s := read(t, run(t, "--requests", zipfFile(t), "--policies", "lru", "--entries", "50,200", "--shards", "1", "--json", "-"))
	exact, estimate := map[uint64]uint64{}, map[uint64]uint64{}
	for _, r := range s.Rows {
		switch {
		case r.Policy == "lru" && !r.Estimate:
			exact[r.Entries] = r.Misses
		case r.Policy == "lru-shards" && r.Estimate:
			estimate[r.Entries] = r.Misses
		}
	}
	for _, n := range []uint64{50, 200} {
		if exact[n] == 0 || exact[n] != estimate[n] { // of all ids there is nothing to estimate
			t.Errorf("%d entries: %d misses exactly, %d estimated from all ids", n, exact[n], estimate[n])
		}
	}
}

func TestAttack(t *testing.T) {
	file := zipfFile(t)
	args := []string{"--requests", file, "--policies", "lru,s3-fifo,sieve", "--entries", "64", "--attack", "all"}
	s := read(t, run(t, append(args, "--json", "-")...))
	if s.Attack == nil || len(s.Attack.Losses) != 3*3*len(cache.AdmissionNames()) || len(s.Attack.Defences) != 1 {
		t.Fatalf("attack: %+v", s.Attack)
	}
	text := run(t, args...)
	for _, w := range []string{"Recommended defence", "Legitimate misses", "unique", "burst", "cycle"} {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
}

// TestLabels: where packets are labelled, legitimate and attack packets are told
// apart, in the rows and in the tables, and add up.
func TestLabels(t *testing.T) {
	legit := stream.Zipf(500, 10_000, 3)
	attack := must.Get(stream.Attack("cycle", 64, 10_000, 1))(t)
	file := filepath.Join(t.TempDir(), "labelled.jps")
	must.Get(stream.Save(file, "jitnic", stream.Mix(legit, attack, 0.5)))(t)
	args := []string{"--requests", file, "--policies", "lru,lfu", "--entries", "64"}
	var s struct {
		Rows []struct {
			Policy string
			Misses uint64
			Labels []struct {
				Label            string
				Requests, Misses uint64
			}
		}
	}
	must.OK(t, json.Unmarshal([]byte(run(t, append(args, "--json", "-")...)), &s))
	for _, r := range s.Rows {
		if len(r.Labels) != 2 || r.Labels[0].Requests+r.Labels[1].Requests != 19_999 || r.Labels[0].Misses+r.Labels[1].Misses != r.Misses {
			t.Errorf("%+v: labels don't add up", r)
		}
	}
	text := run(t, args...)
	for _, w := range []string{"Recommended defence against the attack in the capture", "legitimate %", "Misses in % of the packets of each label at size 64"} {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "study")
	args := []string{"--requests", zipfFile(t), "--policies", "lru,fifo,belady", "--entries", "1..256", "--slots", "512..2048", "--out", dir + "/"}
	run(t, args...)
	sums := map[string]string{}
	for _, name := range []string{"report.html", "rows.csv", "study.json", "miss-ratio.svg", "miss-ratio.png", "miss-ratio-slots.svg", "heat-map.svg", "heat-map.png", "working-set.svg", "popularity.png", "hit-ratio.svg", "reuse.svg"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(b) < 500 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
		sums[name] = string(b)
	}
	// Again over what is there: the same bytes, nothing left beside them, and
	// what else stands in the folder stays.
	must.OK(t, os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644))
	run(t, args...)
	for name, b := range sums {
		if again, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(again) != b {
			t.Errorf("%s: not the same the second time (%v)", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 1 {
		t.Errorf("beside the folder: %v", left)
	}
}

// TestInterrupt: what is finished is told, and said to be partial.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	file := filepath.Join(dir, "study.json")
	_, err := try(ctx, "--requests", zipfFile(t), "--policies", "lru,sieve", "--entries", "1..64", "--json", file, "--out", filepath.Join(dir, "out"))
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("error %v, want an interrupt", err)
	}
	b, err := os.ReadFile(file)
	must.OK(t, err)
	if s := read(t, string(b)); !s.Partial || len(s.Rows) >= s.Planned {
		t.Errorf("partial %v with %d rows of %d", s.Partial, len(s.Rows), s.Planned)
	}
	if bytes.Contains(b, []byte(`"rows": null`)) {
		t.Error("rows are null: want an empty list")
	}
	page, err := os.ReadFile(filepath.Join(dir, "out", "report.html"))
	if err != nil || !bytes.Contains(page, []byte("Partial: it was interrupted")) {
		t.Errorf("report.html doesn't say that it is partial (%v)", err)
	}
}

// TestErrors: what can't be is one line that names the flag, before anything
// is run.
func TestErrors(t *testing.T) {
	file := zipfFile(t)
	for _, c := range []struct{ args, want string }{
		{"", "--program and --capture, or --requests"},
		{"--program sample:firewall", "--capture"},
		{"--capture x.pcap", "--program"},
		{"--requests F --program x.o", "--requests: stands in place of"},
		{"--requests F --policies nope", `--policies: policy "nope"`},
		{"--requests F --policies ,", `--policies: policy ""`},
		{"--requests F --policies slru/99", `--policies: policy "slru/99"`},
		{"--requests F --admissions nope", `--admissions: admission "nope"`},
		{"--requests F --entries 0", `--entries: size "0"`},
		{"--requests F --entries 9..3", `--entries: size "9..3"`},
		{"--requests F --slots x", `--slots: size "x"`},
		{"--requests F --hot 0", "--hot 0"},
		{"--requests F --shards 2.5", "--shards 2.5"}, {"--requests F --sample 2", "--sample 2"}, {"--requests F --warmup x", "--warmup x"}, {"--requests F --warmup 100%", "--warmup 100%"}, {"--requests F --ttl 1s", "no times"},
		{"--requests F --workers -1", "--workers -1"},
		{"--requests F --attack nope", `--attack: kind "nope"`},
		{"--requests F --attack all --slots 10", "--attack: needs --entries"},
		{"--requests F --attack all --policies bound --entries 4", "--attack: bounds"},
		{"--requests F --attack-share 1", "--attack-share 1"},
		{"--requests F --json - --csv -", "only one of them"},
		{"--requests F --out F", "not a folder"},
		{"--requests /nowhere/x", "/nowhere/x"},
		{"--requests F --format nope", `format "nope"`},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "F", file))
		_, err := try(t.Context(), args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("compare %s: error %v, want one line with %q", c.args, err, c.want)
		}
	}
}

// A warm-up is run and not counted; the estimate of a sample stands beside what
// was counted; neither changes what is counted without it.
func TestWarmupAndSample(t *testing.T) {
	file := zipfFile(t)
	args := []string{"--requests", file, "--policies", "lru,arc,golang-arc,belady", "--entries", "64", "--json", "-"}
	plain := read(t, run(t, args...))
	warm := read(t, run(t, append(args, "--warmup", "25%")...))
	sampled := read(t, run(t, append(args, "--sample", "0.5")...))
	find := func(s study, policy string) row {
		for _, r := range s.Rows {
			if r.Policy == policy && r.Entries == 64 {
				return r
			}
		}
		t.Fatalf("no row of %s", policy)
		return row{}
	}
	for _, p := range []string{"lru", "arc"} {
		a, b := find(plain, p), find(warm, p)
		if b.Requests != a.Requests-a.Requests/4 || b.Hits+b.Misses != b.Requests || b.Misses >= a.Misses || b.Cold >= a.Cold || b.Warmup == 0 {
			t.Errorf("%s: %d of %d miss, after a warm-up %d of %d", p, a.Misses, a.Requests, b.Misses, b.Requests)
		}
		if x := find(sampled, p); x.Misses != a.Misses {
			t.Errorf("%s: a sample beside it changes what is counted", p)
		}
	}
	if len(sampled.Sampled) != 2 || sampled.Sampled[0].MissRatio != find(plain, "lru").MissRatio {
		t.Errorf("sampled: %+v", sampled.Sampled)
	}
	if b := find(warm, "belady"); b.Bound || b.Kind != "offline" {
		t.Errorf("belady after a warm-up: %+v", b)
	}
	for _, r := range plain.Rankings {
		for _, x := range r.Best {
			if x.Policy == "golang-arc" {
				t.Error("a reference is ranked")
			}
		}
		if r.Bound != "belady-bypass" {
			t.Errorf("the bound is %q", r.Bound)
		}
	}
}

// TestCaptures: of several captures each row says what every one of them missed,
// by whichever way the row was counted, and they add up.
func TestCaptures(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.json")
	run(t, "--program", "sample:firewall", "--capture", "sample:vlan", "--capture", "sample:ipv6", "--policies", "lru,fifo,belady", "--entries", "4,16", "--json", out)
	b := must.Get(os.ReadFile(out))(t)
	var r struct {
		Rows []struct {
			Policy           string
			Requests, Misses uint64
			Captures         []cache.PartCount
		}
	}
	must.OK(t, json.Unmarshal(b, &r))
	n := 0
	for _, row := range r.Rows {
		if row.Policy == "pfoo-l" || row.Policy == "infinite" && row.Captures == nil {
			continue
		}
		n++
		var requests, misses uint64
		for _, c := range row.Captures {
			requests, misses = requests+c.Requests, misses+c.Misses
		}
		if len(row.Captures) != 2 || row.Captures[1].Capture != "sample:ipv6" || requests != row.Requests || misses != row.Misses {
			t.Errorf("%s: %d requests, %d misses, but by capture %+v", row.Policy, row.Requests, row.Misses, row.Captures)
		}
	}
	if n < 6 {
		t.Errorf("only %d rows", n)
	}
}
