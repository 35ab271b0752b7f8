package replay

import (
	"context"
	"errors"
	"fmt"

	"jitnic/superopt"
	"jitnic/superopt/memo"
)

// openMemo makes the memo ready, and finds anew what it keeps where that is asked.
func (o *Optimiser) openMemo(ctx context.Context) error {
	if !o.On {
		return nil
	}
	if o.Memo == "" {
		if o.MemoCheck {
			return setting("memo-check", "", errors.New("goes with --memo"))
		}
		o.memo = memo.New()
		return nil
	}
	if o.Rules != "" {
		return setting("memo", "", errors.New("not with --rules: what is found there follows from all that was asked before"))
	}
	m, note, err := memo.Open(o.Memo, superopt.Versions())
	if err != nil {
		return err
	}
	o.memo = m
	o.say(note)
	if o.MemoCheck {
		if err := CheckMemo(ctx, m, o.options(0), o.say); err != nil {
			m.Close()
			o.memo = nil
			return err
		}
	}
	return nil
}

// CheckMemo finds all answers of a memo anew, and says how many; an error is the
// first that is another. opt has the cost that the run prices by.
func CheckMemo(ctx context.Context, m *memo.Memo, opt *superopt.Options, say func(string)) error {
	checked, left := 0, 0
	err := m.Each(func(q, a []byte) error {
		ok, err := superopt.CheckAnswer(ctx, q, a, opt)
		if ok {
			checked++
		} else {
			left++
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("memo %w", err)
	}
	line := fmt.Sprintf("memo %s: %d entries proved anew, none differs", m.Path(), checked)
	if left > 0 {
		line += fmt.Sprintf("; %d priced by another device left out", left)
	}
	say(line)
	return nil
}

// closeMemo gives the memo's file back and says what it was good for.
func (o *Optimiser) closeMemo() {
	if o.memo == nil {
		return
	}
	if o.memo.Path() != "" {
		o.say(o.memo.String())
	}
	o.memo.Close()
	o.memo = nil
}

func (o *Optimiser) say(line string) {
	if o.Say != nil && line != "" {
		o.Say(line)
	}
}
