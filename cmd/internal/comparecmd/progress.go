package comparecmd

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress gives what a grid calls as it runs: a line with requests per second
// and the time left on a terminal, nothing elsewhere. done ends the line.
func progress(w io.Writer, what string) (step func(done, total uint64), done func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	var bar *progressbar.ProgressBar
	step = func(done, total uint64) {
		if bar == nil {
			bar = progressbar.NewOptions64(int64(total), progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
				progressbar.OptionShowIts(), progressbar.OptionSetItsString("requests"), progressbar.OptionSetPredictTime(true),
				progressbar.OptionSetWidth(24), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(200*time.Millisecond))
		}
		bar.Set64(int64(done))
	}
	return step, func() {
		if bar != nil {
			bar.Finish()
		}
	}
}
