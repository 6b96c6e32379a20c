package image

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// maxFolder is how many names of a folder are looked at.
const maxFolder = 1 << 16

// windowsDLLs come with every Windows (and with Wine), without ".dll". The run-time libraries of Visual C++ after version 6 do not.
var windowsDLLs = strings.Fields(`
	activeds adsldpc advapi32 apphelp atl authz avrt bcrypt bcryptprimitives cabinet cfgmgr32 clbcatq combase comctl32
	comdlg32 comsvcs credui crypt32 cryptbase cryptui dbghelp dnsapi dsound dwmapi dxgi d3d9 d3d11 esent fltlib gdi32
	gdiplus glu32 hlink httpapi icmp imagehlp imm32 iphlpapi kernel32 kernelbase ktmw32 logoncli loadperf lz32 mfc42
	mfc42u mpr mprapi msacm32 mscoree msimg32 msi msvbvm60 msvcirt msvcp60 msvcrt msvcrt20 msvcrt40 msvfw32 mswsock
	msxml3 msxml6 mtxex ncrypt netapi32 netutils newdev normaliz ntdll ntdsapi ntmarta odbc32 odbccp32 ole32 oleacc
	oleaut32 oledlg olepro32 opengl32 pdh powrprof propsys psapi rasapi32 riched20 rpcrt4 rpcns4 rtutils samcli schannel
	secur32 security sensapi setupapi shcore shell32 shfolder shlwapi snmpapi srvcli sspicli tapi32 tdh ucrtbase urlmon
	user32 userenv usp10 uxtheme version webservices wevtapi wininet winhttp winmm winscard winspool.drv wintrust wkscli
	wldap32 ws2_32 wsock32 wtsapi32 xmllite xolehlp`)

// suppliedByWindows tells whether a DLL is part of the system. api-ms-win-*.dll and ext-ms-*.dll are not even files.
func suppliedByWindows(name string) bool {
	name = strings.ToLower(name)
	if strings.HasPrefix(name, "api-ms-win-") || strings.HasPrefix(name, "ext-ms-") {
		return true
	}
	return slices.Contains(windowsDLLs, strings.TrimSuffix(name, ".dll"))
}

// resolvePE fills i.Needed as Windows would: the image's own folder, the system; on Windows also what PATH names.
func (i *Info) resolvePE(f *peFile) {
	path, err := filepath.Abs(i.Path)
	if err != nil {
		return
	}
	own := folderNames(filepath.Dir(path))
	for _, name := range f.imports {
		lib := Library{Name: name, System: suppliedByWindows(name)}
		if at, ok := own[strings.ToLower(name)]; ok && !lib.System {
			lib.Path = filepath.Join(filepath.Dir(path), at)
		} else {
			lib.Path = onWindows(name)
		}
		lib.Found = lib.System || lib.Path != ""
		i.Needed = append(i.Needed, lib)
	}
}

// folderNames lists a folder for a search that ignores case, as Windows does.
func folderNames(dir string) map[string]string {
	names := map[string]string{}
	d, err := os.Open(dir)
	if err != nil {
		return names
	}
	defer d.Close()
	list, _ := d.Readdirnames(maxFolder)
	for _, name := range list {
		names[strings.ToLower(name)] = name
	}
	return names
}

// onWindows looks for a DLL outside of the image's folder. Elsewhere there is nothing to look at.
func onWindows(name string) string {
	if runtime.GOOS != "windows" || strings.ContainsAny(name, `/\:`) {
		return ""
	}
	root := os.Getenv("SystemRoot")
	dirs := append([]string{filepath.Join(root, "System32"), root}, filepath.SplitList(os.Getenv("PATH"))...)
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
