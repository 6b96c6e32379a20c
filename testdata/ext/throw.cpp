// Throws on request: ?throw lets an exception leave HttpExtensionProc, ?terminate calls std::terminate, ?caught catches.
#include <exception>
#include <stdexcept>
#include "fixture.h"

extern "C" {

FIXTURE("throw")

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    try {
        if (asked(e, "caught")) throw std::runtime_error("caught");
    } catch (const std::exception &x) {
        say(e, x.what());
        return HSE_STATUS_SUCCESS;
    }
    if (asked(e, "throw")) throw std::runtime_error("thrown");
    if (asked(e, "terminate")) std::terminate();
    say(e, "ok");
    return HSE_STATUS_SUCCESS;
}
}
