/* beside.h: what the fixtures share that read and write files beside the image. */
#ifndef BESIDE_H
#define BESIDE_H

#include "fixture.h"
#include <dlfcn.h>
#include <unistd.h>
#include <sys/syscall.h>

/* beside opens a file in the folder the image was loaded from, which must be there. */
static inline FILE *beside(const char *name, const char *mode) {
    static const char here = 0;
    Dl_info info;
    char path[4096], *slash;
    if (!dladdr(&here, &info)) return NULL;
    snprintf(path, sizeof path, "%s", info.dli_fname);
    if ((slash = strrchr(path, '/')) == NULL) return NULL;
    snprintf(slash + 1, sizeof path - (size_t)(slash + 1 - path), "%s", name);
    return access(path, F_OK) == 0 ? fopen(path, mode) : NULL;
}

/* event appends a line. */
static inline void event(const char *what) {
    FILE *f = beside("life", "a");
    if (f == NULL) return;
    fprintf(f, "%s %ld\n", what, (long)syscall(SYS_gettid));
    fclose(f);
}

/* told tells whether the file "say" has a word. */
static inline BOOL told(const char *word) {
    char text[256] = "";
    FILE *f = beside("say", "r");
    if (f == NULL) return FALSE;
    if (fgets(text, sizeof text, f) == NULL) text[0] = 0;
    fclose(f);
    return strstr(text, word) != NULL;
}

#endif
