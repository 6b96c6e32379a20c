/* Counts what the query string says: name=, delta= (default 1), and label= with the value= that follows it, up to 9 times; the answer is
 * the error. times=N does so N times, with N appended to the name, or to each value if by=value. ?bad=POINTER gives a pointer that is
 * none in the place of the name or of the labels. */
#include "fixture.h"

FIXTURE("counter")

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    HSE_COUNTER_INFO info = {0};
    const char *labels[18];
    char *name = param(e, "name", NULL), *delta = param(e, "delta", NULL), *bad = param(e, "bad", NULL), *by = param(e, "by", NULL);
    char numbered[256], value[256];
    unsigned error = 0, i, times = (unsigned)number(e, "times", 1);
    for (i = 0; i < 9 && (labels[2 * i] = param_at(e, "label", (int)i, NULL)) != NULL; i++) labels[2 * i + 1] = param_at(e, "value", (int)i, NULL);
    info.dDelta = delta ? strtod(delta, NULL) : 1;
    info.ppszLabels = labels;
    info.cLabels = i;
    for (i = 1; i <= times && error == 0; i++) {
        snprintf(numbered, sizeof numbered, times > 1 && !by ? "%s%u" : "%s", name ? name : "", i);
        info.pszName = name ? numbered : NULL;
        if (by) {
            snprintf(value, sizeof value, "%u", i);
            labels[1] = value;
        }
        if (bad && strcmp(bad, "name") == 0) info.pszName = (LPCSTR)16;
        if (bad && strcmp(bad, "labels") == 0) info.ppszLabels = (const LPCSTR *)16, info.cLabels = 1;
        if (bad && strcmp(bad, "count") == 0) info.cLabels = 0x80000001;
        error = outcome(e->ServerSupportFunction(e->ConnID, HSE_REQ_COUNTER, bad && strcmp(bad, "all") == 0 ? NULL : &info, NULL, NULL));
    }
    sayf(e, "%u", error);
    return HSE_STATUS_SUCCESS;
}
