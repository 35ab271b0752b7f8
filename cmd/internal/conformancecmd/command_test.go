package conformancecmd

import (
	"bytes"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		args     []string
		want     string // of standard output, or of the error
	}{
		{"mov", "b7 00 00 00 2a 00 00 00  95 00 00 00 00 00 00 00", nil, "2a\n"},
		{"no spaces", "b70000002a0000009500000000000000", nil, "2a\n"},
		{"64 bits", "b7 00 00 00 ff ff ff ff 95 00 00 00 00 00 00 00", nil, "ffffffffffffffff\n"},
		// ldxw r0, [r1+2]; exit
		{"memory", "61 10 02 00 00 00 00 00 95 00 00 00 00 00 00 00", []string{"aa bb 11 22 33 44 cc dd"}, "44332211\n"},
		// mov r0, r2; exit
		{"length", "bf 20 00 00 00 00 00 00 95 00 00 00 00 00 00 00", []string{"aa bb 11 "}, "3\n"},
		// ldxb r0, [r1]; exit
		{"no memory", "71 10 00 00 00 00 00 00 95 00 00 00 00 00 00 00", nil, `program "stdin": insn 0: invalid load of 1 bytes at 0x0`},
		// mov r2, 5; callx r2; mov r0, 2; exit
		{"callx", "b7 02 00 00 05 00 00 00 8d 02 00 00 00 00 00 00 b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00", nil, "2\n"},
		// call runtime 42; exit
		{"runtime", "85 20 00 00 2a 00 00 00 95 00 00 00 00 00 00 00", nil, "0\n"},
		{"xdp", "61 12 00 00 00 00 00 00 71 20 01 00 00 00 00 00 95 00 00 00 00 00 00 00", []string{"0a 0b", "--xdp"}, "b\n"},
		{"empty", "", nil, "program: no instructions"},
		{"engine", "95 00 00 00 00 00 00 00", []string{"--engine", "fpga"}, `invalid argument "fpga" for "--engine"`},
		{"not hex", "zz", nil, "program: byte 0: "},
		{"half", "b7 00", nil, "program: code of 2 bytes: not a multiple of 8"},
	} {
		for _, engine := range []string{"go", "auto"} {
			t.Run(tc.name+"/"+engine, func(t *testing.T) {
				command(t, tc.in, append([]string{"--engine", engine}, tc.args...), tc.want)
			})
		}
	}
}

func command(t *testing.T, in string, args []string, want string) {
	c := Command()
	var out bytes.Buffer
	c.SetIn(strings.NewReader(in + "\n"))
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	if err := c.Execute(); err != nil {
		if !strings.HasPrefix(err.Error(), want) || want == "" {
			t.Fatalf("error %q, want %q", err, want)
		}
		return
	}
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
