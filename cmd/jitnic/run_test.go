package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
)

// jitnic runs the command in this process.
func jitnic(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var o, e bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// The same inputs and the same seed give the same bytes, report and maps, run
// after run and whatever GOMAXPROCS is.
func TestDeterminism(t *testing.T) {
	cases := [][]string{
		{"--program", "sample:conntrack", "--capture", "sample:dns", "--policy", "random", "--entries", "8"},
		{"--program", "sample:nat", "--capture", "sample:vlan", "--queues", "4", "--policy", "arc"},
		{"--program", "sample:loadbalancer", "--capture", "sample:dns", "--specialise", "--admission", "probabilistic/2", "--seed", "9"},
		{"--program", "sample:telemetry", "--capture", "sample:ipv6", "--queues", "4", "--install-delay", "10", "--specialise"},
	}
	for _, c := range cases {
		var first [2]string
		for i, procs := range []int{2, 2, 1, 7} {
			old := runtime.GOMAXPROCS(procs)
			dump := filepath.Join(t.TempDir(), "maps.json")
			args := append([]string{"replay", "--check", "--json", "-", "--dump-maps", dump}, c...)
			code, report, stderr := jitnic(t.Context(), args...)
			runtime.GOMAXPROCS(old)
			if code != 0 {
				t.Fatalf("%v: exit code %d: %s", c, code, stderr)
			}
			maps := must.Get(os.ReadFile(dump))(t)
			if i == 0 {
				first = [2]string{report, string(maps)}
				continue
			}
			if report != first[0] {
				t.Errorf("%v: the report differs with GOMAXPROCS %d:\n%s\n%s", c, procs, first[0], report)
			}
			if string(maps) != first[1] {
				t.Errorf("%v: the maps differ with GOMAXPROCS %d", c, procs)
			}
		}
	}
}

// An interrupted generator leaves no file, a cancelled context is exit code
// 130 with one line.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	code, _, stderr := jitnic(ctx, "gen", "--out", filepath.Join(dir, "x.pcap"), "--packets", "1000000000")
	if code != 130 || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "jitnic: ") {
		t.Errorf("gen: exit code %d: %q", code, stderr)
	}
	done, cancel2 := context.WithCancel(t.Context())
	cancel2()
	code, _, stderr = jitnic(done, "paths", "--program", "sample:firewall", "--capture", "sample:lab", "--out", filepath.Join(dir, "p.csv"))
	if code != 130 || strings.Count(stderr, "\n") != 1 {
		t.Errorf("paths: exit code %d: %q", code, stderr)
	}
	for _, args := range []string{"superopt bench", "superopt ladder", "verify --program sample:firewall --capture sample:lab"} {
		if code, _, stderr = jitnic(done, strings.Fields(args)...); code == 1 && strings.Contains(stderr, "bpf(2)") {
			t.Logf("%s: %s", args, stderr)
		} else if code != 130 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d: %q", args, code, stderr)
		}
	}
	left := must.Get(os.ReadDir(dir))(t)
	for _, f := range left {
		if f.Name() != "p.csv" { // the partial stream is whole as a file
			t.Errorf("left behind: %s", f.Name())
		}
	}
}

// SIGINT in the middle of a capture that comes by stdin: the report of what was
// read, marked as partial, whole JSON, one line on stderr, exit code 130.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	capture := filepath.Join(dir, "g.pcap")
	if code, _, stderr := jitnic(t.Context(), "gen", "--out", capture, "--packets", "5000"); code != 0 {
		t.Fatal(stderr)
	}
	data, err := os.ReadFile(capture)
	must.OK(t, err)
	self, err := os.Executable()
	must.OK(t, err)
	report := filepath.Join(dir, "r.json")
	cmd := exec.Command(self, "replay", "--program", "sample:firewall", "--capture", "-", "--check", "--json", report)
	cmd.Args[0] = "jitnic" // TestMain makes it the command
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	in, err := cmd.StdinPipe()
	must.OK(t, err)
	must.OK(t, cmd.Start())
	defer cmd.Process.Kill()
	// Far more than a pipe holds: when it is written, most of it was read.
	must.Get(in.Write(data))(t)
	// All of it, after a while: then it waits for more.
	time.Sleep(300 * time.Millisecond)
	must.OK(t, cmd.Process.Signal(syscall.SIGINT))
	stuck := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	err = cmd.Wait()
	stuck.Stop()
	in.Close()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Fatalf("exit code %d (%v): %s", code, err, stderr.String())
	}
	if s := stderr.String(); !strings.HasPrefix(s, "jitnic: interrupted after ") || strings.Count(s, "\n") != 1 {
		t.Errorf("stderr %q", s)
	}
	text, err := os.ReadFile(report)
	must.OK(t, err)
	var r struct {
		Packets, Hits uint64
		Partial       bool
		Misses        map[string]uint64
	}
	must.OK(t, json.Unmarshal(text, &r))
	n := r.Hits
	for _, m := range r.Misses {
		n += m
	}
	if !r.Partial || r.Packets == 0 || n != r.Packets {
		t.Errorf("partial %v, %d packets, %d outcomes", r.Partial, r.Packets, n)
	}
	if !strings.Contains(stdout.String(), "partial") {
		t.Errorf("stdout does not say partial:\n%s", stdout.String())
	}
	left, err := os.ReadDir(dir)
	must.OK(t, err)
	if len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
