package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
)

// text is long enough for several blocks of each packed form.
var text = bytes.Repeat([]byte("a capture is only bytes until somebody reads it\n"), 10_000)

// packers make each packed form with its own tool.
var packers = [][]string{{"gzip"}, {"zstd", "-q"}, {"xz"}, {"bzip2"}, {"lz4", "-q"}}

// pack runs a tool, or skips where it isn't installed.
func pack(tb testing.TB, b []byte, tool ...string) []byte {
	tb.Helper()
	if _, err := exec.LookPath(tool[0]); err != nil {
		tb.Skipf("%s is not installed", tool[0])
	}
	cmd := exec.Command(tool[0], append(slices.Clone(tool[1:]), "-c")...)
	cmd.Stdin = bytes.NewReader(b)
	out := must.Get(cmd.Output())(tb)
	return out
}

func bytesOpener(b []byte) Opener {
	return func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

func unpacked(b []byte, jobs int) ([]byte, string, error) {
	r, err := Start(context.Background(), bytesOpener(b), jobs)
	if err != nil {
		return nil, "", err
	}
	defer r.Close()
	out, err := io.ReadAll(r)
	return out, r.Form, err
}

// TestForms reads what the tools of each form write: one file, two behind each
// other, and one cut anywhere.
func TestForms(t *testing.T) {
	for _, tool := range packers {
		t.Run(tool[0], func(t *testing.T) {
			z := pack(t, text, tool...)
			for jobs := 1; jobs <= 2; jobs++ {
				got, form, err := unpacked(z, jobs)
				if err != nil || !bytes.Equal(got, text) || form != tool[0] {
					t.Errorf("%d jobs: %d bytes of %q, %v; want %d", jobs, len(got), form, err, len(text))
				}
				got, _, err = unpacked(append(slices.Clone(z), z...), jobs)
				if err != nil || len(got) != 2*len(text) {
					t.Errorf("two behind each other: %d bytes, %v; want %d", len(got), err, 2*len(text))
				}
			}
			for _, n := range []int{len(z) / 2, len(z) - 1, 7} {
				if _, _, err := unpacked(z[:n], 1); err == nil || strings.Contains(err.Error(), "\n") {
					t.Errorf("cut to %d of %d bytes: error %v", n, len(z), err)
				}
			}
		})
	}
}

// TestPadding: zeros behind and between gzip members are no damage, other
// bytes are.
func TestPadding(t *testing.T) {
	z := pack(t, text, "gzip")
	zeros := make([]byte, 1000)
	for _, c := range []struct {
		name string
		b    []byte
		want int
	}{
		{"behind", slices.Concat(z, zeros), len(text)},
		{"one", slices.Concat(z, zeros[:1]), len(text)},
		{"between and behind", slices.Concat(z, zeros, z, zeros), 2 * len(text)},
	} {
		if got, _, err := unpacked(c.b, 1); err != nil || len(got) != c.want {
			t.Errorf("%s: %d bytes, %v; want %d", c.name, len(got), err, c.want)
		}
	}
	_, _, err := unpacked(append(slices.Clone(z), "garbage"...), 1)
	if want := "gzip: byte 0x67 behind the last member: neither another member nor zero padding"; err == nil || err.Error() != want {
		t.Errorf("garbage: %v, want %s", err, want)
	}
}

// TestSkippable: pzstd and lz4 put frames in front that hold no data.
func TestSkippable(t *testing.T) {
	front := []byte{0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}
	for _, tool := range [][]string{{"zstd", "-q"}, {"lz4", "-q"}} {
		z := append(slices.Clone(front), pack(t, text, tool...)...)
		if got, form, err := unpacked(z, 1); err != nil || len(got) != len(text) || form != tool[0] {
			t.Errorf("%s: %d bytes of %q, %v", tool[0], len(got), form, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ b, want string }{
		{"PK\x03\x04xxxxxxxx", "a zip archive: unpack it first"},
		{"\x1f\x9dxxxxxxxx", "packed by compress(1): unpack it with uncompress or gzip -d first"},
		{"\x1f\x8b\x07xxxxxxxxxxxxx", "gzip: invalid header"},
		{"\x1f\x8b", "gzip: unexpected EOF"},
		{"\x50\x2a\x4d\x18\xff\xff\xff\xff", "skippable frame of 4294967295 bytes: unexpected EOF"},
	} {
		if _, _, err := unpacked([]byte(c.b), 1); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, want %s", c.b, err, c.want)
		}
	}
	for _, plain := range []string{"", "a", "plain text", "\x28\xb5"} {
		if got, form, err := unpacked([]byte(plain), 2); err != nil || string(got) != plain || form != "" {
			t.Errorf("%q: %q of form %q, %v", plain, got, form, err)
		}
	}
}

// TestInterrupt: neither a FIFO that nobody writes to nor one that stays quiet
// keeps anybody waiting once the context ends.
func TestInterrupt(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	for jobs := 1; jobs <= 2; jobs++ {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := Start(ctx, File(fifo), jobs); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody writes: %v", err)
		}
		// Lets the open of that FIFO that was left behind go.
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		must.OK(t, err)
		w.Close()

		ctx, cancel = context.WithCancel(context.Background())
		w, err = os.OpenFile(fifo, os.O_RDWR, 0)
		must.OK(t, err)
		fmt.Fprint(w, "eight or more bytes")
		r, err := Start(ctx, File(fifo), jobs)
		must.OK(t, err)
		time.AfterFunc(20*time.Millisecond, cancel)
		got, err := io.ReadAll(r)
		if string(got) != "eight or more bytes" || !errors.Is(err, context.Canceled) {
			t.Errorf("%d jobs, quiet writer: %q, %v", jobs, got, err)
		}
		r.Close()
		w.Close()
	}
	// Closing early waits for nobody.
	pr, _, err := os.Pipe()
	must.OK(t, err)
	quiet := io.MultiReader(strings.NewReader("eight or more bytes"), pr)
	r, err := Start(context.Background(), Stdin(quiet), 2)
	must.OK(t, err)
	r.Close()
}

func FuzzNew(f *testing.F) {
	for _, tool := range packers {
		f.Add(pack(f, text[:500], tool...))
	}
	f.Add([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, release, err := New(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer release()
		if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("error of two lines: %q", err)
		}
	})
}
