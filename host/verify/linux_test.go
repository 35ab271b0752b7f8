package verify

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/fib"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/vm"

	cilium "github.com/cilium/ebpf"
)

// routes are what --fib would give: two interfaces, neighbours, a default route.
const routes = `
link 2 eth0 address 02:00:00:00:00:02 mtu 1500
link 3 eth1 address 02:00:00:00:00:03 mtu 1400
address 10.1.0.2/24 dev eth0
address fd00:1::2/64 dev eth0
address 10.2.0.2/24 dev eth1
neigh 10.1.0.1 dev eth0 lladdr 02:00:00:00:01:01
neigh 10.2.0.1 dev eth1 lladdr 02:00:00:00:02:01
neigh fd00:1::1 dev eth0 lladdr 02:00:00:00:06:01
route 192.168.0.0/16 via 10.2.0.1 dev eth1
route 10.0.0.0/8 via 10.2.0.9 dev eth1
route blackhole 172.16.0.0/12
route default via 10.1.0.1 dev eth0
route -6 default via fd00:1::1 dev eth0
`

// TestEveryObject runs every XDP program of Debian's libxdp1 and of the kernel's
// own samples and selftests on packets of all captures, with routes, and prints
// a table. JITNIC_HEAVY=1 takes more packets of each.
func TestEveryObject(t *testing.T) {
	need(t)
	files := hosttest.Corpus(t)
	limit := uint64(20)
	if os.Getenv("JITNIC_HEAVY") != "" {
		limit = 2000
	}
	table, err := fib.Read("routes", strings.NewReader(routes))
	must.OK(t, err)
	objs, _ := filepath.Glob("/usr/lib/*/bpf/*.o")
	samples, err := hosttest.LinuxSamples(t)
	if err != nil {
		t.Skip(err)
	}
	objs = append(objs, samples...)
	ran, compared := 0, uint64(0)
	for _, f := range objs {
		if filepath.Base(f) == "xdp_synproxy_kern.o" && os.Getenv("JITNIC_HEAVY") == "" {
			continue // the verifier gives it up after a million instructions, which takes half a minute
		}
		obj, err := loader.Load(f, loader.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, p := range obj.Programs {
			if p.Type != cilium.XDP {
				continue
			}
			name := filepath.Base(f) + " " + p.Name
			rep, err := Run(t.Context(), obj, p, Options{Seed: 1, FIB: table}, packets(t, limit, files...))
			if errors.Is(err, ErrNoTestRun) {
				t.Logf("%-50s not run: a program of map entries that reads its interface", name)
				continue
			}
			var never *vm.Fault
			if errors.As(err, &never) {
				t.Logf("%-50s not run: %v", name, err)
				continue
			}
			var refused *kernel.LoadError
			if errors.As(err, &refused) {
				// One is there to be refused; those from newer kernels or for
				// other configurations are no fault of ours.
				t.Logf("%-50s %v", name, err)
				continue
			}
			if err != nil || rep.Mismatches != 0 {
				t.Errorf("%s: %+v, %v", name, rep, err)
				continue
			}
			t.Logf("%-50s %6d packets %6d compared %2d maps, skipped %v, apart %v", name, rep.Packets, rep.Compared, rep.Maps, rep.Skipped, rep.Apart)
			ran, compared = ran+1, compared+rep.Compared
		}
	}
	if ran < 60 {
		t.Errorf("only %d programs ran", ran)
	}
	t.Logf("%d programs, %d packets compared, no mismatch", ran, compared)
}
