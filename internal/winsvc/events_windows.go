package winsvc

import (
	"unicode/utf8"

	"golang.org/x/sys/windows/svc/eventlog"
)

// Events is the event log of Windows, under the name of a service. All methods may be called from many goroutines. What cannot be written is
// lost.
type Events struct{ log *eventlog.Log }

// maxEvent is the longest text of an event, in bytes.
const maxEvent = 31000

// Numbers of events. The text says the rest.
const (
	errorEvent   = 1
	warningEvent = 2
)

func openEvents(source string) (*Events, error) {
	l, err := eventlog.Open(source)
	if err != nil {
		return nil, err
	}
	return &Events{l}, nil
}

// Warning writes what somebody should look at.
func (e *Events) Warning(text string) { _ = e.log.Warning(warningEvent, bounded(text)) }

// Error writes what has failed.
func (e *Events) Error(text string) { _ = e.log.Error(errorEvent, bounded(text)) }

// close ends it.
func (e *Events) close() { _ = e.log.Close() }

func bounded(text string) string {
	if len(text) <= maxEvent {
		return text
	}
	end := maxEvent
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
