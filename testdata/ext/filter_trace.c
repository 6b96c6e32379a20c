/* Writes a line for each event to the file that FILTER_TRACE names:
 *
 *     a#1 PREPROC_HEADERS GET /page.txt
 *
 * a is NAME, which a build may say, and 1 the number of the connection, kept in pFilterContext. What else it does the request
 * says, in the header X-Do: a list of steps, separated by semicolons, each for one event:
 *
 *     PREPROC_HEADERS=set:X-A:|1; PREPROC_HEADERS@b=finished; LOG=log:target|/other
 *
 * With @b only the filter of that name does it. A step that the server refuses is a line "a#1 ! step error". Steps:
 *
 *   finished, keep, handled, next, error:N, return:N   what HttpFilterProc returns, with that last error
 *   send:status, page:text, write:text                 a response: only its head; all of it; a piece of its body
 *   set:name|value, add:name|value, append:name|text   of the headers; append puts text behind what is there
 *   get:name, var:name                                 are written as lines
 *   response:line, denial:line                         AddResponseHeaders, SF_REQ_ADD_HEADERS_ON_DENIAL
 *   path:text, pathend:text                            of URL_MAP: instead of the path; behind it
 *   user:name|password                                 of AUTHENTICATION
 *   log:field|value                                    of LOG: host, user, server, operation, target, parameters; NULL is
 *                                                      a pointer that is, LINES a text with control characters
 *   status:N, reset                                    HttpStatus, fResetAuth
 *   disable:N, normalize:url, property:N, proxy:N, connid, descriptor, token
 *   crash, hang, sleep:N                               N milliseconds
 */
#include "filter.h"
#include <time.h>

#ifndef NAME
#define NAME "a"
#endif
#ifndef EVENTS
#define EVENTS                                                                                                         \
    (SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_AUTH_COMPLETE |              \
     SF_NOTIFY_ACCESS_DENIED | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG |                    \
     SF_NOTIFY_END_OF_NET_SESSION)
#endif
#ifndef ORDER
#define ORDER SF_NOTIFY_ORDER_DEFAULT
#endif
#ifndef PORTS
#define PORTS BOTH_PORTS
#endif

FILTER("trace " NAME, PORTS | ORDER | (EVENTS))

BOOL WINAPI TerminateFilter(DWORD flags) {
    (void)flags;
    trace(NAME " TerminateFilter");
    return TRUE;
}

/* connection is what is in pFilterContext. */
struct connection {
    LONG number;
    char script[2048];
};

/* event is one call. */
struct event {
    HTTP_FILTER_CONTEXT *pfc;
    DWORD type;
    void *data;
    LONG connection;
    DWORD result;
};

/* first makes the memory of a connection. */
static struct connection *first(HTTP_FILTER_CONTEXT *pfc) {
    static LONG connections;
    struct connection *c = pfc->AllocMem(pfc, sizeof *c, 0);
    if (c == NULL) return NULL;
    c->number = InterlockedIncrement(&connections);
    return pfc->pFilterContext = c;
}

static HTTP_FILTER_PREPROC_HEADERS *headers(const struct event *e) {
    return e->type & (SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_AUTH_COMPLETE | SF_NOTIFY_SEND_RESPONSE) ? e->data : NULL;
}

