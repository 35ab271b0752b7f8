package superopt

// Rule is one rewrite kept as data.
type Rule struct{}
