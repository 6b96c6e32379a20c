/* What libraries for IIS take for granted of the system around them, one answer for each query string. It imports world_helper.dll.
 *
 *     module           where it lies, as the system says, which is where it looks for its files; begun: what DllMain was told
 *     read=NAME        the first line of a file beside it; ini=NAME: the value of colour in [shop] of an ini file beside it
 *     count=NAME       adds 1 to the number in a file beside it, which it makes, and says it; replace=NAME: as count, through a second file
 *                      that it renames
 *     keep             writes to a file beside it, kept.txt, and leaves it open and the text in its buffer
 *     helper           the version of the library that it imports; load=NAME: of one that it loads by that name
 *     com, stream      a thread's apartment, and a stream of COM; progid=NAME: what COM says of a class
 *     static, dynamic  a number of this thread, in static thread storage (7 at first) or in a slot, one more each time
 *     work             an answer from the system's thread pool, after HSE_STATUS_PENDING
 *     token            the user that it runs as
 *     registry=NAME    that value of HKLM\Software\Vendor\Shop; store=NAME: the value becomes "stored"
 *     shared=NAME      adds 1 to a number in named memory, under a named mutex
 *     folders          current folder, folder for temporary files (whether it can be written to), Windows' own
 *     print            writes in each way that a program has
 *     own              sets handlers of its own for faults, errors and Ctrl-C; console: frees its console and makes one
 *     box, assert, invalid, abort   what opens a window elsewhere
 *     connect=PORT     what a server on this machine says to it
 *     odbc             what ODBC says without a driver
 *     clock, page      the hour of 1 July 2020, 12:00 UTC, here; the code page
 *     crash            faults
 */
#include <winsock2.h> /* before windows.h */

#include "fixture.h"
#include <assert.h>
#include <objbase.h>
#include <sql.h>
#include <sqlext.h>
#include <time.h>

__declspec(dllimport) int helper_version(void);

static HINSTANCE self;
static char begun[MAX_PATH];
static DWORD slot;
static SQLHENV odbc;

/* What a compiler of Microsoft makes of __declspec(thread). */
extern ULONG _tls_index;
extern char *_tls_start;
__attribute__((section(".tls$M"))) static volatile LONG per_thread = 7;

static volatile LONG *mine(void) {
    char **blocks = *(char ***)((char *)NtCurrentTeb() + 11 * sizeof(void *)); /* ThreadLocalStoragePointer */
    return (volatile LONG *)(blocks[_tls_index] + ((char *)&per_thread - (char *)&_tls_start));
}

BOOL WINAPI DllMain(HINSTANCE dll, DWORD why, LPVOID reserved) {
    (void)reserved;
    if (why == DLL_PROCESS_ATTACH) {
        self = dll;
        GetModuleFileNameA(dll, begun, sizeof begun);
        slot = TlsAlloc();
    }
    if (why == DLL_PROCESS_DETACH) TlsFree(slot);
    return TRUE;
}

/* beside is the path of a file where this library lies. */
static const char *beside(const char *name, char path[MAX_PATH + 64]) {
    char *last;
    DWORD n = GetModuleFileNameA(self, path, MAX_PATH);
    path[n < MAX_PATH ? n : MAX_PATH - 1] = 0;
    last = strrchr(path, '\\');
    strcpy(last ? last + 1 : path, name);
    return path;
}

static char ended[MAX_PATH + 64];

static void at_exit(void) {
    FILE *f = fopen(ended, "a");
    if (f == NULL) return;
    fputs("ended\n", f);
    fclose(f);
}

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *v) {
    v->dwExtensionVersion = HSE_VERSION;
    strcpy(v->lpszExtensionDesc, "world");
    beside("ended.txt", ended); /* when it ends, as in DllMain, it is told where the copy lies */
    atexit(at_exit);
    return SUCCEEDED(CoInitialize(NULL)); /* as many do, and never end it */
}

static BOOL fail(EXTENSION_CONTROL_BLOCK *e, const char *what) {
    return sayf(e, "%s: error %lu", what, (unsigned long)GetLastError());
}

