/* One version of an extension in C++ that keeps its number, VERSION, in a variable of which a process has one only
 * (STB_GNU_UNIQUE): a second version that is loaded beside the first would answer with the number of that. */
#include <httpext.h>
#include <cstdio>

struct shop {
    static inline volatile int version = VERSION;
};

extern "C" BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    std::snprintf(v->lpszExtensionDesc, sizeof v->lpszExtensionDesc, "version %d", VERSION);
    return TRUE;
}

extern "C" DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char text[16];
    DWORD size = static_cast<DWORD>(std::snprintf(text, sizeof text, "%d", shop::version));
    return e->WriteClient(e->ConnID, text, &size, HSE_IO_SYNC) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