/* tell writes the line of an event. */
static void tell_event(struct event *e) {
    char facts[3000] = "", one[1024], two[1024];
    const char *name = event_name(e->type);
    switch (e->type) {
    case SF_NOTIFY_PREPROC_HEADERS:
        get_header(e->pfc, e->data, "method", one, sizeof one);
        get_header(e->pfc, e->data, "url", two, sizeof two);
        snprintf(facts, sizeof facts, " %s %s", one, two);
        break;
    case SF_NOTIFY_URL_MAP: {
        const HTTP_FILTER_URL_MAP_EX *m = e->data;
        snprintf(facts, sizeof facts, " %.1000s to %.1000s%s%.500s", m->pszURL, m->pszPhysicalPath,
                 m->pszScriptMapEntry ? " by " : "", m->pszScriptMapEntry ? m->pszScriptMapEntry : "");
        break;
    }
    case SF_NOTIFY_AUTHENTICATION:
        snprintf(facts, sizeof facts, " \"%s\" \"%s\"", ((HTTP_FILTER_AUTHENT *)e->data)->pszUser,
                 ((HTTP_FILTER_AUTHENT *)e->data)->pszPassword);
        break;
    case SF_NOTIFY_AUTH_COMPLETE:
        filter_var(e->pfc, "AUTH_USER", one, sizeof one);
        snprintf(facts, sizeof facts, " \"%s\"", one);
        break;
    case SF_NOTIFY_SEND_RESPONSE:
        get_header(e->pfc, e->data, "status", one, sizeof one);
        snprintf(facts, sizeof facts, " %s", one);
        break;
    case SF_NOTIFY_ACCESS_DENIED:
        snprintf(facts, sizeof facts, " %s 0x%x", ((HTTP_FILTER_ACCESS_DENIED *)e->data)->pszURL,
                 (unsigned)((HTTP_FILTER_ACCESS_DENIED *)e->data)->dwReason);
        break;
    case SF_NOTIFY_LOG: {
        const HTTP_FILTER_LOG *l = e->data;
        snprintf(facts, sizeof facts, " %s %.1000s?%.1000s \"%.200s\" %u", l->pszOperation, l->pszTarget, l->pszParameters,
                 l->pszClientUserName, (unsigned)l->dwHttpStatus);
        break;
    }
    case SF_NOTIFY_SEND_RAW_DATA: {
        const HTTP_FILTER_RAW_DATA *d = e->data;
        snprintf(facts, sizeof facts, " %s", d->cbInData >= 5 && memcmp(d->pvInData, "HTTP/", 5) == 0 ? "head" : "data");
        break;
    }
    }
    trace(NAME "#%ld %s%s", (long)e->connection, name, facts);
}

/* cut ends a text at a bar, and answers what follows it. */
static char *cut(char *text) {
    char *bar = strchr(text, '|');
    if (bar == NULL) return text + strlen(text);
    *bar = 0;
    return bar + 1;
}

static unsigned fail(unsigned error) {
    SetLastError(error);
    return error;
}

static unsigned append(struct event *e, const char *name, const char *text) {
    char value[2048];
    get_header(e->pfc, headers(e), name, value, 1024);
    strncat(value, text, 1000);
    return outcome(headers(e)->SetHeader(e->pfc, (LPSTR)name, value));
}

/* on_headers does the steps of header functions. */
static unsigned on_headers(struct event *e, const char *step, char *arg) {
    HTTP_FILTER_PREPROC_HEADERS *h = headers(e);
    char value[1024];
    unsigned error;
    if (h == NULL) return fail(ERROR_NOT_SUPPORTED);
    if (!strcmp(step, "get")) {
        error = get_header(e->pfc, h, arg, value, sizeof value);
        if (!error) trace(NAME "#%ld get %s %s", (long)e->connection, arg, value);
        return error;
    }
    if (!strcmp(step, "set")) {
        char *text = cut(arg);
        return outcome(h->SetHeader(e->pfc, arg, text));
    }
    if (!strcmp(step, "add")) {
        char *text = cut(arg);
        return outcome(h->AddHeader(e->pfc, arg, text));
    }
    char *text = cut(arg);
    return append(e, arg, text);
}

static unsigned on_log(struct event *e, char *field) {
    HTTP_FILTER_LOG *l = e->data;
    char *value = filter_copy(e->pfc, cut(field));
    if (!strcmp(value, "NULL")) value = NULL;
    else if (!strcmp(value, "LINES")) value = filter_copy(e->pfc, "one\r\ntwo\x7f");
    if (!strcmp(field, "host")) l->pszClientHostName = value;
    else if (!strcmp(field, "user")) l->pszClientUserName = value;
    else if (!strcmp(field, "server")) l->pszServerName = value;
    else if (!strcmp(field, "operation")) l->pszOperation = value;
    else if (!strcmp(field, "target")) l->pszTarget = value;
    else if (!strcmp(field, "parameters")) l->pszParameters = value;
    else return fail(ERROR_INVALID_PARAMETER);
    return 0;
}

