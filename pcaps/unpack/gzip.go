package unpack

import (
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// gzipMembers reads the members of a gzip file (RFC 1952 section 2.2) one by
// one: between and behind them zero bytes may stand, which gzip(1) ignores
// (tapes and block devices pad), and the library takes for a damaged header.
type gzipMembers struct {
	r *bufio.Reader
	z *gzip.Reader
}

func openGzip(r *bufio.Reader) (io.Reader, func(), error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, nil, err
	}
	z.Multistream(false)
	return &gzipMembers{r, z}, nothing, nil
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if n > 0 || err != io.EOF {
			if err == io.EOF {
				err = nil // told by the next call
			}
			return n, err
		}
		if err := g.padding(); err != nil {
			return 0, err
		}
		if err := g.z.Reset(g.r); err != nil {
			return 0, noEOF(err)
		}
		g.z.Multistream(false)
	}
}

// padding passes over zeros; io.EOF is the end of the file behind them.
func (g *gzipMembers) padding() error {
	for {
		b, err := g.r.ReadByte()
		switch {
		case err != nil:
			return err
		case b == 0x1f:
			return g.r.UnreadByte()
		case b != 0:
			return fmt.Errorf("byte %#02x behind the last member: neither another member nor zero padding", b)
		}
	}
}
