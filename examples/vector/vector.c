/* vector: one answer put together from memory and pieces of a file, in a single call.
 *
 *     isapid run vector.c       then: curl http://localhost:8080/
 *
 * What to learn here: HSE_REQ_VECTOR_SEND sends status, headers and any number of elements at once, in order, without
 * copying files through memory of yours. It is the fastest way to answer, and has been there since IIS 6.
 */
#include <windows.h>
#include <httpext.h>

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";

BOOL WINAPI GetExtensionVersion(HSE_VERSION_INFO *info) {
    info->dwExtensionVersion = HSE_VERSION;
    lstrcpyn(info->lpszExtensionDesc, "vector: memory and files in one call", HSE_MAX_EXT_DLL_NAME_LEN);
    return TRUE;
}

BOOL WINAPI TerminateExtension(DWORD flags) {
    UNREFERENCED_PARAMETER(flags);
    return TRUE;
}

/* alphabet_file makes a file with the alphabet that is gone when it is closed. */
static HANDLE alphabet_file(void) {
    char dir[MAX_PATH], name[MAX_PATH];
    DWORD done;
    HANDLE file;
    if (!GetTempPath(sizeof dir, dir) || !GetTempFileName(dir, "abc", 0, name))
        return INVALID_HANDLE_VALUE;
    file = CreateFile(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
                      FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        DeleteFile(name);
        return file;
    }
    if (!WriteFile(file, alphabet, sizeof alphabet - 1, &done, NULL)) {
        CloseHandle(file);
        return INVALID_HANDLE_VALUE;
    }
    return file;
}

static void memory_element(HSE_VECTOR_ELEMENT *e, char *bytes) {
    e->ElementType = HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER;
    e->pvContext = bytes;
    e->cbOffset = 0;
    e->cbSize = (ULONGLONG)lstrlen(bytes);
}

/* file_element: a size of 0 means to the end of the file. The position of the file does not matter. */
static void file_element(HSE_VECTOR_ELEMENT *e, HANDLE file, ULONGLONG offset, ULONGLONG size) {
    e->ElementType = HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE;
    e->pvContext = file;
    e->cbOffset = offset;
    e->cbSize = size;
}

DWORD WINAPI HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb) {
    static char status[] = "200 OK";
    static char whole[] = "the whole file: ", part[] = "\nfive of its bytes: ", end[] = "\n";
    HSE_VECTOR_ELEMENT elements[5];
    HSE_RESPONSE_VECTOR vector;
    char headers[128];
    BOOL ok;
    HANDLE file = alphabet_file();
    if (file == INVALID_HANDLE_VALUE)
        return HSE_STATUS_ERROR;

    memory_element(&elements[0], whole);
    file_element(&elements[1], file, 0, 0);
    memory_element(&elements[2], part);
    file_element(&elements[3], file, 10, 5);
    memory_element(&elements[4], end);
    wsprintf(headers, "Content-Type: text/plain\r\nContent-Length: %u\r\n\r\n",
             (UINT)(sizeof whole + sizeof part + sizeof end - 3 + sizeof alphabet - 1 + 5));

    vector.dwFlags = HSE_IO_SYNC | HSE_IO_SEND_HEADERS | HSE_IO_FINAL_SEND;
    vector.pszStatus = status;
    vector.pszHeaders = headers;
    vector.nElementCount = sizeof elements / sizeof elements[0];
    vector.lpElementArray = elements;
    ok = ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_VECTOR_SEND, &vector, NULL, NULL);
    CloseHandle(file); /* it was synchronous: nobody reads the file any more */
    return ok ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
}
