package studycmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"jitnic/cmd/internal/report"
	"jitnic/host/study/cell"
	"jitnic/host/study/result"
	"jitnic/host/study/spec"
	"jitnic/pcaps/outfile"
)

// A commandRow is a line of commands.csv: what became of a command of the study.
type commandRow struct {
	Name    string `json:"name"`
	Is      string `json:"is"`
	Command string `json:"command"`
	Status  string `json:"status"` // done, failed, or left out: what it needs isn't there
	Error   string `json:"error"`
	Key     string `json:"key"` // of the command and the version that ran it
}

const commandDir = "commands"

// commands runs those of a study that have not been run by this version, one after
// the other, by this very program: NAME.txt has what each printed. It returns how
// many failed.
func commands(ctx context.Context, s *spec.Study, out string) (ran, failed int, err error) {
	if len(s.Commands) == 0 {
		return 0, 0, nil
	}
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	dir := filepath.Join(out, commandDir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", dir, outfile.Cause(err))
	}
	table := filepath.Join(out, "commands.csv")
	before := map[string]commandRow{}
	if rows, err := result.ReadTable[commandRow](table); err == nil {
		for _, r := range rows {
			before[r.Name] = r
		}
	}
	var rows []commandRow
	for _, c := range s.Commands {
		r := commandRow{Name: c.Name, Is: c.Is, Command: "jitnic " + c.Run, Status: "done", Key: cell.Hash([]string{c.Run, report.Version()})}
		text := filepath.Join(dir, c.Name+".txt")
		if c.Needs != "" {
			if all, err := filepath.Glob(filepath.Join(s.Dir, c.Needs)); !filepath.IsAbs(c.Needs) && (err != nil || len(all) == 0) {
				r.Status, r.Error = "left out", c.Needs+" is not there"
			} else if all, err := filepath.Glob(c.Needs); filepath.IsAbs(c.Needs) && (err != nil || len(all) == 0) {
				r.Status, r.Error = "left out", c.Needs+" is not there"
			}
		}
		_, there := os.Stat(text)
		if old := before[c.Name]; r.Status == "done" && (old.Key != r.Key || old.Status != "done" || there != nil) {
			ran++
			if err := command(ctx, self, s.Dir, filepath.Join(dir, c.Name), c.Run, text); err != nil {
				if ctx.Err() != nil {
					return ran, failed, nil
				}
				r.Status, r.Error = "failed", err.Error()
				failed++
			}
		}
		rows = append(rows, r)
	}
	return ran, failed, outfile.Write(table, func(f *outfile.File) error { return result.WriteTable(f, rows) })
}

// command runs one; its output goes to a file, whole or not at all.
func command(ctx context.Context, self, dir, out, run, text string) error {
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self, strings.Fields(strings.ReplaceAll(run, "{out}", abs))...)
	c.Dir = dir
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := lines[len(lines)-1]; last != "" {
			return errors.New(strings.TrimPrefix(last, "jitnic: "))
		}
		return err
	}
	return outfile.Write(text, func(f *outfile.File) error {
		_, err := f.Write(bytes.ReplaceAll(stdout.Bytes(), []byte(abs), []byte(filepath.Base(out))))
		return err
	})
}

// commandBlocks are what the study's commands printed.
func commandBlocks(dir string) []report.Block {
	rows, err := result.ReadTable[commandRow](filepath.Join(dir, "commands.csv"))
	if err != nil {
		return nil // the study has none
	}
	var out []report.Block
	for _, r := range rows {
		var f report.Facts
		f.Add(r.Name, r.Is)
		f.Add("  command", r.Command)
		if r.Status != "done" {
			f.Add("  "+r.Status, r.Error)
		}
		out = append(out, report.Block{Facts: f, Apart: true})
		if b, err := os.ReadFile(filepath.Join(dir, commandDir, r.Name+".txt")); err == nil && r.Status == "done" {
			out = append(out, report.Block{Pre: string(b), Title: "What it printed", Only: report.OnPage})
		}
	}
	return out
}
