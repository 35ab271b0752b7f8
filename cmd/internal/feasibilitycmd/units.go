package feasibilitycmd

import (
	"fmt"
	"math"
	"strings"

	"jitnic/cmd/internal/report"
)

// none stands where there is nothing to tell.
const none = "-"

// digits is x with three significant ones, never as a power of ten; what four
// decimals don't show is 0.
func digits(x float64) string {
	a := math.Abs(x)
	switch {
	case a < 0.00005:
		return "0"
	case a >= 99.95 || a == math.Trunc(a) && a < 1000:
		return fmt.Sprintf("%.0f", x)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case a >= 0.9995:
		return fmt.Sprintf("%.2f", x)
	case a < 0.0001: // where %g turns to powers of ten
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// nanos is a time given in ns.
func nanos(x float64) string {
	a := math.Abs(x)
	for _, u := range []struct {
		from, per float64
		name      string
	}{{999.5e6, 1e9, " s"}, {999.5e3, 1e6, " ms"}, {999.5, 1e3, " us"}} {
		if a >= u.from {
			return digits(x/u.per) + u.name
		}
	}
	return digits(x) + " ns"
}

// latency is nanos of a run's figure; nothing where no packet finished.
func latency(x float64) string {
	if x == 0 {
		return none
	}
	return nanos(x)
}

// seconds is a time that may be long.
func seconds(x float64) string {
	switch {
	case x >= 2*365*86400:
		return digits(x/(365.25*86400)) + " years"
	case x >= 2*86400:
		return digits(x/86400) + " days"
	case x >= 2*3600:
		return digits(x/3600) + " hours"
	}
	return digits(x) + " s"
}

// perSecond is how often something happens.
func perSecond(x float64) string {
	if x > 0 && x < 0.001 {
		return "<0.001 /s"
	}
	return scaled(x, "/s")
}

// scaled is a rate or an amount with a decimal prefix.
func scaled(x float64, unit string) string {
	a := math.Abs(x)
	for _, u := range []struct {
		from, per float64
		name      string
	}{{999.5e6, 1e9, " G"}, {999.5e3, 1e6, " M"}, {9995, 1e3, " k"}} {
		if a >= u.from {
			return digits(x/u.per) + u.name + unit
		}
	}
	return strings.TrimRight(digits(x)+" "+unit, " ")
}

func pps(x float64) string { return scaled(x, "pps") }

// percent has two decimals; nearly all is not all, and hardly any not none.
func percent(x float64) string {
	switch {
	case x > 0 && x < 0.00005:
		return "<0.01 %"
	case x < 1 && x > 0.99995:
		return ">99.99 %"
	case x == 0 || x == 1:
		return fmt.Sprintf("%.0f %%", 100*x)
	}
	return fmt.Sprintf("%.2f %%", 100*x)
}

// share is n of all as percent has it.
func share(n, all uint64) string {
	if all == 0 {
		return none
	}
	return percent(float64(n) / float64(all))
}

// bytesText is an amount of memory.
func bytesText(n uint64) string {
	switch {
	case n >= 10<<20:
		return digits(float64(n)/(1<<20)) + " MiB"
	case n >= 10<<10:
		return digits(float64(n)/(1<<10)) + " KiB"
	}
	return fmt.Sprintf("%d B", n)
}

// bits is the memory of a matcher.
func bits(n uint64) string {
	if n < 8192 {
		return fmt.Sprintf("%d bit", n)
	}
	return digits(float64(n)/1024) + " Kibit"
}

// limit is one of a device; 0 is none.
func limit(n uint64) string {
	if n == 0 {
		return "none"
	}
	return report.Count(n)
}

// even is a break-even hit ratio: any where the offload wins at every one, and
// never where it loses at every one.
func even(x float64) string {
	switch {
	case x <= 0:
		return "any"
	case x > 1:
		return "never"
	}
	return percent(x)
}

// change is a value as a multiple of another.
func change(x, base float64) string {
	if base == 0 || x == base {
		if x == base {
			return "="
		}
		return none
	}
	return "×" + digits(x/base)
}

// clip keeps a text short enough for a column.
func clip(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-1]) + "…"
}

// plural is a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return report.Count(uint64(n)) + " " + many
}
