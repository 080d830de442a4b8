package unit

import (
	"context"

	"koweld/divert"
)

// Diversions measures what dpkg diverts on the system, koweld's own and all
// others, and what is known of the names of some wants. Nothing is changed.
func (s *System) Diversions(ctx context.Context, wants ...divert.Want) (*divert.State, error) {
	db, err := s.dpkg()
	if err != nil {
		return nil, err
	}
	sys := divert.System{FS: s.FS, DB: db}
	if db != nil {
		sys.Admin = dpkgAdminDir
	}
	return divert.Measure(ctx, sys, wants...)
}
