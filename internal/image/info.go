package image

// Format is what kind of file it is. Only ELF and PE can be loaded; the others exist so that we can say what was found.
type Format string

const (
	FormatELF       Format = "ELF"
	FormatPE        Format = "PE"
	FormatMachO     Format = "Mach-O"
	FormatDOS       Format = "DOS" // a DOS or 16-bit Windows program
	FormatArchive   Format = "archive"
	FormatScript    Format = "script"
	FormatText      Format = "text"
	FormatEmpty     Format = "empty"
	FormatDirectory Format = "directory"
	FormatUnknown   Format = "unknown"
)

// Type is what an ELF or PE file is for.
type Type string

const (
	TypeLibrary    Type = "shared library"
	TypeExecutable Type = "executable"
	TypeObject     Type = "object"
	TypeCore       Type = "core"
	TypeUnknown    Type = "unknown"
)

// Kind is what an image can be used for, judged by its exports.
type Kind string

const (
	KindNone      Kind = "none"
	KindExtension Kind = "extension"
	KindFilter    Kind = "filter"
	KindBoth      Kind = "extension and filter"
)

// Info is what [Inspect] found. Names in it come from the file and may hold any byte but NUL: quote them for people.
type Info struct {
	Path   string `json:"path"` // as given to Inspect
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256,omitempty"`
	Format Format `json:"format"`

	System string `json:"system,omitempty"` // GOOS name
	Arch   string `json:"arch,omitempty"`   // GOARCH name
	Bits   int    `json:"bits,omitempty"`   // 32 or 64
	Type   Type   `json:"type,omitempty"`

	Kind    Kind      `json:"kind"`
	Exports []Export  `json:"exports,omitempty"`     // ISAPI entry points, and DllMain
	Mangled []Export  `json:"cxx_exports,omitempty"` // the same under C++ names, which no host can find
	Needed  []Library `json:"needed,omitempty"`      // direct ones, then what is missing or Beside further down

	SONAME      string `json:"soname,omitempty"`
	BuildID     string `json:"build_id,omitempty"` // GNU build id, hexadecimal
	Interpreter string `json:"interpreter,omitempty"`
	Libc        string `json:"libc,omitempty"` // glibc, musl, bionic or ""

	Loader     bool     `json:"loader,omitempty"` // it is isapiloader, which updates another image itself
	Go         bool     `json:"go,omitempty"`
	FreePascal bool     `json:"free_pascal,omitempty"`
	NoUnload   []string `json:"no_unload,omitempty"` // why the system will not unload it once loaded

	// Unique are the names of its unique symbols (STB_GNU_UNIQUE) that are its own, not the C++ library's. A process has each of
	// them once: another version that is loaded later uses the data of the first.
	Unique []string `json:"-"`

	Incomplete string `json:"incomplete,omitempty"` // what is missing at the end of the file
	Damaged    string `json:"damaged,omitempty"`    // what contradicts itself in the file
}

// Export is one entry point a host looks for.
type Export struct {
	Name   string `json:"name"`   // "TerminateExtension"
	Symbol string `json:"symbol"` // as exported: "_TerminateExtension@4"
}

// Library is one library the image needs before it can be loaded.
type Library struct {
	Name   string `json:"name"`
	Path   string `json:"path,omitempty"` // what the loader would take, if found
	Found  bool   `json:"found"`
	System bool   `json:"system,omitempty"` // supplied by Windows; Path is then empty unless this is Windows
	By     string `json:"by,omitempty"`     // path of the library that needs it, "" for the image itself

	// Beside is true for an ELF library that only hosts find, in the image's own folder. The dynamic loader does not look
	// there: it has to be loaded before the image, by its path in the folder of the staged copy; of several, the last first.
	Beside bool `json:"beside,omitempty"`
}
