package memo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
)

const versions = "z3 1, rules 2"

func opened(t *testing.T, path string, note string) *Memo {
	t.Helper()
	m, got, err := Open(path, versions)
	must.OK(t, err)
	if (note == "") != (got == "") || !strings.Contains(got, note) {
		t.Fatalf("note %q, want %q", got, note)
	}
	return m
}

func question(i int) []byte { return []byte(fmt.Sprintf("question %d", i)) }
func answer(i int) []byte   { return bytes.Repeat([]byte{byte(i)}, i%50) }

// holds wants the first n entries, and none more.
func holds(t *testing.T, m *Memo, n int) {
	t.Helper()
	for i := range n + 3 {
		a, ok := m.Get(question(i))
		if ok != (i < n) || ok && !bytes.Equal(a, answer(i)) {
			t.Fatalf("entry %d of %d: %v %q", i, n, ok, a)
		}
	}
}

func filled(t *testing.T, n int) (path string) {
	path = filepath.Join(t.TempDir(), "memo")
	m := opened(t, path, "")
	for i := range n {
		m.Put(question(i), answer(i))
	}
	holds(t, m, n)
	must.OK(t, m.Close())
	return path
}

func TestReadAgain(t *testing.T) {
	path := filled(t, 100)
	m := opened(t, path, "")
	holds(t, m, 100)
	n := 0
	if err := m.Each(func(q, a []byte) error {
		if !bytes.Equal(q, question(n)) || !bytes.Equal(a, answer(n)) {
			return fmt.Errorf("%q %q", q, a)
		}
		n++
		return nil
	}); err != nil || n != 100 {
		t.Fatalf("%d entries, %v", n, err)
	}
	m.Put(question(100), answer(100))
	m.Close()
	m = opened(t, path, "")
	defer m.Close()
	holds(t, m, 101)
	if st, _ := os.Stat(path); st.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v", st.Mode())
	}
}

// TestCut cuts a file at every length: what is whole before the cut is there, and
// what comes after it is kept behind it.
func TestCut(t *testing.T) {
	const n = 6
	path := filled(t, n)
	all, _ := os.ReadFile(path)
	ends := []int{len(form) + len(versions) + 1}
	for i := range n {
		ends = append(ends, ends[i]+8+len(question(i))+len(answer(i))+sumBytes)
	}
	for k := range all {
		must.OK(t, os.WriteFile(path, all[:k], 0o600))
		good, note := 0, "cut off"
		for i, e := range ends {
			if e <= k {
				good = i
			}
			if e == k {
				note = ""
			}
		}
		switch {
		case k == 0:
			note = ""
		case k < len(form):
			note = "its form"
		case k < ends[0]:
			note = "made with"
		}
		m := opened(t, path, note)
		holds(t, m, good)
		m.Put(question(good), answer(good))
		m.Close()
		m = opened(t, path, "")
		holds(t, m, good+1)
		m.Close()
	}
}

// TestCorrupt changes one byte at every place: nothing of what is read then may be
// other than what was written.
func TestCorrupt(t *testing.T) {
	const n = 6
	path := filled(t, n)
	all, _ := os.ReadFile(path)
	rng := rand.New(rand.NewPCG(1, 2))
	for k := range all {
		bad := bytes.Clone(all)
		bad[k] ^= byte(1 + rng.IntN(255))
		must.OK(t, os.WriteFile(path, bad, 0o600))
		m, note, err := Open(path, versions)
		if err != nil {
			t.Fatal(k, err)
		}
		if note == "" {
			t.Fatalf("byte %d: nothing was noticed", k)
		}
		for i := range n {
			if a, ok := m.Get(question(i)); ok && !bytes.Equal(a, answer(i)) {
				t.Fatalf("byte %d: another answer %q", k, a)
			}
		}
		m.Put(question(n), answer(n))
		m.Close()
		opened(t, path, "").Close()
	}
}

