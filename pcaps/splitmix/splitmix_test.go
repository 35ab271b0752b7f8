package splitmix

import "testing"

// The first numbers from seed 1234567 of the authors' Java and C programs.
func TestReference(t *testing.T) {
	s := State(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := s.Next(); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
	}
}
