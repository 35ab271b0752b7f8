package study_test

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/study"
	"jitnic/host/study/cell"
	"jitnic/host/study/run"
	"jitnic/host/study/spec"
)

// memory is a store in memory.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (m *memory) Open(name string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m *memory) Write(name string, fill func(w io.Writer) error) error {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string][]byte{}
	}
	m.files[name] = b.Bytes()
	return nil
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memory) Lock(string) (func(), error) { return func() {}, nil }

// faulty is a store that panics when a cell's points are asked for.
type faulty struct{ memory }

func (f *faulty) Open(name string) (io.ReadCloser, error) {
	if strings.HasSuffix(name, ".points") {
		var none []int
		_ = none[len(name)]
	}
	return f.memory.Open(name)
}

// TestFaultOfOneCell: a fault of jitnic's own is a line of its cell, with the place.
func TestFaultOfOneCell(t *testing.T) {
	s, err := spec.Parse("s.yaml", ".", []byte("programs: sample:ipv6filter\ncaptures: sample:dns\npolicies: lru\nentries: 1\n"))
	must.OK(t, err)
	p, err := study.Plan(t.Context(), s, "")
	must.OK(t, err)
	d, err := (&run.Worker{Store: &faulty{}, Files: cell.Folder{}}).Do(t.Context(), p.Cells[0], 1)
	if err != nil || len(d.Failed) != 1 || !strings.HasPrefix(d.Failed[0], "internal fault: runtime error: index out of range") || !strings.Contains(d.Failed[0], "(memory_test.go:") {
		t.Errorf("%v, %+v", err, d)
	}
}
