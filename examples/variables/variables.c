/* variables: shows the control block, every server variable and every header of the request, as plain text.
 *
 *     isapid run variables.c    then: curl 'http://localhost:8080/some/path?query'
 *
 * What to learn here: how to ask for a value whose length you do not know. The server says 122, "insufficient buffer",
 * and how much it needs; 1413, "invalid index", means that there is no such variable.
 */
#include <windows.h>
#include <httpext.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const names[] = {
    "APPL_MD_PATH", "APPL_PHYSICAL_PATH", "APP_POOL_ID", "AUTH_PASSWORD", "AUTH_TYPE", "AUTH_USER", "CERT_COOKIE", "CERT_FLAGS",
    "CERT_ISSUER", "CERT_KEYSIZE", "CERT_SECRETKEYSIZE", "CERT_SERIALNUMBER", "CERT_SERVER_ISSUER", "CERT_SERVER_SUBJECT",
    "CERT_SUBJECT", "CONTENT_LENGTH", "CONTENT_TYPE", "DOCUMENT_ROOT", "GATEWAY_INTERFACE", "HTTPS", "HTTPS_KEYSIZE",
    "HTTPS_SECRETKEYSIZE", "HTTPS_SERVER_ISSUER", "HTTPS_SERVER_SUBJECT", "HTTP_METHOD", "HTTP_URL", "HTTP_VERSION", "INSTANCE_ID",
    "INSTANCE_META_PATH", "INSTANCE_NAME", "LOCAL_ADDR", "LOGON_USER", "PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING",
    "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT", "REMOTE_USER", "REQUEST_METHOD", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME",
    "SCRIPT_TRANSLATED", "SERVER_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PORT_SECURE", "SERVER_PROTOCOL", "SERVER_SOFTWARE",
    "UNENCODED_URL", "UNMAPPED_REMOTE_USER", "URL",
};

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {
    info->dwExtensionVersion = HSE_VERSION;
    lstrcpyn(info->lpszExtensionDesc, "variables: everything the server tells about a request", HSE_MAX_EXT_DLL_NAME_LEN);
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* text sends a string. Once the client has gone every call fails, and nobody minds. */
static void text(EXTENSION_CONTROL_BLOCK *ecb, const char *s) {
    DWORD size = (DWORD)lstrlen(s);
    ecb->WriteClient(ecb->ConnID, (LPVOID)s, &size, HSE_IO_SYNC);
}

/* value answers a variable in memory of its own, which must be freed, or NULL with the reason in GetLastError(). */
static char *value(EXTENSION_CONTROL_BLOCK *ecb, const char *name) {
    DWORD size = 128, error;
    for (;;) {
        char *buffer = (char *)malloc(size);
        if (!buffer) {
            SetLastError(ERROR_NOT_ENOUGH_MEMORY);
            return NULL;
        }
        if (ecb->GetServerVariable(ecb->ConnID, (LPSTR)name, buffer, &size))
            return buffer;
        error = GetLastError(); /* before anything else can change it */
        free(buffer);
        SetLastError(error);
        if (error != ERROR_INSUFFICIENT_BUFFER)
            return NULL;
    }
}

static void variable(EXTENSION_CONTROL_BLOCK *ecb, const char *name) {
    char line[128];
    char *v = value(ecb, name);
    if (v) {
        wsprintf(line, "%-22s ", name);
        text(ecb, line);
        text(ecb, v);
        text(ecb, "\n");
        free(v);
        return;
    }
    switch (GetLastError()) {
    case ERROR_INVALID_INDEX:
        wsprintf(line, "%-22s (unknown)\n", name);
        break;
    case ERROR_NO_DATA:
        wsprintf(line, "%-22s (no value now)\n", name);
        break;
    default:
        wsprintf(line, "%-22s (error %lu)\n", name, GetLastError());
    }
    text(ecb, line);
}

static void block(EXTENSION_CONTROL_BLOCK *ecb, const char *name) {
    char *v = value(ecb, name);
    text(ecb, "\n");
    text(ecb, name);
    text(ecb, "\n");
    if (v)
        text(ecb, v);
    free(v);
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
    static const char status[] = "200 OK";
    static const char headers[] = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\r\n";
    HSE_SEND_HEADER_EX_INFO info;
    char line[512];
    size_t i;

    info.pszStatus = status;
    info.cchStatus = sizeof status - 1;
    info.pszHeader = headers;
    info.cchHeader = sizeof headers - 1;
    info.fKeepConn = FALSE; /* the length is not known: the end of the connection is the end of the text */
    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL))
        return HSE_STATUS_ERROR;

    wsprintf(line, "cbSize %lu, dwVersion %u.%u, cbTotalBytes %lu, cbAvailable %lu\n", ecb->cbSize, HIWORD(ecb->dwVersion),
             LOWORD(ecb->dwVersion), ecb->cbTotalBytes, ecb->cbAvailable);
    text(ecb, line);
    _snprintf(line, sizeof line, "%.8s, content type \"%.80s\"\n\n", ecb->lpszMethod, ecb->lpszContentType);
    text(ecb, line);
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        variable(ecb, names[i]);
    block(ecb, "ALL_HTTP");
    block(ecb, "ALL_RAW");
    return HSE_STATUS_SUCCESS;
}
