package calibratecmd

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress gives what a calibration calls as it goes: a line that says what is
// measured on a terminal, nothing elsewhere. done ends the line.
func progress(w io.Writer) (step func(done, all int, what string), done func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	step = func(done, all int, what string) {
		if bar == nil {
			bar = progressbar.NewOptions64(int64(all), progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(24),
				progressbar.OptionSetElapsedTime(true), progressbar.OptionSetPredictTime(false),
				progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
		}
		bar.Describe(what)
		bar.Set64(int64(done))
	}
	return step, func() {
		if bar != nil {
			bar.Finish()
		}
	}
}
