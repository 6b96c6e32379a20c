package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Restrict applies s to all threads of this process. It cannot be undone. The notes say, in a sentence each, what of s this
// kernel does not enforce. After an error nothing of Files and Network is in force.
func Restrict(s Sandbox) (notes []string, err error) {
	if s.NoNewPrivs {
		if err := abi.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("sandbox: no_new_privs: %w", err)
		}
	}
	if !s.Files && !s.Network {
		return nil, nil
	}
	version, err := abi.LandlockGetABIVersion()
	if err != nil {
		version = 0
	}
	var access []any
	var rules []landlock.Rule
	if s.Files {
		if rules, err = fileRules(&s, version); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		access = append(access, landlock.V9.HandledAccessFS)
	}
	if s.Network {
		rules = append(rules, portRules(&s)...)
		access = append(access, landlock.V4.HandledAccessNet)
	}
	notes = missing(&s, version) // before files are out of reach
	config, err := landlock.NewConfig(access...)
	if err == nil {
		err = config.BestEffort().Restrict(rules...)
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	return notes, nil
}

// fileRules allows what s lists. A folder can be allowed what a file cannot.
func fileRules(s *Sandbox, version int) (rules []landlock.Rule, err error) {
	for _, path := range s.ReadFiles {
		folder, err := isFolder(path)
		if err != nil {
			return nil, err
		}
		rules = append(rules, readRule(path, folder))
	}
	for _, path := range s.WriteFiles {
		folder, err := isFolder(path)
		if err != nil {
			return nil, err
		}
		rules = append(rules, writeRule(path, folder, version))
	}
	if s.SystemFiles {
		rules = append(rules, systemRules(version)...)
	}
	return rules, nil
}

func readRule(path string, folder bool) landlock.Rule {
	if folder {
		return landlock.RODirs(path)
	}
	return landlock.ROFiles(path)
}

func writeRule(path string, folder bool, version int) landlock.Rule {
	switch {
	case !folder:
		return landlock.RWFiles(path).WithIoctlDev().WithResolveUnix()
	case version < 2: // it knows no such right; asked for it, the library would restrict nothing
		return landlock.RWDirs(path).WithIoctlDev().WithResolveUnix()
	}
	return landlock.RWDirs(path).WithIoctlDev().WithResolveUnix().WithRefer()
}

// systemFiles are to read. Most systems have most of them.
var systemFiles = strings.Fields(`
	/lib /lib32 /lib64 /usr/lib /usr/lib32 /usr/lib64 /usr/local/lib /usr/local/lib64 /etc/ld.so.cache /etc/ld.so.preload
	/etc/localtime /etc/timezone /usr/share/zoneinfo /usr/share/locale /usr/share/i18n /etc/locale.alias
	/etc/ssl /etc/pki /usr/share/ca-certificates /usr/local/share/ca-certificates
	/etc/hosts /etc/host.conf /etc/hostname /etc/resolv.conf /run/systemd/resolve /etc/gai.conf /etc/nsswitch.conf /etc/services /etc/protocols
	/etc/passwd /etc/group /etc/mime.types
	/dev/zero /dev/random /dev/urandom
	/proc/self /proc/sys/kernel /proc/sys/vm /proc/meminfo /proc/cpuinfo /proc/stat /sys/devices/system/cpu`)

// systemRules allows what there is of systemFiles, and the null device in every way.
func systemRules(version int) []landlock.Rule {
	var rules []landlock.Rule
	for _, path := range systemFiles {
		if folder, err := isFolder(path); err == nil {
			rules = append(rules, readRule(path, folder))
		}
	}
	return append(rules, writeRule(os.DevNull, false, version))
}

func isFolder(path string) (bool, error) {
	st, err := os.Stat(path)
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%q: there is no such file or folder", path)
	case errors.As(err, &p):
		return false, fmt.Errorf("%q: %w", path, p.Err)
	}
	return st.IsDir(), nil
}

func portRules(s *Sandbox) (rules []landlock.Rule) {
	for _, port := range s.ConnectPorts {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	for _, port := range s.BindPorts {
		rules = append(rules, landlock.BindTCP(port))
	}
	return rules
}

// missing says what of s a kernel with that version of Landlock does not enforce.
func missing(s *Sandbox, version int) (notes []string) {
	if version < 1 {
		return []string{"sandbox: files and TCP ports are not restricted: this kernel has no Landlock, or was started without it (lsm=)"}
	}
	for _, m := range []struct {
		asked   bool
		version int
		text    string
	}{
		{s.Files, 2, "moving files from one folder to another is never allowed"},
		{s.Files, 3, "cutting files (truncate) is not restricted"},
		{s.Files, 5, "the control of devices (ioctl) is not restricted"},
		{s.Files, 9, "connecting to Unix sockets by their path is not restricted"},
		{s.Network, 4, "TCP ports are not restricted"},
	} {
		if m.asked && version < m.version {
			notes = append(notes, fmt.Sprintf("sandbox: %s: that needs version %d of Landlock, this kernel has %d", m.text, m.version, version))
		}
	}
	if b, err := os.ReadFile("/proc/sys/net/mptcp/enabled"); s.Network && err == nil && strings.TrimSpace(string(b)) == "1" {
		notes = append(notes, "sandbox: Multipath TCP is not restricted by Landlock and is enabled: turn it off (sysctl net.mptcp.enabled=0) if no program here needs it")
	}
	return notes
}
