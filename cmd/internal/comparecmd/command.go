package comparecmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cache/stream"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/session"
	"jitnic/host/run/replay"

	"github.com/spf13/cobra"
)

// Command is `jitnic compare`.
func Command() *cobra.Command {
	o := options{to: report.Outputs{Name: "study.json"}}
	c := &cobra.Command{
		Use:   "compare --program FILE.o --capture FILE.pcap --policies all --entries 1..4096",
		Short: "Compare eviction policies, admissions and sizes on one run of a program, with the optimal bound",
		Long: `Runs the program once over the captures (or reads --requests in place of both)
and every policy × admission × size over the stream of path numbers that came
out. Sizes: 64; 1..4096 (doubling); 1..4096*1.2 (growing by a fifth);
1..4096+64 (every 64th); joined by commas. A share of misses is of all packets.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.to.Check(c, args); err != nil {
				return err
			}
			o.stdin = c.InOrStdin()
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), c.Flags().Changed("admissions"))
		},
	}
	session.InputFlags(&o.in, c)
	f := c.Flags()
	session.RemedyFlags(&o.how, f)
	session.OptimiserFlags(&o.super, c)
	f.BoolVar(&o.modes, "modes", false, "run the program in every way to make traces as well, and set them side by side, with lru")
	session.DeviceFlags(&o.dev, c)
	f.StringVar(&o.requests, "requests", "", "stream of requests `FILE` (- for stdin) in place of a program and captures: jitnic paths, libCacheSim's formats, CSV or ids")
	f.StringVar(&o.format, "format", "", "`FORMAT` of --requests: "+strings.Join(stream.Formats(), ", ")+"; default: by content that can't be anything else")
	f.StringVar(&o.columns, "columns", "", "columns of --requests as text: `LIST` such as id=2,size=3,time=1,delimiter=tab,header=no; default: found")
	f.StringVar(&o.policies, "policies", "all", "`LIST` of policies, or of all (but reference), software, hardware, bound, reference: "+strings.Join(append(policy.Names(), policy.OfflineNames()...), ", "))
	f.StringVar(&o.admissions, "admissions", "always", "`LIST` of admissions, or all: "+strings.Join(cache.AdmissionNames(), ", "))
	f.StringVar(&o.entries, "entries", "", "sizes in traces: `LIST`; default 1..4096 where no --slots are given")
	f.StringVar(&o.slots, "slots", "", "sizes in instruction slots: `LIST`")
	f.Uint32Var(&o.hot, "hot", 1, "install a path when it misses for the `N`th time")
	f.Uint64Var(&o.delay, "install-delay", 0, "an install takes `N` packets; packets of its path miss meanwhile")
	f.Float64Var(&o.shards, "shards", 0, "estimate lru's curve beside the exact rows from this `SHARE` of the paths (SHARDS), or above 1 from so many paths at a time; 0: count it")
	f.Float64Var(&o.sample, "sample", 0, "estimate every policy from this `SHARE` of the paths (miniature simulation) beside the exact rows, with the error of each")
	f.StringVar(&o.warmup, "warmup", "", "run the first `N` requests, or N%, without counting them")
	f.DurationVar(&o.ttl, "ttl", 0, "an entry is good for `TIME` after its install (as 10s, 5ms), by the stream's times; 0: for ever")
	f.StringVar(&o.attack, "attack", "", "what attacks cost the legitimate packets: `KIND`, all, or a list of "+strings.Join(stream.Attacks(), ", "))
	f.Float64Var(&o.share, "attack-share", 0.5, "`SHARE` of all requests that are the attack's")
	f.IntVar(&o.workers, "workers", 0, "caches run side by side: `N`; default one a CPU. Changes no result")
	f.StringVarP(&o.to.Dir, "out", "o", "", "`FOLDER` for report.html, rows.csv, study.json and the plots")
	f.StringVar(&o.to.JSON, "json", "", "write the study as JSON to `FILE` (- for stdout)")
	f.StringVar(&o.to.CSV, "csv", "", "write the rows as CSV to `FILE` (- for stdout)")
	return c
}

func (o *options) run(ctx context.Context, stdout, stderr io.Writer, admissionsGiven bool) error {
	// What can't be is said before anything is run.
	g, err := o.grid()
	if err != nil {
		return err
	}
	siege, err := o.siege(g, admissionsGiven)
	if err != nil {
		return err
	}
	src, err := o.open(ctx, stderr)
	if err != nil {
		return err
	}
	if src.sized != nil {
		defer src.sized.Close()
		g.Tier2 = src.sized.Tier2
	}
	if src.stream.Len() == 0 && !src.partial {
		return fmt.Errorf("%s: no packets", src.capture)
	}
	if g.Warmup, err = o.warm(src.stream.Len()); err != nil {
		return err
	}
	points := len(g.Policies) * len(g.Admissions) * (len(g.Entries) + len(g.Slots))
	g.Windows = windows(points)
	bar := session.NewBar(stderr, "requests")
	g.Progress = func(done, total uint64) { bar.Step("comparing", int64(done), int64(total)) }
	profile := make(chan *cache.Profile, 1) // beside the grid: neither needs the other
	g.Ready(src.stream)                     // which counts its ids too, once, before both ask
	go func() { profile <- cache.Describe(src.stream, windows(0), o.shards, o.in.Seed) }()
	study, err := g.Run(ctx, src.stream)
	bar.End()
	if err != nil {
		return err
	}
	estimated, err := o.estimate(ctx, g, src.stream)
	if err != nil {
		return err
	}
	if err := o.super.Keep(); err != nil {
		return session.Flag(err)
	}
	r := newReport(o, src, g, study, estimated, <-profile)
	if r.Packets, err = packets(src, g); err != nil {
		return err
	}
	if o.modes && !r.Partial {
		ways := replay.Ways(o.how)
		if r.Remedies, err = replay.SideBySide(ctx, o.in, "lru", ways); err != nil {
			return err
		}
		if err := o.dev.Sides(ctx, o.in, "lru", ways, r.Remedies); err != nil {
			return err
		}
		r.Partial = ctx.Err() != nil
	}
	if siege != nil {
		siege.Progress = func(done, total uint64) { bar.Step("attacking", int64(done), int64(total)) }
		r.Attack, err = siege.Run(ctx, src.stream)
		bar.End()
		if err != nil {
			return err
		}
		r.Partial = r.Partial || r.Attack.Partial
	}
	if err := o.to.Write(stdout, r.document()); err != nil {
		return err
	}
	if r.Partial {
		return fmt.Errorf("interrupted: %d of %d points are whole, marked as partial", len(study.Points), study.Planned)
	}
	return r.NotRun.Err()
}
