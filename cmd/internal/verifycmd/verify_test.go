package verifycmd

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
)

// capture writes a pcap file of n packets of the given sizes in turn.
func capture(t *testing.T, sizes ...int) string {
	t.Helper()
	b := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 3, 0, 1, 0, 0, 0}
	for i, n := range sizes {
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		b = append(b, make([]byte, n)...)
	}
	file := filepath.Join(t.TempDir(), "a.pcap")
	must.OK(t, os.WriteFile(file, b, 0o644))
	return file
}

func verb(args ...string) (string, error) {
	var out bytes.Buffer
	c := Command()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.Execute()
	return out.String(), err
}

func TestVerify(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	file := capture(t, 60, 10, 1514, 4000)
	out, err := verb("--program", "sample:firewall", "--capture", file, "--json", "-")
	if err != nil {
		t.Fatal(err, out)
	}
	var r struct {
		Packets, Compared, Mismatches uint64
		Skipped                       map[string]uint64
	}
	must.OK(t, json.Unmarshal([]byte(out), &r))
	if r.Packets != 4 || r.Compared != 3 || r.Mismatches != 0 || r.Skipped["short"] != 1 {
		t.Errorf("%s", out)
	}
	out, err = verb("-p", "sample:firewall", "-c", file, "--limit", "1")
	if err != nil || !strings.Contains(out, "mismatches     0") || !strings.Contains(out, "packets        1") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestErrors(t *testing.T) {
	file := capture(t, 60)
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"--program", []string{"-c", file}},
		{"--capture", []string{"-p", "sample:firewall"}},
		{"--queues", []string{"-p", "sample:firewall", "-c", file, "--queues", "2"}},
		{"nothing.o", []string{"-p", "nothing.o", "-c", file}},
	} {
		if out, err := verb(tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v %s", tt.args, err, out)
		}
	}
}
