package stream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// oracleGeneral is libCacheSim's format: records of 24 bytes, little-endian:
//
//	0   u32  time in seconds
//	4   u64  object
//	12  u32  size in bytes
//	16  i64  number of the object's next request, from 1; −1 none
const oracleRecord = 24

// ReadOracle reads a libCacheSim oracleGeneral trace. Objects become dense ids
// in order of first use; a size of 0 becomes 1; where an object's size changes,
// the last one holds. The next requests are not needed and not checked.
func ReadOracle(in io.Reader) (*Stream, error) {
	r := bufio.NewReaderSize(in, 1<<16)
	s := &Stream{Foreign: true}
	dense := map[uint64]uint32{}
	var b [oracleRecord]byte
	falls := false
	for off := int64(0); ; off += oracleRecord {
		n, err := io.ReadFull(r, b[:])
		if err == io.EOF {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("offset %d: record cut after %d of %d bytes", off, n, oracleRecord)
		}
		if err != nil {
			return nil, fmt.Errorf("offset %d: %w", off, err)
		}
		if len(s.IDs) == math.MaxInt32 {
			return nil, fmt.Errorf("offset %d: more than %d requests", off, math.MaxInt32)
		}
		key := binary.LittleEndian.Uint64(b[4:])
		id, ok := dense[key]
		if !ok {
			id = uint32(len(s.Keys))
			if id >= maxID {
				return nil, fmt.Errorf("offset %d: more than %d objects", off, maxID)
			}
			dense[key] = id
			s.Keys = append(s.Keys, key)
			s.Sizes = append(s.Sizes, 0)
		}
		s.Sizes[id] = max(binary.LittleEndian.Uint32(b[12:]), 1)
		ns := int64(binary.LittleEndian.Uint32(b[:])) * 1e9
		if k := len(s.Time); k > 0 && ns < s.Time[k-1] {
			falls = true
		}
		s.Time = append(s.Time, ns)
		s.IDs = append(s.IDs, id)
	}
	if falls {
		s.Time = nil // not a clock
	}
	s.ids = len(s.Keys)
	return s, nil
}

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
