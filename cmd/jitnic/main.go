// Jitnic tells what a SmartNIC trace cache would do for an XDP program on
// captures of traffic.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"jitnic/cmd/internal/calibratecmd"
	"jitnic/cmd/internal/comparecmd"
	"jitnic/cmd/internal/conformancecmd"
	"jitnic/cmd/internal/explaincmd"
	"jitnic/cmd/internal/fastpathcmd"
	"jitnic/cmd/internal/feasibilitycmd"
	"jitnic/cmd/internal/filtercmd"
	"jitnic/cmd/internal/gencmd"
	"jitnic/cmd/internal/near"
	"jitnic/cmd/internal/pathscmd"
	"jitnic/cmd/internal/replaycmd"
	"jitnic/cmd/internal/report"
	"jitnic/cmd/internal/samplescmd"
	"jitnic/cmd/internal/studycmd"
	"jitnic/cmd/internal/superoptcmd"
	"jitnic/cmd/internal/tracescmd"
	"jitnic/cmd/internal/verifycmd"
	"jitnic/nic/native"

	"github.com/spf13/cobra"
)

func main() {
	collectLater()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends what the first doesn't
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// smallHeap is how much memory is taken before the first collection, in bytes.
const smallHeap = 64 << 20

// collectLater keeps the garbage collector away from small heaps: each of its
// cycles looks through 5 MB of globals, and a short command would have several.
// From the first cycle on all is as the runtime has it. Who sets GOGC or GOMEMLIMIT
// has said what he wants.
func collectLater() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(smallHeap)
	runtime.SetFinalizer(&struct{ first *int }{}, func(any) {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
}

// run is main as a function of its surroundings. It returns the exit code: 0,
// 1 on any error, 130 after an interrupt, or what an error says itself.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "jitnic",
		Short:         "What a SmartNIC trace cache would do for an XDP program",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       report.Version(),
	}
	quiet := root.PersistentFlags().BoolP("quiet", "q", false, "no lines of progress, and no text: errors, and what goes to files")
	root.PersistentPreRun = func(*cobra.Command, []string) {
		if *quiet {
			root.SetErr(struct{ io.Writer }{stderr}) // no terminal any more, so nothing moves on it
		}
	}
	root.AddCommand(verbs()...)
	complete(root)
	strict(root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c.Flags(), err) })
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		if why := native.Refused(); why != nil && !*quiet {
			fmt.Fprintf(stderr, "jitnic: %v: all ran in Go, with the same results\n", why)
		}
		return 0
	}
	text := near.Suggest(oneLine(err))
	if errors.Is(err, context.Canceled) {
		text = "interrupted" // where it was just then says nothing
	}
	fmt.Fprintf(stderr, "jitnic: %s\n", text)
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return 130
	}
	var own interface{ ExitCode() int }
	if errors.As(err, &own) {
		return own.ExitCode()
	}
	return 1
}

// strict has cobra's own commands refuse what there isn't: they print their help, and
// exit with 0.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args, c.RunE = cobra.NoArgs, func(c *cobra.Command, _ []string) error { return c.Help() }
		case "help":
			c.Args = func(c *cobra.Command, args []string) error {
				_, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = fmt.Errorf("unknown command %q for %q", rest[0], c.Root().Name())
				}
				return err
			}
		}
	}
}

// verbs lists the commands.
func verbs() []*cobra.Command {
	return []*cobra.Command{
		pathscmd.Command(),
		replaycmd.Command(),
		samplescmd.Command(),
		comparecmd.Command(),
		studycmd.Command(),
		tracescmd.Command(),
		explaincmd.Command(),
		superoptcmd.Command(),
		feasibilitycmd.Command(),
		gencmd.Command(),
		filtercmd.Command(),
		fastpathcmd.Command(),
		verifycmd.Command(),
		conformancecmd.Command(),
		calibratecmd.Command(),
		schemaCommand(),
		manCommand(),
	}
}
