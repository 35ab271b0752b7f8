package code

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/nic/native/asm"
)

// What perf looks up is made anew: no link is followed, no file of another process
// is written to; and an address has one name while there is room.
func TestPerfMap(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, fmt.Sprintf("perf-%d.map", os.Getpid()))
	victim := filepath.Join(dir, "victim")
	must.OK(t, os.WriteFile(victim, []byte("mine"), 0o600))
	must.OK(t, os.Symlink(victim, at))
	if _, err := perfMap(dir); err == nil {
		t.Error("a link stood there, and it was taken")
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("behind the link: %q, %v", b, err)
	}
	os.Remove(at)
	// Left by a process that has ended, under a second name too.
	must.OK(t, os.Link(victim, at))
	f := must.Get(perfMap(dir))(t)
	defer f.Close()
	if _, err := perfMap(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a directory that isn't there")
	}

	m := memory(t, 4*os.Getpagesize())
	names.Store(f)
	defer names.Store(nil)
	some := func(b asm.Backend) { b.Ret() }
	var want string
	name := func(s, said string) *Block {
		b := block(t, m, some)
		must.OK(t, b.Name(s))
		want += fmt.Sprintf("%x %x jitnic %s\n", b.Addr(), b.Len, said)
		return b
	}
	first := name("path 1", "path 1")
	addr := first.Addr()
	first.Free()
	for i := range m.Limit()/m.in.grain() - 1 {
		b := name("a\nb", "a?b")
		if b.Addr() == addr {
			t.Errorf("block %d stands where a named one stood, and there was other room", i)
		}
	}
	if b := name("last", "last"); b.Addr() != addr {
		t.Error("the last block has no room")
	}
	if b, err := os.ReadFile(at); err != nil || string(b) != want {
		t.Errorf("wrote %q, %v, want %q", b, err, want)
	}
	if b, _ := os.ReadFile(victim); string(b) != "mine" {
		t.Errorf("the old file now holds %q", b)
	}
}
