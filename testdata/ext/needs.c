/* Needs another library, tax, and answers what that says. The compiler is told where it is. */
#include "fixture.h"

FIXTURE("needs")

extern const char *tax(void);

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    put(e, tax(), strlen(tax()));
    return HSE_STATUS_SUCCESS;
}
