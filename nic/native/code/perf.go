package code

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
)

// names is the file in which perf finds what generated code is called; nil: none.
var names atomic.Pointer[os.File]

// NameForPerf has blocks that are named from now on ([Block.Name]) written to
// /tmp/perf-PID.map, where perf report looks them up after the process has ended
// (Linux, tools/perf/Documentation/jit-interface.txt): the file stays. While
// there is other room, pages of freed code aren't used again, so that an address
// has one name. Asked twice, it goes on with the same file.
func NameForPerf() error {
	if names.Load() != nil {
		return nil
	}
	f, err := perfMap("/tmp")
	if err != nil {
		return err
	}
	if !names.CompareAndSwap(nil, f) {
		f.Close()
	}
	return nil
}

// perfMap makes the file anew in dir, which others may write to: nothing is opened
// that stands there, be it a link. A file of the same name is of a process that has
// ended, and goes if it is one's own.
func perfMap(dir string) (*os.File, error) {
	name := filepath.Join(dir, fmt.Sprintf("perf-%d.map", os.Getpid()))
	open := func() (*os.File, error) { return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) }
	f, err := open()
	if errors.Is(err, fs.ErrExist) {
		i, e := os.Lstat(name)
		if e != nil {
			return nil, fmt.Errorf("names for perf: %w", e)
		}
		if st, ok := i.Sys().(*syscall.Stat_t); !ok || !i.Mode().IsRegular() || int(st.Uid) != os.Geteuid() {
			return nil, fmt.Errorf("names for perf: %s is there, and no file of one's own", name)
		}
		if err := os.Remove(name); err != nil {
			return nil, fmt.Errorf("names for perf: %w", err)
		}
		f, err = open()
	}
	if err != nil {
		return nil, fmt.Errorf("names for perf: %w", err)
	}
	return f, nil
}

// Name tells perf what the block is called, where [NameForPerf] was asked for.
func (b *Block) Name(name string) error {
	f := names.Load()
	if f == nil {
		return nil
	}
	line := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
	if _, err := fmt.Fprintf(f, "%x %x jitnic %s\n", b.Addr(), b.Len, line); err != nil {
		return fmt.Errorf("names for perf: %w", err)
	}
	return nil
}