static BOOL count(EXTENSION_CONTROL_BLOCK *e, const char *name, BOOL rename_it) {
    char path[MAX_PATH + 64], other[MAX_PATH + 64];
    int n = 0;
    FILE *f = fopen(beside(name, path), "r");
    if (f != NULL) {
        if (fscanf(f, "%d", &n) != 1) n = 0;
        fclose(f);
    }
    f = fopen(rename_it ? beside("count.new", other) : path, f != NULL && !rename_it ? "r+" : "w");
    if (f == NULL) return fail(e, "fopen");
    fprintf(f, "%d", ++n);
    fclose(f);
    if (rename_it && !MoveFileExA(other, path, MOVEFILE_REPLACE_EXISTING)) return fail(e, "MoveFileEx");
    return sayf(e, "%d", n);
}

static BOOL keep(EXTENSION_CONTROL_BLOCK *e) {
    char path[MAX_PATH + 64];
    FILE *f = fopen(beside("kept.txt", path), "a");
    if (f == NULL) return fail(e, "fopen");
    fputs("kept\n", f);
    return say(e, "written");
}

static BOOL read_line(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    char path[MAX_PATH + 64], line[200] = "";
    FILE *f = fopen(beside(name, path), "r");
    if (f == NULL) return fail(e, "fopen");
    if (fgets(line, sizeof line, f) == NULL) line[0] = 0;
    fclose(f);
    line[strcspn(line, "\r\n")] = 0;
    return say(e, line);
}

static BOOL load(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    int (*version)(void), n;
    HMODULE h = LoadLibraryA(name);
    if (h == NULL) return fail(e, "LoadLibrary");
    version = (int (*)(void))(void *)GetProcAddress(h, "helper_version");
    n = version ? version() : -1;
    FreeLibrary(h);
    return sayf(e, "%d", n);
}

static BOOL stream(EXTENSION_CONTROL_BLOCK *e) {
    char text[32] = "";
    ULONG n = 0;
    LARGE_INTEGER begin;
    IStream *s = NULL;
    HRESULT first = CoInitializeEx(NULL, COINIT_APARTMENTTHREADED), r = CreateStreamOnHGlobal(NULL, TRUE, &s);
    begin.QuadPart = 0;
    if (FAILED(first) || FAILED(r)) return sayf(e, "%08lx %08lx", (unsigned long)first, (unsigned long)r);
    s->lpVtbl->Write(s, "written", 7, NULL);
    s->lpVtbl->Seek(s, begin, STREAM_SEEK_SET, NULL);
    s->lpVtbl->Read(s, text, sizeof text - 1, &n);
    s->lpVtbl->Release(s);
    CoUninitialize();
    return sayf(e, "%s", text);
}

static BOOL class_of(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    WCHAR wide[100];
    CLSID id;
    HRESULT r;
    MultiByteToWideChar(CP_ACP, 0, name, -1, wide, 100);
    r = CLSIDFromProgID(wide, &id);
    return sayf(e, "%08lx", (unsigned long)r);
}

static DWORD WINAPI work(LPVOID arg) {
    EXTENSION_CONTROL_BLOCK *e = arg;
    DWORD status = HSE_STATUS_SUCCESS_AND_KEEP_CONN;
    Sleep(20);
    if (!say(e, "worked")) status = HSE_STATUS_ERROR;
    e->ServerSupportFunction(e->ConnID, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL);
    return 0;
}

static BOOL token(EXTENSION_CONTROL_BLOCK *e) {
    HANDLE t;
    union {
        TOKEN_USER user;
        char room[256];
    } u;
    char name[128], domain[128];
    DWORD n = sizeof u, names = sizeof name, domains = sizeof domain;
    SID_NAME_USE use;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &t)) return fail(e, "OpenProcessToken");
    if (!GetTokenInformation(t, TokenUser, &u, n, &n)) return fail(e, "GetTokenInformation");
    CloseHandle(t);
    if (!LookupAccountSidA(NULL, u.user.User.Sid, name, &names, domain, &domains, &use)) return fail(e, "LookupAccountSid");
    return sayf(e, "%s", name);
}

static const char shop_key[] = "Software\\Vendor\\Shop";

static BOOL registry(EXTENSION_CONTROL_BLOCK *e, const char *name, BOOL set) {
    char text[100] = "";
    DWORD n = sizeof text - 1;
    HKEY key;
    LONG r = set ? RegCreateKeyExA(HKEY_LOCAL_MACHINE, shop_key, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL)
                 : RegOpenKeyExA(HKEY_LOCAL_MACHINE, shop_key, 0, KEY_READ, &key);
    if (r == 0) {
        r = set ? RegSetValueExA(key, name, 0, REG_SZ, (const BYTE *)"stored", 7)
                : RegQueryValueExA(key, name, NULL, NULL, (BYTE *)text, &n);
        RegCloseKey(key);
    }
    return r ? sayf(e, "error %ld", (long)r) : say(e, text);
}

