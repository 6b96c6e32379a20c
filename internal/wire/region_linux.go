package wire

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// firmSeals keep the size of a region: an access to it then finds memory.
const firmSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW

// newMemory is a file of so many bytes that is only memory. Its name is for lists of mappings.
func newMemory(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := unix.Ftruncate(fd, size); err != nil {
		return nil, errors.Join(os.NewSyscallError("ftruncate", err), f.Close())
	}
	return f, nil
}

// newRegion makes a region that is mapped here, has a file, and one user.
func newRegion() (*region, error) {
	f, err := newMemory("isapid", regionSize)
	if err != nil {
		return nil, err
	}
	err = addSeals(f, firmSeals)
	var r *region
	if err == nil {
		r, err = mapRegion(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.file = f
	return r, nil
}

// sealRegion is the last step of making a region, when the worker has mapped it. Nobody can make holes in it from then on, and it
// has none: not even a worker that means harm can have an access of this process to it fail for want of memory.
func sealRegion(f *os.File) error {
	if err := addSeals(f, unix.F_SEAL_FUTURE_WRITE|unix.F_SEAL_SEAL); err != nil {
		return err
	}
	return control(f, "fallocate", func(fd int) error {
		for {
			if err := unix.Fallocate(fd, 0, 0, regionSize); !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	})
}

func addSeals(f *os.File, seals int) error {
	return control(f, "fcntl", func(fd int) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
		return err
	})
}

// checkRegion: what a front gives is memory, of the right size, and stays so.
func checkRegion(f *os.File) error { return checkMemory(f, "region", firmSeals, regionSize) }

// checkMemory: a file is memory of that size, with these seals at least.
func checkMemory(f *os.File, what string, seals int, size int64) error {
	return control(f, "", func(fd int) error {
		var st unix.Stat_t
		has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
		switch {
		case err != nil || has&seals != seals:
			return protocolError("a %s without seals", what)
		case unix.Fstat(fd, &st) != nil || st.Size != size:
			return protocolError("a %s of %d bytes", what, st.Size)
		}
		return nil
	})
}

// mapRegion makes the memory of a file that of a region, with one user.
func mapRegion(f *os.File) (*region, error) {
	r := &region{}
	err := control(f, "mmap", func(fd int) (err error) {
		r.mem, err = unix.Mmap(fd, 0, regionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, err
	}
	r.users.Store(1)
	return r, nil
}

func unmapRegion(mem []byte) { _ = unix.Munmap(mem) }

// control runs a system call on f; an error says which.
func control(f *os.File, call string, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	if call != "" && done != nil {
		return os.NewSyscallError(call, done)
	}
	return done
}
