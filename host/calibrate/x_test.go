package calibrate

import (
	"fmt"
	"jitnic/nic/profile"
	"testing"
	"time"
)

func TestX(t *testing.T) {
	o := Quick()
	o.Realtime = true
	o.Rounds = 21
	o.Round = time.Millisecond
	o.Steps = []string{"floor", "call", "xdp", "type", "output", "program"}

	s, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%+v\n", s.Machine)
	for _, f := range s.Figures {
		fmt.Printf("%-8s %-24s %-14s %6d %-8s %5d %9.3f med %9.3f iqr %8.3f  %s\n", f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Bytes, f.Value, f.Median, f.IQR(), f.Note)
	}
	fmt.Println(s.Seconds)
	b, err := profile.LoadHost("paper")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Profile(b)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(h.Format())
}
