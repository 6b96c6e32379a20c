package wire

import (
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

func protocolText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestProtocolComplete: PROTOCOL.md names every kind with its number, every constant that travels, and every limit with its value.
func TestProtocolComplete(t *testing.T) {
	text := protocolText(t)
	has := func(what string) {
		if !regexp.MustCompile(`(^|\W)` + regexp.QuoteMeta(what) + `(\W|$)`).MatchString(text) {
			t.Errorf("PROTOCOL.md does not say %q", what)
		}
	}
	has(fmt.Sprint("Version ", Version))
	for k := kHello; k < kinds; k++ {
		has(fmt.Sprintf("| %d %v |", uint8(k), k))
	}
	for name, flag := range map[string]int{"flush": flagFlush, "end": flagEnd, "failed": flagFailed, "file": flagFile, "region": flagRegion} {
		has(fmt.Sprintf("`%s` %d", name, flag))
	}
	for name, value := range map[string]int{
		"maxRequest": maxRequest, "maxMessage": maxMessage, "maxData": maxData, "maxHeld": maxHeld, "Window": Window, "regionSize": regionSize, "maxExchange": maxExchange,
		"maxCalls": maxCalls, "maxChildren": maxChildren, "maxFiles": maxFiles, "maxRegions": maxRegions, "maxBacklog": maxBacklog,
		"maxTrace": maxTrace, "maxTraced": maxTraced,
	} {
		has(fmt.Sprintf("| `%s` | %d |", name, value))
	}
	for name, topic := range map[string]Topic{
		"AskMap": AskMap, "AskAlive": AskAlive, "AskAbort": AskAbort, "AskReset": AskReset, "AskDescriptor": AskDescriptor,
		"AskRoute": AskRoute, "AskLogon": AskLogon,
	} {
		has(fmt.Sprintf("| %s | %d |", name, topic))
	}
	names := constants(t, regexp.MustCompile(`^(Ask|Note|For|Body|max[A-Z]|Window$)`))
	if len(names) < 30 {
		t.Errorf("only the constants %q are found", names)
	}
	for _, name := range names {
		if name != "maxText" && name != "maxShared" && name != "maxStatus" && name != "maxCertificates" {
			has(name)
		}
	}
}

// constants are those of the package whose names match.
func constants(t *testing.T, match *regexp.Regexp) (names []string) {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					if match.MatchString(n.Name) {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// TestProtocolExample: the example of PROTOCOL.md is what it says.
func TestProtocolExample(t *testing.T) {
	_, rest, _ := strings.Cut(protocolText(t), "```hex\n")
	dump, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("PROTOCOL.md has no example")
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(dump), ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(b) > 0 {
		f, size, err := parseFrame(b)
		if err != nil || size > len(b) {
			t.Fatalf("a frame of %d bytes: %v", size, err)
		}
		b = b[size:]
		got = append(got, fmt.Sprintf("%v %d, %d bytes, flags %d: %s", f.kind, f.id, len(f.payload), f.flags, decoded(t, &f)))
	}
	want := "HEAD 3, 29 bytes, flags 0: 200 \"\" map[Content-Type:[text/plain]]\n" +
		"DATA 3, 3 bytes, flags 1: hi\n\n" +
		"END 3, 14 bytes, flags 0: 200 3 ok"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the example is\n%s\nwant\n%s", text, want)
	}
}

func decoded(t *testing.T, f *frame) string {
	t.Helper()
	switch f.kind {
	case kHead:
		h, err := decodeHead(f.payload)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %q %v", h.status, h.reason, h.header)
	case kEnd:
		r, err := decodeResult(f.payload)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %d %s", r.Status, r.Bytes, r.LogData)
	default:
		return string(f.payload)
	}
}