static BOOL shared(EXTENSION_CONTROL_BLOCK *e, const char *name) {
    static HANDLE mutex, memory; /* open as long as the process lives */
    static volatile LONG *number;
    char full[100];
    LONG n;
    if (number == NULL) {
        snprintf(full, sizeof full, "Global\\%s-mutex", name);
        mutex = CreateMutexA(NULL, FALSE, full);
        snprintf(full, sizeof full, "Global\\%s", name);
        memory = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4096, full);
        if (mutex == NULL || memory == NULL) return fail(e, "CreateFileMapping");
        number = MapViewOfFile(memory, FILE_MAP_ALL_ACCESS, 0, 0, 4096);
        if (number == NULL) return fail(e, "MapViewOfFile");
    }
    WaitForSingleObject(mutex, INFINITE);
    n = ++*number;
    ReleaseMutex(mutex);
    return sayf(e, "%ld %lu", (long)n, (unsigned long)GetCurrentProcessId());
}

static BOOL folders(EXTENSION_CONTROL_BLOCK *e) {
    char now[MAX_PATH] = "", temp[MAX_PATH] = "", file[MAX_PATH] = "", windows[MAX_PATH] = "";
    UINT ok;
    GetCurrentDirectoryA(sizeof now, now);
    GetTempPathA(sizeof temp, temp);
    GetWindowsDirectoryA(windows, sizeof windows);
    ok = GetTempFileNameA(temp, "wld", 0, file);
    if (ok) DeleteFileA(file);
    return sayf(e, "%s|%s|%s|%s", now, temp, ok ? "writable" : "not writable", windows);
}

static BOOL print(EXTENSION_CONTROL_BLOCK *e) {
    DWORD n;
    HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
    printf("by printf\n");
    fflush(stdout);
    fprintf(stderr, "by stderr\n");
    WriteFile(out, "by WriteFile\n", 13, &n, NULL);
    WriteConsoleA(out, "by WriteConsole\n", 16, &n, NULL);
    OutputDebugStringA("by OutputDebugString\n");
    return say(e, getchar() == EOF ? "printed" : "there is something to read");
}

static LONG WINAPI my_filter(EXCEPTION_POINTERS *p) {
    (void)p;
    ExitProcess(77);
}

static BOOL WINAPI my_handler(DWORD what) {
    (void)what;
    return TRUE;
}

static BOOL talk(EXTENSION_CONTROL_BLOCK *e, int port) {
    WSADATA data;
    SOCKET s;
    struct sockaddr_in to = {0};
    char text[100];
    int n;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return say(e, "WSAStartup fails");
    s = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_family = AF_INET;
    to.sin_port = htons((unsigned short)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s == INVALID_SOCKET || connect(s, (struct sockaddr *)&to, sizeof to) != 0) return sayf(e, "error %d", WSAGetLastError());
    send(s, "hello\n", 6, 0);
    n = recv(s, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    closesocket(s);
    WSACleanup();
    return say(e, text);
}

static BOOL no_driver(EXTENSION_CONTROL_BLOCK *e) {
    SQLHDBC c = NULL;
    SQLCHAR state[6] = "", text[200] = "";
    SQLINTEGER native = 0;
    SQLSMALLINT n = 0;
    SQLRETURN r;
    if (odbc == NULL && SQLAllocHandle(SQL_HANDLE_ENV, NULL, &odbc) != SQL_SUCCESS) return say(e, "no environment");
    SQLSetEnvAttr(odbc, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)(size_t)SQL_OV_ODBC3, 0);
    if (SQLAllocHandle(SQL_HANDLE_DBC, odbc, &c) != SQL_SUCCESS) return say(e, "no connection");
    r = SQLDriverConnect(c, NULL, (SQLCHAR *)"Driver={Vendor};Server=x", SQL_NTS, NULL, 0, NULL, SQL_DRIVER_NOPROMPT);
    SQLGetDiagRec(SQL_HANDLE_DBC, c, 1, state, &native, text, sizeof text, &n);
    SQLFreeHandle(SQL_HANDLE_DBC, c);
    return sayf(e, "%d %s %s", (int)r, state, text);
}