func TestOtherVersions(t *testing.T) {
	path := filled(t, 3)
	m, note, err := Open(path, "z3 2, rules 2")
	if err != nil || !strings.Contains(note, `made with "z3 1, rules 2", this is "z3 2, rules 2"`) {
		t.Fatal(note, err)
	}
	holds(t, m, 0)
	m.Close()
	m, note, err = Open(path, "z3 2, rules 2")
	if err != nil || note != "" {
		t.Fatal(note, err)
	}
	m.Close()
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	path := filled(t, 1)
	for name, c := range map[string]struct{ path, want string }{
		"another can write": {path, "other users can write it (mode 0620)"},
		"a folder":          {dir, "is a directory"},
		"a device":          {"/dev/null", "not a regular file"},
		"something else":    {filepath.Join(dir, "letter"), "not a memo; it stays as it is"},
		"no folder":         {filepath.Join(dir, "no", "memo"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			switch c.path {
			case path:
				os.Chmod(path, 0o620)
			case filepath.Join(dir, "letter"):
				os.WriteFile(c.path, []byte("dear reader,\n"), 0o600)
			}
			_, _, err := Open(c.path, versions)
			if err == nil || !strings.Contains(err.Error(), "memo "+c.path+": ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "letter")); string(b) != "dear reader,\n" {
		t.Errorf("it is %q now", b)
	}
	if os.Geteuid() == 0 {
		os.Chmod(path, 0o600)
		os.Chown(path, 12345, 0)
		if _, _, err := Open(path, versions); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
			t.Error(err)
		}
	}
}

// TestTwo opens a file that is open: the second has a memo of its own.
func TestTwo(t *testing.T) {
	path := filled(t, 5)
	a := opened(t, path, "")
	b := opened(t, path, "another process uses it")
	holds(t, b, 0)
	b.Put(question(0), answer(0))
	holds(t, b, 1)
	b.Close()
	holds(t, a, 5)
	a.Close()
}

// TestFull writes to a file that takes no more: what is new stays in memory.
func TestFull(t *testing.T) {
	path := filled(t, 3)
	m := opened(t, path, "")
	m.file.Close()
	m.file, _ = os.Open(path) // can't be written
	m.Put(question(3), answer(3))
	holds(t, m, 4)
	if s := m.String(); !strings.Contains(s, "not written: ") {
		t.Error(s)
	}
}

func TestRoom(t *testing.T) {
	m := New()
	big := make([]byte, 1<<20)
	for i := range 80 {
		m.Put(question(i), big)
	}
	if _, ok := m.Get(question(0)); ok || m.bytes > roomBytes || m.Len() > 64 {
		t.Errorf("%d entries of %d bytes", m.Len(), m.bytes)
	}
	if _, ok := m.Get(question(79)); !ok {
		t.Error("the last one is gone")
	}
}

// TestKill ends a process that adds entries, at any time: what is there afterwards
// is read, and is what was written.
func TestKill(t *testing.T) {
	if path := os.Getenv("MEMO_KILLED"); path != "" {
		m, _, err := Open(path, versions)
		must.OK(t, err)
		for i := m.Len(); ; i++ {
			m.Put(question(i), answer(i))
		}
	}
	path := filepath.Join(t.TempDir(), "memo")
	before := 0
	for range 5 {
		was := int64(0)
		if st, err := os.Stat(path); err == nil {
			was = st.Size()
		}
		c := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		c.Env = append(os.Environ(), "MEMO_KILLED="+path)
		must.OK(t, c.Start())
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if st, err := os.Stat(path); err == nil && st.Size() > was+4000 {
				break
			}
		}
		c.Process.Kill()
		c.Wait()
		m, note, err := Open(path, versions)
		if err != nil || note != "" && !strings.Contains(note, "cut off") || m.Len() <= before {
			t.Fatal(note, err, m.Len())
		}
		before = m.Len()
		holds(t, m, before)
		m.Close()
	}
}
