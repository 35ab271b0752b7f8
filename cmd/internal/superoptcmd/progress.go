package superoptcmd

import (
	"fmt"
	"io"
	"time"

	"jitnic/cmd/internal/session"
	"jitnic/superopt"
)

// line is a line on a terminal that says what is being worked on.
type line struct {
	bar   *session.Bar
	what  string
	began time.Time
}

func newLine(w io.Writer) *line { return &line{bar: session.NewBar(w, ""), began: time.Now()} }

// at says what is worked on from now on.
func (l *line) at(what string) {
	l.what = what
	l.bar.Say(what)
}

// end takes the line away.
func (l *line) end() { l.bar.End() }

// progress gives what an optimiser calls with its news; nil where there is no
// terminal.
func (l *line) progress() func(superopt.Progress) {
	if l.bar == nil {
		return nil
	}
	return func(p superopt.Progress) {
		rate := float64(p.Proposals) / max(time.Since(l.began).Seconds(), 1e-3)
		l.bar.Say(fmt.Sprintf("%s: best %g, %.0f proposals/s, proved %d, refuted %d, unknown %d", l.what, p.Best, rate, p.Proved, p.Refuted, p.Unknown))
	}
}

// status is a line for who has no more to say than what; "" takes it away.
func status(w io.Writer) func(what string) {
	l := newLine(w)
	return func(what string) {
		if what == "" {
			l.end()
			return
		}
		l.at(what)
	}
}
