package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/modes"
	"confman/cmd/torture/plant"
)

// torture runs the modes that are wanted, one after the other, and reports
// whether any found a violation.
func (o *options) torture(ctx context.Context) (failed bool, err error) {
	dir, err := os.MkdirTemp("", "torture-")
	if err != nil {
		return false, err
	}
	if o.binary == "" {
		o.binary = filepath.Join(dir, "confman")
		bug := plant.Bug{}
		if o.planted != "" {
			if bug, err = plant.Named(o.planted); err != nil {
				return false, err
			}
		}
		if err := plant.Build(ctx, bug, "./cmd/confman", o.binary); err != nil {
			return false, errors.Join(err, os.RemoveAll(dir))
		}
	}
	var reports []*modes.Report
	for _, m := range modes.All() {
		if m.Name != o.mode && (o.mode != everything || m.Name == "mix") {
			continue
		}
		r, err := o.one(ctx, m, filepath.Join(dir, m.Name))
		if err != nil {
			return false, fmt.Errorf("%s, seed %d: %w; see %s", m.Name, o.seed, err, dir)
		}
		reports, failed = append(reports, r), failed || r.Failed()
	}
	if !failed {
		err = os.RemoveAll(dir)
	}
	return failed, errors.Join(err, o.write(reports))
}

// one runs a mode.
func (o *options) one(ctx context.Context, m modes.Mode, dir string) (*modes.Report, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	r := &modes.Report{
		Mode: m.Name, Seed: o.seed, Nodes: o.nodes, Began: time.Now(), Machine: modes.Machine(),
		Binary: modes.Binary{Version: version(ctx, o.binary), Planted: o.planted},
	}
	b := modes.NewBench(modes.Config{
		Dir: dir, Binary: o.binary, Nodes: o.nodes, Seed: o.seed, Time: o.time(), Namespaces: !o.loopback, Log: os.Stderr, Report: r,
	})
	b.Logf("%s, seed %d", m.Name, o.seed)
	err := m.Run(ctx, b)
	if ctx.Err() != nil {
		return nil, errors.New("interrupted")
	}
	if err != nil {
		r.Violate(check.Finding{Check: "run", Says: err.Error()})
	}
	if r.Took = time.Since(r.Began); r.Failed() {
		r.Wrong.Kept = dir
	}
	return r, nil
}

// version is what the binary says of itself.
func version(ctx context.Context, binary string) string {
	out, err := exec.CommandContext(ctx, binary, "version").Output()
	if err != nil {
		return "of unknown version"
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first
}

// write writes the reports where they are wanted.
func (o *options) write(reports []*modes.Report) (err error) {
	to := os.Stdout
	if o.report != "" {
		if to, err = os.Create(o.report); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		defer func() { err = errors.Join(err, to.Close()) }()
	}
	for _, r := range reports {
		if err := r.Write(to); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(reports, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o600)
}