static BOOL hour(EXTENSION_CONTROL_BLOCK *e) {
    time_t noon = 1593604800;
    SYSTEMTIME utc = {2020, 7, 3, 1, 12, 0, 0, 0}, local;
    if (!SystemTimeToTzSpecificLocalTime(NULL, &utc, &local)) return fail(e, "SystemTimeToTzSpecificLocalTime");
    return sayf(e, "%d %d", local.wHour, localtime(&noon)->tm_hour);
}

static BOOL answer(EXTENSION_CONTROL_BLOCK *e, const char *what, char *value) {
    char path[MAX_PATH + 64], text[300] = "";
    volatile int *volatile nowhere = NULL;
    if (!strcmp(what, "begun")) return say(e, begun);
    if (!strcmp(what, "module")) return GetModuleFileNameA(self, path, sizeof path) ? say(e, path) : fail(e, what);
    if (!strcmp(what, "read")) return read_line(e, value);
    if (!strcmp(what, "ini")) {
        GetPrivateProfileStringA("shop", "colour", "none", text, sizeof text, beside(value, path));
        return say(e, text);
    }
    if (!strcmp(what, "count")) return count(e, value, FALSE);
    if (!strcmp(what, "replace")) return count(e, value, TRUE);
    if (!strcmp(what, "keep")) return keep(e);
    if (!strcmp(what, "helper")) return sayf(e, "%d", helper_version());
    if (!strcmp(what, "load")) return load(e, value);
    if (!strcmp(what, "com")) return sayf(e, "%08lx", (unsigned long)CoInitializeEx(NULL, COINIT_APARTMENTTHREADED));
    if (!strcmp(what, "stream")) return stream(e);
    if (!strcmp(what, "progid")) return class_of(e, value);
    if (!strcmp(what, "static")) return sayf(e, "%ld %lu", (long)(*mine())++, (unsigned long)GetCurrentThreadId());
    if (!strcmp(what, "dynamic")) {
        size_t n = (size_t)TlsGetValue(slot);
        TlsSetValue(slot, (void *)(n + 1));
        return sayf(e, "%u %lu", (unsigned)n, (unsigned long)GetCurrentThreadId());
    }
    if (!strcmp(what, "token")) return token(e);
    if (!strcmp(what, "registry")) return registry(e, value, FALSE);
    if (!strcmp(what, "store")) return registry(e, value, TRUE);
    if (!strcmp(what, "shared")) return shared(e, value);
    if (!strcmp(what, "folders")) return folders(e);
    if (!strcmp(what, "print")) return print(e);
    if (!strcmp(what, "own")) {
        SetUnhandledExceptionFilter(my_filter);
        SetErrorMode(0);
        SetConsoleCtrlHandler(my_handler, TRUE);
        return say(e, "set");
    }
    if (!strcmp(what, "console")) {
        BOOL freed = FreeConsole(), made = AllocConsole();
        printf("after FreeConsole\n");
        fflush(stdout);
        return sayf(e, "%d %d", freed, made);
    }
    if (!strcmp(what, "box")) return sayf(e, "%d", MessageBoxA(NULL, "Licence has expired", "Shop", MB_OK));
    if (!strcmp(what, "assert")) assert(!"what cannot be");
    if (!strcmp(what, "invalid")) return sayf(e, "%d", strcpy_s(text, 2, "too long for two"));
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "connect")) return talk(e, atoi(value));
    if (!strcmp(what, "odbc")) return no_driver(e);
    if (!strcmp(what, "clock")) return hour(e);
    if (!strcmp(what, "page")) return sayf(e, "%u", GetACP());
    if (!strcmp(what, "crash")) *nowhere = 1;
    return say(e, "?");
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *e) {
    char what[64], *value;
    size_t n = strcspn(e->lpszQueryString, "=&");
    BOOL ok;
    if (asked(e, "work")) return QueueUserWorkItem(work, e, WT_EXECUTEDEFAULT) ? HSE_STATUS_PENDING : HSE_STATUS_ERROR;
    n = n < sizeof what ? n : sizeof what - 1;
    memcpy(what, e->lpszQueryString, n);
    what[n] = 0;
    value = param(e, what, NULL);
    ok = answer(e, what, value);
    free(value);
    return ok ? HSE_STATUS_SUCCESS_AND_KEEP_CONN : HSE_STATUS_ERROR;
}
