package superopt

import (
	"context"

	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// Optimize makes a program cheaper. What it returns is proved equal, window by
// window; an interrupt (ctx) keeps the best proved so far.
func Optimize(ctx context.Context, p *ir.Prog, opt *rewrite.Options) (*rewrite.Result, error) {
	return optimize(ctx, p, opt, given{restore: true})
}

func optimize(ctx context.Context, p *ir.Prog, opt *rewrite.Options, g given) (*rewrite.Result, error) {
	w, err := open(ctx, p, opt, g)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := w.Cheap(ctx); err != nil {
		return nil, err
	}
	if err := w.Dear(ctx); err != nil {
		return nil, err
	}
	return w.Finish(ctx)
}
