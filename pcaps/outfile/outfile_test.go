package outfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/pcaps/outfile"

	"golang.org/x/sys/unix"
)

func put(text string) func(f *outfile.File) error {
	return func(f *outfile.File) error {
		_, err := io.WriteString(f, text)
		return err
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b := must.Get(os.ReadFile(path))(t)
	return string(b)
}

// TestRegular: whole or not at all, permissions by the umask or as they were.
func TestRegular(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	defer unix.Umask(unix.Umask(0o027))
	must.OK(t, outfile.Write(path, put("one")))
	st, err := os.Stat(path)
	if err != nil || st.Mode() != 0o640 || read(t, path) != "one" {
		t.Errorf("a new file: %v, %v, %q; want what the umask leaves", st.Mode(), err, read(t, path))
	}
	must.OK(t, os.Chmod(path, 0o604))
	broken := errors.New("no more")
	if err := outfile.Write(path, func(f *outfile.File) error { io.WriteString(f, "half"); return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if read(t, path) != "one" {
		t.Errorf("a file whose writing failed has %q", read(t, path))
	}
	must.OK(t, outfile.Write(path, put("two")))
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o604 || read(t, path) != "two" {
		t.Errorf("a file written again: %v, %v, %q", st.Mode(), err, read(t, path))
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	for path, want := range map[string]string{dir: "is a directory", filepath.Join(dir, "none", "x"): "no such file or directory"} {
		if err := outfile.Write(path, put("x")); err == nil || !strings.Contains(err.Error(), path+": "+want) && !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// TestLinks: a link stays, and what it leads to is written, there or not.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for link, to := range map[string]string{"l1": "l2", "l2": at("file"), "loop": "loop"} {
		must.OK(t, os.Symlink(to, at(link)))
	}
	for _, text := range []string{"one", "two"} {
		must.OK(t, outfile.Write(at("l1"), put(text)))
		if to, err := os.Readlink(at("l1")); err != nil || to != "l2" || read(t, at("file")) != text {
			t.Errorf("the link leads to %q (%v), the file has %q", to, err, read(t, at("file")))
		}
	}
	if err := outfile.Write(at("loop"), put("x")); err == nil {
		t.Error("a link to itself was written")
	}
}

// TestDevices: they are written into and stay what they are.
func TestDevices(t *testing.T) {
	must.OK(t, outfile.Write("/dev/null", put("gone")))
	if st, err := os.Stat("/dev/null"); err != nil || st.Mode()&os.ModeCharDevice == 0 {
		t.Fatalf("/dev/null is %v, %v", st.Mode(), err)
	}
	if err := outfile.Write("/dev/full", put("x")); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("a full device: error %v", err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	must.OK(t, unix.Mkfifo(fifo, 0o600))
	if err := outfile.Write(fifo, put("x")); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("a FIFO without a reader: error %v", err)
	}
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(fifo)
		got <- string(b)
	}()
	long := strings.Repeat("through ", 50_000) // far more than a pipe holds
	must.OK(t, outfile.Write(fifo, put(long)))
	if s := <-got; s != long {
		t.Errorf("%d bytes came through the FIFO, want %d", len(s), len(long))
	}
	if st, err := os.Stat(fifo); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the FIFO is %v, %v", st.Mode(), err)
	}
}

// TestDescriptor: /dev/fd/N is the open file, with its place in it.
func TestDescriptor(t *testing.T) {
	f := must.Get(os.Create(filepath.Join(t.TempDir(), "f")))(t)
	defer f.Close()
	io.WriteString(f, "before ")
	for _, form := range []string{"/dev/fd/", "/proc/self/fd/"} {
		must.OK(t, outfile.Write(form+strconv.Itoa(int(f.Fd())), put("in ")))
	}
	io.WriteString(f, "after")
	if got := read(t, f.Name()); got != "before in in after" {
		t.Errorf("the file has %q", got)
	}
	if n, ok := outfile.Descriptor("/dev/stdout"); n != 1 || !ok {
		t.Errorf("/dev/stdout is %d, %v", n, ok)
	}
	if err := outfile.Write("/dev/fd/1000", put("x")); !errors.Is(err, unix.EBADF) {
		t.Errorf("a descriptor that is not open: error %v", err)
	}
}
