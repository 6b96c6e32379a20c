/* PREPROC_HEADERS tells in response headers what it learns of the client's certificate: by variables, and by the code of extensions for
 * it, which filters may use too. */
#include "filter.h"
#include "httpext.h"

FILTER("certificates", BOTH_PORTS | SF_NOTIFY_PREPROC_HEADERS)

DWORD WINAPI HttpFilterProc(HTTP_FILTER_CONTEXT *c, DWORD type, VOID *data) {
    char subject[256], flags[32], line[512];
    BYTE der[4096];
    CERT_CONTEXT_EX info;
    unsigned error;
    (void)type;
    (void)data;
    memset(&info, 0, sizeof info);
    info.CertContext.pbCertEncoded = der;
    info.cbAllocated = sizeof der;
    filter_var(c, "CERT_SUBJECT", subject, sizeof subject);
    filter_var(c, "CERT_FLAGS", flags, sizeof flags);
    error = outcome(c->ServerSupportFunction(c, (enum SF_REQ_TYPE)HSE_REQ_GET_CERT_INFO_EX, &info, sizeof info, 0));
    snprintf(line, sizeof line, "X-Subject: %s\r\nX-Flags: %s\r\nX-Der: %u %lu %lu %02x%02x\r\n", subject, flags, error,
             (unsigned long)info.CertContext.cbCertEncoded, (unsigned long)info.CertContext.dwCertEncodingType,
             info.CertContext.cbCertEncoded ? der[0] : 0, info.CertContext.cbCertEncoded ? der[1] : 0);
    c->AddResponseHeaders(c, line, 0);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