static unsigned on_user(HTTP_FILTER_AUTHENT *a, char *user) {
    char *password = cut(user);
    snprintf(a->pszUser, a->cbUserBuff, "%s", user);
    snprintf(a->pszPassword, a->cbPasswordBuff, "%s", password);
    return 0;
}

static unsigned on_path(HTTP_FILTER_URL_MAP *m, const char *text, BOOL behind) {
    size_t n = behind ? strlen(m->pszPhysicalPath) : 0;
    snprintf(m->pszPhysicalPath + n, m->cbPathBuff - n, "%s", text);
    return 0;
}

static void wait_ms(unsigned long ms) {
    struct timespec t;
    t.tv_sec = (time_t)(ms / 1000);
    t.tv_nsec = (long)(ms % 1000) * 1000000;
    while (nanosleep(&t, &t) != 0) continue;
}

/* support does the steps that are one call of ServerSupportFunction. */
static unsigned support(struct event *e, const char *step, char *arg) {
    HTTP_FILTER_CONTEXT *c = e->pfc;
    unsigned long n = strtoul(arg, NULL, 0);
    DWORD value = 0;
    unsigned error;
    if (!strcmp(step, "send"))
        return outcome(c->ServerSupportFunction(c, SF_REQ_SEND_RESPONSE_HEADER, arg, (ULONG_PTR) "Content-Type: text/plain\r\n\r\n", 0));
    if (!strcmp(step, "denial")) {
        char line[512];
        snprintf(line, sizeof line, "%.500s\r\n", arg);
        return outcome(c->ServerSupportFunction(c, SF_REQ_ADD_HEADERS_ON_DENIAL, line, 0, 0));
    }
    if (!strcmp(step, "disable")) return outcome(c->ServerSupportFunction(c, SF_REQ_DISABLE_NOTIFICATIONS, NULL, n, 0));
    if (!strcmp(step, "proxy")) return outcome(c->ServerSupportFunction(c, SF_REQ_SET_PROXY_INFO, NULL, n, 0));
    if (!strcmp(step, "normalize")) {
        error = outcome(c->ServerSupportFunction(c, SF_REQ_NORMALIZE_URL, arg, 0, 0));
        if (!error) trace(NAME "#%ld normalize %s", (long)e->connection, arg);
        return error;
    }
    if (!strcmp(step, "property"))
        error = outcome(c->ServerSupportFunction(c, SF_REQ_GET_PROPERTY, &value, n, 0));
    else if (!strcmp(step, "descriptor"))
        error = outcome(c->ServerSupportFunction(c, SF_REQ_GET_FILE_DESCRIPTOR, &value, 0, 0));
    else if (!strcmp(step, "connid"))
        error = outcome(c->ServerSupportFunction(c, SF_REQ_GET_CONNID, &value, 0, 0));
    else
        return fail(ERROR_CALL_NOT_IMPLEMENTED);
    if (!error) trace(NAME "#%ld %s %lu", (long)e->connection, step, (unsigned long)value);
    return error;
}

