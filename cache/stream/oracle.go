package stream

import (
	"bufio"
	"encoding/binary"
	"io"
)

// oracleRecord is the length of a record of libCacheSim's oracleGeneral (see
// layout).
const oracleRecord = 24

// WriteOracle writes a stream as libCacheSim's oracleGeneral. That format has
// no uncacheable requests and no invalidations: they are left out, and dropped
// is how many were.
func WriteOracle(out io.Writer, s *Stream) (dropped int, err error) {
	w := bufio.NewWriterSize(out, 1<<16)
	// Numbers of requests, from 1, after dropping.
	next := make([]int64, len(s.IDs))
	last := make([]int64, s.NumIDs())
	kept := int64(len(s.IDs))
	for _, id := range s.IDs {
		if id == None {
			kept--
		}
	}
	n := kept
	for i := len(s.IDs) - 1; i >= 0; i-- {
		id := s.IDs[i]
		if id == None {
			continue
		}
		next[i] = -1
		if last[id] != 0 {
			next[i] = last[id]
		}
		last[id] = n
		n--
	}
	var b [oracleRecord]byte
	for i, id := range s.IDs {
		if id == None {
			continue
		}
		sec := int64(0)
		if s.Time != nil {
			sec = s.Time[i] / 1e9
		}
		binary.LittleEndian.PutUint32(b[0:], uint32(sec))
		binary.LittleEndian.PutUint64(b[4:], s.Key(id))
		binary.LittleEndian.PutUint32(b[12:], s.Size(id))
		binary.LittleEndian.PutUint64(b[16:], uint64(next[i]))
		if _, err := w.Write(b[:]); err != nil {
			return 0, err
		}
	}
	return len(s.IDs) - int(kept) + len(s.Invalidations), w.Flush()
}
