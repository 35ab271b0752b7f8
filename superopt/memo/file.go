package memo

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// form is the first line of a file, magic what it begins with whatever the form.
const (
	magic = "jitnic memo "
	form  = magic + "1\n"
)

// sumBytes close an entry.
const sumBytes = 8

// longest is how many bytes a question or an answer has at most.
const longest = 64 << 20

// Open is the memo kept in a file, which is made where there is none. versions, a
// line, is what answers depend on beside their questions: a file of others is
// written anew. note says in a line what was found wrong, "" for nothing; where
// another process has the file, it says so and the memo ends with this one. An
// error is a file that must not be used.
func Open(path, versions string) (m *Memo, note string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, "", named(path, err)
	}
	m = New()
	if err := ours(f); err != nil {
		f.Close()
		return nil, "", named(path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return m, fmt.Sprintf("memo %s: another process uses it; this run goes without", path), nil
		}
		return nil, "", named(path, err)
	}
	m.file, m.path = f, path
	why, err := m.read(versions)
	if err != nil {
		f.Close()
		return nil, "", named(path, err)
	}
	if why != "" {
		note = fmt.Sprintf("memo %s: %s", path, why)
	}
	m.first = len(m.entries)
	return m, note, nil
}

// named puts the file before an error, once.
func named(path string, err error) error { return fmt.Errorf("memo %s: %w", path, nameless(err)) }

// nameless is an error without the file it is of.
func nameless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ours refuses what another user could have written.
func ours(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	switch me := uint32(os.Geteuid()); {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("not a regular file")
	case st.Uid != me && st.Uid != 0:
		return fmt.Errorf("belongs to user %d, who could have written anything into it", st.Uid)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("other users can write it (mode %04o)", st.Mode&0o7777)
	}
	return nil
}

// read takes in the file's entries. why says what was wrong with it, where it, or
// its end, is written anew.
func (m *Memo) read(versions string) (why string, err error) {
	st, err := m.file.Stat()
	if err != nil {
		return "", err
	}
	if st.Size() > 0 {
		r := bufio.NewReaderSize(io.NewSectionReader(m.file, 0, st.Size()), 1<<20)
		var whole bool
		if why, whole, err = m.log(r, versions); err != nil {
			return "", err
		}
		switch {
		case whole:
			return "", nil
		case m.end > 0: // the end alone
			return why, m.file.Truncate(m.end)
		}
		clear(m.entries)
	}
	if err := m.file.Truncate(0); err != nil {
		return "", err
	}
	head := form + versions + "\n"
	m.end = int64(len(head))
	_, err = m.file.WriteAt([]byte(head), 0)
	return why, err
}

// log reads a file from its beginning; whole says that it is good to its end. Else
// m.end is behind the last good entry, 0 where none may be used.
func (m *Memo) log(r *bufio.Reader, versions string) (why string, whole bool, err error) {
	var head [2]string
	for i := range head {
		if head[i], err = r.ReadString('\n'); err != nil && err != io.EOF {
			return "", false, err
		}
	}
	switch first := head[0]; {
	case !strings.HasPrefix(first, magic) && !strings.HasPrefix(magic, first) && head[1] != versions+"\n":
		return "", false, errors.New("not a memo; it stays as it is")
	case first != form:
		return fmt.Sprintf("its form is %.40q, not %q: ignored, and written anew", strings.TrimSpace(first), strings.TrimSpace(form)), false, nil
	case head[1] != versions+"\n":
		return fmt.Sprintf("made with %.300q, this is %q: ignored, and written anew", strings.TrimSpace(head[1]), versions), false, nil
	}
	m.end = int64(len(form) + len(versions) + 1)
	for {
		e, err := entry(r)
		switch {
		case err == io.EOF:
			return "", true, nil
		case err == io.ErrUnexpectedEOF:
			return fmt.Sprintf("cut off behind entry %d: what comes is written there", len(m.entries)), false, nil
		case err == errSum:
			n := len(m.entries)
			m.end = 0
			return fmt.Sprintf("corrupt behind entry %d: ignored, and written anew", n), false, nil
		case err != nil:
			return "", false, err
		}
		n := int(binary.LittleEndian.Uint32(e))
		m.entries[sha256.Sum256(e[8:8+n])] = place{at: m.end + 8, question: n, ans: len(e) - 8 - n - sumBytes}
		m.end += int64(len(e))
	}
}

// errSum is an entry that isn't what was written.
var errSum = errors.New("its sum is another")

// entry reads the next one: io.EOF at the end, io.ErrUnexpectedEOF where it is cut.
func entry(r *bufio.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n, k := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	if n > longest || k > longest {
		return nil, errSum
	}
	e := make([]byte, 8+int(n)+int(k)+sumBytes)
	copy(e, head[:])
	if _, err := io.ReadFull(r, e[8:]); err == io.EOF { // cut behind the head
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	if s := sum(e[:len(e)-sumBytes]); !bytes.Equal(s[:], e[len(e)-sumBytes:]) {
		return nil, errSum
	}
	return e, nil
}

func sum(b []byte) [sumBytes]byte {
	s := sha256.Sum256(b)
	return [sumBytes]byte(s[:sumBytes])
}

// append writes an entry behind the last one with one call, and says where its
// question begins.
func (m *Memo) append(question, answer []byte) (int64, error) {
	if len(question) > longest || len(answer) > longest {
		return 0, errors.New("an entry is too long")
	}
	b := make([]byte, 0, 8+len(question)+len(answer)+sumBytes)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(question)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(answer)))
	b = append(append(b, question...), answer...)
	s := sum(b)
	b = append(b, s[:]...)
	if _, err := m.file.WriteAt(b, m.end); err != nil {
		m.file.Truncate(m.end)
		return 0, nameless(err)
	}
	at := m.end + 8
	m.end += int64(len(b))
	return at, nil
}

// places are where all entries are, in the order they were added.
func (m *Memo) places() []place {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]place, 0, len(m.entries))
	for _, p := range m.entries {
		if p.mem == nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.at, b.at) })
	for _, k := range m.order {
		all = append(all, m.entries[k])
	}
	return all
}

// Close gives the file back to other processes.
func (m *Memo) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return nil
	}
	err := m.file.Close()
	m.file = nil
	clear(m.entries)
	return err
}
