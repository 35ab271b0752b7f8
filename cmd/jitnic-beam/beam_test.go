package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"jitnic/host/study"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"
)

const asked = `
programs: [sample:ipv6filter, sample:firewall, sample:conntrack, sample:telemetry]
captures: [sample:lab, sample:dns, sample:vlan]
modes: [generic, specialised]
policies: [lru, s3-fifo, random, belady-bypass]
entries: [2, 8, 32]
devices: hxdp
`

// compiled makes a program of the module, or of one it uses, once for all tests.
func compiled(t *testing.T, pkg string) string {
	t.Helper()
	b, _ := builds.LoadOrStore(pkg, sync.OnceValues(func() (string, error) {
		path := filepath.Join(binaries, filepath.Base(pkg)+"-program")
		out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
		return path, err
	}))
	path, err := b.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	builds   sync.Map // by package
	binaries string   // folder
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "jitnic-beam-test-")
	if err != nil {
		panic(err)
	}
	binaries = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// asks writes the study's file.
func asks(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "study.yaml")
	if err := os.WriteFile(path, []byte(asked), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// lines are those of a file, sorted.
func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	slices.Sort(out)
	return out
}

// local runs the study in this process and gives its rows, sorted.
func local(t *testing.T, path string) []string {
	t.Helper()
	s, err := spec.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "r")
	if _, err := study.Run(t.Context(), s, study.Options{Out: out, Options: run.Options{Jobs: 2}}); err != nil {
		t.Fatal(err)
	}
	return lines(t, filepath.Join(out, "rows.csv"))
}

var counts = regexp.MustCompile(`(?m)^ *(cells|run|found|failed|points|rows) +(\d+)$`)

// tally reads what a run says of itself.
func tally(t *testing.T, text string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, m := range counts.FindAllStringSubmatch(text, -1) {
		out[m[1]], _ = strconv.Atoi(m[2]) // digits, by the expression
	}
	if out["cells"] == 0 {
		t.Fatalf("nothing counted:\n%s", text)
	}
	return out
}

// TestRows runs the study on Prism within the process: the rows are those of a local
// run, byte for byte after sorting, and a job that is submitted again makes nothing.
func TestRows(t *testing.T) {
	program, path := compiled(t, "."), asks(t)
	out := filepath.Join(t.TempDir(), "r")
	for again := range 2 {
		text, err := exec.CommandContext(t.Context(), program, "--study", path, "--out", out).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		n := tally(t, string(text))
		if want := []int{24, 0}[again]; n["cells"] != 24 || n["run"] != want || n["found"] != 24-want || n["failed"] != 0 {
			t.Errorf("submission %d: %v", again+1, n)
		}
		if want, got := local(t, path), lines(t, filepath.Join(out, "rows.csv")); !slices.Equal(want, got) {
			t.Errorf("submission %d: %d rows, the local run has %d others", again+1, len(got), len(want))
		}
	}
}

// TestFailedCells: what fails is a line, and the code is 3.
func TestFailedCells(t *testing.T) {
	program := compiled(t, ".")
	dir := t.TempDir()
	path := filepath.Join(dir, "study.yaml")
	for name, text := range map[string]string{"study.yaml": "programs: [sample:nat, bad.o]\ncaptures: sample:dns\npolicies: lru\nentries: 2\n", "bad.o": "no object"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "r")
	text, err := exec.CommandContext(t.Context(), program, "--study", path, "--out", out).CombinedOutput()
	x, ok := err.(*exec.ExitError)
	if !ok || x.ExitCode() != 3 {
		t.Fatalf("%v\n%s", err, text)
	}
	if l := lines(t, filepath.Join(out, "failed.txt")); len(l) != 2 || !strings.HasPrefix(l[1], "bad.o, sample:dns, generic, bad.o: ") {
		t.Errorf("%q", l)
	}
}

// server starts a Prism of its own and gives its endpoint.
func server(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := exec.Command(compiled(t, "github.com/apache/beam/sdks/v2/go/cmd/prism"), "--serve_http=false", fmt.Sprintf("--job_port=%d", port), "--log_kind=text")
	var log bytes.Buffer
	c.Stderr, c.Stdout = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	endpoint := fmt.Sprintf("127.0.0.1:%d", port)
	for range 200 {
		if conn, err := net.Dial("tcp", endpoint); err == nil {
			conn.Close()
			return endpoint
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("Prism does not answer at %s", endpoint)
	return ""
}

// TestKill runs the study on a separate Prism over loopback and kills the worker in
// mid-run, which ends the job: Prism gives an environment one worker. The job that is
// submitted again redoes no cell that was finished, and the rows are those of a local
// run.
func TestKill(t *testing.T) {
	program, path, endpoint := compiled(t, "."), asks(t), server(t)
	out := filepath.Join(t.TempDir(), "r")
	submit := func() *exec.Cmd {
		c := exec.CommandContext(t.Context(), program, "--study", path, "--out", out, "--runner=universal", "--endpoint="+endpoint, "--environment_type=LOOPBACK")
		c.Env = append(os.Environ(), "GOMAXPROCS=1") // a cell at a time
		return c
	}
	first := submit()
	pipe, err := first.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // what it logs is not asked for
		for s := bufio.NewScanner(pipe); s.Scan(); {
		}
	}()
	for deadline := time.Now().Add(60 * time.Second); len(finished(t, out)) < 5; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no cell is finished after a minute")
		}
	}
	if err := first.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err == nil {
		t.Fatal("it ended before it was killed")
	}
	before := finished(t, out)
	if _, err := os.Stat(filepath.Join(out, "rows.csv")); err == nil || len(before) >= 24 {
		t.Fatalf("not killed in mid-run: %d cells are finished", len(before))
	}
	text, err := submit().CombinedOutput()
	if err != nil {
		t.Fatalf("submitted again: %v\n%s", err, text)
	}
	n := tally(t, string(text))
	if n["found"] != len(before) || n["run"] > 24-len(before) || n["rows"] != 24*12 {
		t.Errorf("%d cells were finished: %v", len(before), n)
	}
	t.Logf("killed with %d of 24 cells finished; the second submission found %d and ran %d programs", len(before), n["found"], n["run"])
	if want, got := local(t, path), lines(t, filepath.Join(out, "rows.csv")); !slices.Equal(want, got) {
		t.Errorf("%d rows, the local run has %d others", len(got), len(want))
	}
}

// finished are the cells of which all is in the store: their device, which comes last.
func finished(t *testing.T, out string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(out, "cells", "*", "*.device"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(p string) bool { return strings.HasPrefix(filepath.Base(p), ".") })
}
