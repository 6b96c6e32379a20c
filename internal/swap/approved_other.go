//go:build !linux && !windows

package swap

import "github.com/isapid/isapid/internal/image"

func keep(s *image.Staged) (path string, forget func() error, err error) { return keepNamed(s) }
