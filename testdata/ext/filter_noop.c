/* Registers for EVENTS, PREPROC_HEADERS and LOG if a build says nothing else, and does nothing. */
#include "filter.h"

#ifndef EVENTS
#define EVENTS (SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_LOG)
#endif

FILTER("noop", BOTH_PORTS | SF_NOTIFY_ORDER_DEFAULT | (EVENTS))

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    (void)c, (void)type, (void)data;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
