package verify

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/pcaps"
)

func need(t testing.TB) {
	t.Helper()
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
}

// packets reads captures into next, up to limit each.
func packets(t testing.TB, limit uint64, files ...string) func(*vm.Input) error {
	t.Helper()
	var pkt pcaps.Packet
	var src *pcaps.Source
	n := uint64(0)
	return func(in *vm.Input) error {
		for {
			if src == nil {
				if len(files) == 0 {
					return io.EOF
				}
				var err error
				if src, err = pcaps.Open(context.Background(), pcaps.Options{Paths: files[:1], Limit: limit}); err != nil {
					return err
				}
				files = files[1:]
			}
			err := src.Next(&pkt)
			if err == io.EOF {
				src.Close()
				src = nil
				continue
			}
			*in = vm.Input{Data: pkt.Data, TimeNS: pkt.KTimeNS, IfIndex: 1, Packet: n}
			n++
			return err
		}
	}
}

func mustAgree(t *testing.T, rep *Report, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%+v", err)
		return
	}
	if rep.Mismatches != 0 || rep.Compared == 0 {
		t.Errorf("%+v", rep)
	}
	sum := rep.Compared
	for _, n := range rep.Skipped {
		sum += n
	}
	if sum != rep.Packets {
		t.Errorf("%d packets, but compared and skipped are %d", rep.Packets, sum)
	}
	t.Logf("%+v", rep)
}

// perCapture is how many packets of each capture the samples run on;
// JITNIC_HEAVY=1 takes all.
const perCapture = 500

// TestSamples runs every sample program, with and without its map file, on the
// shared captures.
func TestSamples(t *testing.T) {
	need(t)
	files := hosttest.Corpus(t)
	limit := uint64(perCapture)
	if os.Getenv("JITNIC_HEAVY") != "" {
		limit = 0
	}
	for _, s := range append(programs.All(), programs.Modelled()...) {
		p := hosttest.Sample(t, s.Name)
		for _, filled := range []bool{false, true} {
			name := s.Name + "/empty"
			opt := Options{Seed: 1}
			if filled {
				name = s.Name + "/filled"
				if len(s.Maps) == 0 {
					continue
				}
				opt.Prepare = p.Prepare
			}
			t.Run(name, func(t *testing.T) {
				rep, err := Run(t.Context(), p.Obj, p.Entry, opt, packets(t, limit, files...))
				mustAgree(t, rep, err)
			})
		}
	}
}

// TestLibxdp runs every XDP program of Debian's libxdp1.
func TestLibxdp(t *testing.T) {
	need(t)
	objs, _ := filepath.Glob("/usr/lib/*/bpf/*.o")
	if len(objs) == 0 {
		t.Skip("libxdp1 is not installed")
	}
	files := hosttest.Corpus(t)
	for _, f := range objs {
		obj, err := loader.Load(f, loader.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, p := range obj.Programs {
			if p.Type.String() != "XDP" {
				continue
			}
			t.Run(filepath.Base(f)+"/"+p.Name, func(t *testing.T) {
				rep, err := Run(t.Context(), obj, p, Options{Seed: 1}, packets(t, 100, files...))
				mustAgree(t, rep, err)
			})
		}
	}
}

// TestMixed runs a program that uses every kind of map.
func TestMixed(t *testing.T) {
	need(t)
	obj, err := loader.Load("testdata/mixed.o", loader.Options{BTF: loader.LocalBTF})
	must.OK(t, err)
	entry, err := obj.Entry("")
	must.OK(t, err)
	rep, err := Run(t.Context(), obj, entry, Options{Seed: 5}, packets(t, 3000, hosttest.Corpus(t)...))
	mustAgree(t, rep, err)
	if rep.Maps != 6 {
		t.Errorf("%d maps were compared, want 6", rep.Maps)
	}
}
