// Package filtercmd is the verb `jitnic filter`: tcpdump's expressions as programs,
// and what they cost.
package filtercmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/ebpf"
	"jitnic/host/loader/objfile"
	"jitnic/host/loader/xdpfilter"
	"jitnic/pcaps/filter"

	"github.com/spf13/cobra"
)

// form is a way to write a filter down.
type form struct {
	name, what string
	write      func(f *xdpfilter.Filter) (string, error)
}

var forms = []form{
	{"classic", "classic BPF in decimal, as tcpdump -ddd prints it", classic},
	{"ebpf", "the XDP program's eBPF", func(f *xdpfilter.Filter) (string, error) { return assembly(f), nil }},
	{"tests", "the comparisons it makes", func(f *xdpfilter.Filter) (string, error) { return f.Program.String(), nil }},
}

func formNames() []string {
	var out []string
	for _, f := range forms {
		out = append(out, f.name)
	}
	return out
}

// Command is `jitnic filter`.
func Command() *cobra.Command {
	var opt xdpfilter.Options
	var as, out string
	what := "what is printed, `NAME`:"
	for i, f := range forms {
		what += map[bool]string{true: ", ", false: " "}[i > 0] + f.name + " (" + f.what + ")"
	}
	c := &cobra.Command{
		Use:   "filter EXPR",
		Short: "Make a program of a filter in tcpdump's words",
		Long: "Compile an expression in tcpdump's words and print it as classic BPF, as `tcpdump -ddd` does, or as the eBPF of an XDP\n" +
			"program that passes what matches and drops the rest; -o writes that program as an object file. Every other verb takes\n" +
			"the same program as --program 'filter:EXPR'.",
		Example: "  jitnic filter 'tcp dst port 443'\n" +
			"  jitnic filter 'host $a and port $b' --param a=10.0.0.1 --as ebpf\n" +
			"  jitnic filter 'tcp and not net 10.0.0.0/8' -o f.o",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			expr := strings.Join(args, " ") // as tcpdump does
			f, err := xdpfilter.New(xdpfilter.Prefix+expr, expr, opt)
			if err != nil {
				return flagged(err)
			}
			i := slices.IndexFunc(forms, func(f form) bool { return f.name == as })
			if i < 0 {
				return fmt.Errorf("--as %s: not one of %s", as, strings.Join(formNames(), ", "))
			}
			if out != "" {
				obj, err := objfile.Write(f.Object, f.Object.Programs[0])
				if err != nil {
					return err
				}
				return report.WriteFile(out, c.OutOrStdout(), func(w io.Writer) error {
					_, err := io.Copy(w, bytes.NewReader(obj))
					return err
				})
			}
			text, err := forms[i].write(f)
			if err != nil {
				return err
			}
			_, err = io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&as, "as", forms[0].name, what)
	f.StringVarP(&out, "out", "o", "", "write the XDP program as an object `FILE` (- for stdout), and print nothing")
	paramFlags(c, &opt.Params)
	f.BoolVar(&opt.Generic, "generic", false, "keep parameters in the program's .data though they have values, which it holds then")
	c.AddCommand(benchCommand())
	return c
}

func paramFlags(c *cobra.Command, params *[]string) {
	c.Flags().StringArrayVar(params, "param", nil, "value of a parameter ($NAME in EXPR): `NAME=VALUE`; may be repeated")
}

// flagged says of a parameter that it is a flag here.
func flagged(err error) error {
	if s := err.Error(); strings.HasPrefix(s, "param ") {
		return errors.New("--" + s)
	}
	return err
}

func classic(f *xdpfilter.Filter) (string, error) {
	code, err := filter.Encode(f.Classic)
	if err != nil {
		return "", fmt.Errorf("filter %q: %w; --as ebpf prints it", f.Expr, err)
	}
	return filter.Decimal(code), nil
}

func assembly(f *xdpfilter.Filter) string {
	p := f.Object.Programs[0]
	return ebpf.Printer{MapName: p.MapNames}.Code(p.Insns)
}
