/* A library that another one imports, or loads by its name while it runs: it says which version it is, built with -DVERSION=2. */
#include <windows.h>

#ifndef VERSION
#define VERSION 1
#endif

__declspec(dllexport) int helper_version(void);

int helper_version(void) {
    return VERSION;
}
