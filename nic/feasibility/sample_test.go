package feasibility

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/cache"
	"jitnic/host"
	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/match"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pcaps"
	"jitnic/pcaps/rss"
)

// shared is a capture of the corpus beside the repository; the test is skipped
// where there is none.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
	file := filepath.Join(dir, "../shared/corpus/captures", name)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("no capture %s", file)
	}
	return file
}

// play feeds a capture to a sample program on a runtime.
func play(t testing.TB, name, capture string, limit uint64, opt host.Options, each func(cache.Outcome)) *host.Runtime {
	t.Helper()
	s, err := programs.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := loader.LoadBytes(name, s.Object, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := obj.Entry(s.Entry)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range obj.Programs {
		names = append(names, p.Name)
	}
	opt.VM.Seed = 1
	opt.Prepare = func(st *vm.State) error {
		if len(s.Maps) == 0 {
			return nil
		}
		f, err := mapfile.Read(name, strings.NewReader(string(s.Maps)))
		if err != nil {
			return err
		}
		plan, err := f.Bind(mapfile.Of(st.Set, names))
		if err != nil {
			return err
		}
		return plan.Fill()
	}
	r, err := host.New(obj, entry, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	src, err := pcaps.Open(context.Background(), pcaps.Options{Paths: []string{capture}, Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var pkt pcaps.Packet
	var out vm.Output
	for {
		if err := src.Next(&pkt); errors.Is(err, io.EOF) {
			return r
		} else if err != nil {
			t.Fatal(err)
		}
		in := vm.Input{Data: pkt.Data, TimeNS: pkt.KTimeNS, IfIndex: 1, Packet: pkt.Index}
		o, err := r.Process(&in, &out)
		if err != nil {
			t.Fatal(err)
		}
		if each != nil {
			each(o)
		}
	}
}

// observe is what a sample program does with a capture.
func observe(t testing.TB, name, capture string, limit uint64, specialise bool) (*workload.Workload, *match.Analysis, *pathcond.Tree) {
	t.Helper()
	r := play(t, name, capture, limit, host.Options{Observe: true, Specialise: specialise, Queues: rss.TableSize}, nil)
	w, err := r.Observer().Finish()
	if err != nil {
		t.Fatal(err)
	}
	w.Capture = filepath.Base(capture)
	x, err := match.Analyse(w, match.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w, x, r.Tree
}
