package conformancecmd

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic/native"

	"github.com/spf13/cobra"
)

// Command is "jitnic conformance [memory]".
func Command() *cobra.Command {
	var program string
	var elf, xdp, debug bool
	var engine native.Choice
	c := &cobra.Command{
		Use:   "conformance [MEMORY]",
		Short: "Run one program of the public bpf_conformance suite and print register 0",
		Long: `Run one program of the public bpf_conformance suite and print register 0.

The program comes from standard input as hexadecimal bytes with spaces between
them; MEMORY is the same. Register 1 points to the memory, register 2 is its
length. A fault goes to standard error and ends with exit status 1.`,
		Example: `  echo "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00" | jitnic conformance
  2a`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, args []string) error {
			text := program
			if !c.Flags().Changed("program") {
				var err error
				if text, err = readAll(c.InOrStdin()); err != nil {
					return fmt.Errorf("program: %w", err)
				}
			}
			memory := ""
			for _, a := range args {
				switch {
				case strings.TrimSpace(a) == "": // older runners pass empty options
				case memory != "":
					return fmt.Errorf("argument %q: the memory is one argument", a)
				default:
					memory = a
				}
			}
			r0, err := Run(text, memory, Options{ELF: elf, XDP: xdp, Engine: engine})
			if err != nil {
				return err
			}
			if debug {
				fmt.Fprintf(c.ErrOrStderr(), "r0 = %d\n", r0)
			}
			fmt.Fprintf(c.OutOrStdout(), "%x\n", r0)
			return nil
		},
	}
	c.Flags().StringVar(&program, "program", "", "the program, instead of standard input")
	c.Flags().BoolVar(&elf, "elf", false, "the program's bytes are an ELF object")
	c.Flags().BoolVar(&xdp, "xdp", false, "register 1 is a struct xdp_md over the memory (the runner's --xdp_prolog)")
	c.Flags().Var(&engine, "engine", "what runs the program: "+native.Choices)
	c.Flags().BoolVar(&debug, "debug", false, "say more on standard error")
	return c
}

// Options say how the bytes are to be understood.
type Options struct {
	ELF bool // an object file, not bare instructions
	XDP bool // register 1 is the context

	Engine native.Choice
}

// Run runs a program, given as hexadecimal bytes, over memory, given likewise,
// and returns register 0.
func Run(program, memory string, opt Options) (uint64, error) {
	code, err := decodeHex("program", program)
	if err != nil {
		return 0, err
	}
	data, err := decodeHex("memory", memory)
	if err != nil {
		return 0, err
	}
	obj := &loader.Object{File: "stdin"}
	if opt.ELF {
		if obj, err = loader.LoadBytes("stdin", code, loader.Options{}); err != nil {
			return 0, err
		}
		if len(obj.Programs) == 0 {
			return 0, fmt.Errorf("stdin: object without programs")
		}
	} else {
		insns, err := ebpf.Decode(code)
		if err != nil {
			return 0, fmt.Errorf("program: %w", err)
		}
		if len(insns) == 0 {
			return 0, fmt.Errorf("program: no instructions")
		}
		obj.Programs = []*loader.Program{{Name: "stdin", File: "stdin", Insns: insns}}
	}
	s, err := vm.NewState(obj, vm.Options{})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	it, err := vm.NewInterp(s, obj, obj.Programs[0])
	if err != nil {
		return 0, err
	}
	// The suite calls a runtime function only to see that the call decodes:
	// a runtime without functions of its own answers 0.
	it.Kfunc = func(imm int32, r *[11]uint64) *vm.Fault {
		r[0] = 0
		return nil
	}
	mem, err := opt.Engine.Memory()
	if err != nil {
		return 0, err
	}
	if mem != nil {
		defer mem.Close()
		engine := native.NewFlatEngine
		if opt.XDP {
			engine = native.NewEngine
		}
		e, err := engine(s, obj, mem)
		if err != nil {
			return 0, err
		}
		it.Engine = e
	}
	if opt.XDP {
		return it.RunXDP(data)
	}
	return it.RunFlat(data)
}

// readAll reads the program: all that comes, over as many lines as it likes.
func readAll(r io.Reader) (string, error) {
	b, err := io.ReadAll(bufio.NewReader(r))
	return string(b), err
}

// decodeHex reads bytes of two digits, with or without space between them.
func decodeHex(what, text string) ([]byte, error) {
	var out []byte
	for _, f := range strings.Fields(text) {
		if len(f) == 1 {
			f = "0" + f
		}
		b, err := hex.DecodeString(f)
		if err != nil {
			return nil, fmt.Errorf("%s: byte %d: %w", what, len(out), err)
		}
		out = append(out, b...)
	}
	return out, nil
}
