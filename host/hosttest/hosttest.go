// Package hosttest is what tests that drive packets through sample programs
// share: the programs with their maps, the captures, and the packets as the
// machine takes them. It knows nothing of the runtime, whose own tests use it
// too.
package hosttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/pcaps"
)

// A Program is a sample, loaded.
type Program struct {
	programs.Sample
	Obj   *loader.Object
	Entry *loader.Program
}

// Load loads the sample of that name.
func Load(name string) (*Program, error) {
	s, err := programs.Get(name)
	if err != nil {
		return nil, err
	}
	p := &Program{Sample: s}
	if p.Obj, err = loader.LoadBytes(s.Name+".o", s.Object, loader.Options{}); err != nil {
		return nil, err
	}
	p.Entry, err = p.Obj.Entry(s.Entry)
	return p, err
}

// Sample is Load for tests.
func Sample(t testing.TB, name string) *Program {
	t.Helper()
	p, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Prepare fills a state's maps from the sample's own file, where it has one.
func (p *Program) Prepare(s *vm.State) error {
	if len(p.Maps) == 0 {
		return nil
	}
	f, err := mapfile.Read(p.Name+".maps.json", bytes.NewReader(p.Maps))
	if err != nil {
		return err
	}
	_, err = f.Fill(s, p.Obj)
	return err
}

// Each calls f with the packets of a capture, at most limit of them (0: all),
// until it fails. The input and its bytes are good until f returns.
func Each(capture string, limit uint64, f func(in *vm.Input) error) error {
	src, err := pcaps.Open(context.Background(), pcaps.Options{Paths: []string{capture}, Limit: limit})
	if err != nil {
		return err
	}
	defer src.Close()
	var pkt pcaps.Packet
	var in vm.Input
	for {
		if err := src.Next(&pkt); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		in = vm.Input{Data: pkt.Data, TimeNS: pkt.KTimeNS, IfIndex: 1, Packet: pkt.Index}
		if err := f(&in); err != nil {
			return err
		}
	}
}

var errStop = errors.New("stop")

// Packets is Each for tests, to range over.
func Packets(t testing.TB, capture string, limit uint64) iter.Seq[*vm.Input] {
	return func(yield func(*vm.Input) bool) {
		t.Helper()
		err := Each(capture, limit, func(in *vm.Input) error {
			if !yield(in) {
				return errStop
			}
			return nil
		})
		if err != nil && err != errStop {
			t.Fatal(err)
		}
	}
}

// Root is the module's folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			t.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
}

// corpus is where the captures are that stand beside the checkout.
const corpus = "../shared/corpus/captures"

// Corpus lists the captures beside the checkout, or skips the test.
func Corpus(t testing.TB) []string {
	t.Helper()
	files := Shared(t)
	if len(files) == 0 {
		t.Skip("no captures in " + corpus)
	}
	return files
}

// Shared is Corpus, nothing where there are none.
func Shared(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Root(t), corpus, "*.pcap*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Case is a file of one of the small inputs that went wrong, beside the
// checkout, or skips the test.
func Case(t testing.TB, name, file string) string {
	t.Helper()
	path := filepath.Join(Root(t), "../shared/cases", name, file)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no case %s in ../shared/cases", name)
	}
	return path
}

// Capture is one of the Corpus, or skips the test.
func Capture(t testing.TB, name string) string {
	t.Helper()
	file := filepath.Join(Root(t), corpus, name)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("no capture %s in %s", name, corpus)
	}
	return file
}
