package server

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"confman/api/dashboard"
)

// DashboardOptions say where the dashboard comes from.
type DashboardOptions struct {
	Dir string // "": it is built in
}

func (o *DashboardOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Dir, "dev-ui-dir", "", "directory that the dashboard is read from at each request, for work on it (default: it is built in)")
}

func (o DashboardOptions) validate() error {
	if o.Dir == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(o.Dir, dashboard.Index)); err != nil {
		return fmt.Errorf("--dev-ui-dir: want the directory with the sources of the dashboard, api/dashboard: %w", err)
	}
	return nil
}

// site is nil for the dashboard that is built in.
func (o DashboardOptions) site(log zerolog.Logger) *dashboard.Site {
	if o.Dir == "" {
		return nil
	}
	log.Warn().Str("directory", o.Dir).Msg("the dashboard is read from a directory: for development only (--dev-ui-dir)")
	return dashboard.Live(o.Dir)
}
