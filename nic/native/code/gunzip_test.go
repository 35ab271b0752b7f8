package code

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"jitnic/host/hosttest/must"
)

func gunzip(t *testing.T, b []byte) string {
	t.Helper()
	r := must.Get(gzip.NewReader(bytes.NewReader(b)))(t)
	out := must.Get(io.ReadAll(r))(t)
	return string(out)
}
