package report

import "fmt"

// Noted puts the place behind each line, as a comment, where it is another than that
// of the line before.
func Noted(lines, at []string) []string {
	if len(at) != len(lines) {
		return lines
	}
	wide, last := 0, ""
	for _, l := range lines {
		if n := len([]rune(l)); n <= mostWide {
			wide = max(wide, n)
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l
		if at[i] != "" && at[i] != last {
			out[i] = fmt.Sprintf("%-*s  # %s", wide, l, at[i])
		}
		last = at[i]
	}
	return out
}

// mostWide is how long a line may be to have others' places stand behind it.
const mostWide = 60
