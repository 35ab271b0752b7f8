package stream

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"jitnic/pcaps/outfile"

	"github.com/klauspost/compress/zstd"
)

// Formats lists the file formats by name.
func Formats() []string { return []string{"jitnic", "oracle", "csv"} }

// Open reads a stream from a file. format is one of Formats, or "" to tell it
// by the file: the own format by its first bytes, .csv by its name, and
// oracleGeneral otherwise. Names ending in .gz or .zst are decompressed.
func Open(path, format string) (*Stream, error) {
	s, err := open(path, format)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", path, err)
	}
	s.Name = filepath.Base(path)
	return s, nil
}

func open(path, format string) (*Stream, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unwrapPath(err)
	}
	defer f.Close()
	var in io.Reader = f
	plain := path
	switch {
	case strings.HasSuffix(path, ".gz"):
		plain = strings.TrimSuffix(path, ".gz")
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		in = z
	case strings.HasSuffix(path, ".zst"):
		plain = strings.TrimSuffix(path, ".zst")
		z, err := zstd.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		in = z
	}
	b := bufio.NewReaderSize(in, 1<<16)
	if format == "" {
		head, _ := b.Peek(len(magic))
		switch {
		case string(head) == magic:
			format = "jitnic"
		case strings.HasSuffix(plain, ".csv"):
			format = "csv"
		default:
			format = "oracle"
		}
	}
	switch format {
	case "jitnic":
		return Read(b)
	case "oracle":
		s, err := ReadOracle(b)
		if err == nil && len(s.IDs) == 0 {
			err = fmt.Errorf("offset 0: empty")
		}
		return s, err
	case "csv":
		return ReadCSV(b)
	}
	return nil, fmt.Errorf("format %q: not known; there are %s", format, strings.Join(Formats(), ", "))
}

// Save writes a stream to a file in one of Formats ("": by the name, the own
// format where it does not end in .csv or .oracleGeneral.bin), compressed by
// the name as Open has it. The file appears whole or not at all. dropped is how
// many requests and invalidations the format can't hold.
func Save(path, format string, s *Stream) (dropped int, err error) {
	plain := strings.TrimSuffix(strings.TrimSuffix(path, ".gz"), ".zst")
	if format == "" {
		switch {
		case strings.HasSuffix(plain, ".csv"):
			format = "csv"
		case strings.HasSuffix(plain, ".oracleGeneral.bin"), strings.HasSuffix(plain, ".oracleGeneral"):
			format = "oracle"
		default:
			format = "jitnic"
		}
	}
	dropped, err = save(path, format, s)
	if err != nil {
		return 0, fmt.Errorf("stream %q: %w", path, err)
	}
	return dropped, nil
}

func save(path, format string, s *Stream) (dropped int, err error) {
	f, err := outfile.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Abort()
	var out io.Writer = f
	var z io.Closer
	switch {
	case strings.HasSuffix(path, ".gz"):
		g := gzip.NewWriter(f)
		out, z = g, g
	case strings.HasSuffix(path, ".zst"):
		e, err := zstd.NewWriter(f)
		if err != nil {
			return 0, err
		}
		out, z = e, e
	}
	switch format {
	case "jitnic":
		err = Write(out, s)
	case "oracle":
		dropped, err = WriteOracle(out, s)
	case "csv":
		dropped, err = WriteCSV(out, s)
	default:
		err = fmt.Errorf("format %q: not known; there are %s", format, strings.Join(Formats(), ", "))
	}
	if err == nil && z != nil {
		err = z.Close()
	}
	if err == nil {
		err = f.Close()
	}
	return dropped, err
}

// unwrapPath takes the path out of an error that will name it anyway.
func unwrapPath(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}
