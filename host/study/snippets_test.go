package study_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/study"
	"jitnic/host/study/result"
)

// snippet is what docs/study.md shows for a program that reads the tables.
func snippet(t *testing.T, program string) string {
	t.Helper()
	b := must.Get(os.ReadFile("../../docs/study.md"))(t)
	m := regexp.MustCompile(`(?m)^` + program + ` +(.*results/rows.*)$`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("docs/study.md shows nothing for %s", program)
	}
	return string(m[1])
}

// TestSnippets has DuckDB, pandas and R read the tables as docs/study.md says, each an
// implementation of its own: what they come to is what the rows say.
func TestSnippets(t *testing.T) {
	path := write(t, small+"devices: hxdp\n")
	out := filepath.Join(t.TempDir(), "r")
	do(t, path, out, nil)
	rows := must.Get(result.Read(filepath.Join(out, "rows.parquet")))(t)
	want, n := map[string]float64{}, map[string]int{}
	for _, r := range rows {
		if !r.Bound {
			k := fmt.Sprintf("%s %d", r.Policy, r.Entries)
			want[k] += r.MissRatio
			n[k]++
		}
	}
	for k := range want {
		want[k] /= float64(n[k])
	}
	here := func(text string) string { return strings.ReplaceAll(text, "results/", out+"/") }
	for _, c := range []struct {
		name string
		make func(text string) (*exec.Cmd, string) // "": why it can't be run
	}{
		{"duckdb", func(text string) (*exec.Cmd, string) {
			client := os.Getenv("JITNIC_DUCKDB")
			if client == "" {
				return nil, "JITNIC_DUCKDB names no folder in which `npm install @duckdb/node-api` was done"
			}
			return exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", `
import { createRequire } from 'node:module';
const { DuckDBInstance } = createRequire(process.argv[1] + '/')('@duckdb/node-api');
const c = await (await DuckDBInstance.create(':memory:')).connect();
for (const r of (await c.runAndReadAll(process.argv[2])).getRows()) console.log(r[0], Number(r[1]), r[2]);
`, client, text), ""
		}},
		{"pandas", func(text string) (*exec.Cmd, string) {
			const python = "/usr/bin/python3" // Debian's, whose packages Debian's are
			if out, err := exec.CommandContext(t.Context(), python, "-c", "import pandas").CombinedOutput(); err != nil {
				return nil, fmt.Sprintf("%s has no pandas (Debian: python3-pandas): %v %s", python, err, out)
			}
			return exec.CommandContext(t.Context(), python, "-c", "import pandas as pd\nfor k, v in ("+text+").items(): print(k[0], k[1], repr(float(v)))"), ""
		}},
		{"R", func(text string) (*exec.Cmd, string) {
			if _, err := exec.LookPath("Rscript"); err != nil {
				return nil, "needs Rscript (Debian: r-base-core)"
			}
			return exec.CommandContext(t.Context(), "Rscript", "-e", "x <- "+text+"; for (i in seq_len(nrow(x))) cat(x$policy[i], x$entries[i], format(x$miss_ratio[i], digits=17), '\\n')"), ""
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd, why := c.make(here(snippet(t, c.name)))
			if why != "" {
				t.Skip(why)
			}
			text, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			got := map[string]float64{}
			for line := range strings.Lines(string(text)) {
				var policy string
				var entries int
				var ratio float64
				if _, err := fmt.Sscan(line, &policy, &entries, &ratio); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				got[fmt.Sprintf("%s %d", policy, entries)] = ratio
			}
			if len(got) != len(want) || len(want) != 9 {
				t.Errorf("%d groups, want %d of 9:\n%s", len(got), len(want), text)
			}
			for k, v := range want {
				if d := got[k] - v; d > 1e-12 || d < -1e-12 {
					t.Errorf("%s: %v, want %v", k, got[k], v)
				}
			}
		})
	}
}

// TestRowsOfAnyMachine: a study at another place, named by whole paths, run at another
// time with other workers, gives the same bytes, and they hold nothing of the machine.
func TestRowsOfAnyMachine(t *testing.T) {
	const text = "programs: [%s/a.o, sample:nat, %[1]s/bad.o]\ncaptures: [sample:dns, %[1]s/gone.pcap]\npolicies: [lru, random]\nentries: [2, 8]\ndevices: hxdp\n"
	var all []map[string]string
	for jobs := 1; jobs <= 2; jobs++ {
		dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", jobs))
		must.OK(t, os.MkdirAll(dir, 0o777))
		object(t, dir, "firewall", "a.o")
		for name, b := range map[string]string{"bad.o": "no object", "gone.pcap": "\xd4\xc3\xb2\xa1\x02\x00\x04\x00cut"} {
			must.OK(t, os.WriteFile(filepath.Join(dir, name), []byte(b), 0o666))
		}
		path := filepath.Join(dir, "study.yaml")
		must.OK(t, os.WriteFile(path, fmt.Appendf(nil, text, dir), 0o666))
		out := filepath.Join(dir, "out")
		do(t, path, out, func(o *study.Options) { o.Jobs = jobs })
		x := tables(t, out)
		delete(x, "study.yaml") // it is what was asked
		rows := x["rows.parquet"] + x["rows.csv"] + x["ranking.csv"] + x["pairs.csv"]
		host := must.Get(os.Hostname())(t)
		for _, s := range []string{dir, "deep", t.TempDir()} {
			if strings.Contains(rows, s) {
				t.Errorf("rows hold %q", s)
			}
		}
		if len(host) > 3 && strings.Contains(rows, host) {
			t.Errorf("rows hold the machine's name, %q", host)
		}
		// cells.csv has the command that repeats a cell here, which names its files.
		x["cells.csv"] = strings.ReplaceAll(x["cells.csv"], dir, "DIR")
		all = append(all, x)
	}
	same(t, "another place", all[0], all[1])
}
