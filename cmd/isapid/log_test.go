package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/isapid/isapid/internal/config"
	"github.com/isapid/isapid/internal/testext"
)

// followed has a sink follow a configuration.
func followed(t *testing.T, s *logSink, l config.Log) {
	t.Helper()
	commit, _, err := s.follow(&config.Config{Log: l})
	if err != nil {
		t.Fatal(err)
	}
	commit()
}

// without takes off what differs from run to run.
func without(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		if before, after, ok := strings.Cut(line, "time="); ok {
			_, after, _ = strings.Cut(after, " ")
			line = before + after
		}
		out.WriteString(line)
	}
	return out.String()
}

func TestLogLevels(t *testing.T) {
	var out bytes.Buffer
	s := newLogSink(&out, false)
	followed(t, s, config.Log{Level: "warn", Levels: map[string]string{"pool": "debug", "http": "error"}})
	log := s.logger()
	pool := log.With("subsystem", "pool", "pool", "p")
	http := log.With("address", "a").With("subsystem", "http")
	for _, l := range []*slog.Logger{log, pool, http, pool.With("subsystem", "worker")} {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			l.Log(t.Context(), level, "m")
		}
	}
	want := "isapid: level=WARN msg=m\nisapid: level=ERROR msg=m\n" +
		"isapid: level=DEBUG msg=m pool=p\nisapid: level=INFO msg=m pool=p\nisapid: level=WARN msg=m pool=p\nisapid: level=ERROR msg=m pool=p\n" +
		"isapid: level=ERROR msg=m address=a\n" +
		"isapid: level=WARN msg=m pool=p\nisapid: level=ERROR msg=m pool=p\n"
	if got := without(t, out.String()); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	out.Reset()
	followed(t, s, config.Log{Level: "error"}) // a reload holds for the loggers there are
	pool.Warn("m")
	if out.Len() > 0 || pool.Enabled(t.Context(), slog.LevelWarn) {
		t.Errorf("got %s", out.String())
	}
}

func TestLogFormats(t *testing.T) {
	for _, tt := range []struct {
		format config.LogFormat
		json   bool
		file   bool
		want   string
	}{
		{config.LogAuto, false, false, "isapid: level=WARN msg=\"a\\nb\" k=1\n"},
		{config.LogText, false, true, "level=WARN msg=\"a\\nb\" k=1\n"},
		{config.LogJournal, false, false, "<4>level=WARN msg=\"a\\nb\" k=1\n"},
		{config.LogJSON, false, false, `{"level":"WARN","msg":"a\nb","k":1}` + "\n"},
		{config.LogJSON, false, true, `{"level":"WARN","msg":"a\nb","k":1}` + "\n"},
		{config.LogText, true, false, `{"level":"WARN","msg":"a\nb","k":1}` + "\n"},
		{config.LogAuto, true, true, "level=WARN msg=\"a\\nb\" k=1\n"},
	} {
		var out bytes.Buffer
		s := newLogSink(&out, tt.json)
		log := s.logger().With("k", 1)
		l := config.Log{Level: "info", Format: tt.format}
		if tt.file {
			l.File = filepath.Join(t.TempDir(), "log")
		}
		followed(t, s, l)
		log.Warn("a\nb")
		s.close()
		got := out.String()
		if tt.file {
			text, err := os.ReadFile(l.File)
			if err != nil {
				t.Fatal(err)
			}
			got = string(text)
		}
		if strings.HasPrefix(got, "{") {
			var line map[string]any
			if err := json.Unmarshal([]byte(got), &line); err != nil || line["time"] == nil {
				t.Errorf("%q: %v", got, err)
			}
			_, rest, _ := strings.Cut(got, `,"level"`)
			got = `{"level"` + rest
		}
		if got = without(t, got); got != tt.want {
			t.Errorf("%+v:\n got %s\nwant %s", tt, got, tt.want)
		}
	}
}

