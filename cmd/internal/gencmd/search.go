package gencmd

import (
	"context"
	"fmt"
	"io"

	"jitnic/host/run/explore"
	"jitnic/host/run/replay"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"
)

// searched is the attack `--attack search`: packets that take distinct paths
// of a given program, found without a solver, interleaved to thrash its cache.
type searched struct {
	program, entry string
	captures       []string
	paths          uint64
	share          float64
	budget         int
}

// packets searches. Seeds are the first packets of the captures, or of the
// traffic itself where none are named.
func (a *searched) packets(ctx context.Context, base gen.Spec) ([][]byte, error) {
	r, _, _, err := replay.Runtime(replay.Input{Program: a.program, Entry: a.entry}, explore.Options())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var src pcaps.Reader
	if len(a.captures) > 0 {
		s, err := pcaps.Open(ctx, pcaps.Options{Paths: a.captures, Limit: 256})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		src = s
	} else {
		base.Packets, base.Attack = 256, nil
		if src, err = gen.New(base); err != nil {
			return nil, err
		}
	}
	var seeds [][]byte
	var pkt pcaps.Packet
	for {
		if err := src.Next(&pkt); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if len(pkt.Data) <= 1514 {
			seeds = append(seeds, append([]byte(nil), pkt.Data...))
		}
	}
	return explore.Packets(ctx, r, seeds, int(a.paths), a.budget, base.Seed)
}

// write writes the traffic with the attack mixed in: the found packets one
// after the other, again and again, so that a path comes back only after all
// the others.
func (a *searched) write(ctx context.Context, g *gen.Generator, attack [][]byte, w *pcaps.Writer) error {
	if len(attack) == 0 {
		return fmt.Errorf("--attack search: no packet reached a path that can be a trace")
	}
	var pkt pcaps.Packet
	due, next := 0.0, 0
	for {
		if err := g.Next(&pkt); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if pkt.Index&0xfff == 0 {
			g.Progress(pkt.Index)
		}
		pkt.Label = pcaps.Legit
		if due += a.share; due >= 1 {
			due--
			pkt.Data = attack[next%len(attack)]
			pkt.Len = uint32(len(pkt.Data))
			pkt.Label = pcaps.Attack
			next++
		}
		if err := w.Write(&pkt); err != nil {
			return err
		}
	}
}
