//go:build cgo

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// settings are the same for as long as the extension is loaded.
type settings struct {
	hold    bool          // two versions may not run at the same time
	poll    time.Duration // between two looks at the files, 10 ms to 1 h
	wait    time.Duration // longest time for one step of an update, 100 ms to 1 h: see README.md
	backups int           // 0 to 100
}

const prefix = "ISAPILOADER_"

// readSettings takes each setting from the file of lines "name = value", which need not exist, else from the environment.
func readSettings(file string) (settings, error) {
	s := settings{poll: time.Second, wait: 30 * time.Second, backups: 3}
	for _, name := range []string{"mode", "poll", "wait", "backups"} {
		if value := os.Getenv(prefix + strings.ToUpper(name)); value != "" {
			if err := s.set(name, value); err != nil {
				return s, fmt.Errorf("%s%s: %w", prefix, strings.ToUpper(name), err)
			}
		}
	}
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		if err := s.set(strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)); err != nil {
			return s, fmt.Errorf("%s, line %d: %w", file, n, err)
		}
	}
	return s, nil
}

func (s *settings) set(name, value string) (err error) {
	switch name {
	case "mode":
		s.hold = value == "hold"
		if !s.hold && value != "overlap" {
			return fmt.Errorf("mode %q is unknown; use overlap or hold", value)
		}
	case "poll":
		s.poll, err = duration(name, value, 10*time.Millisecond)
	case "wait":
		s.wait, err = duration(name, value, 100*time.Millisecond)
	case "backups":
		s.backups, err = strconv.Atoi(value)
		if err != nil || s.backups < 0 || s.backups > 100 {
			return fmt.Errorf("backups is %q; use a number from 0 to 100", value)
		}
	default:
		return fmt.Errorf("%q is unknown; there are mode, poll, wait and backups", name)
	}
	return err
}

func duration(name, value string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > time.Hour {
		return 0, fmt.Errorf("%s is %q; use a time from %v to 1h, such as 30s", name, value, least)
	}
	return d, nil
}
