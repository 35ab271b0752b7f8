package result

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/google/go-cmp/cmp"
)

// TestT975 compares with tables of Student's t.
func TestT975(t *testing.T) {
	for df, want := range map[int]float64{1: 12.7062, 7: 2.3646, 30: 2.0423, 31: 2.0395, 40: 2.0211, 60: 2.0003, 99: 1.9842, 1000: 1.9623} {
		if got := T975(df); math.Abs(got-want) > 5e-5 {
			t.Errorf("%d degrees of freedom: %.5f, want %.4f", df, got, want)
		}
	}
}

// TestSignFlip compares with what can be counted by hand: Darwin's maize, of which
// Fisher counted 1,726 of 2^15 sums as far as 314 (The Design of Experiments,
// section 21), and small cases.
func TestSignFlip(t *testing.T) {
	for _, c := range []struct {
		d    []float64
		want float64
		near float64
	}{
		{[]float64{1, 2, 3}, 2.0 / 8, 0},
		{[]float64{1, -1}, 1, 0},
		{[]float64{0, 0}, 1, 0},
		{[]float64{5}, 1, 0},
		{[]float64{3, 1, 1}, 2.0 / 8, 0}, // of the sums 5 3 3 1 -1 -3 -3 -5
		{[]float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}, 1726.0 / 32768, 0.01},
	} {
		if got := SignFlip(c.d, 1); math.Abs(got-c.want) > c.near {
			t.Errorf("%v: p %v, want %v", c.d, got, c.want)
		}
	}
}

// TestHolm is the example of Holm's rule: 0.01 and 0.04 of four stand otherwise
// than each alone.
func TestHolm(t *testing.T) {
	got := Holm([]float64{0.04, 0.01, 0.03, 0.005})
	want := []float64{0.06, 0.03, 0.06, 0.02}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("%v, want %v", got, want)
			break
		}
	}
}

// TestMean against the sleep data's first group (Student 1908): mean 0.75, half
// width 1.28.
func TestMean(t *testing.T) {
	m, h := Mean([]float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2.0})
	if math.Abs(m-0.75) > 1e-12 || math.Abs(h-1.27979) > 1e-4 {
		t.Errorf("%v ± %v", m, h)
	}
}

// TestTables writes rows as Parquet and CSV and reads the same back.
func TestTables(t *testing.T) {
	dir := t.TempDir()
	nic, pays, x := "hxdp", "pays", 0.25
	var rows []Row
	for i := range 300 {
		r := Row{Program: "p", Policy: "lru", Entries: uint64(i), Misses: uint64(i * i), MissRatio: float64(i) / 300, Seed: math.MaxUint64}
		if i%2 == 0 {
			r.Device, r.Pays, r.CoreNS, r.MissLow = &nic, &pays, &x, &x
		}
		rows = append(rows, r)
	}
	pq, err := os.Create(filepath.Join(dir, "rows.parquet"))
	must.OK(t, err)
	defer pq.Close()
	var text bytes.Buffer
	w := NewWriter(pq, &text, "{}")
	for i := range rows {
		must.OK(t, w.Write(rows[i:i+1]))
	}
	must.OK(t, w.Close())
	got, err := Read(pq.Name())
	must.OK(t, err)
	if d := cmp.Diff(rows, got); d != "" {
		t.Error(d)
	}
	lines, err := csv.NewReader(&text).ReadAll()
	if err != nil || len(lines) != 301 || len(lines[0]) != len(Columns()) {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if d := cmp.Diff(Record(&rows[7]), lines[8]); d != "" {
		t.Error(d)
	}
	for _, c := range Columns() {
		if c.Is == "" || c.Name == "" {
			t.Errorf("column %+v says nothing", c)
		}
	}
}

// TestRankTable reads a table back as it was written.
func TestRankTable(t *testing.T) {
	in := []Rank{{Setting: Setting{Program: "a", Entries: 4, Hot: 1}, Policy: "lru", Place: 1, Mean: 0.5, Distance: math.NaN(), Over: "windows"}, {Setting: Setting{Slots: 9}, Wins: 3, High: 1}}
	path := filepath.Join(t.TempDir(), "r.csv")
	f := must.Get(os.Create(path))(t)
	defer f.Close()
	must.OK(t, WriteTable(f, in))
	out := must.Get(ReadTable[Rank](path))(t)
	if !math.IsNaN(out[0].Distance) {
		t.Errorf("distance %v", out[0].Distance)
	}
	in[0].Distance, out[0].Distance = 0, 0
	if d := cmp.Diff(in, out); d != "" {
		t.Error(d)
	}
}
