package proc

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// jobList is PROC_THREAD_ATTRIBUTE_JOB_LIST.
const jobList = 0x0002000d

// create starts the program in the job: it is there before its first instruction. It inherits the files of attr and nothing else,
// whatever this process has open.
//
// It has a console that nobody sees, and is the first of its process group: Ctrl-C in the console of this process is not for it,
// and programs that it starts open no windows.
func (g *group) create(path string, args []string, attr *os.ProcAttr, nice int) (pid int, err error) {
	handles, err := inheritable(attr.Files)
	defer closeAll(handles)
	if err != nil {
		return 0, err
	}
	list, err := windows.NewProcThreadAttributeList(2)
	if err != nil {
		return 0, err
	}
	defer list.Delete()
	if err := list.Update(windows.PROC_THREAD_ATTRIBUTE_HANDLE_LIST, unsafe.Pointer(&handles[0]), uintptr(len(handles))*unsafe.Sizeof(handles[0])); err != nil {
		return 0, err
	}
	if err := list.Update(jobList, unsafe.Pointer(&g.job), unsafe.Sizeof(g.job)); err != nil {
		return 0, err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	line, err := windows.UTF16PtrFromString(windows.ComposeCommandLine(args))
	if err != nil {
		return 0, err
	}
	environment, err := environmentBlock(attr.Env)
	if err != nil {
		return 0, err
	}
	var folder *uint16
	if attr.Dir != "" {
		if folder, err = windows.UTF16PtrFromString(attr.Dir); err != nil {
			return 0, err
		}
	}
	info := windows.StartupInfoEx{ProcThreadAttributeList: list.List()}
	info.Cb = uint32(unsafe.Sizeof(info))
	info.Flags = windows.STARTF_USESTDHANDLES
	info.StdInput, info.StdOutput, info.StdErr = handles[0], handles[1], handles[2]
	const how = windows.EXTENDED_STARTUPINFO_PRESENT | windows.CREATE_UNICODE_ENVIRONMENT | windows.CREATE_NO_WINDOW | windows.CREATE_NEW_PROCESS_GROUP
	var made windows.ProcessInformation
	err = windows.CreateProcess(name, line, nil, nil, true, how|priority(nice), environment, folder, &info.StartupInfo, &made)
	runtime.KeepAlive(g)
	if err != nil {
		return 0, err
	}
	windows.CloseHandle(made.Thread)
	g.process = made.Process
	return int(made.ProcessId), nil
}

// inheritable are handles of the files that a child can inherit. The caller closes them, also those that come with an error.
func inheritable(files []*os.File) (handles []windows.Handle, err error) {
	own := windows.CurrentProcess()
	for _, f := range files {
		var h windows.Handle
		if err := windows.DuplicateHandle(own, windows.Handle(f.Fd()), own, &h, 0, true, windows.DUPLICATE_SAME_ACCESS); err != nil {
			return handles, os.NewSyscallError("DuplicateHandle", err)
		}
		handles = append(handles, h)
	}
	return handles, nil
}

func closeAll(handles []windows.Handle) {
	for _, h := range handles {
		windows.CloseHandle(h)
	}
}

// environmentBlock is an environment as the system takes it. Hardly a library works without SYSTEMROOT: it is added.
func environmentBlock(environment []string) (*uint16, error) {
	const root = "SYSTEMROOT="
	var block []uint16
	has := false
	for _, e := range environment {
		entry, err := windows.UTF16FromString(e)
		if err != nil {
			return nil, err
		}
		if len(entry) == 1 { // an empty one would be the end
			continue
		}
		block = append(block, entry...)
		has = has || len(e) >= len(root) && strings.EqualFold(e[:len(root)], root)
	}
	if value, ok := syscall.Getenv("SYSTEMROOT"); ok && !has {
		entry, err := windows.UTF16FromString(root + value)
		if err != nil {
			return nil, err
		}
		block = append(block, entry...)
	}
	block = append(block, 0, 0) // two, if it is empty
	return &block[0], nil
}

// priority is the class that comes closest to a niceness beside one of 0.
func priority(nice int) uint32 {
	switch {
	case nice >= 10:
		return windows.IDLE_PRIORITY_CLASS
	case nice > 0:
		return windows.BELOW_NORMAL_PRIORITY_CLASS
	case nice <= -10:
		return windows.HIGH_PRIORITY_CLASS
	case nice < 0:
		return windows.ABOVE_NORMAL_PRIORITY_CLASS
	}
	return 0 // that of this process, if that is not above normal
}
