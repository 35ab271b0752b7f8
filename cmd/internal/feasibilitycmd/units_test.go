package feasibilitycmd

import "testing"

// TestUnits: numbers as a reader wants them, no more precise than they are.
func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{nanos(0), "0 ns"}, {nanos(41.6), "41.6 ns"}, {nanos(999.4), "999 ns"}, {nanos(999.6), "1.00 us"}, {nanos(1234), "1.23 us"}, {nanos(98_400), "98.4 us"},
		{nanos(999_600), "1.00 ms"}, {nanos(2.5e9), "2.50 s"}, {nanos(-248_000), "-248 us"}, {latency(0), "-"}, {latency(5), "5 ns"},
		{pps(10e6), "10 Mpps"}, {pps(8_938_789), "8.94 Mpps"}, {pps(29.8e6), "29.8 Mpps"}, {pps(18_600), "18.6 kpps"}, {pps(999), "999 pps"}, {pps(2e9), "2 Gpps"},
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(0.99999), ">99.99 %"}, {percent(0.00001), "<0.01 %"}, {percent(0.8267), "82.67 %"}, {percent(-0.4202), "-42.02 %"},
		{even(0), "any"}, {even(2), "never"}, {even(0.9), "90.00 %"}, {even(1), "100 %"},
		{bytesText(4096), "4096 B"}, {bytesText(69632), "68 KiB"}, {bytesText(5_782_759), "5647 KiB"}, {bytesText(64 << 20), "64 MiB"},
		{bits(6080), "6080 bit"}, {bits(131 * 1024), "131 Kibit"}, {limit(0), "none"}, {limit(1024), "1 024"},
		{change(2, 1), "×2"}, {change(1, 1), "="}, {change(1, 0), "-"}, {change(1, 3), "×0.333"},
		{perSecond(1.24e-8), "<0.001 /s"}, {perSecond(3.13), "3.13 /s"}, {perSecond(119_102), "119 k/s"}, {perSecond(0), "0 /s"},
		{seconds(9.4453), "9.45 s"}, {seconds(2_820_646_454), "89.4 years"}, {seconds(4 * 86400), "4 days"},
		{share(1, 3), "33.33 %"}, {share(0, 0), "-"}, {ordinal(1), "1st"}, {ordinal(12), "12th"}, {ordinal(22), "22nd"}, {ordinal(103), "103rd"},
		{clip("abcdef", 4), "abc…"}, {clip("abcd", 4), "abcd"}, {digits(4960.4), "4960"}, {digits(0.246), "0.246"}, {digits(12.5), "12.5"}, {digits(3), "3"},
		{digits(-6.05e-07), "0"}, {digits(4.9e-5), "0"}, {digits(5.1e-5), "0.0001"}, {digits(-0.000123), "-0.000123"}, {nanos(-1e-9), "0 ns"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
