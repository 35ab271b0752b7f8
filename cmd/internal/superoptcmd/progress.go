package superoptcmd

import (
	"fmt"
	"io"
	"time"

	"jitnic/cmd/internal/session"
	"jitnic/superopt"
)

// progress gives what a run calls with its news, for a line on a terminal. done
// takes the line away.
func progress(w io.Writer, name string) (news func(superopt.Progress), done func()) {
	bar := session.NewBar(w, "")
	if bar == nil {
		return nil, bar.End
	}
	began := time.Now()
	return func(p superopt.Progress) {
		rate := float64(p.Proposals) / max(time.Since(began).Seconds(), 1e-3)
		bar.Say(fmt.Sprintf("%s: best %g, %.0f proposals/s, proved %d, refuted %d, unknown %d", name, p.Best, rate, p.Proved, p.Refuted, p.Unknown))
	}, bar.End
}

// status is a line on a terminal that says what is being worked on; "" takes
// it away.
func status(w io.Writer) func(what string) {
	bar := session.NewBar(w, "")
	return func(what string) {
		if what == "" {
			bar.End()
			return
		}
		bar.Say(what)
	}
}
