package study_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/study/result"
)

// duckdb asks DuckDB of a folder's tables and prints its rows as JSON.
const duckdb = `
import { createRequire } from 'node:module';
const { DuckDBInstance } = createRequire(process.argv[1] + '/')('@duckdb/node-api');
const c = await (await DuckDBInstance.create(':memory:')).connect();
const plain = (k, v) => typeof v === 'bigint' ? Number(v) : v;
const ask = async q => (await c.runAndReadAll(q)).getRowObjects();
const dir = process.argv[2];
console.log(JSON.stringify({
  total: await ask("SELECT count(*) AS rows, sum(misses)::BIGINT AS misses, count(device) AS devices, sum(miss_ratio_low) AS low FROM '" + dir + "/rows.parquet'"),
  csv: await ask("SELECT count(*) AS rows, sum(misses)::BIGINT AS misses, count(device) AS devices FROM read_csv('" + dir + "/rows.csv')"),
  best: await ask("SELECT policy, avg(miss_ratio) AS miss FROM '" + dir + "/rows.parquet' WHERE NOT bound AND entries = 8 GROUP BY policy ORDER BY miss, policy"),
}, plain));
`

// TestDuckDB has another implementation read the tables: DuckDB, as docs/study.md says
// it, finds what was written.
func TestDuckDB(t *testing.T) {
	client := os.Getenv("JITNIC_DUCKDB")
	if client == "" {
		t.Skip("JITNIC_DUCKDB names no folder in which `npm install @duckdb/node-api` was done")
	}
	path := write(t, small+"devices: hxdp\n")
	out := filepath.Join(t.TempDir(), "r")
	do(t, path, out, nil)
	text, err := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", duckdb, client, out).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	type total struct {
		Rows, Misses, Devices int
		Low                   float64
	}
	var got struct {
		Total, CSV []total
		Best       []struct {
			Policy string
			Miss   float64
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	rows, err := result.Read(filepath.Join(out, "rows.parquet"))
	must.OK(t, err)
	want := total{Rows: len(rows)}
	for _, r := range rows {
		want.Misses += int(r.Misses)
		want.Low += *r.MissLow
		if r.Device != nil {
			want.Devices++
		}
	}
	if d := got.Total[0].Low - want.Low; d > 1e-9 || d < -1e-9 {
		t.Errorf("sum of the lower ends %v, want %v", got.Total[0].Low, want.Low)
	}
	got.Total[0].Low, want.Low = 0, 0
	if got.Total[0] != want || got.CSV[0] != want || len(got.Best) != 3 {
		t.Errorf("DuckDB reads %+v, want %+v", got, want)
	}
}
