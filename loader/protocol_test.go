//go:build linux && cgo

package main_test

import (
	"testing"

	"github.com/isapid/isapid/internal/update/updatetest"
)

// TestProtocol: the loader does with files what everybody does who replaces images.
func TestProtocol(t *testing.T) {
	for _, isolated := range []bool{false, true} {
		name := map[bool]string{false: "in-process", true: "isolated"}[isolated]
		t.Run(name, func(t *testing.T) {
			updatetest.Protocol(t, func(t *testing.T) *updatetest.Server {
				h := install(t, build(t, 1), "backups = 2")
				h.start(isolated)
				return &updatetest.Server{
					Folder: h.folder, Run: "shop.run", Loads: true,
					Answer: func() string { return h.ask("").text },
					Again: func() {
						h.stop()
						if err := h.serve(isolated); err != nil {
							t.Fatal(err)
						}
					},
				}
			})
		})
	}
}
