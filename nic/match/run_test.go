package match_test

import (
	"context"
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
	"jitnic/nic/workload"
	"jitnic/pcaps"
)

// run is a sample program's replay, its maps filled from its own file.
type run struct {
	*host.Runtime
	packets [][]byte
}

// replay runs a sample over a capture and keeps the packets.
func replay(t testing.TB, name, capture string, limit uint64, specialise bool) *run {
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
	opt := host.Options{Cache: cache.Config{Policy: "lru", Entries: 64}, Specialise: specialise}
	opt.Prepare = func(st *vm.State) error {
		if len(s.Maps) == 0 {
			return nil
		}
		mf, err := mapfile.Read(name, strings.NewReader(string(s.Maps)))
		if err != nil {
			return err
		}
		var names []string
		for _, p := range obj.Programs {
			names = append(names, p.Name)
		}
		m := mapfile.Of(st.Set, names)
		m.Add = st.AddMap
		p, err := mf.Bind(m)
		if err != nil {
			return err
		}
		return p.Fill()
	}
	r := &run{}
	if r.Runtime, err = host.New(obj, entry, opt); err != nil {
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
		if err := src.Next(&pkt); err == io.EOF {
			return r
		} else if err != nil {
			t.Fatal(err)
		}
		in := vm.Input{Data: pkt.Data, TimeNS: pkt.KTimeNS, IfIndex: 1, Packet: pkt.Index}
		if _, err := r.Process(&in, &out); err != nil {
			t.Fatal(err)
		}
		r.packets = append(r.packets, append([]byte(nil), pkt.Data...))
	}
}

// work makes the workload that the matchers need of a run.
func (r *run) work(program, capture string) *workload.Workload {
	w := &workload.Workload{Program: program, Capture: capture, Compiler: r.Comp, Packets: make([]workload.Packet, r.Packets)}
	walks := r.Tree.Walks()
	for i, p := range r.Paths() {
		w.Paths = append(w.Paths, workload.Path{Cond: p.Path.Cond, Depth: walks[int32(i)].Nodes, Packets: p.Packets, First: p.First})
	}
	return w
}

// corpus is a shared capture; the test is skipped where it is missing.
func corpus(t testing.TB, name string) string {
	f := filepath.Join("..", "..", "..", "shared", "corpus", "captures", name)
	if _, err := os.Stat(f); err != nil {
		t.Skipf("no capture %s", f)
	}
	return f
}
