package comparecmd
import "io"
func (r *Report) Page(w io.Writer) error { return nil }
