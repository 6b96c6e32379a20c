/* Asks for tokens and does with them what extensions do. Answers "fine", or what was not. Windows only. */
#include "fixture.h"

FIXTURE("tokens")

#define REQUIRE(that)                                                                                                  \
    if (!(that)) return #that

/* same tells whether two tokens are of the same user. */
static BOOL same(HANDLE a, HANDLE b) {
    struct {
        TOKEN_USER user;
        BYTE sid[SECURITY_MAX_SID_SIZE];
    } of_a, of_b;
    DWORD n;
    return GetTokenInformation(a, TokenUser, &of_a, sizeof of_a, &n) && GetTokenInformation(b, TokenUser, &of_b, sizeof of_b, &n) &&
           EqualSid(of_a.user.User.Sid, of_b.user.User.Sid);
}

/* impersonates does as a token says and tells whether the thread has one then. */
static BOOL impersonates(HANDLE token) {
    HANDLE mine = NULL;
    BOOL has;
    if (!ImpersonateLoggedOnUser(token)) return FALSE;
    has = OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &mine) && same(mine, token);
    if (mine) CloseHandle(mine);
    return RevertToSelf() && has;
}

static const char *impersonation(EXTENSION_CONTROL_BLOCK *e, HANDLE process) {
    HANDLE token = NULL, again = NULL, primary = NULL;
    REQUIRE(e->ServerSupportFunction(e->ConnID, HSE_REQ_GET_IMPERSONATION_TOKEN, &token, NULL, NULL));
    REQUIRE(same(token, process));
    REQUIRE(impersonates(token));
    REQUIRE(DuplicateTokenEx(token, MAXIMUM_ALLOWED, NULL, SecurityImpersonation, TokenPrimary, &primary) && CloseHandle(primary));
    CloseHandle(token); /* it is the server's, but some do */
    REQUIRE(impersonates(token));
    REQUIRE(e->ServerSupportFunction(e->ConnID, HSE_REQ_GET_IMPERSONATION_TOKEN, &again, NULL, NULL));
    REQUIRE(impersonates(again));
    return NULL;
}

static const char *anonymous(EXTENSION_CONTROL_BLOCK *e, DWORD code, void *path, HANDLE process) {
    HANDLE token = NULL, other = NULL;
    REQUIRE(e->ServerSupportFunction(e->ConnID, code, path, (LPDWORD)(void *)&token, NULL));
    REQUIRE(e->ServerSupportFunction(e->ConnID, code, path, (LPDWORD)(void *)&other, NULL));
    REQUIRE(token != other);
    REQUIRE(same(token, process));
    REQUIRE(impersonates(token));
    REQUIRE(CloseHandle(token));
    REQUIRE(impersonates(other));
    REQUIRE(CloseHandle(other));
    return NULL;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    HANDLE process = NULL;
    const char *wrong = "OpenProcessToken";
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &process)) {
        wrong = impersonation(e, process);
        if (!wrong) wrong = anonymous(e, HSE_REQ_GET_ANONYMOUS_TOKEN, "/LM/W3SVC/1/ROOT", process);
        if (!wrong) wrong = anonymous(e, HSE_REQ_GET_UNICODE_ANONYMOUS_TOKEN, L"/LM/W3SVC/1/ROOT", process);
        CloseHandle(process);
    }
    say(e, wrong ? wrong : "fine");
    return HSE_STATUS_SUCCESS;
}
