/* life.h: what the fixtures share that tell of their life. They write a line for each event to the file "life" beside the
 * image, if it is there: what, and on which thread. The file "say" beside it holds words that change what they do. */
#ifndef LIFE_H
#define LIFE_H

#include "beside.h"

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    BOOL result;
    DWORD error;
    event("GetExtensionVersion");
    v->dwExtensionVersion = told("version-from-tomorrow") ? MAKELONG(0, 99) : HSE_VERSION;
    memset(v->lpszExtensionDesc, 'd', sizeof v->lpszExtensionDesc);
    if (!told("full-description")) snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "%s", "life\tof an image");
    if (told("version-crashes")) *(volatile int *)16 = 1;
    result = told("version-false") ? FALSE : told("version-minus-one") ? -1 : TRUE;
    error = told("error-126") ? 126 : 0;
    SetLastError(error); /* reading files changes it */
    return result;
}

/* Answers with how many requests this instance had. With a query it first waits until so many are inside at a time; with
 * the query "wait" until the file "go" beside the image is there. */
DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    static LONG requests, inside;
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
    LONG n = InterlockedIncrement(&requests), together = atoi(e->lpszQueryString);
    event("request");
    pthread_mutex_lock(&m);
    inside++;
    pthread_cond_broadcast(&more);
    while (inside < together) pthread_cond_wait(&more, &m);
    pthread_mutex_unlock(&m);
    if (asked(e, "wait")) {
        FILE *go;
        while ((go = beside("go", "r")) == NULL || fgetc(go) == EOF) {
            if (go) fclose(go);
            usleep(1000);
        }
        fclose(go);
    }
    sayf(e, "%ld", (long)n);
    event("answered");
    return HSE_STATUS_SUCCESS;
}

#endif
