package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

//go:embed build.sh
var buildScript string

// ErrMissing is wrapped by Build's error where a tool or the sources are not
// installed: a reason to skip, not a failure.
var ErrMissing = errors.New("not installed")

// Build compiles the kernel's samples into folder out, in about 15 seconds.
func Build(ctx context.Context, out string) error {
	tars, _ := filepath.Glob("/usr/src/linux-source-*.tar.xz")
	if len(tars) == 0 {
		return fmt.Errorf("the kernel's sources: %w (Debian: linux-source)", ErrMissing)
	}
	for _, tool := range []string{"clang", "tar", "xz"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s: %w", tool, ErrMissing)
		}
	}
	c := exec.CommandContext(ctx, "sh", "-s", tars[len(tars)-1], out)
	c.Stdin = strings.NewReader(buildScript)
	// The compilers it started hold its output open: they end with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	if msg, err := c.CombinedOutput(); ctx.Err() != nil {
		return ctx.Err()
	} else if err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(string(msg)), "\n")
		return fmt.Errorf("compile the kernel's samples: %w: %s", err, line)
	}
	return nil
}
