/* What windows.h promises, checked. The program ends with the number of failures and says which. C and C++. */
#include <windows.h>
#include <process.h>
#include <tchar.h>

static int failures;

#define OK(what)                                                     \
    do {                                                             \
        if (!(what)) {                                               \
            failures++;                                              \
            printf("line %d: not true: %s\n", __LINE__, #what);      \
        }                                                            \
    } while (0)

static void words(void) {
    OK(MAKELONG(0x3412, 0x7856) == 0x78563412);
    OK(HIWORD(0x78563412) == 0x7856 && LOWORD(0x78563412) == 0x3412);
    OK(MAKEWORD(0x12, 0x34) == 0x3412 && HIBYTE(0x3412) == 0x34 && LOBYTE(0x3412) == 0x12);
    OK(HIWORD(0xffff0000u) == 0xffff);
}

static void errors(void) {
    SetLastError(ERROR_INSUFFICIENT_BUFFER);
    OK(errno == 122 && GetLastError() == ERROR_INSUFFICIENT_BUFFER);
}

static void text(void) {
    char buffer[32];
    OK(lstrlen(NULL) == 0 && lstrlen("four") == 4);
    OK(lstrcmp(lstrcat(lstrcpy(buffer, "ab"), "cd"), "abcd") == 0);
    OK(lstrcmpi("Content-Type", "content-type") == 0 && _stricmp("a", "B") < 0 && _strnicmp("GETx", "gety", 3) == 0);
    lstrcpyn(buffer, "truncated", 6);
    OK(strcmp(buffer, "trunc") == 0);
    OK(strcmp(_itoa(-2147483647 - 1, buffer, 10), "-2147483648") == 0);
    OK(strcmp(_itoa(-1, buffer, 16), "ffffffff") == 0 && strcmp(itoa(0, buffer, 2), "0") == 0);
    OK(strcmp(strupr(lstrcpy(buffer, "mIx1")), "MIX1") == 0 && strcmp(strlwr(buffer), "mix1") == 0);
}

static void format(void) {
    char buffer[2048];
    char *long_text = (char *)LocalAlloc(LPTR, 3000);
    OK(wsprintf(buffer, "%lu|%ld|%5.3s|%-4d|%%|%c|%lX", (DWORD)4294967295u, (LONG)-7, "abcdef", 42, 'x', (DWORD)255) == 31);
    OK(strcmp(buffer, "4294967295|-7|  abc|42  |%|x|FF") == 0 || printf("%s\n", buffer) < 0);
    OK(wsprintf(buffer, "%I64u %lld", (ULONGLONG)1 << 40, (long long)-5) == 16 && strcmp(buffer, "1099511627776 -5") == 0);
    FillMemory(long_text, 2999, 'y');
    OK(wsprintf(buffer, "%s", long_text) == 1023 && strlen(buffer) == 1023);
    OK(_snprintf(buffer, 4, "%s", "abc") == 3 && strcmp(buffer, "abc") == 0);
    OK(_snprintf(buffer, 4, "%s", "abcd") == -1 && strcmp(buffer, "abc") == 0);
    LocalFree(long_text);
}

static void secure(void) {
    char b[8] = "x";
    OK(strcpy_s(b, sizeof b, "1234567") == 0 && strcmp(b, "1234567") == 0);
    OK(strcpy_s(b, sizeof b, "12345678") == ERANGE && *b == 0);
    OK(strncpy_s(b, sizeof b, "12345678", _TRUNCATE) == 0 && strcmp(b, "1234567") == 0);
    OK(strncpy_s(b, sizeof b, "12345678", 3) == 0 && strcmp(b, "123") == 0);
    OK(strncpy_s(b, sizeof b, "12", 100) == 0 && strcmp(b, "12") == 0);
    OK(strcat_s(b, sizeof b, "34567") == 0 && strcmp(b, "1234567") == 0 && strcat_s(b, sizeof b, "8") == ERANGE && *b == 0);
    OK(sprintf_s(b, sizeof b, "%lu", (DWORD)1234567) == 7 && sprintf_s(b, sizeof b, "%lu", (DWORD)12345678) == -1 && *b == 0);
    OK(_snprintf_s(b, sizeof b, 3, "%s", "12345") == -1 && strcmp(b, "123") == 0);
    OK(_snprintf_s(b, sizeof b, _TRUNCATE, "%s", "123456789") == -1 && strcmp(b, "1234567") == 0);
#ifdef __cplusplus
    OK(strcpy_s(b, "abc") == 0 && strcat_s(b, "def") == 0 && strcmp(b, "abcdef") == 0 && sprintf_s(b, "%d%s", 7, "x") == 2);
#endif
    OK(_tcslen(_T("three")) == 5 && _countof(b) == 8);
}

static void memory(void) {
    unsigned char *p = (unsigned char *)HeapAlloc(GetProcessHeap(), 0, 3);
    int i, zeros = 0;
    FillMemory(p, 3, 0xff);
    p = (unsigned char *)HeapReAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, p, 1000);
    for (i = 3; i < 1000; i++)
        zeros += p[i] == 0;
    OK(zeros == 997 && p[2] == 0xff && HeapSize(GetProcessHeap(), 0, p) == 1000);
    OK(HeapFree(GetProcessHeap(), 0, p));
    OK(HeapAlloc(GetProcessHeap(), 0, (SIZE_T)-1) == NULL && GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    p = (unsigned char *)GlobalAlloc(GPTR, 8);
    OK(GlobalLock(p) == p && p[7] == 0 && GlobalFree(p) == NULL);
}

static CRITICAL_SECTION section;
static LONG volatile counter;
static int guarded;
static DWORD slot;

static DWORD WINAPI count(LPVOID p) {
    int i;
    TlsSetValue(slot, &i);
    for (i = 0; i < 1000; i++) {
        EnterCriticalSection(&section);
        EnterCriticalSection(&section);
        guarded++;
        LeaveCriticalSection(&section);
        LeaveCriticalSection(&section);
        InterlockedIncrement(&counter);
    }
    return TlsGetValue(slot) == &i ? *(DWORD *)p : 0;
}

static DWORD WINAPI try_section(LPVOID p) {
    (void)p;
    return (DWORD)TryEnterCriticalSection(&section);
}

static unsigned int WINAPI seven(void *p) {
    (void)p;
    return 7;
}

static void threads(void) {
    HANDLE all[4];
    DWORD id, code, param = 7;
    int i;
    InitializeCriticalSection(&section);
    slot = TlsAlloc();
    OK(slot != TLS_OUT_OF_INDEXES && TlsGetValue(slot) == NULL);
    for (i = 0; i < 4; i++)
        OK((all[i] = CreateThread(NULL, 0, count, &param, 0, &id)) != NULL && id != 0 && id != GetCurrentThreadId());
    for (i = 0; i < 4; i++) {
        OK(WaitForSingleObject(all[i], INFINITE) == WAIT_OBJECT_0 && WaitForSingleObject(all[i], 0) == WAIT_OBJECT_0);
        OK(GetExitCodeThread(all[i], &code) && code == 7);
        OK(CloseHandle(all[i]));
    }
    OK(counter == 4000 && guarded == 4000 && TlsFree(slot));
    all[0] = (HANDLE)_beginthreadex(NULL, 0, seven, NULL, 0, NULL);
    OK(WaitForSingleObject(all[0], INFINITE) == WAIT_OBJECT_0 && GetExitCodeThread(all[0], &code) && code == 7 && CloseHandle(all[0]));
    OK(CreateThread(NULL, 0, count, NULL, CREATE_SUSPENDED, NULL) == NULL && GetLastError() == ERROR_NOT_SUPPORTED);

    EnterCriticalSection(&section);
    all[0] = CreateThread(NULL, 16384, try_section, NULL, 0, NULL);
    OK(WaitForSingleObject(all[0], INFINITE) == WAIT_OBJECT_0 && GetExitCodeThread(all[0], &code) && code == FALSE);
    CloseHandle(all[0]);
    LeaveCriticalSection(&section);
    DeleteCriticalSection(&section);

    counter = 5;
    OK(InterlockedDecrement(&counter) == 4 && InterlockedExchangeAdd(&counter, 10) == 4 && counter == 14);
    OK(InterlockedExchange(&counter, 1) == 14 && InterlockedCompareExchange(&counter, 9, 2) == 1 && counter == 1);
    OK(InterlockedCompareExchange(&counter, 9, 1) == 1 && counter == 9);
}

static HANDLE request, answer;

static DWORD WINAPI answerer(LPVOID p) {
    WaitForSingleObject(request, INFINITE);
    return (DWORD)SetEvent(p);
}

static DWORD WINAPI wait_for(LPVOID p) {
    return WaitForSingleObject(p, 0);
}

static DWORD elsewhere(HANDLE h) {
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, 0, wait_for, h, 0, NULL);
    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    CloseHandle(thread);
    return code;
}

