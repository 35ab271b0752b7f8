package superoptcmd

import (
	"fmt"
	"os"

	"jitnic/superopt"
)

// loadRules adds the rules of a store to the built-in ones. A rule is proved
// where it fires, so a wrong one costs time and does no harm.
func loadRules(opt *superopt.Options, path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return pathError(path, err)
	}
	if opt.Rules, err = superopt.ParseRules(string(text)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
