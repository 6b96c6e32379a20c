package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// explain makes a sentence of what the kernel says of a program that it did not start. The same number stands for many
// things: what is looked at here tells them apart.
func explain(s *Spec, path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	if s.Dir != "" {
		if e := badFolder(s.Dir); e != nil {
			return fmt.Errorf("working folder %q: %w", s.Dir, e)
		}
	}
	st, e := os.Stat(path)
	switch {
	case errors.Is(e, fs.ErrNotExist):
		return errors.New("there is no such program")
	case e == nil && st.IsDir():
		return errors.New("it is a folder, not a program")
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: what it needs to run, the interpreter of its first line or its dynamic loader, is missing", err)
	case errors.Is(err, syscall.EACCES) && e == nil && st.Mode()&0o111 == 0:
		return fmt.Errorf("%w: it is not marked executable (chmod +x)", err)
	case errors.Is(err, syscall.EACCES) && s.User+s.Group != "":
		return fmt.Errorf("%w: %s must be allowed to run it, and to enter its folder and the working folder", err, identity(s))
	case errors.Is(err, syscall.EPERM) && s.User+s.Group != "":
		return fmt.Errorf("%w: only root can start a process as %s: run this process as root, or leave user and group out", err, identity(s))
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: it is not a program for this system", err)
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("%w: the limit of processes is reached (ulimit -u, or pids.max of the cgroup)", err)
	}
	return err
}

func identity(s *Spec) string {
	switch {
	case s.User == "":
		return fmt.Sprintf("group %q", s.Group)
	case s.Group == "":
		return fmt.Sprintf("user %q", s.User)
	}
	return fmt.Sprintf("user %q, group %q", s.User, s.Group)
}
