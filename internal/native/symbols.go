package native

import (
	"bufio"
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
)

// Symbols are looked up in the files themselves: dladdr takes the dynamic loader's lock, which a fault may have left held.

var symbolCache sync.Map // path → *symbolTable

type symbolTable struct {
	base  uint64 // lowest virtual address of a loaded segment
	syms  []elf.Symbol
	mu    sync.Mutex // guards dwarf, whose readers share state
	dwarf *dwarf.Data
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
		if m != nil && strings.HasPrefix(m.path, "/") {
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

func readMaps() (ms mappings) {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var m mapping
		fields := strings.Fields(sc.Text())
		if n, _ := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); n != 2 {
			continue
		}
		if len(fields) > 5 {
			m.path = strings.Join(fields[5:], " ")
		}
		ms = append(ms, m)
	}
	return ms
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
	f, err := elf.Open(path)
	if err != nil {
		return t
	}
	defer f.Close()
	if len(f.Sections) > maxSections || len(f.Progs) > maxSections {
		return t
	}
	t.base = ^uint64(0)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			t.base = min(t.base, p.Vaddr&^(pageSize-1))
		}
	}
	if sectionBytes(f, ".symtab", ".strtab", ".dynsym", ".dynstr") > maxDebug {
		return t
	}
	syms, _ := f.Symbols()
	dyn, _ := f.DynamicSymbols()
	for _, s := range append(syms, dyn...) {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 {
			t.syms = append(t.syms, s)
		}
	}
	sort.SliceStable(t.syms, func(i, j int) bool { return t.syms[i].Value < t.syms[j].Value })
	if sectionBytes(f, ".debug_", ".zdebug_") <= maxDebug {
		t.dwarf, _ = f.DWARF()
	}
	return t
}

// sectionBytes is the size, decompressed, of all sections whose names begin with one of these.
func sectionBytes(f *elf.File, names ...string) (n uint64) {
	for _, s := range f.Sections {
		for _, name := range names {
			if strings.HasPrefix(s.Name, name) {
				n += min(s.Size, maxDebug+1) // no overflow: there are few sections
			}
		}
	}
	return n
}

// name fills in symbol and line. The address of a caller's frame is the one after its call instruction.
func (t *symbolTable) name(f *Frame, caller bool) {
	addr := f.Offset + t.base
	at := addr
	if caller {
		at--
	}
	i := sort.Search(len(t.syms), func(i int) bool { return t.syms[i].Value > at })
	if i > 0 {
		s := t.syms[i-1]
		if at < s.Value+max(s.Size, 1) || s.Size == 0 {
			f.Symbol = fmt.Sprintf("%s+0x%x", s.Name, addr-s.Value)
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
