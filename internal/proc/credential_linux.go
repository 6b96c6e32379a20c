package proc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential is what a child of that user and group has; nil if that is what this process has. A user the system has no
// entry for, only a number, is in no groups, and needs one named.
func credential(userName, groupName string) (*syscall.Credential, error) {
	own := syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	c := own
	if userName != "" {
		u, err := user.Lookup(userName)
		if err != nil {
			u, err = userByNumber(userName, err)
		}
		if err == nil && u.Gid == "" && groupName == "" {
			err = errors.New("the system knows no such user, hence not its group: name a group, too")
		}
		if err == nil {
			err = fromUser(&c, u)
		}
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", userName, err)
		}
	}
	if groupName != "" {
		var err error
		if c.Gid, err = groupID(groupName); err != nil {
			return nil, fmt.Errorf("group %q: %w", groupName, err)
		}
	}
	if c.Uid == own.Uid && c.Gid == own.Gid {
		return nil, nil
	}
	return &c, nil
}

// userByNumber is the user a number stands for. err is why there is none of that name.
func userByNumber(name string, err error) (*user.User, error) {
	if _, e := id(name); e != nil {
		return nil, unknown[user.UnknownUserError](err, "user")
	}
	u, err := user.LookupId(name)
	if unlisted := user.UnknownUserIdError(0); errors.As(err, &unlisted) {
		return &user.User{Uid: name}, nil
	}
	return u, err
}

func fromUser(c *syscall.Credential, u *user.User) (err error) {
	if c.Uid, err = id(u.Uid); err != nil || u.Gid == "" {
		return err
	}
	if c.Gid, err = id(u.Gid); err != nil {
		return err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return err
	}
	for _, g := range groups {
		gid, err := id(g)
		if err != nil {
			return err
		}
		c.Groups = append(c.Groups, gid)
	}
	return nil
}

func groupID(name string) (uint32, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		return id(g.Gid)
	}
	if gid, e := id(name); e == nil {
		return gid, nil
	}
	return 0, unknown[user.UnknownGroupError](err, "group")
}

// id reads the number of a user or group. The highest one means "leave it" to the kernel.
func id(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == math.MaxUint32 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

// unknown says that there is no such user or group, if that is what err says.
func unknown[E error](err error, what string) error {
	if e := *new(E); errors.As(err, &e) {
		return fmt.Errorf("this system knows no such %s: check the name, or use a number", what)
	}
	return err
}