func TestForJournal(t *testing.T) {
	for line, want := range map[string]string{
		"time=2026-11-21T08:28:48.197Z level=ERROR msg=m\n": "<3>level=ERROR msg=m\n",
		"time=x level=INFO+2 msg=m\n":                       "<6>level=INFO+2 msg=m\n",
		"level=DEBUG msg=m\n":                               "<7>level=DEBUG msg=m\n",
		"anything\n":                                        "<6>anything\n",
	} {
		var b bytes.Buffer
		b.Write(forJournal(&b, []byte(line)))
		if b.String() != want {
			t.Errorf("%q: got %q, want %q", line, b.String(), want)
		}
	}
}

// The journal says in a variable which file it reads; only if that is where the log goes it is the journal's.
func TestIsJournal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if isJournal(w) {
		t.Error("without a variable")
	}
	t.Setenv("JOURNAL_STREAM", "1:2")
	if isJournal(w) {
		t.Error("of another file")
	}
	if fileID(w) == "" {
		t.Skip("no journal on this system")
	}
	t.Setenv("JOURNAL_STREAM", fileID(w))
	if !isJournal(w) || isJournal(&bytes.Buffer{}) {
		t.Error("not recognized")
	}
	s := newLogSink(w, false)
	s.logger().Info("m")
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	if got := string(buf[:n]); err != nil || got != "<6>level=INFO msg=m\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A file that was moved away is made anew.
func TestLogReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := newLogSink(os.Stderr, false)
	if err := s.reopen(); err != nil {
		t.Errorf("the standard error: %v", err)
	}
	followed(t, s, config.Log{Level: "info", File: path})
	defer s.close()
	log := s.logger()
	for i := range 2 {
		log.Info(fmt.Sprint("line", i))
		if err := os.Rename(path, fmt.Sprint(path, i)); err != nil {
			t.Fatal(err)
		}
		log.Info("between")
		if err := s.reopen(); err != nil {
			t.Fatal(err)
		}
	}
	log.Info("last")
	for name, want := range map[string]string{
		path + "0": "level=INFO msg=line0\nlevel=INFO msg=between\n", path + "1": "level=INFO msg=line1\nlevel=INFO msg=between\n", path: "level=INFO msg=last\n",
	} {
		text, err := os.ReadFile(name)
		if got := without(t, string(text)); err != nil || got != want {
			t.Errorf("%s: %v, %s", name, err, got)
		}
	}
	if runtime.GOOS == "windows" {
		return // the name of a file that is open is free when it is closed
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.reopen(); err == nil {
		t.Error("a folder was opened")
	}
	log.Info("goes on") // in the file that nobody sees any more
}

func TestBadLogLevel(t *testing.T) {
	s := newLogSink(os.Stderr, false)
	for _, l := range []config.Log{{Level: "loud"}, {Level: "info", Levels: map[string]string{"pool": "loud"}}} {
		if _, _, err := s.follow(&config.Config{Log: l}); err == nil {
			t.Errorf("%+v: no error", l)
		}
	}
}

// What has a level of its own in the code, in the configuration and in the documentation is the same.
func TestSubsystems(t *testing.T) {
	named := map[string]bool{"control": true} // also in this package
	call := regexp.MustCompile(`(?:\.logger\(|of\([a-z.]+, )"([a-z]+)"`)
	files, err := filepath.Glob(filepath.Join(testext.Root(t), "internal/front/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(code), -1) {
			named[m[1]] = true
		}
	}
	if got := slices.Sorted(maps.Keys(named)); !slices.Equal(got, config.Subsystems) {
		t.Errorf("the code has %q, the configuration %q", got, config.Subsystems)
	}
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range config.Subsystems {
		if !strings.Contains(string(page), "\n| `"+name+"` |") {
			t.Errorf("docs/operations.md does not explain the subsystem %q", name)
		}
	}
}
