package stream

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// headLines is how many lines are looked at before a text file is read.
const headLines = 200

// isText says whether the first bytes of a file are text: UTF-8 without control
// characters but tabs and line ends. whole says that there are no more.
func isText(b []byte, whole bool) bool {
	if len(b) == 0 {
		return false
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n <= 1 {
			return !whole && len(b) < utf8.UTFMax // a character that is cut
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return false
		}
		b = b[n:]
	}
	return true
}

var bom = []byte{0xef, 0xbb, 0xbf}

// firstLines are the lines that aren't empty, at most headLines.
func firstLines(b []byte) []string {
	var out []string
	for len(b) > 0 && len(out) < headLines {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		if l := strings.TrimSuffix(string(line), "\r"); strings.TrimSpace(l) != "" {
			out = append(out, l)
		}
		b = rest
	}
	return out
}

// ReadCSV reads a stream from lines of columns, a line a request, whose
// delimiter, header and columns are found in it (see Columns). Ids may be any
// text; an empty one is an uncacheable request. The last size and cost of an id
// hold.
func ReadCSV(in io.Reader) (*Stream, error) { return readCSV(in, Columns{}) }

func readCSV(in io.Reader, c Columns) (*Stream, error) {
	b, release, err := whole(in)
	if err != nil {
		return nil, err
	}
	defer release()
	return columns(b, c)
}

func columns(b []byte, c Columns) (*Stream, error) {
	b = bytes.TrimPrefix(b, bom)
	lines := firstLines(b)
	if len(lines) == 0 {
		return &Stream{Foreign: true}, nil
	}
	t, err := c.sniff(lines)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.ReuseRecord, r.FieldsPerRecord, r.LazyQuotes = t.delim, true, -1, false
	p := &rows{t: t, s: &Stream{Foreign: true, Unused: t.unused}, r: r, dense: map[string]uint32{}, labels: map[string]uint8{}, numeric: true}
	for {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, csvError(err, r)
		}
		if p.have == 0 {
			if p.have = len(rec); t.header {
				continue
			}
		}
		if err := p.row(rec); err != nil {
			return nil, err
		}
	}
	return p.end(), nil
}

func csvError(err error, r *csv.Reader) error {
	var pe *csv.ParseError
	if errors.As(err, &pe) {
		return fmt.Errorf("line %d: %v", pe.Line, pe.Err)
	}
	return fmt.Errorf("offset %d: %w", r.InputOffset(), err)
}

// rows makes requests of lines.
type rows struct {
	t       table
	s       *Stream
	r       *csv.Reader
	have    int // fields of the first line
	dense   map[string]uint32
	labels  map[string]uint8
	numeric bool // all ids so far are numbers
	falls   bool
}

func (p *rows) fail(field int, format string, args ...any) error {
	line, _ := p.r.FieldPos(max(field, 0))
	return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
}

// number reads a whole number of a role's column.
func (p *rows) number(rec []string, r role, limit uint64) (uint64, error) {
	text := strings.TrimSpace(rec[p.t.at[r]])
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil || v > limit {
		return 0, p.fail(p.t.at[r], "%s %q is not a number from 0 to %d", csvColumns[r], text, limit)
	}
	return v, nil
}

func (p *rows) row(rec []string) error {
	if len(rec) != p.have {
		return p.fail(0, "%d fields, the first line has %d", len(rec), p.have)
	}
	id, err := p.id(rec[p.t.at[roleID]])
	if err != nil {
		return err
	}
	s := p.s
	i := len(s.IDs)
	s.IDs = append(s.IDs, id)
	if err := p.sizes(rec, i, id); err != nil {
		return err
	}
	if p.t.at[roleCost] >= 0 && id != None {
		v, err := p.number(rec, roleCost, math.MaxUint32)
		if err != nil {
			return err
		}
		s.Costs = put(s.Costs, id, uint32(v))
	}
	if p.t.at[roleTime] >= 0 {
		if err := p.time(rec); err != nil {
			return err
		}
	}
	if p.t.at[roleLabel] >= 0 {
		return p.label(rec[p.t.at[roleLabel]])
	}
	return nil
}

func (p *rows) id(name string) (uint32, error) {
	if name == "" {
		return None, nil
	}
	if id, ok := p.dense[name]; ok {
		return id, nil
	}
	id := uint32(len(p.dense))
	if id >= maxID {
		return 0, p.fail(p.t.at[roleID], "more than %d ids", maxID)
	}
	p.dense[strings.Clone(name)] = id
	key, err := strconv.ParseUint(name, 10, 64)
	p.numeric = p.numeric && err == nil
	p.s.Keys = append(p.s.Keys, key)
	return id, nil
}

