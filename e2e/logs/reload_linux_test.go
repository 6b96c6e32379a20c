package logs

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Another access log takes the place of one while requests are answered: each of them is in one of the two.
func TestReloadLosesNothing(t *testing.T) {
	s := newServer(t)
	logs := []string{
		"{directory: ./logs}", "{file: ./a.log}", "{format: json, file: ./a.json}", "{file: ./a.log, fields: [cs-uri-stem, cs-uri-query, sc-status]}",
	}
	configure := func(i int) {
		s.write("isapid.yaml", one+"log: {file: ./isapid.log, access: "+logs[i%len(logs)]+"}\n")
	}
	configure(0)
	s.start("serve")
	const clients, each = 4, 250
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c := client(t)
			for n := range each {
				send(t, c, 200, "GET", fmt.Sprintf("%s/page.txt?%d-%d-", s.urls[0], i, n))
			}
		})
	}
	for i := 1; i <= 20; i++ {
		configure(i)
		s.Signal(syscall.SIGHUP)
		s.Until("reloaded", func() bool { return strings.Count(s.read("isapid.log"), "configuration is reloaded") == i })
	}
	all.Wait()
	s.End()
	var text strings.Builder
	text.WriteString(s.read("a.log") + s.read("a.json"))
	files, err := filepath.Glob(filepath.Join(s.dir, "logs/W3SVC1/*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text.WriteString(s.read(strings.TrimPrefix(name, s.dir)))
	}
	for i := range clients {
		for n := range each {
			if got := strings.Count(text.String(), fmt.Sprintf("%d-%d-", i, n)); got != 1 {
				t.Errorf("request %d-%d is logged %d times", i, n, got)
			}
		}
	}
}
