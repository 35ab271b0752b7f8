package native

import (
	"fmt"

	"jitnic/nic/native/code"
)

// Choice says what runs programs and traces: the value of --engine.
type Choice uint8

// The choices.
const (
	Auto   Choice = iota // machine code where the machine can, else Go
	Native               // machine code, or an error
	Go                   // the executors in Go
)

// Choices are their names, for help texts.
const Choices = "auto, native or go"

// String is the choice's name.
func (c Choice) String() string { return [...]string{"auto", "native", "go"}[c] }

// Set reads a name; with String and Type a Choice is a command-line flag's
// value.
func (c *Choice) Set(name string) error {
	for _, x := range []Choice{Auto, Native, Go} {
		if x.String() == name {
			*c = x
			return nil
		}
	}
	return fmt.Errorf("engine %q: want %s", name, Choices)
}

// Type is what help texts call the value.
func (c *Choice) Type() string { return "engine" }

// Memory is executable memory for the choice: nil where the executors in Go
// are to run. The error is of Native alone, on a machine that can't.
func (c Choice) Memory() (*code.Memory, error) {
	if c == Go {
		return nil, nil
	}
	m, err := code.New(0)
	if err != nil && c == Auto {
		return nil, nil
	}
	return m, err
}

// Refused is why the system has let no memory of this process become executable where
// there is a backend; nil: it has, or nobody asked.
func Refused() error { return code.Refused() }
