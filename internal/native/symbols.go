//go:build windows || (unix && cgo)

package native

import (
	"debug/dwarf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
)

// Symbols are looked up in the files themselves: dladdr takes the dynamic loader's lock, which a fault may have left held.

var symbolCache sync.Map // path → *symbolTable

type symbolTable struct {
	base  uint64 // virtual address of the start of the image, as symbols and debug information have it
	syms  []symbol
	mu    sync.Mutex // guards dwarf, whose readers share state
	dwarf *dwarf.Data
}

// symbol is a function.
type symbol struct {
	name        string
	value, size uint64 // size 0: up to the next one
}

func forgetSymbols(path string) {
	symbolCache.Delete(path)
	callers.forget()
}

// callers are the last stacks that were asked for: code that does something once does it again.
var callers stackCache

type stackCache struct {
	mu  sync.Mutex // guards all
	all map[[faultFrames]uintptr][]Frame
}

// faultFrames is how many frames of a stack are looked at.
const faultFrames = 64

const maxStacks = 256

func (c *stackCache) symbolize(pcs []uintptr) []Frame {
	var key [faultFrames]uintptr
	copy(key[:], pcs)
	c.mu.Lock()
	defer c.mu.Unlock()
	if stack, ok := c.all[key]; ok {
		return stack
	}
	if c.all == nil || len(c.all) >= maxStacks {
		c.all = map[[faultFrames]uintptr][]Frame{}
	}
	stack := symbolize(slices.Clone(pcs))
	c.all[key] = stack
	return stack
}

// forget is for when other code may be at the same addresses.
func (c *stackCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = nil
}

// symbolize names the frames of one fault. Frames of this program itself are left out: they are the call, not the fault.
func symbolize(pcs []uintptr) []Frame {
	maps := readMaps()
	self, _ := os.Executable()
	var out []Frame
	inside := false // a frame was seen that is neither ours nor libc's
	for i, pc := range pcs {
		m := maps.find(pc)
		if m != nil && m.path == self {
			if !inside {
				continue // our exit or abort, which the code called
			}
			break
		}
		if m == nil || m.path == "" {
			if gone := formerImage(pc); gone != nil {
				out = append(out, Frame{PC: pc, Image: gone.path, Offset: uint64(pc - gone.start)})
				inside = true
				continue
			}
		}
		inside = inside || m == nil || !isLibc(m.path)
		f := Frame{PC: pc}
		if m != nil && filepath.IsAbs(m.path) {
			f.Image = m.path
			f.Offset = uint64(pc - m.base(maps))
			symbolsOf(m.path).name(&f, i > 0)
		}
		out = append(out, f)
	}
	return out
}

type mapping struct {
	start, end uintptr
	path       string
}

type mappings []mapping

func (m *mapping) base(all mappings) uintptr {
	base := m.start
	for i := range all {
		if all[i].path == m.path && all[i].start < base {
			base = all[i].start
		}
	}
	return base
}

func (ms mappings) find(pc uintptr) *mapping {
	for i := range ms {
		if pc >= ms[i].start && pc < ms[i].end {
			return &ms[i]
		}
	}
	return nil
}

// former are the places of images that were unloaded, the last ones: a thread of theirs that is left behind faults there.
var former struct {
	mu sync.Mutex // guards all
	mappings
}

const maxFormer = 64

// rememberImage keeps the place of an image that is about to be unloaded.
func rememberImage(path string) {
	gone := mapping{path: path}
	for _, m := range readMaps() {
		if m.path != path {
			continue
		}
		if gone.end == 0 {
			gone.start = m.start
		}
		gone.start, gone.end = min(gone.start, m.start), max(gone.end, m.end)
	}
	former.mu.Lock()
	defer former.mu.Unlock()
	former.mappings = append(former.mappings[max(0, len(former.mappings)+1-maxFormer):], gone)
}

// formerImage is the one that was last at pc; nil if there was none.
func formerImage(pc uintptr) *mapping {
	former.mu.Lock()
	defer former.mu.Unlock()
	for i := len(former.mappings) - 1; i >= 0; i-- {
		if m := former.mappings[i]; pc >= m.start && pc < m.end {
			return &m
		}
	}
	return nil
}

func symbolsOf(path string) *symbolTable {
	if t, ok := symbolCache.Load(path); ok {
		return t.(*symbolTable)
	}
	t, _ := symbolCache.LoadOrStore(path, loadSymbols(path))
	return t.(*symbolTable)
}

// Bounds of what is read of one image. Larger ones, and those that contradict themselves, have addresses only: a fault must
// not cost more than the request it ended.
const (
	maxSymbolFile = 256 << 20 // bytes
	maxSections   = 1 << 12
	maxDebug      = 128 << 20 // bytes of symbols and of debug information, decompressed
)

func loadSymbols(path string) (t *symbolTable) {
	t = &symbolTable{}
	defer func() {
		if p := recover(); p != nil { // the file is somebody else's, and its readers are not made for malice
			t = &symbolTable{}
		}
	}()
	if st, err := os.Stat(path); err != nil || st.Size() > maxSymbolFile {
		return t
	}
	t.read(path)
	sort.SliceStable(t.syms, func(i, j int) bool { return t.syms[i].value < t.syms[j].value })
	return t
}

// name fills in symbol and line. The address of a caller's frame is the one after its call instruction.
func (t *symbolTable) name(f *Frame, caller bool) {
	addr := f.Offset + t.base
	at := addr
	if caller {
		at--
	}
	i := sort.Search(len(t.syms), func(i int) bool { return t.syms[i].value > at })
	if i > 0 {
		s := t.syms[i-1]
		if at < s.value+max(s.size, 1) || s.size == 0 {
			f.Symbol = fmt.Sprintf("%s+0x%x", s.name, addr-s.value)
		}
	}
	if t.dwarf != nil {
		f.Line = t.line(at)
	}
}

func (t *symbolTable) line(addr uint64) (text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		if recover() != nil { // of a file that lies
			text = ""
		}
	}()
	cu, err := t.dwarf.Reader().SeekPC(addr)
	if err != nil {
		return ""
	}
	lr, err := t.dwarf.LineReader(cu)
	if err != nil || lr == nil {
		return ""
	}
	var e dwarf.LineEntry
	if err := lr.SeekPC(addr, &e); err != nil || e.File == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", filepath.Base(e.File.Name), e.Line)
}
