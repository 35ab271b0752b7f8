package stream

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

var csvColumns = []string{"id", "size", "cost", "bytes", "time_ns", "label"}

// ReadCSV reads a stream from CSV: a line a request. With a header line, its
// columns are named, in any order, of: id, size (slots), cost, bytes, time_ns,
// label. Without one they are id or id,size. Ids may be any text; an empty one
// is an uncacheable request. The last size and cost of an id hold.
func ReadCSV(in io.Reader) (*Stream, error) {
	r := csv.NewReader(bufio.NewReaderSize(in, 1<<16))
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	r.Comment = '#'
	s := &Stream{Foreign: true}
	dense := map[string]uint32{}
	labels := map[string]uint8{}
	numeric := true
	var col [6]int // per csvColumns: where, -1: not there
	have := 0
	fail := func(field int, format string, args ...any) (*Stream, error) {
		line, _ := r.FieldPos(field)
		return nil, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
	}
	for first := true; ; first = false {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				return nil, fmt.Errorf("line %d: %v", pe.Line, pe.Err)
			}
			return nil, fmt.Errorf("offset %d: %w", r.InputOffset(), err)
		}
		if first {
			have = len(rec)
			if slices.Contains(rec, "id") {
				for i, name := range csvColumns {
					col[i] = slices.Index(rec, name)
				}
				for i, name := range rec {
					if !slices.Contains(csvColumns, name) {
						return fail(i, "column %q is not known; there are %s", name, strings.Join(csvColumns, ", "))
					}
				}
				continue
			}
			if have > 2 {
				return fail(0, "%d columns without a header line: only id or id,size can do without", have)
			}
			col = [6]int{0, 1, -1, -1, -1, -1}
			if have == 1 {
				col[1] = -1
			}
		}
		if len(rec) != have {
			return fail(0, "%d fields, the first line has %d", len(rec), have)
		}
		num := func(c int, limit uint64) (uint64, error) {
			v, err := strconv.ParseUint(rec[col[c]], 10, 64)
			if err != nil || v > limit {
				return 0, fmt.Errorf("%s %q is not a number from 0 to %d", csvColumns[c], rec[col[c]], limit)
			}
			return v, nil
		}
		id := None
		if name := rec[col[0]]; name != "" {
			var ok bool
			if id, ok = dense[name]; !ok {
				id = uint32(len(dense))
				if id >= maxID {
					return fail(0, "more than %d ids", maxID)
				}
				dense[strings.Clone(name)] = id
				key, err := strconv.ParseUint(name, 10, 64)
				numeric = numeric && err == nil
				s.Keys = append(s.Keys, key)
			}
		}
		if id != None && col[1] >= 0 {
			v, err := num(1, 1<<32-1)
			if err != nil {
				return fail(col[1], "%v", err)
			}
			s.Sizes = put(s.Sizes, id, uint32(max(v, 1)))
		}
		if id != None && col[2] >= 0 {
			v, err := num(2, 1<<32-1)
			if err != nil {
				return fail(col[2], "%v", err)
			}
			s.Costs = put(s.Costs, id, uint32(v))
		}
		if col[3] >= 0 {
			v, err := num(3, 1<<32-1)
			if err != nil {
				return fail(col[3], "%v", err)
			}
			s.Bytes = append(s.Bytes, uint32(v))
		}
		if col[4] >= 0 {
			v, err := num(4, 1<<63-1)
			if err != nil {
				return fail(col[4], "%v", err)
			}
			if k := len(s.Time); k > 0 && int64(v) < s.Time[k-1] {
				return fail(col[4], "time_ns %d is before the line above's %d", v, s.Time[k-1])
			}
			s.Time = append(s.Time, int64(v))
		}
		if col[5] >= 0 {
			name := rec[col[5]]
			l, ok := labels[name]
			if !ok {
				if len(labels) == 256 {
					return fail(col[5], "more than 256 labels")
				}
				l = uint8(len(labels))
				name = strings.Clone(name)
				labels[name] = l
				s.LabelNames = append(s.LabelNames, name)
			}
			s.Labels = append(s.Labels, l)
		}
		s.IDs = append(s.IDs, id)
	}
	if !numeric {
		s.Keys, s.Foreign = nil, false
	}
	s.ids = len(dense)
	return s, nil
}

// WriteCSV writes a stream as CSV with a header line, of the columns the stream
// has. CSV has no invalidations: they are left out, and dropped is how many.
func WriteCSV(out io.Writer, s *Stream) (dropped int, err error) {
	w := bufio.NewWriterSize(out, 1<<16)
	has := []bool{true, s.Sizes != nil, s.Costs != nil, s.Bytes != nil, s.Time != nil, s.Labels != nil}
	var b []byte
	for c, name := range csvColumns {
		if has[c] {
			b = append(append(b, name...), ',')
		}
	}
	b[len(b)-1] = '\n'
	for i, id := range s.IDs {
		if id != None {
			b = strconv.AppendUint(b, s.Key(id), 10)
		} else {
			b = append(b, `""`...) // a line of one empty field would be an empty line
		}
		for c := range csvColumns {
			if c == 0 || !has[c] {
				continue
			}
			b = append(b, ',')
			switch {
			case c == 1 && id != None:
				b = strconv.AppendUint(b, uint64(s.Sizes[id]), 10)
			case c == 2 && id != None:
				b = strconv.AppendUint(b, uint64(s.Costs[id]), 10)
			case c == 3:
				b = strconv.AppendUint(b, uint64(s.Bytes[i]), 10)
			case c == 4:
				b = strconv.AppendInt(b, s.Time[i], 10)
			case c == 5:
				b = append(b, s.Label(i)...)
			}
		}
		b = append(b, '\n')
		if len(b) > 1<<15 {
			if _, err := w.Write(b); err != nil {
				return 0, err
			}
			b = b[:0]
		}
	}
	if _, err := w.Write(b); err != nil {
		return 0, err
	}
	return len(s.Invalidations), w.Flush()
}
