package memo

import (
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
)

// roomBytes is how much a memo without a file holds; then the oldest go.
const roomBytes = 64 << 20

// Memo is answers by question. Safe for concurrent use.
type Memo struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]place
	order   [][sha256.Size]byte // of those in memory, the oldest first
	bytes   int                 // held in memory

	file *os.File // nil: in memory alone
	path string
	end  int64 // of the file's last whole entry
	lost error // why the file takes no more entries

	asked, found, added, first int
}

// place is where an entry is.
type place struct {
	at            int64 // in the file, of the question
	question, ans int   // bytes
	mem           []byte
}

// New is a memo that ends with the process.
func New() *Memo { return &Memo{entries: map[[sha256.Size]byte]place{}} }

// Get is the answer kept under a question. The answer is the caller's.
func (m *Memo) Get(question []byte) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	p, ok := m.entries[sha256.Sum256(question)]
	if !ok || p.question != len(question) {
		return nil, false
	}
	e, err := m.entry(p)
	if err != nil || string(e[:p.question]) != string(question) {
		return nil, false
	}
	m.found++
	return e[p.question:], true
}

// entry reads question and answer, one behind the other.
func (m *Memo) entry(p place) ([]byte, error) {
	if p.mem != nil {
		return append([]byte(nil), p.mem...), nil
	}
	b := make([]byte, p.question+p.ans)
	_, err := m.file.ReadAt(b, p.at)
	return b, err
}

// Put keeps an answer. What can't be written stays in memory.
func (m *Memo) Put(question, answer []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := sha256.Sum256(question)
	if _, ok := m.entries[k]; ok {
		return
	}
	m.added++
	p := place{question: len(question), ans: len(answer)}
	if m.file != nil && m.lost == nil {
		if p.at, m.lost = m.append(question, answer); m.lost == nil {
			m.entries[k] = p
			return
		}
	}
	p.mem = append(append(make([]byte, 0, len(question)+len(answer)), question...), answer...)
	m.entries[k] = p
	m.order = append(m.order, k)
	for m.bytes += len(p.mem); m.bytes > roomBytes && len(m.order) > 1; m.order = m.order[1:] {
		m.bytes -= len(m.entries[m.order[0]].mem)
		delete(m.entries, m.order[0])
	}
}

// Each gives every entry to use, in the order they were added, until it returns
// an error, which it names the entry's number with.
func (m *Memo) Each(use func(question, answer []byte) error) error {
	for i, p := range m.places() {
		m.mu.Lock()
		e, err := m.entry(p)
		m.mu.Unlock()
		if err == nil {
			err = use(e[:p.question], e[p.question:])
		}
		if err != nil {
			if m.path == "" {
				return fmt.Errorf("entry %d: %w", i+1, err)
			}
			return fmt.Errorf("%s: entry %d: %w", m.path, i+1, err)
		}
	}
	return nil
}

// Path is the memo's file, "" where it has none.
func (m *Memo) Path() string { return m.path }

// Len is how many entries there are.
func (m *Memo) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}

// String says in a line what the memo was good for.
func (m *Memo) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := fmt.Sprintf("memo %s: %d of %d questions found, %d added to %d", m.path, m.found, m.asked, m.added, m.first)
	if m.lost != nil {
		s += "; not written: " + m.lost.Error()
	}
	return s
}
