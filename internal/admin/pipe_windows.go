package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"

	"github.com/isapid/isapid/internal/underwine"
)

// pipeFolder is what the paths of named pipes begin with.
const pipeFolder = `\\.\pipe\`

// pipeBuffer is how much of what one end writes the system keeps for the other, in bytes.
const pipeBuffer = 64 << 10

// dialAccess is what a client asks for. All of GENERIC_WRITE would be the right to make such a pipe itself.
const dialAccess = windows.GENERIC_READ | windows.FILE_WRITE_DATA

// lookerRights are those for who may connect and no more: what dialAccess is of a pipe, and to set how it is read.
const lookerRights = windows.FILE_GENERIC_READ | windows.FILE_WRITE_DATA | windows.FILE_WRITE_ATTRIBUTES

// bind makes the pipe, which must not be there, for clients of this machine. It is no file.
func (b *binding) bind() (net.Listener, fs.FileInfo, error) {
	access, err := b.accessList()
	if err != nil {
		return nil, nil, err
	}
	if err := b.vacant(); err != nil {
		return nil, nil, err
	}
	l, err := winio.ListenPipe(b.path, &winio.PipeConfig{SecurityDescriptor: access, InputBufferSize: pipeBuffer, OutputBufferSize: pipeBuffer})
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrExist):
		return nil, nil, fmt.Errorf("another program has the name %s: stop it or set %s", b.path, b.key)
	case err != nil:
		return nil, nil, err
	}
	if underwine.Version() != "" {
		occupyFirst(b.path)
	}
	return l, nil, nil
}

// accessList is the security descriptor of the pipe: its owner, the system and the administrators may do everything; who may look may connect,
// and the server asks nothing else of the control socket than to have come that far.
func (b *binding) accessList() (string, error) {
	me, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", fmt.Errorf("find the user of this process: %w", err)
	}
	owner := me.User.Sid.String()
	list := fmt.Sprintf("O:%sD:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;%s)", owner, owner)
	if !b.shared {
		return list, nil
	}
	if b.group == "" {
		return "", errors.New(`nobody may look: say with control.status_group who may, such as "Users"`)
	}
	group, _, _, err := windows.LookupSID("", b.group)
	if err != nil {
		return "", fmt.Errorf("control.status_group: there is no account %q: %w", b.group, err)
	}
	return list + fmt.Sprintf("(A;;%#x;;;%s)", lookerRights, group), nil
}

// vacant says who has the name, if somebody has. Making the pipe fails then too, but does not say why.
func (b *binding) vacant() error {
	if !strings.HasPrefix(b.path, pipeFolder) || len(b.path) == len(pipeFolder) {
		return notAPipe(b.path)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	c, err := dial(ctx, b.path)
	switch {
	case err == nil:
		who := serverOf(c)
		c.Close()
		return fmt.Errorf("another isapid serves at %s%s: stop it or set %s", b.path, who, b.key)
	case !nobody(err):
		return fmt.Errorf("another program has the name %s: %w; stop it or set %s", b.path, err, b.key)
	}
	return nil
}

func notAPipe(path string) error {
	return fmt.Errorf(`%q is not the name of a pipe: write it like %sisapid`, path, pipeFolder)
}

// dial connects to a pipe of this machine. Who listens learns nothing of us but the process.
func dial(ctx context.Context, path string) (net.Conn, error) {
	if !strings.HasPrefix(path, pipeFolder) {
		return nil, notAPipe(path)
	}
	return winio.DialPipeAccess(ctx, path, dialAccess)
}

// occupyFirst connects to the instance that keeps the name of a pipe. On Windows nobody can, which is what it is for. Wine 8 lets the first
// client have it, who would wait for ever: that is us.
func occupyFirst(path string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if c, err := winio.DialPipeAccess(ctx, path, dialAccess); err == nil {
		c.Close()
	}
}

// nobody says whether a dial failed because nobody listens.
func nobody(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// elsewhere is what to do about a pipe that may not be connected to.
const elsewhere = "it belongs to another user: ask as that one, or as an administrator (of an elevated prompt)"

// trust says why what listens at the other end of conn is not to be trusted, or nil. Any user can make a pipe of any name that is free.
func (t *Target) trust(conn net.Conn) error {
	pipe, ok := handleOf(conn)
	if !ok {
		return errors.New("it is no pipe")
	}
	sd, err := windows.GetSecurityInfo(pipe, windows.SE_KERNEL_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("it cannot be told who listens there: %w", err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("it cannot be told who listens there: %w", err)
	}
	token := windows.GetCurrentProcessToken()
	me, err := token.GetTokenUser()
	switch {
	case err != nil:
		return fmt.Errorf("find the user of this process: %w", err)
	case owner.Equals(me.User.Sid), ofTheSystem(owner), t.Named && token.IsElevated():
		return nil
	}
	return fmt.Errorf("what listens there belongs to user %s and is not trusted", account(owner))
}

// ofTheSystem tells whether only an administrator can have made what belongs to this account: those of the system, of services, the group of
// administrators.
func ofTheSystem(sid *windows.SID) bool {
	for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
		windows.WinLocalSystemSid, windows.WinLocalServiceSid, windows.WinNetworkServiceSid, windows.WinBuiltinAdministratorsSid,
	} {
		if sid.IsWellKnown(kind) {
			return true
		}
	}
	return strings.HasPrefix(sid.String(), "S-1-5-80-") // NT SERVICE\…
}

// tellsUsers: the access list of the pipe says who may come in, not a number.
const tellsUsers = false

// peerOfConn is the process at the other end of a server's connection. Who it is may be gone already; it is for the log.
func peerOfConn(c net.Conn) peer {
	p := unknown
	pipe, ok := handleOf(c)
	if !ok {
		return p
	}
	var pid uint32
	if windows.GetNamedPipeClientProcessId(pipe, &pid) == nil {
		p.pid, p.user = int(pid), userOf(pid)
	}
	return p
}

// serverOf is the process at the other end of a client's connection.
func serverOf(c net.Conn) peer {
	p := unknown
	var pid uint32
	if pipe, ok := handleOf(c); ok && windows.GetNamedPipeServerProcessId(pipe, &pid) == nil {
		p.pid = int(pid)
	}
	return p
}

// handleOf is that of a pipe. It is good as long as the connection.
func handleOf(c net.Conn) (windows.Handle, bool) {
	pipe, ok := c.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	return windows.Handle(pipe.Fd()), true
}

// userOf is the name of the account of a process; "" if it cannot be found.
func userOf(pid uint32) string {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(process)
	var token windows.Token
	if windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token) != nil {
		return ""
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return ""
	}
	return account(user.User.Sid)
}

// account is the name of an account, or its number if it has none any more.
func account(sid *windows.SID) string {
	name, domain, _, err := sid.LookupAccount("")
	if err != nil {
		return sid.String()
	}
	return domain + `\` + name
}

// ownsFiles: the rights of files say who may read them. Here their access lists do, which they get from the folder.
const ownsFiles = false
