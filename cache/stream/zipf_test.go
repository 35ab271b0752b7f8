package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// The corpus's README gives the first ids, how many occur, and the hash of all.
func TestZipfIsTheCorpusStream(t *testing.T) {
	s := Zipf(100_000, 10_000_000, 42)
	want := []uint64{64015, 47115, 6934, 31835, 63837, 61247, 36719, 72761, 31835, 70719}
	for i, w := range want {
		if g := s.Key(s.IDs[i]); g != w {
			t.Fatalf("request %d: got id %d, want %d", i, g, w)
		}
	}
	if n := s.NumIDs(); n != 99_997 {
		t.Errorf("got %d ids, want 99997", n)
	}
	h := sha256.New()
	buf := make([]byte, 0, 4<<16)
	for i, id := range s.IDs {
		buf = binary.LittleEndian.AppendUint32(buf, uint32(s.Key(id)))
		if len(buf) == cap(buf) || i == len(s.IDs)-1 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	if g := hex.EncodeToString(h.Sum(nil)); g != "02e209085e086f990c53808b51cd45dce7315d6007c32dcb83d6366eef8c96cb" {
		t.Errorf("sha256 of the ids is %s", g)
	}
}
