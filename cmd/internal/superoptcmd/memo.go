package superoptcmd

import (
	"errors"

	"jitnic/cmd/internal/session"
	"jitnic/host/run/replay"
	"jitnic/superopt"
	"jitnic/superopt/memo"

	"github.com/spf13/cobra"
)

// remembered is --memo and --memo-check.
type remembered struct {
	file  string
	check bool
	memo  *memo.Memo
}

// open has a run ask the memo first.
func (k *remembered) open(c *cobra.Command, opt *superopt.Options) error {
	switch {
	case k.file == "" && k.check:
		return errors.New("--memo-check: goes with --memo")
	case k.file == "":
		return nil
	case opt.Store != nil:
		return errors.New("--memo: not with --rules: what is found there follows from all that was asked before")
	case opt.Top > 1:
		return errors.New("--memo: not with --top: the best alone is kept")
	}
	m, note, err := memo.Open(k.file, superopt.Versions())
	if err != nil {
		return err
	}
	say := session.Say(c)
	if note != "" {
		say(note)
	}
	if k.check {
		if err := replay.CheckMemo(c.Context(), m, opt, say); err != nil {
			m.Close()
			return err
		}
	}
	k.memo, opt.Memo = m, m
	return nil
}

// close says what the memo was good for.
func (k *remembered) close(c *cobra.Command) {
	if k.memo == nil {
		return
	}
	if k.memo.Path() != "" {
		session.Say(c)(k.memo.String())
	}
	k.memo.Close()
}
