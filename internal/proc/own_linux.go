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
