package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"jitnic": main, "hardened": hardened})
}

// hardened runs a command for which no memory becomes executable that wasn't
// (prctl(2), PR_SET_MDWE; Linux 6.3). Its exit code is 77 where the system doesn't know that.
func hardened() {
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		os.Exit(77)
	}
	path, err := exec.LookPath(os.Args[1])
	if err == nil {
		err = syscall.Exec(path, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestScript runs testdata/script: a session at the shell a file, each with
// the words below beside testscript's own.
func TestScript(t *testing.T) {
	root := must.Get(filepath.Abs("../.."))(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "bpf" {
				err := kernel.Available()
				if err != nil {
					t.Logf("no bpf(2): %v", err)
				}
				return err == nil, nil
			}
			if cond == "hardened" {
				err := exec.Command("hardened", "true").Run()
				if err != nil {
					t.Logf("no memory can be refused here: %v", err)
				}
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"bad":    bad,
			"code":   code,
			"head":   head,
			"bytes":  writeBytes,
			"report": checkReport,
		},
	})
}

// jitnicCode runs jitnic and gives its exit code, stdout and stderr.
func jitnicCode(ts *testscript.TestScript, args []string) (code int, stdout, stderr string) {
	err := ts.Exec("jitnic", args...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("jitnic: %v", err)
	}
	return code, ts.ReadFile("stdout"), ts.ReadFile("stderr")
}

// files lists a script's folder with what is in each file.
func files(ts *testscript.TestScript) map[string]string {
	m := map[string]string{}
	ts.Check(filepath.WalkDir(ts.MkAbs("."), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		m[path] = string(b)
		return err
	}))
	return m
}

// bad REGEXP ARGS...: jitnic ARGS ends with exit code 1, nothing on stdout and
// exactly one line on stderr, which begins with "jitnic: " and goes on in lower
// case, holds no Go or strconv, and matches the pattern; and no file has
// changed.
func bad(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: bad REGEXP ARGS...")
	}
	before := files(ts)
	code, stdout, stderr := jitnicCode(ts, args[1:])
	if code != 1 {
		ts.Fatalf("exit code %d, want 1\n%s", code, stderr)
	}
	if stdout != "" {
		ts.Fatalf("an error leaves nothing on stdout, got:\n%s", stdout)
	}
	oneError(ts, stderr, args[0])
	if after := files(ts); !maps.Equal(before, after) {
		ts.Fatalf("files before %q, after %q", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
}

func oneError(ts *testscript.TestScript, stderr, pattern string) {
	msg, ok := strings.CutPrefix(stderr, "jitnic: ")
	if !ok || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") {
		ts.Fatalf("want one line beginning with \"jitnic: \", got:\n%s", stderr)
	}
	// A name comes first as it is written; words are lower case.
	if r := []rune(msg)[0]; unicode.IsUpper(r) {
		ts.Fatalf("want lower case: %s", stderr)
	}
	if strings.Contains(msg, "strconv") || strings.Contains(msg, "goroutine") {
		ts.Fatalf("the machinery shows: %s", stderr)
	}
	re, err := regexp.Compile(pattern)
	ts.Check(err)
	if !re.MatchString(msg) {
		ts.Fatalf("want an error that matches %q, got: %s", pattern, stderr)
	}
}

// code N ARGS...: jitnic ARGS ends with exit code N, and where that is not 0
// with one line on stderr.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, _, stderr := jitnicCode(ts, args[1:])
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, stderr)
	}
	if want != 0 {
		oneError(ts, stderr, "")
	}
}

// head N SRC DST: DST is the first N bytes of SRC; a negative N leaves out as
// many at the end.
func head(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	b := []byte(ts.ReadFile(args[1]))
	if n < 0 {
		n += len(b)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b[:n], 0o666))
}

// bytes FILE HEX...: FILE is these bytes.
func writeBytes(ts *testscript.TestScript, neg bool, args []string) {
	b, err := hex.DecodeString(strings.Join(args[1:], ""))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o666))
}

// report FILE: a replay's JSON has the fields that are promised, and its
// counts add up.
func checkReport(ts *testscript.TestScript, neg bool, args []string) {
	text := []byte(ts.ReadFile(args[0]))
	var fields map[string]json.RawMessage
	ts.Check(json.Unmarshal(text, &fields))
	for _, f := range []string{"packets", "hits", "hit_ratio", "misses", "paths", "traces", "aborts", "verdicts", "seed", "program", "captures"} {
		if _, ok := fields[f]; !ok {
			ts.Fatalf("%s: no field %q", args[0], f)
		}
	}
	var r struct {
		Packets  uint64            `json:"packets"`
		Hits     uint64            `json:"hits"`
		HitRatio float64           `json:"hit_ratio"`
		Misses   map[string]uint64 `json:"misses"`
		Paths    uint64            `json:"paths"`
		Traces   map[string]any    `json:"traces"`
		Aborts   map[string]uint64 `json:"aborts"`
		Verdicts map[string]uint64 `json:"verdicts"`
		Check    map[string]uint64 `json:"check"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	ts.Check(d.Decode(&r))
	want := []string{"capacity", "cold", "in_flight", "invalidated", "not_hot", "uncacheable"}
	if got := slices.Sorted(maps.Keys(r.Misses)); !slices.Equal(got, want) {
		ts.Fatalf("misses %v, want %v", got, want)
	}
	for _, f := range []string{"compiled", "installed", "evicted", "invalidated"} {
		if _, ok := r.Traces[f].(float64); !ok {
			ts.Fatalf("traces: no count %q", f)
		}
	}
	sum := func(m map[string]uint64) (n uint64) {
		for _, v := range m {
			n += v
		}
		return n
	}
	if n := r.Hits + sum(r.Misses); n != r.Packets {
		ts.Fatalf("hits and misses are %d, packets %d", n, r.Packets)
	}
	if n := sum(r.Verdicts) + r.Aborts["refused"]; n != r.Packets {
		ts.Fatalf("verdicts and refusals are %d, packets %d", n, r.Packets)
	}
	if n := sum(r.Aborts); n != r.Misses["uncacheable"] {
		ts.Fatalf("aborts are %d, uncacheable packets %d", n, r.Misses["uncacheable"])
	}
	if r.Aborts["internal"] > 0 {
		ts.Fatalf("%d packets show a bug", r.Aborts["internal"])
	}
	if r.Packets > 0 && (r.HitRatio < 0 || r.HitRatio != float64(r.Hits)/float64(r.Packets)) {
		ts.Fatalf("hit ratio %v of %d in %d", r.HitRatio, r.Hits, r.Packets)
	}
	if c := r.Check; c != nil && (c["packets"] != r.Packets || c["mismatches"] != 0) {
		ts.Fatalf("check %v of %d packets", c, r.Packets)
	}
}
