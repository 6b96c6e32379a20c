package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// KeepTogether has the system end what this process starts from now on when this process ends, however that happens. Package proc sees
// to that on Windows; under Wine nobody does outside of Windows: what a Windows program starts is a session of its own there.
func KeepTogether() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("make a job object: %w", err)
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err == nil {
		err = windows.AssignProcessToJobObject(job, windows.CurrentProcess())
	}
	if err != nil {
		windows.CloseHandle(job)
		return fmt.Errorf("join a job object: %w", err)
	}
	return nil // the system closes the handle with the process, and so ends the job
}
