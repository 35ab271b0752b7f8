package superoptcmd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"jitnic/superopt"
)

// ranked is the file of the k-th best results.
type ranked struct {
	path string
	data []byte
}

// ranked makes the files behind the best one. In OUT.k.EXT every function is
// its k-th best; one that has fewer results is its best. Each file is loaded and compared as the best one is.
func (in *input) ranked(ctx context.Context, r *Report, progs []*superopt.Prog, out string, pad bool, kernel kernelMode, seed uint64) ([]ranked, error) {
	n := 0
	for _, p := range r.Programs {
		if p.Result != nil {
			n = max(n, len(p.Result.Top))
		}
	}
	ext := filepath.Ext(out)
	var files []ranked
	for k := 1; k < n; k++ {
		set := append([]*superopt.Prog(nil), progs...)
		for i, p := range r.Programs {
			if p.Result != nil && k < len(p.Result.Top) {
				set[i] = p.Result.Top[k].Prog
			}
		}
		path := fmt.Sprintf("%s.%d%s", strings.TrimSuffix(out, ext), k+1, ext)
		data, err := in.write(set, pad)
		if err != nil {
			return nil, pathError(path, err)
		}
		if _, refused := kernel.ask(ctx, in, data, set, seed); refused != nil {
			return nil, fmt.Errorf("%s: %w", path, refused)
		}
		files = append(files, ranked{path, data})
	}
	return files, nil
}
