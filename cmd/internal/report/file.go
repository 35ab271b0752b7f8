package report

import (
	"bytes"
	"io"

	"jitnic/pcaps/outfile"
)

// toStdout says whether a path stands for stdout: "-", /dev/stdout and the like.
func toStdout(path string) bool {
	fd, ok := outfile.Descriptor(path)
	return path == "-" || ok && fd == 1
}

// WriteFile makes a file of what write gives, as package outfile does: whole or not
// at all, if it is a regular one. "-" and /dev/stdout are stdout, likewise only
// when write has succeeded.
func WriteFile(path string, stdout io.Writer, write func(w io.Writer) error) error {
	if !toStdout(path) {
		return outfile.Write(path, func(f *outfile.File) error { return write(f) })
	}
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		return err
	}
	_, err := stdout.Write(buf.Bytes())
	return err
}
