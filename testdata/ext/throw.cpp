// Throws on request: ?throw lets an exception leave HttpExtensionProc, ?terminate calls std::terminate, ?caught catches one.
#include <cstring>
#include <exception>
#include <stdexcept>
#include "httpext.h"

static void say(EXTENSION_CONTROL_BLOCK *e, const char *text) {
    DWORD n = static_cast<DWORD>(std::strlen(text));
    e->WriteClient(e->ConnID, const_cast<char *>(text), &n, HSE_IO_SYNC);
}

static void work(const char *what) {
    if (!std::strcmp(what, "throw") || !std::strcmp(what, "caught")) throw std::runtime_error("thrown");
    if (!std::strcmp(what, "terminate")) std::terminate();
}

extern "C" BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    std::strcpy(v->lpszExtensionDesc, "throw");
    return TRUE;
}

extern "C" DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    if (!std::strcmp(e->lpszQueryString, "caught")) {
        try {
            work("caught");
        } catch (const std::exception &x) {
            say(e, x.what());
            return HSE_STATUS_SUCCESS;
        }
    }
    work(e->lpszQueryString);
    say(e, "ok");
    return HSE_STATUS_SUCCESS;
}
