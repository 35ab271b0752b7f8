package pcaps

import (
	"context"
	"io"
	"strings"

	"jitnic/pcaps/samples"
)

// sampleInput opens a capture embedded in the binary.
func sampleInput(path string) (input, error) {
	name := strings.TrimPrefix(path, samplePrefix)
	if _, err := samples.Open(name); err != nil {
		return input{}, err
	}
	return input{name: path, again: true, open: func(context.Context) (io.ReadCloser, error) {
		r, err := samples.Open(name)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(r), nil
	}}, nil
}
