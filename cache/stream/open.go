package stream

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"jitnic/pcaps/outfile"
	"jitnic/pcaps/unpack"

	"github.com/klauspost/compress/zstd"
)

// A format is a way of keeping requests in a file.
type format struct {
	name  string
	other string // another name for it
	read  func(b []byte, c Columns) (*Stream, error)
}

var formats = []format{
	{"jitnic", "", func(b []byte, _ Columns) (*Stream, error) { return own(b) }},
	{"packed", "", packedFile},
	{"oracle", "oracleGeneral", func(b []byte, _ Columns) (*Stream, error) { return records(b, layoutOracle) }},
	{"lcs", "", func(b []byte, _ Columns) (*Stream, error) { return found(b, lcsLayout) }},
	{"vscsi", "", func(b []byte, _ Columns) (*Stream, error) { return found(b, vscsiLayout) }},
	{"twr", "", func(b []byte, _ Columns) (*Stream, error) { return records(b, layoutTwr) }},
	{"twrns", "twrNS", func(b []byte, _ Columns) (*Stream, error) { return records(b, layoutTwrNS) }},
	{"csv", "", columns},
	{"tsv", "", func(b []byte, c Columns) (*Stream, error) {
		if c.delim == 0 {
			c.delim = '\t'
		}
		return columns(b, c)
	}},
	{"txt", "", ids},
}

// found reads records of a layout that the file tells.
func found(b []byte, layout func([]byte) (layout, error)) (*Stream, error) {
	l, err := layout(b)
	if err != nil {
		return nil, err
	}
	return records(b, l)
}

// Formats lists the file formats that are read, by name.
func Formats() []string {
	var out []string
	for _, f := range formats {
		out = append(out, f.name)
	}
	return out
}

// Written lists the file formats that are written.
func Written() []string { return []string{"jitnic", "oracle", "csv"} }

// Options say how a file is read.
type Options struct {
	Format  string    // one of Formats; "": by content that can't be anything else
	Columns string    // of text files, as ParseColumns reads it; "": found
	Stdin   io.Reader // what "-" reads; nil is os.Stdin
	Jobs    int       // above 1: read and unpacked beside the parsing; changes no result
}

// Open reads a stream from a file, or from stdin where path is "-". Packed files
// (package unpack) are told by content; formats too, and one that could be
// another is refused.
func Open(ctx context.Context, path string, o Options) (*Stream, error) {
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("stream %q: %w", path, err)
	}
	s.Name = filepath.Base(path)
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Stream, error) {
	c, err := ParseColumns(o.Columns)
	if err != nil {
		return nil, fmt.Errorf("--columns: %w", err)
	}
	b, release, err := content(ctx, path, o)
	if err != nil {
		return nil, err
	}
	defer release()
	if len(b) == 0 {
		return nil, errors.New("offset 0: empty file")
	}
	f, err := choose(b, o.Format)
	if err != nil {
		return nil, err
	}
	if f.name == "txt" && o.Format == "" && o.Columns != "" {
		f, _ = choose(b, "csv") // columns make it one
	}
	if o.Columns != "" && f.name != "csv" && f.name != "tsv" && f.name != "txt" {
		return nil, fmt.Errorf("--columns: a %s file has none", f.name)
	}
	return f.read(b, c)
}

// content is what the file holds, unpacked; a plain regular file is mapped.
func content(ctx context.Context, path string, o Options) ([]byte, func(), error) {
	opener := unpack.File(path)
	if path == "-" {
		stdin := o.Stdin
		if stdin == nil {
			stdin = os.Stdin
		}
		opener = unpack.Stdin(stdin)
	} else if b, release, ok := plain(path); ok {
		return b, release, nil
	}
	r, err := unpack.Start(ctx, opener, o.Jobs)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	return whole(r)
}

// plain maps a regular file that isn't packed.
func plain(path string) (b []byte, release func(), ok bool) {
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return nil, nil, false
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, false
	}
	defer f.Close()
	if b, release, ok = mapped(f); !ok {
		return nil, nil, false
	}
	if _, form, end, err := unpack.New(bytes.NewReader(b)); err == nil {
		if end(); form == "" {
			return b, release, true
		}
	}
	release()
	return nil, nil, false
}

// choose finds the format: the one that is named, or the only one that the
// content can be.
func choose(b []byte, name string) (*format, error) {
	list := strings.Join(Formats(), ", ")
	if name != "" {
		i := slices.IndexFunc(formats, func(f format) bool { return f.name == name || f.other == name })
		if i < 0 {
			return nil, fmt.Errorf("format %q: not known; there are %s", name, list)
		}
		return &formats[i], nil
	}
	fit := fits(b)
	if len(fit) != 1 {
		why := "it is of no format that its content tells"
		if len(fit) > 1 {
			why = "its content may be " + strings.Join(fit, " or ")
		}
		return nil, fmt.Errorf("offset 0: %s: give --format (%s)", why, list)
	}
	return choose(b, fit[0])
}

// jsonBegins is how a JSON document begins: an object, or a list of them.
var jsonBegins = regexp.MustCompile(`^(\xEF\xBB\xBF)?\s*(\[\s*)?\{\s*["}]`)

// sniffed is how many bytes are looked at to tell text.
const sniffed = 64 << 10

// fits are the formats that the content can be. Formats that any bytes can be
// (twr, twrns) are never among them.
func fits(b []byte) []string {
	if bytes.HasPrefix(b, []byte(magic)) {
		return []string{"jitnic"}
	}
	if bytes.HasPrefix(b, []byte(packedMagic)) {
		return []string{"packed"}
	}
	if len(b) >= 8 && binary.LittleEndian.Uint64(b) == lcsMagic {
		return []string{"lcs"}
	}
	head := b[:min(len(b), sniffed)]
	if jsonBegins.Match(head) { // a report, say: its lines are no ids
		return nil
	}
	if isText(bytes.TrimPrefix(head, bom), len(head) == len(b)) {
		return []string{textFormat(bytes.TrimPrefix(head, bom))}
	}
	var out []string
	if isOracle(b) {
		out = append(out, "oracle")
	}
	if vscsiVersion(b) != 0 {
		out = append(out, "vscsi")
	}
	return out
}

// textFormat tells ids alone from columns: by a delimiter in every line, or a
// name of a column in the first.
func textFormat(head []byte) string {
	lines := firstLines(head)
	if len(lines) == 0 {
		return "txt"
	}
	for _, d := range candidates {
		if everyLineHas(lines, d) {
			return "csv"
		}
	}
	if _, ok := roleOf(strings.Trim(lines[0], `" `)); ok || headed(lines) {
		return "csv"
	}
	return "txt"
}

// headed says whether the first of lines of one column is the only word.
func headed(lines []string) bool {
	if len(lines) < 2 || isNumber(lines[0]) {
		return false
	}
	for _, l := range lines[1:] {
		if !isNumber(l) {
			return false
		}
	}
	return true
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
	case "oracle", "oracleGeneral":
		dropped, err = WriteOracle(out, s)
	case "csv":
		dropped, err = WriteCSV(out, s)
	default:
		err = fmt.Errorf("format %q: not known; there are %s", format, strings.Join(Written(), ", "))
	}
	if err == nil && z != nil {
		err = z.Close()
	}
	if err == nil {
		err = f.Close()
	}
	return dropped, err
}
