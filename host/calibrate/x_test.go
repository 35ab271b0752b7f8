package calibrate

import (
	"fmt"
	"testing"
	"time"
)

func TestX(t *testing.T) {
	o := Quick()
	o.Realtime = true
	o.Rounds = 21
	o.Round = time.Millisecond
	o.Progress = func(d, a int, w string) { fmt.Println(d, a, w) }
	s, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%+v\n", s.Machine)
	for _, f := range s.Figures {
		fmt.Printf("%-8s %-24s %-14s %6d %-8s %5d %9.3f med %9.3f iqr %8.3f  %s\n", f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Bytes, f.Value, f.Median, f.IQR(), f.Note)
	}
	fmt.Println(s.Seconds)
}
