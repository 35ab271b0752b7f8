package feasibilitycmd

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress gives what a study calls as it goes: a line that names the section
// on a terminal, nothing elsewhere. done ends the line.
func progress(w io.Writer) (step func(what string, done, total int), done func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	last := ""
	step = func(what string, done, total int) {
		if bar == nil || what != last {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
				progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(200*time.Millisecond))
			last = what
		}
		bar.Set(done)
	}
	return step, func() {
		if bar != nil {
			bar.Finish()
		}
	}
}
