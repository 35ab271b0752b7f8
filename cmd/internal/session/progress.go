package session

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Progress is a line that counts packets where a command's errors go to a
// terminal, and nothing elsewhere.
func Progress(c *cobra.Command) func(packets uint64, done bool) {
	var bar *progressbar.ProgressBar // made for each run anew
	return func(packets uint64, done bool) {
		w, ok := c.ErrOrStderr().(*os.File)
		if !ok || !term.IsTerminal(int(w.Fd())) {
			return
		}
		if bar == nil {
			bar = progressbar.NewOptions64(-1, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
				progressbar.OptionShowIts(), progressbar.OptionSetItsString("packets"), progressbar.OptionClearOnFinish(),
				progressbar.OptionThrottle(200*time.Millisecond))
		}
		if done {
			bar.Finish()
			bar = nil
			return
		}
		bar.Set64(int64(packets))
	}
}
