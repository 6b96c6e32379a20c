package wine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// settings is what every prefix has in its registry: in the language of regedit.
//
//   - No program of ours has a menu or opens documents, nobody is asked whether to install .NET or a browser.
//   - What crashes ends: no debugger, no window about it. The value is no program, so that the start of one fails at once.
//   - PlugPlay and Eventlog (9 MB each with what they start) run when somebody asks for them and not always.
var settings = strings.ReplaceAll(`Windows Registry Editor Version 5.00

[HKEY_CURRENT_USER\Software\Wine\DllOverrides]
"winemenubuilder.exe"=""

[HKEY_LOCAL_MACHINE\Software\Microsoft\Windows\CurrentVersion\RunServices]
"winemenubuilder"=-

[HKEY_CURRENT_USER\Software\Wine\FileOpenAssociations]
"Enable"="N"

[HKEY_CURRENT_USER\Software\Wine\WineDbg]
"ShowCrashDialog"=dword:00000000

[HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion\AeDebug]
"Auto"="1"
"Debugger"="none"

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\PlugPlay]
"Start"=dword:00000003

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\Eventlog]
"Start"=dword:00000003
`, "\n", "\r\n")

// setRegistry writes the settings. The registry reaches the disk when the server ends.
func (w *Wine) setRegistry(ctx context.Context, prefix string) error {
	const name = "isapid.reg"
	file := filepath.Join(prefix, "drive_c", name)
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	if err := w.run(ctx, prefix, w.Path, "regedit", "/S", `C:\`+name); err != nil {
		return fmt.Errorf("write the registry: %w", err)
	}
	return nil
}
