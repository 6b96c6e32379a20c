package proc

import (
	"fmt"
	"os"
)

// Own gives a file to whom a child of s would run as, so that it can use it. It does nothing when that is who this process is.
func Own(path string, s *Spec) error {
	c, err := credential(s.User, s.Group)
	if err != nil || c == nil {
		return err
	}
	if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
		return fmt.Errorf("give %q to user %q: %w", path, s.User, err)
	}
	return nil
}

// Who is whom a child of s would run as: the numbers of user and group.
func Who(s *Spec) (uid, gid int, err error) {
	c, err := credential(s.User, s.Group)
	if err != nil {
		return 0, 0, err
	}
	if c == nil {
		return os.Geteuid(), os.Getegid(), nil
	}
	return int(c.Uid), int(c.Gid), nil
}
