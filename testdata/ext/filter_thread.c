/* Filter and extension in one library, as a scripting engine has them: what AUTHENTICATION tells is kept in memory of the thread and
 * read in HttpExtensionProc. It registers for no port, which means both. */
#include "filter.h"

static __thread char user[SF_MAX_USERNAME], password[SF_MAX_PASSWORD];

FILTER("thread", SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_AUTHENTICATION)
FIXTURE("thread")

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    HTTP_FILTER_AUTHENT *a = data;
    (void)c;
    if (type == SF_NOTIFY_PREPROC_HEADERS) user[0] = password[0] = 0;
    if (type != SF_NOTIFY_AUTHENTICATION) return SF_STATUS_REQ_NEXT_NOTIFICATION;
    snprintf(user, sizeof user, "%s", a->pszUser);
    snprintf(password, sizeof password, "%s", a->pszPassword);
    return SF_STATUS_REQ_HANDLED_NOTIFICATION;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    sayf(e, "user=%s password=%s\n", user, password);
    return HSE_STATUS_SUCCESS;
}
