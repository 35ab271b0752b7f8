package session

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A Bar is a line that tells how far long work has come, where a command's errors
// go to a terminal; elsewhere it is nil, and says nothing.
type Bar struct {
	w     io.Writer
	unit  string // what is counted by the second; "": nothing is
	total int64
	bar   *progressbar.ProgressBar
}

// NewBar is the line for w; unit is what it counts by the second, if anything.
func NewBar(w io.Writer, unit string) *Bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &Bar{w: w, unit: unit}
}

// Step says that done of total is done of what; a total below 0 isn't known.
func (b *Bar) Step(what string, done, total int64) {
	if b == nil {
		return
	}
	if b.bar == nil || total != b.total {
		o := []progressbar.Option{progressbar.OptionSetWriter(b.w), progressbar.OptionSetWidth(24),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(200 * time.Millisecond)}
		if b.unit != "" {
			o = append(o, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(b.unit), progressbar.OptionSetPredictTime(total > 0))
		}
		b.bar, b.total = progressbar.NewOptions64(total, o...), total
	}
	b.bar.Describe(what)
	b.bar.Set64(done)
}

// Say says what is being done, of which nobody knows how much there is.
func (b *Bar) Say(what string) {
	if b == nil {
		return
	}
	if b.bar == nil {
		b.bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(b.w), progressbar.OptionSetElapsedTime(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	b.bar.Describe(what)
	b.bar.Add(1)
}

// End takes the line away.
func (b *Bar) End() {
	if b != nil && b.bar != nil {
		b.bar.Finish()
		b.bar = nil
	}
}

// Progress is a line that counts packets, made for each run anew.
func Progress(c *cobra.Command) func(packets uint64, done bool) {
	var b *Bar
	return func(packets uint64, done bool) {
		if b == nil {
			if b = NewBar(c.ErrOrStderr(), "packets"); b == nil {
				return
			}
		}
		if done {
			b.End()
			return
		}
		b.Step("", int64(packets), -1)
	}
}
