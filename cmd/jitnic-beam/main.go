// Jitnic-beam runs a study on Apache Beam: the same file as `jitnic study run`, its
// cells as elements.
//
//	jitnic-beam --study study.yaml --out results/                      # Prism, in this process
//	jitnic-beam --study study.yaml --out results/ --runner=universal --endpoint=localhost:8073 --environment_type=LOOPBACK
//
// A cell's stream of paths, its points and its devices are written through Beam's
// file systems (a folder here, gs://, s3://) under the addresses that a study has on
// one machine, so that a job which is submitted again finds what is done; the rows
// are the pipeline's result. README.md has Flink, Spark and Dataflow step by step.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"jitnic/cmd/internal/near"
	"jitnic/host/study/cell"
	"jitnic/host/study/spec"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/gcs"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/s3"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"
)

var (
	file  = flag.String("study", "", "the study's `FILE`, or study:NAME")
	out   = flag.String("out", "", "`FOLDER` of the results: a path, gs:// or s3://")
	cells = flag.String("store", "", "`FOLDER` in which cells are kept; default cells in the results")
)

func main() {
	flag.Parse()
	beam.Init() // a worker never returns from it
	if err := submit(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "jitnic-beam: %s\n", near.Suggest(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")))
		code := 1
		if errors.Is(err, errSomeFailed) {
			code = 3
		}
		os.Exit(code)
	}
}

// errSomeFailed: cells failed, and the rest is done.
var errSomeFailed = errors.New("cells failed")

func submit(ctx context.Context) error {
	switch {
	case *file == "":
		return errors.New("--study: name the study's file")
	case *out == "":
		return errors.New("--out: name the folder of the results")
	}
	if *cells == "" {
		*cells = join(*out, "cells")
	}
	s, err := spec.Read(*file)
	if err != nil {
		return err
	}
	p, err := cell.Resolve(ctx, s, &files{ctx: ctx})
	if err != nil {
		return err
	}
	pipeline, scope := beam.NewPipelineWithRoot()
	if err := build(scope, p, *cells, *out); err != nil {
		return err
	}
	r, err := beamx.RunWithMetrics(ctx, pipeline)
	if err != nil {
		return err
	}
	count := counted(r)
	fmt.Printf("cells    %d\n  run    %d\n  found  %d\n  failed %d\npoints   %d\nrows     %d\n", len(p.Cells), count["run"], count["found"], count["failed"], count["points"], count["rows"])
	if count["failed"] > 0 {
		return fmt.Errorf("%d of %d %w: see %s", count["failed"], len(p.Cells), errSomeFailed, join(*out, "failed.txt"))
	}
	return nil
}

// counted are the pipeline's counters, by name; a runner that has none gives none.
func counted(r beam.PipelineResult) map[string]int64 {
	out := map[string]int64{}
	if r == nil {
		return out
	}
	for _, c := range r.Metrics().AllMetrics().Counters() {
		out[c.Key.Name] += c.Result()
	}
	return out
}
