// A program that uses what libraries of the time used, a line for each: its name, and whether it worked.
#define COBJMACROS
#define INITGUID
#include <winsock2.h>
#include <windows.h>
#include <iphlpapi.h>
#include <objbase.h>
#include <shlobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <ws2tcpip.h>

static void say(const char *what, int ok)
{
    printf("%s %s %lu\n", what, ok ? "ok" : "failed", ok ? 0 : GetLastError());
}

static void make(const char *what, const wchar_t *name)
{
    CLSID id;
    IUnknown *object = NULL;
    HRESULT r = CLSIDFromProgID(name, &id);
    if (SUCCEEDED(r))
        r = CoCreateInstance(&id, NULL, CLSCTX_INPROC_SERVER, &IID_IUnknown, (void **)&object);
    printf("%s %s %lx\n", what, SUCCEEDED(r) ? "ok" : "failed", (unsigned long)(SUCCEEDED(r) ? 0 : r));
    if (object)
        IUnknown_Release(object);
}

int main(void)
{
    char text[MAX_PATH] = "";
    WSADATA wsa;
    DWORD serial, size = 0;
    HKEY key;
    struct addrinfo *found = NULL;

    CoInitializeEx(NULL, COINIT_MULTITHREADED);
    say("sockets", WSAStartup(MAKEWORD(2, 2), &wsa) == 0);
    say("names", getaddrinfo("localhost", "80", NULL, &found) == 0);
    say("adapters", GetAdaptersAddresses(AF_UNSPEC, 0, NULL, NULL, &size) == ERROR_BUFFER_OVERFLOW);
    make("files", L"Scripting.FileSystemObject");
    make("xml", L"MSXML2.DOMDocument");
    make("ado", L"ADODB.Connection");
    say("volume", GetVolumeInformationA("C:\\", NULL, 0, &serial, NULL, NULL, NULL, 0));
    say("drives", (GetLogicalDrives() & (1 << 2 | 1 << 25)) == (1 << 2 | 1 << 25));
    say("events", RegisterEventSourceA(NULL, "shop") != NULL);
    say("registry", RegCreateKeyA(HKEY_LOCAL_MACHINE, "Software\\Shop", &key) == ERROR_SUCCESS &&
        RegSetValueExA(key, "Path", 0, REG_SZ, (const BYTE *)"here", 5) == ERROR_SUCCESS);
    say("documents", SHGetFolderPathA(NULL, CSIDL_PERSONAL | CSIDL_FLAG_CREATE, NULL, 0, text) == S_OK);
    printf("documents are %s\n", text);
    return 0;
}
