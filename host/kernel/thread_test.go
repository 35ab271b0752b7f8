package kernel

import (
	"context"
	"errors"
	"testing"
)

// TestAnswered: the end of the context is answered though the call hangs; what comes
// back by itself counts, and so do its errors.
func TestAnswered(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hang := make(chan bool)
	defer close(hang)
	n, err := Answered(ctx, func() (int, error) {
		cancel()
		<-hang
		return 1, nil
	})
	if n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a call that hangs: %d, %v; want 0 and the context's error", n, err)
	}
	own := errors.New("its own")
	if n, err := Answered(t.Context(), func() (int, error) { return 2, own }); n != 2 || err != own {
		t.Errorf("a call that ends: %d, %v", n, err)
	}
}
