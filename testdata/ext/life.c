/* Tells of its life (see life.h). TerminateExtension does what the file "say" tells: answers FALSE, or crashes. */
#include "life.h"

BOOL WINAPI TerminateExtension(DWORD flags) {
    char what[64];
    snprintf(what, sizeof what, "TerminateExtension(%u)", (unsigned)flags);
    event(what);
    if (told("terminate-crashes")) *(volatile int *)16 = 1;
    return !told("terminate-false");
}
