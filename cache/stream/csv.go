package stream

import (
	"bufio"
	"io"
	"strconv"
)

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
