package drivers

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
)

// Names are told apart, and a driver does something.
func TestDrivers(t *testing.T) {
	for i, d := range All {
		if Lookup(d.Name) != &All[i] || d.Devices == "" || d.XDP+d.Flower == "" {
			t.Errorf("%+v", d)
		}
	}
	if Lookup("e1000") != nil || Lookup("nfp").Offload == "" || Lookup("ixgbe").Offload != "" {
		t.Error("not what the kernel says")
	}
}

// The lines stand where they are said to, in the source as Debian packs it.
func TestLines(t *testing.T) {
	if os.Getenv("JITNIC_HEAVY") == "" {
		t.Skip("JITNIC_HEAVY=1 reads the lines of the kernel's source")
	}
	const packed = "/usr/src/linux-source-6.1.tar.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("no linux-source-6.1:", err)
	}
	want := map[string]map[int]string{} // by file and line
	for _, d := range All {
		for at, says := range map[string]string{d.XDP: "case XDP_SETUP_PROG:", d.Offload: "case XDP_SETUP_PROG_HW:", d.Flower: "case TC_SETUP_CLSFLOWER:", d.Switchdev: ".eswitch_mode_set"} {
			if file, line, ok := strings.Cut(at, ":"); ok {
				n := must.Get(strconv.Atoi(line))(t)
				if want[file] == nil {
					want[file] = map[int]string{}
				}
				want[file][n] = says
			}
		}
	}
	xz := exec.Command("xz", "-dc", packed)
	out := must.Get(xz.StdoutPipe())(t)
	if err := xz.Start(); err != nil {
		t.Skip("no xz:", err)
	}
	defer func() { xz.Process.Kill(); xz.Wait() }()
	for r := tar.NewReader(out); len(want) > 0; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must.OK(t, err)
		file := strings.TrimPrefix(h.Name, "linux-source-6.1/drivers/net/")
		lines := want[file]
		if lines == nil {
			continue
		}
		delete(want, file)
		sc := bufio.NewScanner(r)
		for n := 1; sc.Scan(); n++ {
			if says := lines[n]; says != "" && !strings.Contains(sc.Text(), says) {
				t.Errorf("%s:%d: %s, not %s", file, n, sc.Text(), says)
			}
		}
	}
	for file := range want {
		t.Errorf("%s: no such file", file)
	}
}
