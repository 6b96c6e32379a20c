package filter

import "github.com/isapid/isapid/internal/isapi"

// PriorityName is the priority class for people: HIGH, MEDIUM or LOW.
func (f *Filter) PriorityName() string { return [...]string{"HIGH", "MEDIUM", "LOW"}[f.class] }

// Notifications names the events it wants, and the ports if it does not want them on all: "SF_NOTIFY_URL_MAP|SF_NOTIFY_LOG".
func (f *Filter) Notifications() string {
	flags := f.Flags() & (isapi.NotifyEvents | isapi.NotifySecurePort | isapi.NotifyNonsecurePort)
	if both := uint32(isapi.NotifySecurePort | isapi.NotifyNonsecurePort); flags&both == both {
		flags &^= both
	}
	return isapi.Notification(flags).String()
}