// sizes takes size (slots of the id) and bytes (of the request). Without a
// column of bytes they are the size, as requested.
func (p *rows) sizes(rec []string, i int, id uint32) error {
	s := p.s
	own := p.t.at[roleBytes] >= 0
	if own {
		v, err := p.number(rec, roleBytes, math.MaxUint32)
		if err != nil {
			return err
		}
		s.Bytes = append(s.Bytes, uint32(v))
	}
	switch {
	case p.t.at[roleSize] < 0:
		return nil
	case id == None:
		if !own && s.Bytes != nil {
			s.Bytes = append(s.Bytes, 1)
		}
		return nil
	}
	v, err := p.number(rec, roleSize, math.MaxUint32)
	if err != nil {
		return err
	}
	if int(id) >= len(s.Sizes) {
		s.Sizes = put(s.Sizes, id, 0)
	}
	if own {
		s.Sizes[id] = uint32(max(v, 1))
		return nil
	}
	s.sized(i, id, uint32(v))
	return nil
}

func (p *rows) time(rec []string) error {
	at := p.t.at[roleTime]
	var ns int64
	if p.t.strict {
		v, err := p.number(rec, roleTime, math.MaxInt64)
		if err != nil {
			return err
		}
		ns = int64(v)
	} else {
		text := strings.TrimSpace(rec[at])
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || v < 0 || v*float64(p.t.unit) >= math.MaxInt64 {
			return p.fail(at, "time %q is not a number of 0 or more that fits 63 bits of nanoseconds", text)
		}
		ns = int64(v * float64(p.t.unit))
	}
	s := p.s
	if k := len(s.Time); k > 0 && ns < s.Time[k-1] {
		if p.t.strict {
			return p.fail(at, "time_ns %d is before the line above's %d", ns, s.Time[k-1])
		}
		p.falls = true
	}
	s.Time = append(s.Time, ns)
	return nil
}

func (p *rows) label(name string) error {
	l, ok := p.labels[name]
	if !ok {
		if len(p.labels) == 256 {
			return p.fail(p.t.at[roleLabel], "more than 256 labels")
		}
		l = uint8(len(p.labels))
		name = strings.Clone(name)
		p.labels[name] = l
		p.s.LabelNames = append(p.s.LabelNames, name)
	}
	p.s.Labels = append(p.s.Labels, l)
	return nil
}

func (p *rows) end() *Stream {
	s := p.s
	if p.falls {
		s.Time = nil // not a clock
	}
	if !p.numeric {
		s.Keys, s.Foreign = nil, false
	}
	for id, n := range s.Sizes {
		if n == 0 { // of uncacheable requests only
			s.Sizes[id] = 1
		}
	}
	s.ids = len(p.dense)
	return s
}

// ids reads a stream of ids alone, one a line. Ids may be any text.
func ids(b []byte, c Columns) (*Stream, error) {
	b = bytes.TrimPrefix(b, bom)
	if c.header == 0 && !c.said {
		c.header = -1
	}
	p := &rows{s: &Stream{Foreign: true}, dense: map[string]uint32{}, numeric: true}
	numbers, dense := newDense(), true // a table of numbers until a line is none
	for n := 1; len(b) > 0; n++ {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 || n == 1 && c.header > 0 {
			continue
		}
		if dense {
			if v, ok := plainNumber(line); ok {
				id, fresh := numbers.id(v)
				if fresh {
					p.s.Keys = append(p.s.Keys, v)
				}
				p.s.IDs = append(p.s.IDs, id)
				continue
			}
			dense = false
			for id, key := range p.s.Keys {
				p.dense[strconv.FormatUint(key, 10)] = uint32(id)
			}
		}
		id, ok := p.dense[string(line)]
		if !ok {
			id = uint32(len(p.dense))
			p.dense[string(line)] = id
			p.s.Keys = append(p.s.Keys, 0)
			_, plain := plainNumber(line)
			p.numeric = p.numeric && plain
		}
		if id >= maxID {
			return nil, fmt.Errorf("line %d: more than %d ids", n, maxID)
		}
		p.s.IDs = append(p.s.IDs, id)
	}
	if dense {
		p.s.ids = len(p.s.Keys)
		return p.s, nil
	}
	p.s.Keys, p.s.Foreign, p.s.ids = nil, false, len(p.dense)
	return p.s, nil
}

// plainNumber reads digits without a leading zero: what prints as it was read.
func plainNumber(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}