/* act does one step and answers 0 or its error. */
static unsigned act(struct event *e, const char *step, char *arg) {
    HTTP_FILTER_CONTEXT *c = e->pfc;
    if (!strcmp(step, "finished")) e->result = SF_STATUS_REQ_FINISHED;
    else if (!strcmp(step, "keep")) e->result = SF_STATUS_REQ_FINISHED_KEEP_CONN;
    else if (!strcmp(step, "handled")) e->result = SF_STATUS_REQ_HANDLED_NOTIFICATION;
    else if (!strcmp(step, "next")) e->result = SF_STATUS_REQ_NEXT_NOTIFICATION;
    else if (!strcmp(step, "error")) e->result = SF_STATUS_REQ_ERROR;
    else if (!strcmp(step, "return")) e->result = (DWORD)strtoul(arg, NULL, 0);
    else if (!strcmp(step, "page")) return filter_page(c, "200 OK", "", arg) ? 0 : outcome(FALSE);
    else if (!strcmp(step, "write")) return outcome(filter_write(c, arg, strlen(arg)));
    else if (!strcmp(step, "set") || !strcmp(step, "add") || !strcmp(step, "append") || !strcmp(step, "get")) return on_headers(e, step, arg);
    else if (!strcmp(step, "var")) {
        char value[2048];
        unsigned error = filter_var(c, arg, value, sizeof value);
        if (!error) trace(NAME "#%ld var %s %s", (long)e->connection, arg, value);
        return error;
    } else if (!strcmp(step, "response")) {
        char line[512];
        snprintf(line, sizeof line, "%.500s\r\n", arg);
        return outcome(c->AddResponseHeaders(c, line, 0));
    } else if (!strcmp(step, "path") || !strcmp(step, "pathend")) return on_path(e->data, arg, step[4] != 0);
    else if (!strcmp(step, "user")) return on_user(e->data, arg);
    else if (!strcmp(step, "log")) return on_log(e, arg);
    else if (!strcmp(step, "status") && e->type == SF_NOTIFY_AUTH_COMPLETE)
        ((HTTP_FILTER_AUTH_COMPLETE_INFO *)e->data)->HttpStatus = (DWORD)strtoul(arg, NULL, 0);
    else if (!strcmp(step, "status")) headers(e)->HttpStatus = (DWORD)strtoul(arg, NULL, 0);
    else if (!strcmp(step, "reset")) ((HTTP_FILTER_AUTH_COMPLETE_INFO *)e->data)->fResetAuth = TRUE;
    else if (!strcmp(step, "token")) {
        HANDLE token = NULL;
        return outcome(((HTTP_FILTER_AUTH_COMPLETE_INFO *)e->data)->GetUserToken(c, &token));
    } else if (!strcmp(step, "crash")) *(volatile int *)16 = 1;
    else if (!strcmp(step, "hang")) for (;;) pause();
    else if (!strcmp(step, "sleep")) wait_ms(strtoul(arg, NULL, 0));
    else return support(e, step, arg);
    return 0;
}

/* play does the steps of an event; the last error is that of the last step error:N. */
static void play(struct event *e, const char *script) {
    char all[sizeof((struct connection *)0)->script], *step, *next;
    unsigned last = 0;
    snprintf(all, sizeof all, "%s", script);
    for (step = all; step && *step; step = next) {
        char *arg, *who, *action;
        unsigned error;
        if ((next = strchr(step, ';')) != NULL) *next++ = 0;
        step += strspn(step, " ");
        if ((action = strchr(step, '=')) == NULL) continue;
        *action++ = 0;
        if ((who = strchr(step, '@')) != NULL) *who++ = 0;
        if (strcmp(step, event_name(e->type)) != 0 || (who && strcmp(who, NAME) != 0)) continue;
        arg = action + strcspn(action, ":");
        if (*arg) *arg++ = 0;
        if ((error = act(e, action, arg)) != 0) trace(NAME "#%ld ! %s %u", (long)e->connection, action, error);
        if (!strcmp(action, "error")) last = (unsigned)strtoul(arg, NULL, 0);
    }
    if (e->result == SF_STATUS_REQ_ERROR) SetLastError(last);
}

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD type, VOID *data) {
    struct event e = {pfc, type, data, 0, SF_STATUS_REQ_NEXT_NOTIFICATION};
    struct connection *c = pfc->pFilterContext;
    BOOL read = type == SF_NOTIFY_PREPROC_HEADERS || (c == NULL && !(type & (SF_NOTIFY_READ_RAW_DATA | SF_NOTIFY_END_OF_NET_SESSION)));
    if (c == NULL && (c = first(pfc)) == NULL) return SF_STATUS_REQ_ERROR;
    if (read) filter_var(pfc, "HTTP_X_DO", c->script, sizeof c->script);
    e.connection = c->number;
    tell_event(&e);
    play(&e, c->script);
    return e.result;
}
