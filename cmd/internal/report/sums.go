package report

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// sums are the SHA-256 of the files a command reads, made beside its work from
// the moment it begins: of what it reads, and not of what became of it since.
type sums map[string]chan string

func sumsOf(files []Output) sums {
	s := sums{}
	var order []string
	for _, f := range files {
		if s[f.Path] == nil {
			s[f.Path] = make(chan string, 1)
			order = append(order, f.Path)
		}
	}
	go func() {
		for _, path := range order {
			s[path] <- sumOf(path)
		}
	}()
	return s
}

// of is the sum of a file, "" where it can't be read.
func (s sums) of(path string) string {
	c := s[path]
	if c == nil {
		return sumOf(path)
	}
	sum := <-c
	c <- sum // for who asks again
	return sum
}

func sumOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return sum(f)
}

func sum(r io.Reader) string {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