static void objects(void) {
    HANDLE thread, h;
    LONG before;
    request = CreateEvent(NULL, FALSE, FALSE, NULL);
    answer = CreateEvent(NULL, TRUE, FALSE, NULL);
    thread = CreateThread(NULL, 0, answerer, answer, 0, NULL);
    OK(WaitForSingleObject(answer, 1) == WAIT_TIMEOUT);
    OK(SetEvent(request) && WaitForSingleObject(answer, INFINITE) == WAIT_OBJECT_0);
    OK(WaitForSingleObject(answer, 0) == WAIT_OBJECT_0 && ResetEvent(answer) && WaitForSingleObject(answer, 0) == WAIT_TIMEOUT);
    OK(CloseHandle(thread) && CloseHandle(answer));
    OK(SetEvent(request) && WaitForSingleObject(request, 0) == WAIT_OBJECT_0 && WaitForSingleObject(request, 0) == WAIT_TIMEOUT);
    OK(CloseHandle(request));

    h = CreateSemaphore(NULL, 1, 2, NULL);
    OK(WaitForSingleObject(h, 0) == WAIT_OBJECT_0 && WaitForSingleObject(h, 0) == WAIT_TIMEOUT);
    OK(ReleaseSemaphore(h, 2, &before) && before == 0);
    OK(!ReleaseSemaphore(h, 1, NULL) && GetLastError() == ERROR_TOO_MANY_POSTS && CloseHandle(h));

    h = CreateMutex(NULL, TRUE, NULL);
    OK(WaitForSingleObject(h, 0) == WAIT_OBJECT_0 && elsewhere(h) == WAIT_TIMEOUT);
    OK(ReleaseMutex(h) && elsewhere(h) == WAIT_TIMEOUT && ReleaseMutex(h) && elsewhere(h) == WAIT_OBJECT_0);
    OK(!ReleaseMutex(h) && GetLastError() == ERROR_NOT_OWNER && CloseHandle(h));

    OK(WaitForSingleObject(INVALID_HANDLE_VALUE, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_HANDLE);
    OK(!CloseHandle(NULL) && GetLastError() == ERROR_INVALID_HANDLE && !CloseHandle(INVALID_HANDLE_VALUE));
}

static void files(void) {
    char dir[MAX_PATH], name[MAX_PATH], buffer[16];
    DWORD n, high = 1;
    LONG far = 1;
    OVERLAPPED at;
    HANDLE h;
    OK(GetTempPath(sizeof dir, dir) > 0 && GetTempFileName(dir, "win", 0, name) != 0);
    h = CreateFile(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    OK(h != INVALID_HANDLE_VALUE && (intptr_t)h > 2);
    OK(WriteFile(h, "0123456789", 10, &n, NULL) && n == 10);
    OK(GetFileSize(h, &high) == 10 && high == 0);
    OK(SetFilePointer(h, -3, NULL, FILE_END) == 7 && ReadFile(h, buffer, sizeof buffer, &n, NULL) && n == 3);
    OK(memcmp(buffer, "789", 3) == 0 && ReadFile(h, buffer, 1, &n, NULL) && n == 0);
    ZeroMemory(&at, sizeof at);
    at.Offset = 4;
    OK(ReadFile(h, buffer, 2, &n, &at) && n == 2 && memcmp(buffer, "45", 2) == 0);
    OK(SetFilePointer(h, 0, &far, FILE_BEGIN) == 0 && far == 1 && GetLastError() == NO_ERROR);
    OK(SetFilePointer(h, -1, NULL, FILE_BEGIN) == INVALID_SET_FILE_POINTER && GetLastError() != NO_ERROR);
    OK(SetFilePointer(h, 5, NULL, FILE_BEGIN) == 5 && SetEndOfFile(h) && GetFileSize(h, NULL) == 5);
    OK(CloseHandle(h) && !CloseHandle(h) && GetLastError() == ERROR_INVALID_HANDLE);
    OK(CreateFile(name, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL) == INVALID_HANDLE_VALUE && GetLastError() == ERROR_FILE_EXISTS);
    OK(GetFileAttributes(name) == FILE_ATTRIBUTE_NORMAL && GetFileAttributes("\\") == FILE_ATTRIBUTE_DIRECTORY);
    OK(DeleteFile(name) && !DeleteFile(name) && GetLastError() == ERROR_FILE_NOT_FOUND);
    OK(GetFileAttributes(name) == INVALID_FILE_ATTRIBUTES);
}

/* A process without standard files gets low descriptors from the system, which no HANDLE may be. */
static void low_descriptors(void) {
    HANDLE h;
    int keep = dup(0);
    close(0);
    h = CreateFile("/dev/null", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    OK((intptr_t)h > 2 && CloseHandle(h));
    dup2(keep, 0);
    close(keep);
}

static void modules(void) {
    char path[PATH_MAX], small[4];
    HMODULE self;
    OK(GetModuleFileName(NULL, path, sizeof path) == strlen(path) && strstr(path, "windows-test") != NULL);
    OK(GetModuleFileName(NULL, small, sizeof small) == 4 && strlen(small) == 3 && GetLastError() == ERROR_INSUFFICIENT_BUFFER);
    OK(LoadLibrary("no-such-library.so") == NULL && GetLastError() == ERROR_MOD_NOT_FOUND);
    self = LoadLibrary("libm.so.6");
    OK(self != NULL && GetProcAddress(self, "cos") != NULL && GetProcAddress(self, "no_such") == NULL && FreeLibrary(self));
}

static void clocks(void) {
    SYSTEMTIME now;
    DWORD before = GetTickCount();
    Sleep(2);
    OK(GetTickCount() - before >= 2);
    GetLocalTime(&now);
    OK(now.wYear >= 2020 && now.wMonth >= 1 && now.wMonth <= 12 && now.wDay >= 1 && now.wHour < 24);
}

int main(void) {
    words();
    errors();
    text();
    format();
    secure();
    memory();
    threads();
    objects();
    files();
    low_descriptors();
    modules();
    clocks();
    OutputDebugString("done\n");
    return failures;
}
