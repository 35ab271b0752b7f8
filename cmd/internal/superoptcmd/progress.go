package superoptcmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"jitnic/superopt"
)

// progress gives what a run calls with its news: a line on a terminal, nothing
// elsewhere. done takes the line away.
func progress(w io.Writer, name string) (news func(superopt.Progress), done func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	began := time.Now()
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(true), progressbar.OptionThrottle(100*time.Millisecond))
	return func(p superopt.Progress) {
		rate := float64(p.Proposals) / max(time.Since(began).Seconds(), 1e-3)
		bar.Describe(fmt.Sprintf("%s: best %g, %.0f proposals/s, proved %d, refuted %d, unknown %d", name, p.Best, rate, p.Proved, p.Refuted, p.Unknown))
		bar.Add(1)
	}, func() { bar.Finish() }
}

// status is a line on a terminal that says what is being worked on; "" takes
// it away.
func status(w io.Writer) func(what string) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(string) {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionClearOnFinish())
	return func(what string) {
		if what == "" {
			bar.Finish()
			return
		}
		bar.Describe(what)
		bar.Add(1)
	}
}
